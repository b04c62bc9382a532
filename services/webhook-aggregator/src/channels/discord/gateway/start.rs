//! The question that begins a session: `GET /gateway/bot`.

use super::{Application, SEND_TIMEOUT_MS};
use crate::channels::protocol::{may_open, retry_after_ms};
use crate::channels::{lenient, text_at};
use bytes::Bytes;
use platform::ports::{OutboundRequest, OutboundResponse};

/// Discord's response.
#[derive(Debug, PartialEq)]
pub(super) enum Start {
    /// Open this address. `shards`: the number of connections that Discord recommends.
    Open { url: String, shards: i64 },
    /// The reason and the fix.
    Refused(String, &'static str),
    /// `None`: after the usual back-off.
    Later { after_ms: Option<i64>, why: String },
}

/// Discord wants a name and a version here.
pub(super) fn agent() -> (&'static str, String) {
    ("user-agent", concat!("DiscordBot (quintet, ", env!("CARGO_PKG_VERSION"), ")").to_owned())
}

pub(super) fn request(application: &Application) -> OutboundRequest {
    let token = application.bot_token.reveal();
    OutboundRequest {
        method: http::Method::GET,
        url: format!("{}/gateway/bot", application.api_base),
        headers: vec![("authorization", format!("Bot {token}")), agent()],
        body: Bytes::new(),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

/// The address with the version and the encoding that we speak.
pub(super) fn address(url: &str) -> String {
    let base = url.split('?').next().unwrap_or(url).trim_end_matches('/');
    format!("{base}/?v=10&encoding=json")
}

/// `resumes`: a session goes on, which counts for no limit.
pub(super) fn read(application: &Application, answer: &OutboundResponse, resumes: bool) -> Start {
    let body = lenient::json(&answer.body);
    let said = text_at(&body, "message").unwrap_or("no reason");
    match answer.status {
        200 => {}
        401 | 403 => {
            let why = format!("Discord refuses bot_token: {said}.");
            return Start::Refused(why, "Copy bot_token from the application's Bot page.");
        }
        429 => {
            let seconds = body["retry_after"].as_f64();
            let after_ms = seconds.map(|s| (s.clamp(0.1, 3600.0) * 1000.0).ceil() as i64);
            let why = "Discord asks for fewer requests.".to_owned();
            return Start::Later { after_ms: after_ms.or_else(|| retry_after_ms(answer)), why };
        }
        status => {
            return Start::Later { after_ms: None, why: format!("Discord {status}: {said}.") };
        }
    }
    let limit = &body["session_start_limit"];
    if limit["remaining"] == 0 && !resumes {
        let after_ms = limit["reset_after"].as_i64().map(|ms| ms.clamp(1_000, 86_400_000));
        let why = "The bot has begun as many sessions as Discord allows in a day.".to_owned();
        return Start::Later { after_ms, why };
    }
    match text_at(&body, "url") {
        Some(url) if may_open(&application.api_base, url) => {
            Start::Open { url: url.to_owned(), shards: body["shards"].as_i64().unwrap_or(1) }
        }
        _ => Start::Later {
            after_ms: None,
            why: "Discord gave no address to connect to.".to_owned(),
        },
    }
}
