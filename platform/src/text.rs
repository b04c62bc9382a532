//! Text from outside, made fit to be shown.

use icu_normalizer::ComposingNormalizerBorrowed;

/// External text as one line of visible characters.
pub fn printable(text: &str) -> String {
    let shown = |ch: char| if ch.is_control() { ' ' } else { visible(ch) };
    text.chars().map(shown).collect()
}

/// External text with its lines, and a `�` for every character that changes what a reader sees
/// without being seen: control characters, the ones that turn the direction of writing, and those
/// without width. The joiners of scripts and emoji stay.
pub fn honest(text: &str) -> String {
    let shown = |ch: char| if matches!(ch, '\n' | '\t') { ch } else { visible(ch) };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

fn visible(ch: char) -> char {
    let hides = ch.is_control()
        || matches!(ch,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}');
    if hides { '\u{fffd}' } else { ch }
}

/// At most `n` characters, with an ellipsis after a cut.
pub fn short(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        text.to_owned()
    } else {
        text.chars().take(n.saturating_sub(1)).chain(['…']).collect()
    }
}

/// Words of others within a Markdown text of ours: as code on one line, so that nothing in them is
/// a mark or a link. At most `n` of their characters.
pub fn as_code(words: &str, n: usize) -> String {
    let line: String = printable(words).split_whitespace().collect::<Vec<_>>().join(" ");
    format!("`{}`", short(&line, n).replace('`', "'"))
}

/// The composed form (NFC) of a text: macOS writes file names decomposed, keyboards do not.
pub fn composed(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_deceive_a_reader_are_shown() {
        assert_eq!(honest("pay \u{202e}00.1$\u{202c} now"), "pay \u{fffd}00.1$\u{fffd} now");
        assert_eq!(
            honest("rm\u{200b} -rf\u{1b}[2J\0\u{feff}"),
            "rm\u{fffd} -rf\u{fffd}[2J\u{fffd}\u{fffd}"
        );
        assert_eq!(honest("a\r\nb\tc\rd"), "a\nb\tc\u{fffd}d");
        assert_eq!(printable("a\nb\u{2066}c"), "a b\u{fffd}c");
        let joined = "👩\u{200d}🚀 می\u{200c}خواهم ❤\u{fe0f} é";
        assert_eq!(honest(joined), joined);
    }
}
