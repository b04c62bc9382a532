//! Percent-encoding of one path segment or query value (RFC 3986, section 2.3).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Every byte but the unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text as one path segment or one query value; it cannot leave its place.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encode_keeps_unreserved_characters_only() {
        assert_eq!(encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(encode("a b&c=ü"), "a%20b%26c%3D%C3%BC");
        assert_eq!(encode("web:console/../x?y=1+%"), "web%3Aconsole%2F..%2Fx%3Fy%3D1%2B%25");
    }
}
