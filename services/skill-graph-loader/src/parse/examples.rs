//! An agent file's statements about its messages: examples, "NOT for …" clauses, and other short
//! statements.

use crate::parse::example_tags::{self, Tagged};
use crate::parse::front_matter::FrontMatter;
use crate::parse::markdown::{Block, BlockKind, Outline};
use std::collections::HashSet;

/// Maximum characters of an example; a longer text is a document.
const EXAMPLE_CHARS_MAX: usize = 2000;
/// Maximum characters of a bullet that counts as a statement.
const BULLET_CHARS_MAX: usize = 300;

/// The training texts of an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// Each example with its line.
    pub examples: Vec<(String, u32)>,
    pub negatives: Vec<String>,
    pub bullets: Vec<String>,
}

/// Maximum characters of a quotation; a longer one is a stray quotation mark.
const QUOTE_CHARS_MAX: usize = 500;
/// Maximum bytes searched for "NOT for …", and maximum clauses per text; both bound the time.
const NEGATIVE_BYTES_MAX: usize = 8 * 1024;
const NEGATIVES_MAX: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Statement,
    Example,
    Negative,
}

/// Reads the claims of an agent file or a `SKILL.md`.
pub fn claims(front: &FrontMatter, outline: &Outline, body: &str) -> Claims {
    let mut claims = Claims::default();
    for key in ["examples", "triggers", "utterances"] {
        for (text, line) in front.sentences(key) {
            add_example(&mut claims, &unquoted(&text), line);
        }
    }
    if let Some(description) = front.raw_text("description") {
        let described = example_tags::split(&description);
        let line = front.line("description");
        add_tagged(&mut claims, &described, |text| front.line_of("description", text).max(line));
        claims.negatives.extend(split_negatives(&one_line(&described.rest)).1);
    }
    add_tagged(&mut claims, &example_tags::split(body), |_| 0);
    let modes = section_modes(outline);
    for block in &outline.blocks {
        let mode = block.section.and_then(|at| modes.get(at)).copied().unwrap_or(Mode::Statement);
        read_block(&mut claims, block, mode);
    }
    let mut seen = HashSet::new();
    claims.examples.retain(|(text, _)| seen.insert(text.to_lowercase()));
    claims.negatives = crate::parse::front_matter::unique(std::mem::take(&mut claims.negatives));
    claims.bullets = crate::parse::front_matter::unique(std::mem::take(&mut claims.bullets));
    claims
}

fn add_tagged(claims: &mut Claims, tagged: &Tagged, line: impl Fn(&str) -> u32) {
    for text in &tagged.messages {
        add_example(claims, text, line(text));
    }
    let short = tagged.situations.iter().filter(|text| text.chars().count() <= BULLET_CHARS_MAX);
    claims.bullets.extend(short.cloned());
}

fn read_block(claims: &mut Claims, block: &Block, mode: Mode) {
    let (rest, negatives) = split_negatives(&block.text);
    let negated = !negatives.is_empty();
    claims.negatives.extend(negatives);
    match (mode, &block.kind) {
        (Mode::Negative, BlockKind::Item | BlockKind::Row { .. }) if !negated => {
            claims.negatives.push(one_line(&block.text));
        }
        (Mode::Negative, _) => {}
        (Mode::Example, BlockKind::Item) if !rest.is_empty() => {
            for text in messages_in(&rest) {
                add_example(claims, &text, block.line);
            }
        }
        (Mode::Example, BlockKind::Paragraph) => {
            for text in quoted_strings(&rest) {
                add_example(claims, &text, block.line);
            }
        }
        (Mode::Example, BlockKind::Row { header, cells }) => {
            for text in example_cells(header, cells)
                .flat_map(|cell| cell.lines().flat_map(messages_in).collect::<Vec<_>>())
            {
                add_example(claims, &text, block.line);
            }
        }
        (Mode::Statement, BlockKind::Item) => {
            let text = one_line(&rest);
            if !text.is_empty() && text.chars().count() <= BULLET_CHARS_MAX {
                claims.bullets.push(text);
            }
        }
        _ => {}
    }
}

