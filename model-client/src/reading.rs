//! An answer while it is read: what both protocols have in common.

use crate::question::{Part, Stop};
use contracts::TokenUsage;
use serde_json::Value;

/// Maximum bytes of an answer's text and arguments.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The answer so far.
#[derive(Debug, Default)]
pub struct Reading {
    pub parts: Vec<Part>,
    pub stop: Option<Stop>,
    pub usage: Option<TokenUsage>,
    /// The model that answered, as its server names it.
    pub model: Option<String>,
    /// The stream has said that it is complete.
    pub is_complete: bool,
}

impl Reading {
    /// Its text, without the calls.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("")
    }
}

/// Arguments as the object that they should be, else as the text that they are.
pub fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// A number of the usage.
pub fn count(usage: &Value, path: &str) -> u64 {
    usage.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// The words of an error body, at most this long.
pub fn error_words(body: &[u8]) -> String {
    const CHARS_MAX: usize = 300;
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let words = json.as_ref().and_then(|json| {
        let places = ["/error/message", "/message", "/detail", "/error"];
        places.into_iter().find_map(|place| json.pointer(place).and_then(Value::as_str))
    });
    let text = words.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
