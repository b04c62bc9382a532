//! File names from outside, made safe for any folder.

use crate::text::{composed, printable};

/// Maximum bytes of a name.
pub const NAME_BYTES_MAX: usize = 120;
/// Maximum bytes of an extension that a cut keeps.
const EXTENSION_BYTES_MAX: usize = 16;

/// A name without path parts, control characters, characters that deceive a reader, or a leading
/// dot or dash; composed (NFC) and of bounded length. A name of which nothing is left is `file`.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let plain = |c: char| match c {
        '\u{fffd}' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '`' => '_',
        c if c.is_control() => '_',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    let visible: String = printable(&composed(last)).chars().map(plain).collect();
    let begun = visible.trim_start_matches(|c: char| c == '.' || c == '-' || c.is_whitespace());
    let trimmed = begun.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let cut = bounded(trimmed, NAME_BYTES_MAX);
    if cut.is_empty() { "file".to_owned() } else { cut }
}

/// Whether it is a name that [`safe_name`] leaves as it is.
pub fn is_safe_name(name: &str) -> bool {
    safe_name(name) == name
}

/// The name, with a number before its extension where another one in `taken` differs by case alone.
pub fn unique<'a>(name: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let is_free = |name: &str| {
        let lower = name.to_lowercase();
        taken.clone().all(|other| other.to_lowercase() != lower)
    };
    let (stem, extension) = parts(name);
    let numbered = |number: usize| {
        let end = format!("-{number}{extension}");
        format!("{}{end}", head(stem, NAME_BYTES_MAX.saturating_sub(end.len())))
    };
    let names = std::iter::once(name.to_owned()).chain((2..).map(numbered));
    names.take(10_000).find(|name| is_free(name)).unwrap_or_else(|| name.to_owned())
}

/// The stem, and the extension with its dot.
fn parts(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= EXTENSION_BYTES_MAX => name.split_at(at),
        _ => (name, ""),
    }
}

/// Keeps the extension.
fn bounded(name: &str, bytes_max: usize) -> String {
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    let (stem, extension) = parts(name);
    let stem = head(stem, bytes_max.saturating_sub(extension.len()));
    format!("{}{extension}", stem.trim_end_matches(|c: char| c == '.' || c.is_whitespace()))
}

/// At most this many bytes of a text, whole characters.
fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_loses_everything_that_is_more_than_a_name() {
        for (given, safe) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\report.pdf", "report.pdf"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a\0b\nc.txt", "a b c.txt"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("e\u{301}te\u{301}.txt", "\u{e9}t\u{e9}.txt"),
            ("end. ", "end"),
            ("a/", "a"),
            ("x`whoami`.sh", "x_whoami_.sh"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
            assert!(is_safe_name(safe), "{safe}");
        }
        let long = format!("{}.tar", "ü".repeat(300));
        let cut = safe_name(&long);
        assert!(cut.len() <= NAME_BYTES_MAX && cut.ends_with("ü.tar"), "{cut}");
        assert!(is_safe_name(&cut));
    }

    #[test]
    fn file_names_of_one_message_differ() {
        let taken = ["Photo.jpg", "photo-2.jpg"];
        assert_eq!(unique("photo.JPG", taken.into_iter()), "photo-3.JPG");
        assert_eq!(unique("other", taken.into_iter()), "other");
    }
}
