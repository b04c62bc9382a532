//! `quintet send`: acts as the platform on the server's local endpoint.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by name: a missing member reads as null, and every object written to is created \
        here"
)]

use crate::client::{Client, JsonBody};
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable, Usage};
use crate::ports::clock::SystemClock;
use crate::terminal::{remark, say, say_json};
use anyhow::{Context, Result};
use contracts::event::{EventDetail, EventList, MessageAccepted, Stage};
use contracts::{EventId, ServiceName};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use platform::ports::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// Posts the message, waits, prints the answer. Exits 1 if the message is refused or parked.
///
/// # Errors
/// As above, and when no server answers.
pub async fn send(
    client: &Client,
    data: &DataDir,
    channel: &str,
    text: &str,
    wait_s: u64,
    as_json: bool,
) -> Result<()> {
    let deadline = SystemClock.now_ms() + i64::try_from(wait_s.min(3600)).unwrap_or(30) * 1000;
    let id = match channel {
        "web" => {
            let accepted: MessageAccepted = client
                .post(ServiceName::WebhookAggregator, "/api/messages", &json!({ "text": text }))
                .await?;
            accepted.event_id
        }
        "telegram" | "slack" | "discord" => {
            let key = post(client, data, channel, text).await?;
            find(client, channel, &key).await?
        }
        other => {
            return Err(Usage(format!(
                "there is no channel {other}. Use telegram, slack, discord or web."
            ))
            .into());
        }
    };
    let detail = wait_for(client, &id, deadline).await?;
    if as_json {
        say_json(&detail);
    }
    verdict(&detail, as_json)
}

fn verdict(detail: &EventDetail, as_json: bool) -> Result<()> {
    let answer = detail.replies.last().map(|reply| reply.text.clone()).unwrap_or_default();
    match detail.row.state {
        Stage::Done | Stage::Answered => {
            if !as_json {
                say(&answer);
            }
            Ok(())
        }
        Stage::Parked => {
            let id = detail.row.approval_id.as_ref().map(|id| id.0.as_str());
            if !as_json {
                say(id.unwrap_or(&answer));
            }
            let waits = match id {
                Some(id) => format!("it needs your approval: `quintet approve {id}`"),
                None => "it needs you to choose an agent. Send it again with the name in front \
                    (@pm …), or choose in the chat."
                    .to_owned(),
            };
            Err(No(waits).into())
        }
        Stage::Refused | Stage::Expired | Stage::Dead | Stage::Ignored | Stage::Quarantined => {
            let reason = detail.row.reason.clone().unwrap_or_default();
            Err(No(format!("{}: {reason}. {answer}", detail.row.state.as_str())).into())
        }
        state => Err(No(format!(
            "no answer within the wait; its state is {} ({})",
            state.as_str(),
            detail.row.id
        ))
        .into()),
    }
}

async fn wait_for(client: &Client, id: &EventId, deadline: i64) -> Result<EventDetail> {
    loop {
        let left_s = ((deadline - SystemClock.now_ms()) / 1000).clamp(0, 20);
        let detail: EventDetail = client
            .get(ServiceName::WebhookAggregator, &format!("/api/events/{id}?wait={left_s}"))
            .await?;
        let settled = detail.row.state.is_final() || detail.row.state == Stage::Parked;
        if settled || SystemClock.now_ms() >= deadline {
            return Ok(detail);
        }
    }
}

