//! `quintet events` and `quintet replay`.

use crate::client::Client;
use crate::exit::{No, Usage};
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::EventId;
use contracts::calls::webhook_aggregator::{ListEvents, ReplayEvent};
use contracts::event::{EventsQuery, ReplayAnswer, Stage};
use platform::text::short;

/// Lists the newest events.
///
/// # Errors
/// When the server refuses.
pub async fn events(
    client: &Client,
    state: Option<String>,
    limit: u32,
    as_json: bool,
) -> Result<()> {
    let stage = match &state {
        Some(text) => {
            let known = || Stage::ALL.map(Stage::as_str).join(", ");
            let stage = Stage::parse(text).ok_or_else(|| {
                Usage(format!("there is no state {text}. Use one of {}.", known()))
            })?;
            Some(stage.as_str().to_owned())
        }
        None => None,
    };
    let query = EventsQuery { state: stage, limit: Some(limit), ..EventsQuery::default() };
    let list = client.ask::<ListEvents>(&(), &query).await?;
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if list.events.is_empty() {
        say("no events yet. Try `quintet send telegram \"hello\"`.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list
        .events
        .into_iter()
        .map(|row| {
            let agent = row.agent.map(|agent| agent.0).unwrap_or_default();
            let state = row.reason.map_or_else(
                || row.state.as_str().to_owned(),
                |reason| format!("{} ({})", row.state.as_str(), short(&reason, 40)),
            );
            vec![row.id.0, row.received_at, state, agent, short(&row.text, 50)]
        })
        .collect();
    say(&table(&["ID", "RECEIVED", "STATE", "AGENT", "TEXT"], &rows));
    Ok(())
}

/// Replays each id. Reports the first refusal at the end, after trying all others.
///
/// # Errors
/// [`No`] when one could not be replayed.
pub async fn replay(client: &Client, ids: &[String], as_json: bool) -> Result<()> {
    let mut done = ReplayAnswer::default();
    let mut refused = Vec::new();
    for id in ids {
        if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Err(Usage(format!(
                "{id} is not the id of an event. `quintet events` lists them."
            ))
            .into());
        }
        match client.ask::<ReplayEvent>(&EventId::from(id.as_str()), &()).await {
            Ok(answer) => {
                done.matched.extend(answer.matched);
                done.replayed.extend(answer.replayed);
                if !as_json {
                    say(&format!("{id} runs again"));
                }
            }
            Err(error) if error.is::<No>() => refused.push(format!("{id}: {error}")),
            Err(error) => return Err(error),
        }
    }
    if as_json {
        say_json(&done);
    }
    if refused.is_empty() { Ok(()) } else { Err(No(refused.join("\n")).into()) }
}
