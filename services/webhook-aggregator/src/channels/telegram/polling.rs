//! Telegram asked for updates (`getUpdates`), which needs no public address.

use super::{Bot, outgoing, setup};
use crate::channels::{Poll, Polled, lenient};
use bytes::Bytes;
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// Seconds that Telegram waits for an update, and milliseconds that we wait for its answer.
const WAIT_S: u64 = 25;
const TIMEOUT_MS: u64 = 40_000;
/// Updates at a time: with replies to long messages one may have 100 KB, and an answer above the
/// limit of outbound requests would come again for ever.
const UPDATES_MAX: u64 = 20;
/// Pause where Telegram names none.
const LATER_MS: i64 = 5_000;

impl Poll for Bot {
    fn prepare(&self) -> OutboundRequest {
        outgoing::call(self, "deleteWebhook", &json!({ "drop_pending_updates": false }))
    }
    fn next(&self, after: Option<i64>) -> OutboundRequest {
        let mut body =
            json!({ "timeout": WAIT_S, "limit": UPDATES_MAX, "allowed_updates": setup::UPDATES });
        if let Some(after) = after {
            body["offset"] = after.into();
        }
        OutboundRequest { timeout_ms: TIMEOUT_MS, ..outgoing::call(self, "getUpdates", &body) }
    }
    fn read(&self, answer: &OutboundResponse) -> Polled {
        let body = lenient::json(&answer.body);
        if body.is_null() && answer.status == 200 {
            return by_updates(&answer.body);
        }
        if body["ok"] == true {
            let updates = body["result"].as_array().into_iter().flatten();
            let read = |update: &Value| {
                let id = update.get("update_id")?.as_i64()?;
                Some((id, Bytes::from(update.to_string())))
            };
            return Polled::Updates(updates.filter_map(read).collect());
        }
        let why = body["description"].as_str().unwrap_or("Telegram does not answer as it should");
        let by_webhook = why.to_lowercase().contains("webhook");
        match answer.status {
            409 if by_webhook => Polled::Refused { why: why.to_owned(), prepare: true },
            409 => {
                let why = format!("Another program reads this bot's messages. {why}");
                Polled::Refused { why, prepare: false }
            }
            401 | 403 | 404 => {
                let why = format!("Telegram refuses `bot_token`: {why}. Copy it from @BotFather.");
                Polled::Refused { why, prepare: false }
            }
            _ => {
                let seconds = body.pointer("/parameters/retry_after").and_then(Value::as_i64);
                let after_ms = seconds.map_or(LATER_MS, |seconds| seconds.saturating_mul(1000));
                Polled::Later { after_ms, why: why.to_owned() }
            }
        }
    }
}

/// The updates of a response that cannot be read as a whole: one that is broken is handed on as it
/// came, so that it is kept for people, and the ones behind it are read.
fn by_updates(body: &[u8]) -> Polled {
    let updates = lenient::outer_array(body, "result").into_iter().filter_map(|update| {
        let id = lenient::outer_number(update.as_bytes(), "update_id")?;
        Some((id, Bytes::from(update)))
    });
    let updates: Vec<_> = updates.collect();
    if updates.is_empty() {
        let why = "Telegram's answer cannot be read".to_owned();
        return Polled::Later { after_ms: LATER_MS, why };
    }
    Polled::Updates(updates)
}
