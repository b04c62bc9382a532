//! `application/x-www-form-urlencoded`, as Slack sends it to us and as its SDK sends it back.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Every byte that JavaScript's `encodeURIComponent` escapes. Slack's SDK uses it, so a space is
/// `%20`, not `+`.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A whole form, in the order given.
pub fn body(fields: &[(&str, String)]) -> String {
    let pair = |(name, value): &(&str, String)| {
        format!("{name}={}", utf8_percent_encode(value, COMPONENT))
    };
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Decodes a form; bytes that are no UTF-8 are replaced, bad escapes are kept as they are.
pub fn parse(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_survives_both_ways() {
        let text = "Spend *$40*? ☕ & more+";
        assert_eq!(
            parse(body(&[("text", text.to_owned())]).as_bytes()),
            [("text".to_owned(), text.to_owned())]
        );
        assert_eq!(body(&[("a", "Spend *$40*?".to_owned())]), "a=Spend%20*%2440*%3F");
        assert_eq!(
            parse(b"a=%zz&b=1+2&c"),
            [("a".into(), "%zz".into()), ("b".into(), "1 2".into()), ("c".into(), String::new())]
        );
        assert_eq!(parse(b"&x=%f&&"), [("x".into(), "%f".into())]);
        assert_eq!(parse(b"x=%ff"), [("x".into(), "\u{fffd}".into())]);
    }
}
