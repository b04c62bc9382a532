//! Public bug reports about chat channels, replayed: each file of `tests/cases/channels/` has what
//! the platform sends, what the agent prints, what the platform answers, and what is expected.

use crate::bed::{Bed, bed_with, platform_says};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use platform::memory::MemoryOutbound;
use platform::ports::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Mutex;

const DISCORD: &str = "820000000000000001";
const APPROVER: &str = "810000000000000001";

/// The outcome of a case.
pub struct Outcome {
    pub bed: Bed,
    /// The newest event.
    pub event: Value,
    /// The agent's message.
    pub seen: String,
    /// The acknowledgement.
    pub ack: String,
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The configuration of the vectors, with a key for Discord that this test can sign with.
pub fn config(more: Option<&str>) -> Value {
    let mut config = crate::bed::config();
    let key = hex::encode(signing_key().verifying_key().to_bytes());
    config["endpoints"]["discord"][DISCORD]["public_key"] = key.into();
    if let Some((key, value)) = more.and_then(|line| line.split_once(" = ")) {
        config["endpoints"]["telegram"]["main"][key] = value.trim_matches('"').into();
    }
    config
}

/// A webhook of this channel with the members of `inbound` in its message; the acknowledgement.
pub async fn post(bed: &Bed, channel: &str, inbound: &Value, n: u64) -> (u16, String) {
    let now = bed.clock.now_ms() / 1000;
    let (path, headers, body) = match channel {
        "telegram" => {
            let secret = "tg_S3cret-Token_0123456789".to_owned();
            let headers = vec![("x-telegram-bot-api-secret-token", secret)];
            ("/telegram/main".to_owned(), headers, telegram(inbound, now, n).to_string())
        }
        "slack" => slack_signed(now, slack(inbound, now, n).to_string()),
        "slack-form" => slack_signed(now, form(inbound, n)),
        "discord" => discord_signed(now, discord(inbound, n).to_string()),
        "discord-raw" => {
            let raw = inbound.as_str().unwrap().replace("{n}", &n.to_string());
            discord_signed(now, raw)
        }
        other => panic!("no channel {other}"),
    };
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, ack) = bed.ask("POST", &path, "", &headers, body).await;
    bed.settle().await;
    (status, String::from_utf8_lossy(&ack).into_owned())
}

fn over(mut base: Value, inbound: &Value) -> Value {
    for (key, value) in inbound.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

fn telegram(inbound: &Value, now: i64, n: u64) -> Value {
    let base = json!({
        "message_id": n, "date": now, "from": { "id": 700_100_200, "first_name": "Ines" },
        "chat": { "id": 700_100_200, "type": "private" },
    });
    let mut message = over(base, inbound);
    let kind = message["_kind"].as_str().unwrap_or("message").to_owned();
    message.as_object_mut().unwrap().remove("_kind");
    json!({ "update_id": n, kind: message })
}

fn slack(inbound: &Value, now: i64, n: u64) -> Value {
    let base = json!({
        "type": "app_mention", "channel": "C0CHAN001", "user": "U0HUMAN01", "text": "fix it",
        "ts": format!("{now}.{n:06}"), "event_ts": format!("{now}.{n:06}"), "team": "T0AAAA111",
    });
    let mut event = over(base, inbound);
    if event["channel_type"] == "im" {
        event["type"] = "message".into();
    }
    json!({
        "type": "event_callback", "team_id": "T0AAAA111", "api_app_id": "A0APP0001",
        "event_id": format!("Ev{n}"), "event_time": now, "event": event,
        "authorizations": [{ "team_id": "T0AAAA111", "user_id": "U0BOT0001", "is_bot": true }],
    })
}

fn form(inbound: &Value, n: u64) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (key, value) in inbound.as_object().unwrap() {
        form.append_pair(key, &value.as_str().unwrap().replace("{n}", &n.to_string()));
    }
    form.finish()
}

