//! Marks of one character around words, as Slack and WhatsApp have them: `*bold*`, `_italic_`,
//! `~strike~` and code. Neither has an escape for them.

use crate::render::Mark;

/// Has no width. It stands beside a character that is text and would be taken for a mark.
pub(super) const JOINER: char = '\u{2060}';

/// The mark's own character; within a word it would be shown as text.
pub(super) fn delimiter(mark: &Mark, around: [Option<char>; 2]) -> Option<&'static str> {
    match mark {
        _ if is_in_word(around) => None,
        Mark::Bold => Some("*"),
        Mark::Italic => Some("_"),
        Mark::Strike => Some("~"),
        _ => None,
    }
}

/// Whether a letter or digit stands beside.
pub(super) fn is_in_word(around: [Option<char>; 2]) -> bool {
    around.iter().flatten().any(|ch| ch.is_alphanumeric())
}

/// A block of code. Behind the fence both chats show a language as text.
pub(super) fn fenced(code: &str) -> String {
    let code = code.replace("```", &format!("``{JOINER}`"));
    format!("```\n{code}\n```")
}

/// The text with a joiner beside each character that would open a mark: before it, or behind it.
pub(super) fn guarded(text: &str, is_before: bool) -> String {
    if !text.contains(['*', '_', '~', '`']) {
        return text.to_owned();
    }
    let mut guarded = String::with_capacity(text.len());
    for token in text.split_inclusive(char::is_whitespace) {
        let is_address = token.contains("://");
        let offset = token.as_ptr() as usize - text.as_ptr() as usize;
        for (at, ch) in token.char_indices() {
            let opens = !is_address && opens_mark(text, offset + at, ch);
            if opens && is_before {
                guarded.push(JOINER);
            }
            guarded.push(ch);
            if opens && !is_before {
                guarded.push(JOINER);
            }
        }
    }
    guarded
}

fn opens_mark(text: &str, at: usize, mark: char) -> bool {
    if !matches!(mark, '*' | '_' | '~' | '`') {
        return false;
    }
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let rest = text.get(at + 1..).unwrap_or_default();
    let is_edge = |ch: Option<char>| ch.is_none_or(|ch| !ch.is_alphanumeric() && ch != mark);
    let closes = |end: usize| {
        let inner = rest.get(..end).unwrap_or_default();
        let after = rest.get(end + 1..).and_then(|after| after.chars().next());
        !inner.is_empty() && !inner.ends_with([' ', mark]) && is_edge(after)
    };
    is_edge(before)
        && !rest.starts_with([' ', mark])
        && rest.match_indices(mark).any(|(end, _)| closes(end))
}
