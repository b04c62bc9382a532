//! `<example>` blocks, in which Claude Code's subagents show conversations: a person's line is an
//! example message. The assistant's lines and the commentary teach nothing about messages.

/// A text without its blocks, and what they hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tagged {
    /// The text outside the blocks, without the label that announces them.
    pub rest: String,
    /// The lines of a person, in order.
    pub messages: Vec<String>,
    /// The situations of these lines.
    pub situations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Message,
    Situation,
    /// Another speaker's line, or a comment.
    Other,
}

/// The marks that begin a part of a block, in lower case.
const MARKS: &[(&str, Part)] = &[
    ("user:", Part::Message),
    ("human:", Part::Message),
    ("context:", Part::Situation),
    ("assistant:", Part::Other),
    ("response:", Part::Other),
    ("commentary:", Part::Other),
    ("<commentary", Part::Other),
    ("</commentary", Part::Other),
];
const OPEN: &str = "<example>";
const CLOSE: &str = "</example>";
/// Maximum blocks of a text. A text with more is not about an agent.
const BLOCKS_MAX: usize = 500;

/// Separates the blocks from the rest. A block ends at its closing tag, at the next block, or at
/// the end of the text.
pub fn split(text: &str) -> Tagged {
    // ASCII only, so that offsets stay valid for `text`.
    if !text.to_ascii_lowercase().contains(OPEN) {
        return Tagged { rest: text.to_owned(), ..Tagged::default() };
    }
    // One line of front matter spells its line breaks as `\n`, also without quotes.
    let text = text.replace("\\n", "\n").replace("\\\"", "\"");
    let lower = text.to_ascii_lowercase();
    let mut tagged = Tagged::default();
    let mut at = 0;
    for _ in 0..BLOCKS_MAX {
        let Some(start) = find(&lower, at, OPEN) else { break };
        tagged.rest.push_str(unannounced(text.get(at..start).unwrap_or_default()));
        tagged.rest.push('\n');
        let inner = start + OPEN.len();
        let next = find(&lower, inner, OPEN).unwrap_or(text.len());
        // Below the next block alone, so that a text without closing tags is read once.
        let closed =
            lower.get(inner..next).and_then(|block| block.find(CLOSE)).map(|at| inner + at);
        let end = closed.unwrap_or(next);
        read_block(&mut tagged, text.get(inner..end).unwrap_or_default());
        at = if closed == Some(end) { end + CLOSE.len() } else { end };
    }
    tagged.rest.push_str(text.get(at..).unwrap_or_default());
    tagged.rest = tagged.rest.trim().to_owned();
    tagged
}

fn find(text: &str, from: usize, wanted: &str) -> Option<usize> {
    text.get(from..)?.find(wanted).map(|at| from + at)
}

/// The text without a last sentence such as "Examples:".
fn unannounced(text: &str) -> &str {
    let kept = text.trim_end();
    if !kept.ends_with(':') {
        return text;
    }
    let begins = kept.rfind(['.', '!', '?', '\n']).map_or(0, |at| at + 1);
    let last = kept.get(begins..).unwrap_or_default().to_ascii_lowercase();
    if last.contains("example") { kept.get(..begins).unwrap_or_default() } else { text }
}

fn read_block(tagged: &mut Tagged, block: &str) {
    let lower = block.to_ascii_lowercase();
    let mut marks: Vec<(usize, usize, Part)> = MARKS
        .iter()
        .flat_map(|(mark, part)| {
            lower.match_indices(mark).map(|(at, _)| (at, at + mark.len(), *part))
        })
        .filter(|(at, _, _)| begins_a_word(&lower, *at))
        .collect();
    marks.sort_unstable_by_key(|(at, _, _)| *at);
    let mut in_comment = false;
    marks.retain(|(at, _, _)| {
        let tag = lower.get(*at..).unwrap_or_default();
        let opens = tag.starts_with("<commentary");
        let kept = !in_comment || tag.starts_with("</commentary");
        in_comment = opens || in_comment && !kept;
        kept
    });
    let ends = marks.iter().skip(1).map(|(at, _, _)| *at).chain([block.len()]);
    for ((_, from, part), to) in marks.iter().zip(ends) {
        let said = spoken(block.get(*from..to).unwrap_or_default());
        match part {
            _ if said.is_empty() => {}
            Part::Message => tagged.messages.push(said),
            Part::Situation => tagged.situations.push(said),
            Part::Other => {}
        }
    }
}

fn begins_a_word(text: &str, at: usize) -> bool {
    if text.get(at..).is_some_and(|mark| mark.starts_with('<')) {
        return true;
    }
    let before = text.get(..at).and_then(|head| head.chars().next_back());
    before.is_none_or(|c| c.is_whitespace() || matches!(c, '>' | '*' | '-' | '"' | '.'))
}

const QUOTES: &[(char, char)] = &[('"', '"'), ('“', '”'), ('\'', '\''), ('‘', '’'), ('`', '`')];

/// The words of a line without quotation marks and markup, on one line.
fn spoken(text: &str) -> String {
    let text = text.trim().trim_start_matches('*').trim();
    let open = text.chars().next().and_then(|first| QUOTES.iter().find(|(open, _)| *open == first));
    let inner = open.and_then(|(open, close)| {
        let inner = text.get(open.len_utf8()..)?;
        inner.rfind(*close).and_then(|end| inner.get(..end))
    });
    inner.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_tags_hold_messages_and_situations() {
        let tagged = split(
            "Use it for deployments.\n\n<example>\nContext: A release\nuser: \"ship version 2.3\"\nassistant: \"I'll deploy it\"\n<commentary>because user: no, assistant: no</commentary>\nuser: thanks\n</example>\nNever for tests.",
        );
        assert_eq!(tagged.messages, ["ship version 2.3", "thanks"]);
        assert_eq!(tagged.situations, ["A release"]);
        assert_eq!(tagged.rest, "Use it for deployments.\n\n\n\nNever for tests.");
    }

    #[test]
    fn example_tags_are_read_on_one_line_and_without_their_end() {
        let tagged = split(
            r#"Brand work. Examples:\n\n<example>\nContext: new app\nuser: "We need a logo"\nassistant: "I'll"\n<commentary>x</commentary>\n<EXAMPLE> User: 'And a "nice" name' Assistant: ok"#,
        );
        assert_eq!(tagged.messages, ["We need a logo", "And a \"nice\" name"]);
        assert_eq!(tagged.rest, "Brand work.");
        let plain = split("Paths such as C:\\new, for example: x");
        assert_eq!(
            (plain.rest.as_str(), plain.messages.len()),
            ("Paths such as C:\\new, for example: x", 0)
        );
    }

    #[test]
    fn example_tags_never_panic() {
        for text in [
            "<example>",
            "<example>user:",
            "<example>user: “",
            "é<example>user: \"é",
            "</example><example>:",
        ] {
            split(text);
        }
    }
}
