//! JSON as platforms send it. Half an emoji, as a client that cuts names by UTF-16 units leaves it,
//! must not cost the whole message.

use serde_json::Value;

/// The value of a body; halves of surrogate pairs and bytes that are no UTF-8 are read as U+FFFD.
/// Null where nothing can be read.
pub(super) fn json(body: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(body) {
        return value;
    }
    let text = String::from_utf8_lossy(body);
    serde_json::from_str(&without_halves(&text)).unwrap_or(Value::Null)
}

/// `\ud83d` without its other half becomes `\ufffd`.
fn without_halves(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match unit(escape) {
            Some(0xD800..=0xDBFF) => {
                let is_pair = matches!(escape.get(6..).and_then(unit), Some(0xDC00..=0xDFFF));
                if is_pair { 12 } else { 0 }
            }
            Some(0xDC00..=0xDFFF) => 0,
            // An escape of two characters: the second may be a backslash itself.
            _ => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        if taken == 0 {
            mended.push_str("\\ufffd");
            rest = escape.get(6..).unwrap_or_default();
        } else {
            mended.push_str(escape.get(..taken).unwrap_or(escape));
            rest = escape.get(taken..).unwrap_or_default();
        }
    }
    mended.push_str(rest);
    mended
}

/// The code unit of an escape `\uXXXX` at the start of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// The number of a member of the outermost object, of a body that cannot be read as a whole.
pub(super) fn outer_number(body: &[u8], name: &str) -> Option<i64> {
    let text = String::from_utf8_lossy(body);
    let value = outer_member(&text, name)?;
    let end = value.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

/// The texts of the elements of an array of the outermost object, of a body that cannot be read as
/// a whole. One that the body breaks off in is left out.
pub(super) fn outer_array(body: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let array = outer_member(&text, name).and_then(|value| value.strip_prefix('['));
    let array = array.unwrap_or_default();
    let (mut elements, mut from, mut place) = (Vec::new(), 0, Place::default());
    for (at, ch) in array.char_indices() {
        if place.depth == 0 && !place.in_text && matches!(ch, ',' | ']') {
            let element = array.get(from..at).unwrap_or_default().trim();
            elements.extend(Some(element.to_owned()).filter(|element| !element.is_empty()));
            from = at + 1;
            if ch == ']' {
                break;
            }
        }
        place.pass(ch);
    }
    elements
}

/// The text from the value of a member of the outermost object on.
fn outer_member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("\"{name}\"");
    let mut place = Place::default();
    for (at, ch) in text.char_indices() {
        let rest = text.get(at..).filter(|_| place.depth == 1 && !place.in_text);
        let behind = rest.and_then(|rest| rest.strip_prefix(&key));
        if let Some(value) = behind.and_then(|rest| rest.trim_start().strip_prefix(':')) {
            return Some(value.trim_start());
        }
        place.pass(ch);
    }
    None
}

/// A place in JSON.
#[derive(Default)]
struct Place {
    /// Objects and arrays that are open.
    depth: u32,
    in_text: bool,
    escaped: bool,
}

impl Place {
    fn pass(&mut self, ch: char) {
        match ch {
            _ if self.escaped => self.escaped = false,
            '\\' if self.in_text => self.escaped = true,
            '"' => self.in_text = !self.in_text,
            '{' | '[' if !self.in_text => self.depth += 1,
            '}' | ']' if !self.in_text => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn halves_of_pairs_are_replaced_and_pairs_kept() {
        let body = br#"{"a":"\ud83d","b":"\ud83d\ude80 \ude80x","c":"\\ud83d","d":"\"\ud83d\n"}"#;
        let expected =
            json!({ "a": "\u{fffd}", "b": "🚀 \u{fffd}x", "c": "\\ud83d", "d": "\"\u{fffd}\n" });
        assert_eq!(json(body), expected);
        assert_eq!(json(b"{\"a\":\"\xff\"}"), json!({ "a": "\u{fffd}" }));
        assert_eq!(json(b"{\"a\""), Value::Null);
    }

    #[test]
    fn number_of_a_broken_body_is_found_in_its_outermost_object() {
        let body = br#"{"data":{"type":1,"x":"\"type\":9"}, "type" : 2, "broken": "#;
        assert_eq!(outer_number(body, "type"), Some(2));
        assert_eq!(outer_number(b"[]", "type"), None);
    }
}
