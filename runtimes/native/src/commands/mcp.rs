//! `quintet mcp`: a server of the Model Context Protocol on standard input and output, for programs
//! that start their servers themselves. It passes each message on to the running server.

use crate::away::{AGAIN_AFTER, AWAY_MAX};
use crate::client::Client;
use crate::exit::Unreachable;
use anyhow::Result;
use contracts::ServiceName;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Stdout};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longer than any question waits for the owner.
const PATIENCE: Duration = Duration::from_hours(25);
/// JSON-RPC error of a server that cannot be reached or refuses the token.
const SERVER_ERROR: i32 = -32_000;

/// Runs until standard input ends.
///
/// # Errors
/// When no server is known, or standard output is closed.
pub async fn mcp(client: Client) -> Result<()> {
    // A wrong address or data directory is told at once.
    client.address(ServiceName::PersonalAssistant, "/mcp").await?;
    let relay = Arc::new(Relay { client, out: Mutex::new(tokio::io::stdout()) });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut open = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        if !line.trim().is_empty() {
            let relay = relay.clone();
            open.spawn(async move { relay.pass_on(line).await });
        }
        while let Some(done) = open.try_join_next() {
            done??;
        }
    }
    Ok(())
}

struct Relay {
    client: Client,
    out: Mutex<Stdout>,
}

impl Relay {
    /// Sends a message until the server has answered it. A repeated call joins the one that waits.
    async fn pass_on(&self, message: String) -> Result<()> {
        let parsed: Value = serde_json::from_str(&message).unwrap_or_default();
        let id = parsed.get("id").cloned().unwrap_or_default();
        let mut last_seen = Instant::now();
        loop {
            let Err(error) = self.attempt(&message, &mut last_seen).await else { return Ok(()) };
            let is_away = error.is::<Unreachable>() && last_seen.elapsed() < AWAY_MAX;
            if !is_away {
                if id.is_null() {
                    return Ok(());
                }
                let error = json!({ "code": SERVER_ERROR, "message": format!("{error:#}") });
                let line = json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string();
                return self.print(&line).await;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
    /// One request with its answer.
    async fn attempt(&self, message: &str, last_seen: &mut Instant) -> Result<()> {
        let mut answer = self.client.post_message("/mcp", message, PATIENCE).await?;
        *last_seen = Instant::now();
        let is_stream = answer
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            let text = answer.text().await.map_err(broken)?;
            return if text.trim().is_empty() { Ok(()) } else { self.print(text.trim()).await };
        }
        let mut rest = Vec::new();
        let mut is_answered = false;
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            *last_seen = Instant::now();
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(data) = line.strip_prefix("data: ") {
                    let message: Value = serde_json::from_str(data.trim()).unwrap_or_default();
                    is_answered |= message.get("id").is_some();
                    self.print(data.trim()).await?;
                }
            }
        }
        if is_answered {
            Ok(())
        } else {
            Err(Unreachable("the answer ended early".to_owned()).into())
        }
    }
    async fn print(&self, line: &str) -> Result<()> {
        let mut out = self.out.lock().await;
        out.write_all(format!("{line}\n").as_bytes()).await?;
        out.flush().await?;
        Ok(())
    }
}

fn broken(error: reqwest::Error) -> anyhow::Error {
    Unreachable(format!("the answer broke off: {}", error.without_url())).into()
}
