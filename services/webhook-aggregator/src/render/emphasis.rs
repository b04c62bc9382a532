//! Whether the delimiters that CommonMark takes for emphasis are meant as such.

use std::ops::Range;

/// Whether delimiters are meant as such. CommonMark also takes those within words, as of `2**10
/// and a**b` and `src/*.rs, lib/*.rs`, and `__init__`; in the answers of agents they are text.
pub(super) fn is_emphasis(source: &str, range: &Range<usize>) -> bool {
    let before = source.get(..range.start).and_then(|text| text.chars().next_back());
    let after = source.get(range.end..).and_then(|text| text.chars().next());
    let whole = source.get(range.clone()).unwrap_or_default();
    let opens = |ch: char| !ch.is_ascii_alphanumeric() && !matches!(ch, ')' | ']');
    let closes = |ch: char| !ch.is_ascii_alphanumeric();
    before.is_none_or(opens)
        && after.is_none_or(closes)
        && !is_name(whole)
        && !is_pattern(before, whole, after)
}

/// Maximum bytes of a name: each of many nested marks asks for one.
const NAME_BYTES_MAX: usize = 64;

/// `__init__`
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with("__")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the one `*` on each side belong to paths: `src/*.rs, lib/*`.
fn is_pattern(before: Option<char>, whole: &str, after: Option<char>) -> bool {
    if !whole.starts_with('*') || whole.starts_with("**") {
        return false;
    }
    let inner = whole.trim_matches('*');
    let is_path = |ch: Option<char>| ch == Some('/');
    matches!(before, Some('/' | '.'))
        || is_path(after)
        || is_path(inner.chars().next())
        || is_path(inner.chars().next_back())
}
