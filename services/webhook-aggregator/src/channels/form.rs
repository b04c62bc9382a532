//! `application/x-www-form-urlencoded`, as Slack sends it to us and as its SDK sends it back.

/// Percent-encodes as JavaScript's `encodeURIComponent` does, which is what Slack's SDK puts on the wire.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A whole form, in the order given.
pub fn body(fields: &[(&str, String)]) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

/// Decodes a form; bytes that are no UTF-8 are replaced, bad escapes are kept as they are.
pub fn parse(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let rest = bytes.clone();
                let hex: Vec<u8> = rest.take(2).collect();
                match std::str::from_utf8(&hex)
                    .ok()
                    .filter(|h| h.len() == 2)
                    .and_then(|h| u8::from_str_radix(h, 16).ok())
                {
                    Some(value) => {
                        out.push(value);
                        bytes.nth(1);
                    }
                    None => out.push(b'%'),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
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
        assert_eq!(encode("Spend *$40*?"), "Spend%20*%2440*%3F");
        assert_eq!(
            parse(b"a=%zz&b=1+2&c"),
            [("a".into(), "%zz".into()), ("b".into(), "1 2".into()), ("c".into(), String::new())]
        );
    }
}
