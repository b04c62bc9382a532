//! The body of a webhook, signed as its platform signs it: proven, then read.

use contracts::ServiceName;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use platform::config::Report;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::LazyLock;
use webhook_aggregator::Config;
use webhook_aggregator::channels::{Connection, Inbound, Incoming, Kind};

const NOW_MS: i64 = 1_790_000_002_000;
const NOW_S: &str = "1790000000";
const SECRET: &str = "5f1d3a9c0b7e42d6a8c4e9f2b1d07c63";
const ENDPOINT: &str = "main";
const APPLICATION: &str = "910000000000000001";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let public_key = hex::encode(KEY.verifying_key().as_bytes());
    let root = json!({ "endpoints": {
        "telegram": { ENDPOINT: { "secret_token": SECRET, "bot_token": "5550001:TEST", "approvers": ["700100200"] } },
        "slack": { ENDPOINT: { "signing_secret": SECRET, "bot_token": "xoxb-test", "approvers": ["U0HUMAN01"] } },
        "discord": { ENDPOINT: {
            "public_key": public_key, "application_id": APPLICATION, "bot_token": "token", "approvers": ["81"] } },
        "hook": { ENDPOINT: { "scheme": "github", "secret": SECRET } },
        "matrix": { ENDPOINT: {
            "api_base": "https://matrix.example.org", "user": "@desk:example.org", "bot_token": "syt_test",
            "hs_token": SECRET, "approvers": ["@ines:example.org"] } },
        "whatsapp": { ENDPOINT: {
            "phone_number_id": "100000000000001", "app_secret": SECRET, "verify_token": "v",
            "access_token": "t", "approvers": ["15550001111"] } },
        "mail": { ENDPOINT: {
            "local": true, "address": "desk@example.org", "password": SECRET, "trusts": "mx.example.org",
            "approvers": ["ines@example.org"] } },
    }});
    let report = Report::default();
    let config = Config::read(&root, &report);
    assert!(
        report.into_problems().is_empty(),
        "the endpoints of {} are wrong",
        ServiceName::WebhookAggregator
    );
    config
});

/// Checks a letter (`t`elegram, `s`lack, slack's `f`orms, `d`iscord, `h`ook, `m`atrix,
/// `w`hatsapp, `e`-mail) and the body behind it. Accepted: a message or a press.
pub fn check(data: &[u8]) -> bool {
    let Some((letter, body)) = data.split_first() else { return false };
    let (name, headers) = match letter {
        b't' => ("telegram", telegram_headers()),
        b's' => ("slack", slack_headers(body, "application/json")),
        b'f' => ("slack", slack_headers(body, "application/x-www-form-urlencoded")),
        b'd' => ("discord", discord_headers(body)),
        b'h' => ("hook", hook_headers(body)),
        b'm' => ("matrix", matrix_headers()),
        b'w' => ("whatsapp", hook_headers(body)),
        b'e' => ("mail", hook_headers(body)),
        _ => return false,
    };
    let endpoint = CONFIG.endpoint(name, ENDPOINT);
    let Some(connection) = endpoint.and_then(|endpoint| endpoint.connection.as_deref()) else {
        return false;
    };
    check_proof(connection, &headers, body, *letter);
    check_reading(connection, &headers, body)
}

/// The right signature is accepted, unless the body is for another application of Discord; none, or
/// that of another body, is refused.
fn check_proof(connection: &dyn Connection, headers: &HeaderMap, body: &[u8], letter: u8) {
    let is_accepted = connection.verify(headers, body, NOW_MS);
    match parsed(body) {
        _ if letter != b'd' => assert!(is_accepted, "the right signature"),
        Some(input) => {
            let is_ours = input.get("application_id").is_none_or(|id| id == APPLICATION);
            assert_eq!(is_accepted, is_ours, "the right signature");
        }
        // The reader also mends half an emoji, and may find another application behind it.
        None => assert!(is_accepted || body.windows(2).any(|two| two == b"\\u"), "no JSON"),
    }
    assert!(!connection.verify(&HeaderMap::new(), body, NOW_MS), "no signature was accepted");
    if !b"tm".contains(&letter) {
        let other = [body, b" "].concat();
        assert!(!connection.verify(headers, &other, NOW_MS), "another body was accepted");
    }
}

