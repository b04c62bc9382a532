//! The passage of a file that matches a query best, as plain text with the words to highlight.

use crate::parse::markdown::plain_text;
use crate::search::index::body_indexed;
use crate::search::wanted::Wanted;

/// Maximum characters of a snippet, including dots.
pub const SNIPPET_CHARS_MAX: usize = 320;
/// Characters before the first highlighted word.
const LEAD_CHARS: usize = 60;
/// Maximum bytes of a section converted to plain text, from shortly before its first match.
const SECTION_BYTES_MAX: usize = 6 * 1024;

/// A passage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snippet {
    pub heading: Option<String>,
    pub text: String,
    /// `[start, end)` in characters of `text`, in order, without overlaps.
    pub highlights: Vec<[usize; 2]>,
}

/// The best passage of a body; the description if the body has none of the words.
pub fn snippet(body: &str, description: &str, wanted: &Wanted<'_>) -> Snippet {
    let body = body_indexed(body);
    let sections = sections(body);
    let mut best: Option<(f32, &Section<'_>, usize)> = None;
    for section in &sections {
        let (score, first) = weigh(section.text, wanted);
        if score > best.map_or(0.0, |(best, ..)| best) {
            best = Some((score, section, first));
        }
    }
    match best {
        Some((_, section, first)) => {
            let text = plain_text(near(section.text, first));
            let heading = section.heading.map(plain_text).filter(|heading| !heading.is_empty());
            let (text, highlights) = window(&text, wanted);
            Snippet { heading, text, highlights }
        }
        None => {
            let head = body.get(..body.floor_char_boundary(SECTION_BYTES_MAX)).unwrap_or_default();
            let text = if description.trim().is_empty() {
                plain_text(head)
            } else {
                plain_text(description)
            };
            let (text, highlights) = window(&text, wanted);
            Snippet { heading: None, text, highlights }
        }
    }
}

struct Section<'a> {
    heading: Option<&'a str>,
    /// Without the heading's own line.
    text: &'a str,
}

/// Splits a body at its `#` headings, outside of code fences.
fn sections(body: &str) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let mut heading = None;
    let (mut start, mut offset) = (0, 0);
    let mut fence: Option<&str> = None;
    for line in body.split_inclusive('\n') {
        let trimmed = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let level = trimmed.bytes().take_while(|byte| *byte == b'#').count();
        let is_heading = fence.is_none()
            && (1..=6).contains(&level)
            && trimmed.get(level..).is_some_and(|rest| rest.starts_with(' '));
        if is_heading {
            sections.push(Section { heading, text: body.get(start..offset).unwrap_or_default() });
            heading = trimmed.get(level..).map(|text| text.trim().trim_end_matches('#').trim());
            start = offset + line.len();
        }
        offset += line.len();
    }
    sections.push(Section { heading, text: body.get(start..).unwrap_or_default() });
    sections
}

/// Scores a text: each word of the query counts once, repetitions a little. Also returns the
/// position of the first match.
fn weigh(text: &str, wanted: &Wanted<'_>) -> (f32, usize) {
    let mut by_word = [0_f32; 16];
    let mut repeats = 0_f32;
    let mut first = None;
    wanted.each_in(text, &mut |word, weight, start, _| {
        if let Some(slot) = by_word.get_mut(word) {
            *slot = slot.max(weight);
        }
        repeats += weight;
        first.get_or_insert(start);
    });
    (by_word.iter().sum::<f32>() + 0.05 * repeats.min(8.0), first.unwrap_or(0))
}

/// The part of a long section around a character, from the start of a line.
fn near(text: &str, first: usize) -> &str {
    if text.len() <= SECTION_BYTES_MAX {
        return text;
    }
    let at = text.char_indices().nth(first).map_or(0, |(at, _)| at);
    let from = text.floor_char_boundary(at.saturating_sub(SECTION_BYTES_MAX / 4));
    let line = text.get(..from).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
    // If the line itself is too long, start in its middle.
    let start = if from - line > SECTION_BYTES_MAX / 4 { from } else { line };
    text.get(start..text.floor_char_boundary(start + SECTION_BYTES_MAX)).unwrap_or_default()
}

struct Match {
    start: usize,
    end: usize,
    word: usize,
    weight: f32,
}

