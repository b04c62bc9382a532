//! How a bot comes to send its updates to us.

use super::{Bot, outgoing};
use crate::channels::{Setup, lenient};
use platform::ports::OutboundResponse;
use serde_json::json;

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.telegram.main]
bot_token = \"…\"        # from @BotFather
approvers = [\"…\"]      # your Telegram user id
# For a webhook only (a public https address, or Workers):
# secret_token = \"…\"   # 1-256 of A-Z a-z 0-9 _ -";

/// The kinds of updates that we read.
pub(super) const UPDATES: [&str; 4] =
    ["message", "edited_message", "callback_query", "my_chat_member"];

/// Telegram lets a program set its webhook.
pub(super) fn set_up(bot: &Bot, path: &str, public: Option<&str>) -> Setup {
    let Some(secret_token) = &bot.secret_token else {
        return Setup::Steps("Nothing to set up: the server polls Telegram while it runs. Write to the bot to try it. For a webhook, add secret_token and run this again.".to_owned());
    };
    let Some(public) = public else {
        return Setup::Steps("Telegram's webhook is set from here. Run this again with the public https address of this server: --url https://…".to_owned());
    };
    if !public.starts_with("https://") {
        return Setup::Refused(
            "Telegram takes https addresses only, on port 443, 80, 88 or 8443".to_owned(),
        );
    }
    let address = format!("{public}{path}");
    let body = json!({
        "url": address, "secret_token": secret_token.reveal(), "max_connections": 40,
        "allowed_updates": UPDATES,
    });
    Setup::Request {
        request: Box::new(outgoing::call(bot, "setWebhook", &body)),
        agrees,
        done: format!("Telegram now sends to {address}. Write to the bot to try it."),
    }
}

fn agrees(answer: &OutboundResponse) -> Result<(), String> {
    let body = lenient::json(&answer.body);
    if body["ok"] == true {
        return Ok(());
    }
    Err(format!("Telegram says: {}", body["description"].as_str().unwrap_or("no")))
}
