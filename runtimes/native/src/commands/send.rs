//! `quintet send`: acts as the platform on the server's local endpoint.

use crate::client::{Client, JsonBody};
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable};
use crate::local_endpoints;
use crate::ports::clock::SystemClock;
use crate::terminal::{remark, say, say_json};
use anyhow::{Context, Result};
use contracts::calls::webhook_aggregator::{ListEvents, ReadEvent, SendMessage};
use contracts::event::{EventDetail, EventQuery, EventsQuery, MessageRequest, Reply, Stage};
use contracts::{ChannelKind, EventId};
use platform::ports::Clock;
use serde_json::Value;
use std::time::Duration;
use webhook_aggregator::channels::{LocalMessage, LocalPlatform, Signed, local_platform};

/// Posts the message, waits, prints the answer. Exits 1 if the message is refused, parked, or kept
/// during a halt.
///
/// # Errors
/// As above, and when the server does not answer.
pub async fn send(
    client: &Client,
    data: &DataDir,
    channel: ChannelKind,
    text: &str,
    wait_s: u64,
    as_json: bool,
) -> Result<()> {
    let deadline = SystemClock.now_ms() + i64::try_from(wait_s.min(3600)).unwrap_or(30) * 1000;
    let id = match local_platform(channel) {
        Some(platform) => {
            let webhook = sign(data, channel, platform, text)?;
            post(client, channel, &webhook).await?;
            find(client, channel, &webhook.dedupe_key).await?
        }
        None => say_by_api(client, text).await?,
    };
    let detail = wait_for(client, &id, deadline).await?;
    if as_json {
        say_json(&detail);
    }
    verdict(&detail, as_json)
}

fn verdict(detail: &EventDetail, as_json: bool) -> Result<()> {
    let answer = answer(&detail.replies);
    match detail.row.state {
        Stage::Done | Stage::Answered if detail.row.reason.is_none() => {
            if !as_json {
                say(&answer);
            }
            Ok(())
        }
        state if state.is_held(detail.row.reason.as_deref()) => Err(No(format!(
            "{answer} `quintet status` names the halt and the command that ends it."
        ))
        .into()),
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
        state if state.is_final() || state == Stage::Answered => {
            let reason = detail.row.reason.clone().unwrap_or_default();
            let state = if state == Stage::Answered { Stage::Failed } else { state };
            Err(No(format!("{}: {reason}. {answer}", state.as_str())).into())
        }
        state => Err(No(format!(
            "no answer within the wait; its state is {} ({})",
            state.as_str(),
            detail.row.id
        ))
        .into()),
    }
}

/// The last message, with the files that go with it.
fn answer(replies: &[Reply]) -> String {
    let from = replies.iter().rposition(|reply| !reply.is_file()).unwrap_or(0);
    let texts = replies.iter().skip(from).map(|reply| reply.text.as_str());
    texts.collect::<Vec<_>>().join("\n")
}

async fn wait_for(client: &Client, id: &EventId, deadline: i64) -> Result<EventDetail> {
    loop {
        let left_s = ((deadline - SystemClock.now_ms()) / 1000).clamp(0, 20);
        let query = EventQuery { wait: u32::try_from(left_s).unwrap_or(0), after: None };
        let detail = client.ask::<ReadEvent>(id, &query).await?;
        let settled = detail.row.state.is_at_rest(detail.row.reason.as_deref());
        if settled || SystemClock.now_ms() >= deadline {
            return Ok(detail);
        }
    }
}

/// Finds the event by its dedup key, because platforms expect a webhook response without an id.
async fn find(client: &Client, channel: ChannelKind, key: &str) -> Result<EventId> {
    let (channel, limit) = (Some(channel.to_string()), Some(100));
    let query = EventsQuery { channel, limit, ..EventsQuery::default() };
    for _ in 0..20 {
        let list = client.ask::<ListEvents>(&(), &query).await?;
        if let Some(event) = list
            .events
            .into_iter()
            .find(|event| event.endpoint == local_endpoints::NAME && event.dedupe_key == key)
        {
            return Ok(event.id);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Unreachable("the server accepted the message but does not list it".to_owned()).into())
}

async fn say_by_api(client: &Client, text: &str) -> Result<EventId> {
    let request = MessageRequest { text: text.to_owned(), conversation: None };
    Ok(client.ask::<SendMessage>(&(), &request).await?.event_id)
}

/// Signs the webhook as the channel's platform would.
fn sign(
    data: &DataDir,
    channel: ChannelKind,
    platform: &dyn LocalPlatform,
    text: &str,
) -> Result<Signed> {
    let credentials = local_endpoints::credentials(data, channel)?;
    let mut bytes = [0; 8];
    SystemClock.random(&mut bytes);
    let unique = u64::from_le_bytes(bytes) >> 12;
    let said = LocalMessage { text, now_s: SystemClock.now_ms() / 1000, unique };
    platform
        .sample(&credentials, &said)
        .with_context(|| format!("local.json lacks a key of the {channel} endpoint"))
}

async fn post(client: &Client, channel: ChannelKind, webhook: &Signed) -> Result<()> {
    let mut request = client
        .http()
        .post(client.url(&channel.webhook_path(local_endpoints::NAME)).await?)
        .json_body(&Value::Null)?
        .body(webhook.body.clone());
    for (name, value) in &webhook.headers {
        request = request.header(*name, value);
    }
    let answer = request
        .send()
        .await
        .map_err(|e| Unreachable(format!("the server does not answer: {}", e.without_url())))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    remark(&answer.text().await.unwrap_or_default());
    Err(Unreachable(format!("the webhook was answered {status}")).into())
}
