//! Media types by the first bytes of a file.

/// Types that their content shows, with the bytes at their beginning.
const BEGINNINGS: [(&[u8], &str); 12] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
];
/// Types of which every file begins with one of its own [`BEGINNINGS`].
const SHOWN: [&str; 6] =
    ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "audio/flac"];

/// The media type that the content shows; `None` for text and for everything unknown.
pub fn content_type(bytes: &[u8]) -> Option<&'static str> {
    let at = |from: usize, part: &[u8]| bytes.get(from..from + part.len()) == Some(part);
    if at(0, b"RIFF") && at(8, b"WEBP") {
        return Some("image/webp");
    }
    if at(0, b"RIFF") && at(8, b"WAVE") {
        return Some("audio/wav");
    }
    if at(4, b"ftyp") {
        return Some(if at(8, b"M4A") { "audio/mp4" } else { "video/mp4" });
    }
    BEGINNINGS.iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, kind)| *kind)
}

/// The type of a file with this content that was named so; `None` where the content is plainly of
/// another kind. A content that does not show the named type, although every file of that type
/// does, is of no known type.
pub fn true_type(named: &str, bytes: &[u8]) -> Option<String> {
    const UNKNOWN: &str = "application/octet-stream";
    let named = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let named = if named.is_empty() { UNKNOWN } else { named.as_str() };
    let is_shown = SHOWN.contains(&named);
    let group = |kind: &str| kind.split('/').next().unwrap_or_default().to_owned();
    let is_sound = |kind: &str| matches!(group(kind).as_str(), "audio" | "video");
    let kind = match content_type(bytes) {
        None if is_shown => UNKNOWN,
        None => named,
        Some(found) if named == UNKNOWN => found,
        Some(found) if found == named => named,
        // Both have the same containers.
        Some(found) if is_sound(found) && is_sound(named) => named,
        Some(found) if group(found) == group(named) && group(named) == "image" => found,
        // An office document is an archive.
        Some(_) if group(named) == "application" && !is_shown => named,
        Some(_) => return None,
    };
    Some(kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_shows_the_type_and_a_false_name_is_noticed() {
        let png = b"\x89PNG\r\n\x1a\n....";
        assert_eq!(content_type(png), Some("image/png"));
        assert_eq!(content_type(b"RIFF....WEBPVP8 "), Some("image/webp"));
        assert_eq!(content_type(b"\0\0\0\x20ftypisom"), Some("video/mp4"));
        assert_eq!(content_type(b"hello"), None);
        let kind = |named, bytes| true_type(named, bytes);
        assert_eq!(kind("image/jpeg", png).as_deref(), Some("image/png"));
        assert_eq!(kind("", png).as_deref(), Some("image/png"));
        assert_eq!(kind("text/plain; charset=utf-8", b"hello").as_deref(), Some("text/plain"));
        assert_eq!(
            kind("application/x-thing", b"PK\x03\x04").as_deref(),
            Some("application/x-thing")
        );
        assert_eq!(kind("video/ogg", b"OggS..").as_deref(), Some("video/ogg"));
        assert_eq!(kind("image/png", b"no picture").as_deref(), Some("application/octet-stream"));
        assert_eq!(kind("image/png", b"MZ\x90\0"), None);
        assert_eq!(kind("application/pdf", b"PK\x03\x04"), None);
        assert_eq!(kind("text/plain", b"\x7fELF"), None);
    }
}