/// Cuts a plain text to the window with most of the words.
fn window(text: &str, wanted: &Wanted<'_>) -> (String, Vec<[usize; 2]>) {
    let mut matches = Vec::new();
    wanted.each_in(text, &mut |word, weight, start, end| {
        matches.push(Match { start, end, word, weight });
    });
    let chars: Vec<char> = text.chars().collect();
    // Reserve space for the dots at both ends.
    let room = SNIPPET_CHARS_MAX - 4;
    let (start, end) = if chars.len() <= SNIPPET_CHARS_MAX {
        (0, chars.len())
    } else {
        stretch(&chars, &matches, room)
    };
    let mut shown: String = chars.get(start..end).unwrap_or_default().iter().collect();
    let mut shift = 0;
    if start > 0 {
        shown.insert_str(0, "… ");
        shift = 2;
    }
    if end < chars.len() {
        shown.push_str(" …");
    }
    let inside = matches.iter().filter(|found| found.start >= start && found.end <= end);
    let highlights = merged(
        inside.map(|found| [found.start - start + shift, found.end - start + shift]).collect(),
    );
    (shown, highlights)
}

/// The best `room` characters, from the start of a word to the end of one.
fn stretch(chars: &[char], matches: &[Match], room: usize) -> (usize, usize) {
    let mut best = (-1.0, 0);
    // Matches far down a long text only cost time.
    for from in matches.iter().take(64) {
        let start = from.start.saturating_sub(LEAD_CHARS);
        let mut by_word = [0_f32; 16];
        for found in
            matches.iter().filter(|found| found.start >= start && found.end <= start + room)
        {
            if let Some(slot) = by_word.get_mut(found.word) {
                *slot = slot.max(found.weight) + 0.02;
            }
        }
        let score: f32 = by_word.iter().sum();
        if score > best.0 {
            best = (score, start);
        }
    }
    let is_space = |at: usize| chars.get(at).is_none_or(|c| c.is_whitespace());
    let latest = best.1.min(chars.len().saturating_sub(room));
    let start = if latest == 0 {
        0
    } else {
        (latest..latest + LEAD_CHARS / 2).find(|at| is_space(at - 1)).unwrap_or(latest)
    };
    let limit = (start + room).min(chars.len());
    let end = if limit == chars.len() {
        limit
    } else {
        (limit.saturating_sub(30)..=limit).rev().find(|at| is_space(*at)).unwrap_or(limit)
    };
    (start, end)
}

fn merged(mut spans: Vec<[usize; 2]>) -> Vec<[usize; 2]> {
    spans.sort_unstable();
    let mut out: Vec<[usize; 2]> = Vec::with_capacity(spans.len());
    for [start, end] in spans {
        match out.last_mut() {
            Some([_, last]) if start < *last => *last = end.max(*last),
            _ => out.push([start, end]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(terms: &[&'static str]) -> Wanted<'static> {
        let mut wanted = Wanted::default();
        terms.iter().enumerate().for_each(|(at, term)| wanted.add(term, at, 1.0));
        wanted
    }

    fn shown(found: &Snippet) -> Vec<String> {
        found
            .highlights
            .iter()
            .map(|[start, end]| found.text.chars().skip(*start).take(end - start).collect())
            .collect()
    }

    #[test]
    fn snippet_shows_the_best_section_as_plain_text() {
        let body = "# Top\nlogin\n## Fix a *bug*\nHow to **fix** the [[login|Login]] `bug` %%secret%% now\n## End\nbug";
        let found = snippet(body, "", &wanted(&["fix", "login", "bug"]));
        assert_eq!(found.heading.as_deref(), Some("Fix a bug"));
        assert_eq!(found.text, "How to fix the Login bug now");
        assert_eq!(shown(&found), ["fix", "Login", "bug"]);
    }

    #[test]
    fn snippet_cuts_a_long_section_around_the_words() {
        let body = format!(
            "{} the needle é is here {}",
            "löng wörds ".repeat(900),
            "and more ".repeat(900)
        );
        let found = snippet(&body, "", &wanted(&["needle"]));
        assert!(found.text.chars().count() <= SNIPPET_CHARS_MAX, "{}", found.text.chars().count());
        assert!(found.text.starts_with("… ") && found.text.ends_with(" …"));
        assert_eq!(shown(&found), ["needle"]);
    }

    #[test]
    fn snippet_cuts_an_endless_word() {
        let body = format!("x {}", "ü".repeat(70_000));
        let found = snippet(&body, "", &wanted(&["x"]));
        assert!(found.text.chars().count() <= SNIPPET_CHARS_MAX);
    }

    #[test]
    fn snippet_falls_back_to_the_description() {
        let found = snippet("# T\nbody", "What it *is* for", &wanted(&["other"]));
        assert_eq!((found.text.as_str(), found.heading), ("What it is for", None));
        assert_eq!(snippet("# T\nbody", "", &wanted(&[])).text, "T body");
    }
}
