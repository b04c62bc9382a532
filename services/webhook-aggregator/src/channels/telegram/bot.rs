//! One bot, and the ids that Telegram writes as numbers.

use platform::secret::Secret;
use serde_json::Value;
use std::sync::OnceLock;

/// One bot.
#[derive(Debug)]
pub(super) struct Bot {
    pub(super) api_base: String,
    /// Of its webhook; none where Telegram is asked for messages.
    pub(super) secret_token: Option<Secret>,
    pub(super) bot_token: Secret,
    pub(super) bot_username: Option<String>,
    /// The name as Telegram told it, where none is configured.
    pub(super) learnt_name: OnceLock<String>,
}

impl Bot {
    /// The bot's name without `@`, as far as it is known.
    pub(super) fn username(&self) -> Option<&str> {
        self.bot_username.as_deref().or_else(|| self.learnt_name.get().map(String::as_str))
    }
    /// Keeps the bot's name.
    pub(super) fn learn(&self, name: &str) {
        if !name.is_empty() {
            // The first one stays: a bot's name does not change while it runs.
            self.learnt_name.get_or_init(|| name.to_owned());
        }
    }
}

pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
