//! One bot, and the ids that Telegram writes as numbers.

use platform::secret::Secret;
use serde_json::Value;

/// One bot.
#[derive(Debug)]
pub(super) struct Bot {
    pub(super) api_base: String,
    pub(super) secret_token: Secret,
    pub(super) bot_token: Secret,
    pub(super) bot_username: Option<String>,
}

pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