/// The JSON of a body, with bad bytes replaced.
fn parsed(body: &[u8]) -> Option<Value> {
    serde_json::from_str(&String::from_utf8_lossy(body)).ok()
}

fn check_reading(connection: &dyn Connection, headers: &HeaderMap, body: &[u8]) -> bool {
    let read = || connection.read(headers, body, NOW_MS);
    let first = read();
    assert_eq!(format!("{first:?}"), format!("{:?}", read()), "one body is read in two ways");
    match first {
        Incoming::Handshake(ack) => {
            assert_eq!(ack.status, 200);
            false
        }
        Incoming::Event(inbound) => check_inbound(&inbound),
        Incoming::Events(ack, inbounds) => {
            assert_eq!(ack.status, 200);
            inbounds.iter().filter(|(inbound, _)| check_inbound(inbound)).count() > 0
        }
    }
}

/// Every stored event has a key and an acknowledgement; a message has words of its sender or of
/// others, or files.
fn check_inbound(inbound: &Inbound) -> bool {
    assert!((200..300).contains(&inbound.ack.status), "{inbound:?}");
    assert!(!inbound.dedupe_key.is_empty(), "{inbound:?}");
    assert!(inbound.sender.as_ref().is_none_or(|sender| !sender.is_empty()), "{inbound:?}");
    match &inbound.kind {
        Kind::Message { text } | Kind::Posted { text } | Kind::Overheard { text } => {
            let has_words = !text.trim().is_empty() || inbound.forwarded.is_some();
            assert!(has_words || !inbound.attachments.is_empty(), "{inbound:?}");
            true
        }
        Kind::Undelivered { message, .. } => {
            assert!(!message.is_empty(), "{inbound:?}");
            false
        }
        Kind::Press { .. } => true,
        Kind::Word { message, text, .. } => !message.is_empty() && !text.is_empty(),
        Kind::Reaction { message, key } => !message.is_empty() && !key.is_empty(),
        Kind::Ignored(reason) | Kind::Quarantined(reason) => {
            assert!(!reason.is_empty());
            false
        }
    }
}

fn telegram_headers() -> HeaderMap {
    [header("x-telegram-bot-api-secret-token", SECRET)].into_iter().collect()
}

fn matrix_headers() -> HeaderMap {
    [header("authorization", &format!("Bearer {SECRET}"))].into_iter().collect()
}

fn hook_headers(body: &[u8]) -> HeaderMap {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map(|mac| mac.chain_update(body));
    let signature = mac.map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
    [
        header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        header("x-hub-signature-256", &format!("sha256={signature}")),
    ]
    .into_iter()
    .collect()
}

fn slack_headers(body: &[u8], kind: &'static str) -> HeaderMap {
    let signed = [b"v0:", NOW_S.as_bytes(), b":", body].concat();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map(|mac| mac.chain_update(signed));
    let signature = mac.map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
    [
        header("content-type", kind),
        header("x-slack-request-timestamp", NOW_S),
        header("x-slack-signature", &format!("v0={signature}")),
    ]
    .into_iter()
    .collect()
}

fn discord_headers(body: &[u8]) -> HeaderMap {
    let signature = KEY.sign(&[NOW_S.as_bytes(), body].concat());
    [
        header("x-signature-timestamp", NOW_S),
        header("x-signature-ed25519", &hex::encode(signature.to_bytes())),
    ]
    .into_iter()
    .collect()
}

fn header(name: &'static str, value: &str) -> (http::HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    (http::HeaderName::from_static(name), value)
}