fn slack_signed(now: i64, body: String) -> (String, Vec<(&'static str, String)>, String) {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"5f1d3a9c0b7e42d6a8c4e9f2b1d07c63").unwrap();
    mac.update(format!("v0:{now}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let headers =
        vec![("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", signature)];
    ("/slack/T0AAAA111".to_owned(), headers, body)
}

fn discord(inbound: &Value, n: u64) -> Value {
    let option = json!({ "name": "text", "type": 3, "value": "fix it" });
    let base = json!({
        "id": format!("99{n:04}"), "type": 2, "token": format!("tok{n}"), "channel_id": "830",
        "guild_id": "1", "application_id": "910000000000000001",
        "member": { "user": { "id": APPROVER, "username": "ines" }, "roles": [] },
        "data": { "id": "1", "name": "ask", "type": 1, "options": [option] },
    });
    over(base, inbound)
}

pub fn discord_signed(now: i64, body: String) -> (String, Vec<(&'static str, String)>, String) {
    let signature = signing_key().sign(format!("{now}{body}").as_bytes());
    let headers = vec![
        ("x-signature-timestamp", now.to_string()),
        ("x-signature-ed25519", hex::encode(signature.to_bytes())),
    ];
    (format!("/discord/{DISCORD}"), headers, body)
}

/// Has the platform answer as the case says.
pub fn scripted(bed: &Bed, answers: &Value) {
    let answers = answers.as_array().cloned().unwrap_or_default();
    let counts = Mutex::new(vec![0_u64; answers.len()]);
    bed.outbound.answer(move |sent| {
        for (index, answer) in answers.iter().enumerate() {
            let holds = |key: &str, text: &str| {
                answer[key].as_str().is_none_or(|wanted| text.contains(wanted))
            };
            if !holds("path_contains", &sent.url) || !holds("body_contains", &sent.body) {
                continue;
            }
            let mut counts = counts.lock().unwrap();
            counts[index] += 1;
            if counts[index] > answer["after"].as_u64().unwrap_or(0) {
                let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
                return Ok(MemoryOutbound::json(status, &answer["body"]));
            }
        }
        if sent.url.contains("/commands/") {
            return Ok(MemoryOutbound::json(200, &json!({})));
        }
        Ok(platform_says(sent))
    });
}

async fn run(case: &Value) -> Outcome {
    let bed = bed_with(config(case["config"].as_str()));
    scripted(&bed, &case["platform_answers"]);
    let channel = case["channel"].as_str().unwrap();
    let (status, ack) = post(&bed, channel, &case["inbound"], 41).await;
    assert_eq!(status, 200, "{}", case["name"]);
    let mut seen = String::new();
    for task in bed.lease().await {
        task["message"].as_str().unwrap().clone_into(&mut seen);
        bed.finish(&task, "success", case["agent_prints"].as_str().unwrap()).await;
    }
    let events = bed.get("/api/events").await;
    let event = events["events"][0].clone();
    Outcome { bed, event, seen, ack }
}

impl Outcome {
    pub fn bodies(&self) -> Vec<String> {
        self.bed.outbound.sent().into_iter().map(|sent| sent.body).collect()
    }
    fn raw(&self) -> String {
        self.bodies().concat()
    }
    fn paths(&self) -> Vec<String> {
        self.bed.outbound.sent().into_iter().map(|sent| sent.url).collect()
    }
    fn is(&self, state: &str) -> bool {
        self.event["state"] == state
    }
    /// Texts that Telegram or Discord was sent.
    pub fn texts(&self) -> Vec<String> {
        let bodies = self.bodies();
        let read = bodies.iter().filter_map(|body| serde_json::from_str::<Value>(body).ok());
        let text = |body: Value| {
            let text = body["text"].as_str().or_else(|| body["content"].as_str());
            text.map(str::to_owned)
        };
        read.filter_map(text).collect()
    }
    /// Without the placeholder.
    fn answers(&self) -> Vec<String> {
        self.texts().into_iter().skip(1).collect()
    }
    fn last(&self) -> String {
        self.texts().pop().unwrap_or_default()
    }
    fn last_in_slack(&self) -> String {
        let body = self.bodies().pop().unwrap_or_default();
        let fields = form_urlencoded::parse(body.as_bytes()).into_owned();
        fields.filter(|(name, _)| name == "text").map(|(_, text)| text).last().unwrap_or_default()
    }
    fn entities(&self) -> usize {
        let bodies = self.bodies();
        let read = bodies.iter().filter_map(|body| serde_json::from_str::<Value>(body).ok());
        read.filter_map(|body| Some(body["entities"].as_array()?.len())).max().unwrap_or_default()
    }
}

/// The check of a case, by its name.
fn holds(name: &str, out: &Outcome) -> bool {
    match name {
        "discord-fence-line-too-long" => out.answers().len() <= 6 && out.last().contains("end"),
        "discord-options-lost" => out.seen.contains("12") && out.seen.contains("log.txt"),
        "discord-placeholder-deleted" => out.is("done"),
        "discord-stranger-thinks-for-ever" => out.ack.contains("\"type\":4"),
        "fence-closed-by-trailing-text" => out.last().starts_with("```"),
        "lone-surrogate" => out.is("done"),
        "long-answer-cut-in-silence" => out.last().contains("dashboard"),
        "ok-discord-no-pings" => {
            let pings = |body: &String| body.contains("\"parse\":[]");
            out.is("done") && out.bodies().iter().all(pings)
        }
        "ok-slack-file-share-text" => out.seen == "what is this?",
        "ok-slack-mass-mention" => out.last_in_slack().contains("&lt;!channel&gt;"),
        "ok-tg-edited-message" => out.is("ignored") && out.seen.is_empty(),
        "ok-tg-no-parse-errors" => out.is("done") && !out.raw().contains("parse_mode"),
        "ok-tg-not-modified" => out.is("done"),
        "ok-tg-reply-thread-without-topic" => {
            out.is("done") && !out.raw().contains("message_thread_id")
        }
        "ok-tg-topic" => out.is("done") && out.bodies()[0].contains("\"message_thread_id\":77"),
        "slack-assistant-threads-share" => {
            out.event["conversation"].as_str().unwrap().contains("1790000000.000100")
        }
        "slack-code-changed" => {
            let text = out.last_in_slack();
            text.contains("`x**y`") && text.contains("2**10")
        }
        "slack-command-bot-not-member" => {
            out.is("done") && out.paths().iter().any(|path| path.contains("/commands/"))
        }
        "slack-links-italic-strike" => {
            let text = out.last_in_slack();
            ["<https://ex.org/a_b|docs>", "_soft_", "~gone~"].iter().all(|part| text.contains(part))
        }
        "slack-other-mention-taken-off" => {
            out.seen.contains("U0HUMAN02") && !out.seen.contains("U0BOT0001")
        }
        "slack-thread-root-gone" => out.is("done"),
        "tg-bare-foreign-command" => out.is("ignored"),
        "tg-bold-across-cut" => {
            out.texts().len() > 1 && out.texts().iter().all(|text| !text.contains("**"))
        }
        "tg-double-star-eaten" => out.last().contains("2**10 == 1024 and a**b; 3 ** 2 ** 1"),
        "tg-forwarded" => out.seen.contains("orward"),
        "tg-general-topic-id-1" => out.is("done") && !out.raw().contains("message_thread_id"),
        "tg-halt-for-another-bot" | "tg-halt-for-another-bot-as-reply" => out.is("ignored"),
        "tg-mention-comma" => !out.seen.contains("desk_bot") && out.seen.contains("please fix it"),
        "tg-migrated-outbound" => out.is("done"),
        "tg-over-100-entities" => out.entities() == 100,
        "tg-photo-caption" => out.seen.contains("photo") || out.seen.contains("attach"),
        "tg-text-link" => out.seen.contains("example.org"),
        "tg-topic-gone" => out.is("done"),
        other => panic!("no check for the case {other}"),
    }
}

/// The two cases about the texts of approvals are tests of `personal-assistant`.
#[tokio::test]
async fn reported_bugs_of_channels_are_mended() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/channels");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 34);
    let mut failed = Vec::new();
    for file in files {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let name = case["name"].as_str().unwrap();
        let out = run(&case).await;
        if !holds(name, &out) {
            let texts = out.texts().into_iter().map(|text| text.chars().take(300).collect());
            let texts: Vec<String> = texts.collect();
            failed.push(format!("{name}: {} {:?} {texts:?}", out.event, out.seen));
        }
    }
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
}