/// Finds the event by its dedup key, because platforms expect a webhook response without an id.
async fn find(client: &Client, channel: &str, key: &str) -> Result<EventId> {
    for _ in 0..20 {
        let list: EventList = client
            .get(
                ServiceName::WebhookAggregator,
                &format!("/api/events?channel={channel}&limit=100"),
            )
            .await?;
        if let Some(event) = list
            .events
            .into_iter()
            .find(|event| event.endpoint == "local" && event.dedupe_key == key)
        {
            return Ok(event.id);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Unreachable("the server accepted the message but does not list it".to_owned()).into())
}

/// Signs and posts the webhook; returns its dedup key.
async fn post(client: &Client, data: &DataDir, channel: &str, text: &str) -> Result<String> {
    let path = data.join("local.json");
    let local = std::fs::read(&path).map_err(|_| {
        Unreachable(format!(
            "there are no local endpoints in {}. Run this on the server's machine.",
            data.path().display()
        ))
    })?;
    let local: Value = serde_json::from_slice(&local).context("cannot read local.json")?;
    let endpoint = &local[channel];
    let now_s = SystemClock.now_ms() / 1000;
    let unique = u64::from_le_bytes(random()) >> 12;
    let (key, body, headers) = match channel {
        "telegram" => telegram(endpoint, text, now_s, unique),
        "slack" => slack(endpoint, text, now_s, unique)?,
        _ => discord(endpoint, text, now_s, unique)?,
    };
    let mut request = client
        .http()
        .post(client.url(&format!("/{channel}/local")))
        .json_body(&Value::Null)?
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request
        .send()
        .await
        .map_err(|e| Unreachable(format!("the server does not answer: {}", e.without_url())))?;
    if !answer.status().is_success() {
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        remark(&text);
        return Err(Unreachable(format!("the webhook was answered {status}")).into());
    }
    Ok(key)
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    SystemClock.random(&mut bytes);
    bytes
}

type Signed = (String, String, Vec<(&'static str, String)>);

fn text_at<'a>(endpoint: &'a Value, key: &str) -> &'a str {
    endpoint[key].as_str().unwrap_or_default()
}

fn user(endpoint: &Value) -> Value {
    endpoint["approvers"][0].clone()
}

fn telegram(endpoint: &Value, text: &str, now_s: i64, unique: u64) -> Signed {
    let id: i64 = user(endpoint).as_str().and_then(|id| id.parse().ok()).unwrap_or(1);
    let person = json!({ "id": id, "is_bot": false, "first_name": "You" });
    let message = json!({ "message_id": unique % 1_000_000_000, "from": person, "chat": { "id": id, "type": "private" }, "date": now_s, "text": text });
    let body = json!({ "update_id": unique, "message": message });
    (
        unique.to_string(),
        body.to_string(),
        vec![("x-telegram-bot-api-secret-token", text_at(endpoint, "secret_token").to_owned())],
    )
}

fn slack(endpoint: &Value, text: &str, now_s: i64, unique: u64) -> Result<Signed> {
    let key = format!("Ev{unique:X}");
    let ts = format!("{now_s}.{:06}", unique % 1_000_000);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = json!({
        "team_id": "T0LOCAL01", "api_app_id": "A0LOCAL01", "type": "event_callback", "event_id": key, "event_time": now_s,
        "authorizations": [{ "team_id": "T0LOCAL01", "user_id": "U0BOTLOCAL", "is_bot": true }],
        "event": { "type": "message", "channel": "D0LOCAL01", "channel_type": "im", "user": user(endpoint), "text": escaped, "ts": ts, "event_ts": ts },
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(text_at(endpoint, "signing_secret").as_bytes())
        .context("the signing secret is not a valid key")?;
    mac.update(format!("v0:{now_s}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    Ok((
        key,
        body,
        vec![("x-slack-request-timestamp", now_s.to_string()), ("x-slack-signature", signature)],
    ))
}

fn discord(endpoint: &Value, text: &str, now_s: i64, unique: u64) -> Result<Signed> {
    let key = (900_000_000_000_000_000 + unique % 99_999_999_999_999).to_string();
    let person = json!({ "id": user(endpoint), "username": "you" });
    let body = json!({
        "id": key, "type": 2, "token": format!("local-{unique:x}"), "application_id": endpoint["application_id"], "channel_id": "830000000000000042",
        "user": person, "version": 1,
        "data": { "id": "1", "type": 1, "name": "ask", "options": [{ "name": "message", "type": 3, "value": text }] },
    })
    .to_string();
    let seed = hex::decode(text_at(endpoint, "private_key"))
        .ok()
        .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
        .context("local.json has no key for discord")?;
    let signature = SigningKey::from_bytes(&seed).sign(format!("{now_s}{body}").as_bytes());
    Ok((
        key,
        body,
        vec![
            ("x-signature-timestamp", now_s.to_string()),
            ("x-signature-ed25519", hex::encode(signature.to_bytes())),
        ],
    ))
}