fn add_example(claims: &mut Claims, text: &str, line: u32) {
    let text = one_line(text);
    if text.chars().any(char::is_alphanumeric) && text.chars().count() <= EXAMPLE_CHARS_MAX {
        claims.examples.push((text, line));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The mode of each heading's section; a heading without its own mode inherits that of the heading
/// above it.
fn section_modes(outline: &Outline) -> Vec<Mode> {
    let mut open: Vec<(u8, Mode)> = Vec::new();
    let mut modes = Vec::with_capacity(outline.headings.len());
    for heading in &outline.headings {
        open.retain(|(level, _)| *level < heading.level);
        let inherited = open.last().map_or(Mode::Statement, |(_, mode)| *mode);
        let mode = heading_mode(&heading.text).unwrap_or(inherited);
        open.push((heading.level, mode));
        modes.push(mode);
    }
    modes
}

/// Whether bullets below this heading are examples.
pub fn announces_examples(heading: &str) -> bool {
    matches!(heading_mode(heading), Some(Mode::Example))
}

/// The mode that a heading announces, if any.
fn heading_mode(text: &str) -> Option<Mode> {
    let text = text.to_lowercase().replace('’', "'");
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let use_case =
        has(&["use", "for", "trigger", "triggers", "example", "examples", "activate", "call"]);
    if use_case
        && has(&["not", "don't", "never", "avoid", "negative", "counter", "counterexamples"])
    {
        return Some(Mode::Negative);
    }
    if has(&["output", "outputs", "response", "responses", "answer", "answers", "format"]) {
        return Some(Mode::Statement);
    }
    let example = has(&["example", "examples", "trigger", "triggers", "utterance", "utterances"]);
    let when = text.contains("when to use")
        || text.contains("use when")
        || text.contains("use this when")
        || text.contains("when to call")
        || text.contains("when to invoke");
    (example || when).then_some(Mode::Example)
}

/// The messages in a bullet or a cell: quoted strings if the rest only introduces them, otherwise
/// the whole text.
fn messages_in(text: &str) -> Vec<String> {
    let text = text.trim();
    let quoted = quoted_strings(text);
    let Some(first) = quoted.first() else { return vec![text.to_owned()] };
    let before = text.split(first.as_str()).next().unwrap_or_default().to_lowercase();
    let lead = before.trim_end_matches(|c: char| is_open_quote(c) || c.is_whitespace());
    let quoted_chars: usize = quoted.iter().map(|text| text.chars().count() + 2).sum();
    let mostly_quoted = quoted_chars * 10 >= text.chars().count() * 6;
    let introduces = lead.ends_with([':', '(', '—', '–', '→'])
        || LEAD_INS.iter().any(|word| has_word(lead, word));
    if lead.is_empty() || mostly_quoted || introduces { quoted } else { vec![text.to_owned()] }
}

const LEAD_INS: &[&str] = &[
    "say",
    "says",
    "said",
    "ask",
    "asks",
    "asking",
    "e.g.",
    "e.g",
    "such as",
    "for example",
    "user",
    "users",
    "types",
    "phrases",
    "mentions",
];

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

const QUOTES: &[(char, char)] =
    &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('‹', '›'), ('「', '」'), ('『', '』')];

fn is_open_quote(c: char) -> bool {
    QUOTES.iter().any(|(open, _)| *open == c)
}

/// Texts between double quotes of any script, in order.
fn quoted_strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((at, open)) = rest.char_indices().find(|(_, c)| is_open_quote(*c)) {
        let Some(inner) = rest.get(at + open.len_utf8()..) else { break };
        let closes = |c: char| {
            QUOTES.iter().any(|(first, last)| *first == open && *last == c)
                || (open == '„' && c == '”')
        };
        match inner.char_indices().take(QUOTE_CHARS_MAX).find(|(_, c)| closes(*c)) {
            Some((end, close)) => {
                found.extend(
                    inner.get(..end).map(|text| text.trim().trim_end_matches(',').to_owned()),
                );
                rest = inner.get(end + close.len_utf8()..).unwrap_or_default();
            }
            None => rest = inner,
        }
    }
    found.retain(|text| !text.is_empty());
    found
}

