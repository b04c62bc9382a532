//! The errors of the Cloud API, by their codes: in a response, and in the status of a message that
//! was taken before.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>

use crate::channels::{Change, SendResult, by_status, lenient, text_at};
use platform::ports::OutboundResponse;
use serde_json::Value;

/// Meta is not well, or there are too many requests.
const LATER: [i64; 11] =
    [1, 2, 4, 80007, 130_429, 131_000, 131_016, 131_048, 131_057, 133_004, 135_000];
/// Too many messages to one person.
const PAIR_LIMIT: i64 = 131_056;
/// A person gets a message every 6 seconds, after a burst.
const PAIR_WAIT_MS: i64 = 6_000;

/// Refusals, and what to change: where the message that is replied to is gone, its id is a wrong
/// parameter.
const SECOND_WAYS: [(i64, Change); 2] =
    [(100, Change::WithoutReply), (131_009, Change::WithoutReply)];

/// An error in words, with its code.
pub(super) fn said(error: &Value) -> String {
    let own = match error["code"].as_i64() {
        Some(131_047) => {
            "the 24 hours after this person's last message are over; until the next one, WhatsApp takes templates alone"
        }
        Some(131_026) => "WhatsApp cannot deliver to this number",
        Some(131_030) => {
            "the number is not among the test recipients; add it on the app's page: WhatsApp, API Setup"
        }
        Some(0 | 190) => "the access token is refused; make a new one and write it as access_token",
        Some(3 | 10 | 200..=299 | 131_005) => {
            "the access token lacks a right: whatsapp_business_messaging or whatsapp_business_management"
        }
        _ => "",
    };
    let details = text_at(&error["error_data"], "details");
    let theirs = details.or_else(|| text_at(error, "message")).or_else(|| text_at(error, "title"));
    let words = if own.is_empty() { theirs.unwrap_or("no reason given") } else { own };
    match &error["code"] {
        Value::Null => words.to_owned(),
        code => format!("{words} ({code})"),
    }
}

/// The meaning of a response that is no success.
pub(super) fn judge(answer: &OutboundResponse) -> SendResult {
    let body = lenient::json(&answer.body);
    let error = &body["error"];
    let text = format!("WhatsApp {}: {}", answer.status, said(error));
    let code = error["code"].as_i64();
    let second = SECOND_WAYS.iter().find(|(refusal, _)| Some(*refusal) == code);
    match code {
        Some(PAIR_LIMIT) => SendResult::Later { after_ms: Some(PAIR_WAIT_MS), error: text },
        Some(code) if LATER.contains(&code) => SendResult::Later { after_ms: None, error: text },
        _ if second.is_some() => {
            let changes = second.map(|(_, change)| change.clone()).into_iter().collect();
            SendResult::Refused { changes, error: text }
        }
        _ => by_status(answer, text),
    }
}
