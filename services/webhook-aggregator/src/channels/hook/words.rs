//! The text of a message, taken from the body of a webhook.

use serde_json::Value;

/// Maximum bytes of a body that is shown indented.
const INDENTED_BYTES_MAX: usize = 64 << 10;
/// Maximum characters of a text. Above it stands how many are left out.
const CHARS_MAX: usize = 15_000;

/// Which part of the body is the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// The whole body, as a block of JSON.
    Whole,
    /// Pieces, one after the other.
    Pieces(Vec<Piece>),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Own(String),
    /// The text at a JSON pointer.
    At(String),
}

impl Words {
    /// Reads a pointer (`/message`), or a text with pointers in braces (`Issue {/issue/title}`).
    /// `None` where it names no place.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Pieces(vec![Piece::At(text.to_owned())]));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{/") {
            let (pointer, after) = after.split_once('}')?;
            pieces.extend([Piece::Own(before.to_owned()), Piece::At(format!("/{pointer}"))]);
            rest = after;
        }
        pieces.push(Piece::Own(rest.to_owned()));
        (pieces.len() > 1).then_some(Self::Pieces(pieces))
    }
    /// The text of a body; `None` where one of its places is missing, or nothing is written there.
    pub(super) fn of(&self, body: &Value) -> Option<String> {
        let text = match self {
            Self::Whole => {
                let compact = body.to_string();
                // Indentation may be a hundred times as long as the JSON.
                let is_short = compact.len() <= INDENTED_BYTES_MAX;
                let (json, left_out) = cut(&if is_short { format!("{body:#}") } else { compact });
                // A line of JSON never begins with a fence, so nothing in it can end the block.
                return Some(format!("```json\n{json}\n```{left_out}"));
            }
            Self::Pieces(pieces) => {
                let text = |piece: &Piece| match piece {
                    Piece::Own(own) => Some(own.clone()),
                    Piece::At(pointer) => text_of(body, pointer),
                };
                pieces.iter().map(text).collect::<Option<String>>()?
            }
        };
        let (text, left_out) = cut(&text);
        (!text.trim().is_empty()).then(|| format!("{text}{left_out}"))
    }
}

/// The text at a place of the body; what is no text is written as JSON. `None` where nothing is.
pub(super) fn text_of(body: &Value, pointer: &str) -> Option<String> {
    match body.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The beginning of a text, and the line about what is left out of it.
fn cut(text: &str) -> (String, String) {
    let left_out = text.chars().count().saturating_sub(CHARS_MAX);
    let kept = text.chars().take(CHARS_MAX).collect();
    match left_out {
        0 => (kept, String::new()),
        more => (kept, format!("\n\n[{more} more characters are left out.]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(words: &str, body: &Value) -> Option<String> {
        Words::read(words).unwrap().of(body)
    }

    #[test]
    fn text_is_taken_by_pointer_and_by_template() {
        let body =
            json!({ "issue": { "title": "It {/breaks}", "number": 7, "none": null, "a/b": [1] } });
        assert_eq!(said("/issue/title", &body).as_deref(), Some("It {/breaks}"));
        assert_eq!(said("/issue/number", &body).as_deref(), Some("7"));
        assert_eq!(said("/issue/a~1b", &body).as_deref(), Some("[1]"));
        assert_eq!(
            said("Issue {/issue/number} {open}: {/issue/title}!", &body).as_deref(),
            Some("Issue 7 {open}: It {/breaks}!")
        );
        for missing in ["/issue/body", "/issue/none", "Issue: {/issue/body}", "/issue/title/x"] {
            assert_eq!(said(missing, &body), None, "{missing}");
        }
        assert_eq!(said("/text", &json!({ "text": "  " })), None);
        for none in ["", "message", "open {/issue", "{message}"] {
            assert_eq!(Words::read(none), None, "{none}");
        }
    }

    #[test]
    fn whole_body_is_a_block_of_json_whose_cut_is_said() {
        let body = json!({ "text": "a\n```\nb" });
        assert_eq!(
            Words::Whole.of(&body).unwrap(),
            "```json\n{\n  \"text\": \"a\\n```\\nb\"\n}\n```"
        );
        let long = Words::Whole.of(&json!("é".repeat(CHARS_MAX))).unwrap();
        assert!(long.ends_with("é\n```\n\n[2 more characters are left out.]"), "{}", long.len());
        let long = said("/t", &json!({ "t": "é".repeat(CHARS_MAX + 7) })).unwrap();
        assert!(long.ends_with("é\n\n[7 more characters are left out.]"), "{}", long.len());
    }
}