/// A fully quoted text without its quotes.
fn unquoted(text: &str) -> String {
    match quoted_strings(text).as_slice() {
        [only] if only.chars().count() + 2 >= text.trim().chars().count() => only.clone(),
        _ => text.to_owned(),
    }
}

/// The cells with messages: columns named so, otherwise the first.
fn example_cells<'a>(
    header: &'a [String],
    cells: &'a [String],
) -> impl Iterator<Item = &'a String> {
    const NAMES: &[&str] = &[
        "example",
        "message",
        "trigger",
        "utterance",
        "request",
        "prompt",
        "phrase",
        "query",
        "input",
        "says",
        "asks",
    ];
    let is_message = |name: &String| NAMES.iter().any(|word| name.to_lowercase().contains(word));
    let any = header.iter().any(is_message);
    cells
        .iter()
        .enumerate()
        .filter(
            move |(column, _)| {
                if any { header.get(*column).is_some_and(is_message) } else { *column == 0 }
            },
        )
        .map(|(_, cell)| cell)
}

const NEGATIONS: &[&str] = &[
    "not for",
    "do not use this for",
    "do not use it for",
    "do not use for",
    "don't use this for",
    "don't use it for",
    "don't use for",
    "never use for",
    "not when",
    "do not use when",
    "don't use when",
    "do not use if",
    "don't use if",
];

/// The text without its "NOT for …" clauses, and what these clauses name.
pub fn split_negatives(text: &str) -> (String, Vec<String>) {
    let mut kept = String::with_capacity(text.len());
    let mut negatives = Vec::new();
    let mut rest = text;
    while let Some((start, length)) = (text.len() <= NEGATIVE_BYTES_MAX
        && negatives.len() < NEGATIVES_MAX)
        .then(|| next_negation(rest))
        .flatten()
    {
        kept.push_str(rest.get(..start).unwrap_or_default());
        let clause = rest.get(start + length..).unwrap_or_default();
        let end = clause_end(clause);
        let named = clause.get(..end).unwrap_or_default();
        let named = named
            .split([':', ';'])
            .find(|part| part.chars().any(char::is_alphanumeric))
            .unwrap_or_default();
        let named = one_line(named.trim().trim_end_matches(['.', ',']));
        if !named.is_empty() {
            negatives.push(named);
        }
        rest = clause.get(end..).unwrap_or_default();
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    kept.push_str(rest);
    let kept = kept
        .lines()
        .map(one_line)
        .filter(|line| line.chars().any(char::is_alphanumeric))
        .collect::<Vec<_>>()
        .join("\n");
    (kept, negatives)
}

/// The position and length of the next clause's opening words: `NOT for` anywhere, milder forms
/// only at the start of a sentence.
fn next_negation(text: &str) -> Option<(usize, usize)> {
    // ASCII only, so that offsets stay valid for `text`.
    let lower = text.to_ascii_lowercase();
    let candidates = NEGATIONS
        .iter()
        .flat_map(|words| lower.match_indices(words).map(|(at, words)| (at, words.len())));
    let fitting = candidates.filter(|(at, length)| {
        let before =
            text.get(..*at).unwrap_or_default().trim_end_matches([' ', '*', '_', '(', '-']);
        let opens =
            before.is_empty() || before.ends_with(['.', '!', '?', '\n', ';', ':', ')', '—', '–']);
        let shouted = text
            .get(*at..)
            .is_some_and(|tail| tail.starts_with("NOT ") || tail.starts_with("DO NOT "));
        let ends = !text
            .get(at + length..)
            .and_then(|tail| tail.chars().next())
            .is_some_and(char::is_alphanumeric);
        let starts = !text
            .get(..*at)
            .and_then(|head| head.chars().next_back())
            .is_some_and(char::is_alphanumeric);
        (opens || shouted) && ends && starts
    });
    // The earliest; at the same position the longest.
    fitting.min_by_key(|(at, length)| (*at, usize::MAX - length))
}

/// The end of a clause: a full stop before a space or the end, or a line break.
fn clause_end(clause: &str) -> usize {
    let mut chars = clause.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let stops = matches!(c, '.' | '!' | '?') && next.is_none_or(char::is_whitespace);
        let breaks = c == '\n' && next.is_some_and(char::is_uppercase);
        if stops || breaks || c == '。' {
            return at;
        }
    }
    clause.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::markdown::outline;

    fn examples(body: &str) -> Vec<String> {
        claims(&FrontMatter::default(), &outline(body, 1), "")
            .examples
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    #[test]
    fn claims_take_bullets_below_example_headings() {
        assert_eq!(
            examples(
                "# A\n- no\n## Examples\n- fix the login bug\n### More\n- second\n## Rules\n- no\n"
            ),
            ["fix the login bug", "second"]
        );
        assert_eq!(examples("## When to use\n1. a crash\n2. a crash\n"), ["a crash"]);
        assert_eq!(examples("## Example output\n- no\n"), Vec::<String>::new());
    }

    #[test]
    fn claims_take_quotes_that_the_rest_introduces() {
        assert_eq!(
            examples("## Triggers\n- User says \"deploy it\" or “ship it”\n"),
            ["deploy it", "ship it"]
        );
        assert_eq!(
            examples("## Triggers\n- add a \"dark mode\" toggle to the settings page please\n"),
            ["add a \"dark mode\" toggle to the settings page please"]
        );
        assert_eq!(examples("## Triggers\nUse it for \"what is on\" and so on.\n"), ["what is on"]);
        assert_eq!(
            examples("## Triggers\n- \"fix it\"\n- KeyError 'id' in import\n"),
            ["fix it", "KeyError 'id' in import"]
        );
    }

    #[test]
    fn claims_take_the_message_column_of_a_table() {
        assert_eq!(
            examples(
                "## Examples\n| Intent | Message |\n|---|---|\n| x | \"do it\" |\n| y | go on |\n"
            ),
            ["do it", "go on"]
        );
        assert_eq!(examples("## Examples\n| a | b |\n|---|---|\n| one | two |\n"), ["one"]);
    }

    #[test]
    fn claims_read_not_for_clauses_as_exclusions() {
        let body = "## Boundaries\n\nNOT for judging leaks, or audits: that is [[agent-security]].\nNOT for tickets: that is [[agent-pm]].\nThe rule is simple.\n\n## When not to use\n- small talk\n";
        let claims = claims(&FrontMatter::default(), &outline(body, 1), "");
        assert_eq!(claims.negatives, ["judging leaks, or audits", "tickets", "small talk"]);
        assert!(claims.examples.is_empty() && claims.bullets.is_empty(), "{claims:?}");
    }

    #[test]
    fn claims_remove_not_for_clauses_from_the_description() {
        let (kept, negatives) =
            split_negatives("Weather by city. NOT for: historical data, or alerts. Needs no key.");
        assert_eq!(
            (kept.as_str(), negatives),
            ("Weather by city. Needs no key.", vec!["historical data, or alerts".to_owned()])
        );
        assert_eq!(split_negatives("Whether or not for free").1, Vec::<String>::new());
    }

    #[test]
    fn claims_parser_never_panics() {
        for text in [
            "„",
            "“”",
            "NOT for",
            "NOT for é.",
            "“é",
            "İ NOT for ü: ß",
            "\"\"",
            "「a",
            "not for：x。y",
        ] {
            split_negatives(text);
            messages_in(text);
        }
    }
}
