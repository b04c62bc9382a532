//! `quintet events`, `quintet deliver` and `quintet replay`.

use crate::cli::EventsArgs;
use crate::client::Client;
use crate::exit::{No, Usage, is_no};
use crate::terminal::{ask, remark, say, say_json, table, watched};
use anyhow::Result;
use contracts::calls::webhook_aggregator::{
    DeliverEvent, ListEvents, ReadEvent, ReadLog, ReplayEvent,
};
use contracts::event::{EventDetail, EventQuery, EventsQuery, ProgressLine, ReplayAnswer, Stage};
use contracts::run_log::{EventLog, RunLog};
use contracts::{EventId, Micros};
use platform::text::{honest, short};
use serde::Serialize;
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at an event that is followed, where the server does not wait.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Seconds that the server waits for a change.
const WAIT_S: u32 = 25;

/// Lists the newest events, or follows one.
///
/// # Errors
/// When the server refuses, and those of [`follow`].
pub async fn events(client: &Client, asked: EventsArgs, as_json: bool) -> Result<()> {
    let EventsArgs { state, limit, follow: followed, log } = asked;
    if let Some(id) = followed {
        return follow(client, &id, as_json).await;
    }
    if let Some(id) = log {
        return print_log(client, &id, as_json).await;
    }
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
            let cost = row.cost_text().unwrap_or_default();
            let is_unknown = row.is_of_unknown_sender();
            let agent = row.agent.map(|agent| agent.0).unwrap_or_default();
            // The id that the owner writes into `approvers` or `senders`.
            let unknown = row.sender.filter(|_| is_unknown);
            let unknown = unknown.map(|id| format!(" {id}")).unwrap_or_default();
            let state = row.reason.map_or_else(
                || row.state.as_str().to_owned(),
                |reason| format!("{} ({}{unknown})", row.state.as_str(), short(&reason, 40)),
            );
            vec![row.id.0, row.received_at, state, agent, cost, short(&row.text, 50)]
        })
        .collect();
    say(&table(&["ID", "RECEIVED", "STATE", "AGENT", "COST", "TEXT"], &rows));
    Ok(())
}

/// Prints the stages and the progress of one event as they come, and its answer at the end.
///
/// # Errors
/// [`No`] when the event ends without an answer, [`Usage`] for what is no id of an event.
async fn follow(client: &Client, id: &str, as_json: bool) -> Result<()> {
    let id = event_id(id)?;
    let mut seen = Seen::default();
    let mut query = EventQuery::default();
    loop {
        let asked = Instant::now();
        let detail = client.ask::<ReadEvent>(&id, &query).await?;
        seen.tell(&detail, as_json);
        if detail.row.state.is_final() {
            return match detail.row.state {
                Stage::Done => Ok(()),
                state => {
                    log_at_the_end(client, &detail, as_json).await;
                    let why = detail.row.reason.map(|why| format!(" ({why})")).unwrap_or_default();
                    Err(No(format!("{id} ended {}{why}", state.as_str())).into())
                }
            };
        }
        let (pause, next) = next_look(&query, detail.cursor, asked.elapsed());
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        query = next;
    }
}

/// Prints the log of a run that did not succeed, where there is one and the token may read it.
async fn log_at_the_end(client: &Client, detail: &EventDetail, as_json: bool) {
    if detail.row.task_id.is_none() {
        return;
    }
    let Ok(EventLog { log: Some(kept) }) = client.ask::<ReadLog>(&detail.row.id, &()).await else {
        return;
    };
    let text = format!("\nThe program's log:\n{}", log_text(&kept.log));
    print(as_json, &text, &json!({ "log": kept }));
}

/// Prints the log of an event's newest run.
///
/// # Errors
/// [`No`] where there is none, and [`Usage`] for what is no id of an event.
async fn print_log(client: &Client, id: &str, as_json: bool) -> Result<()> {
    let answer = client.ask::<ReadLog>(&event_id(id)?, &()).await?;
    if as_json {
        say_json(&answer);
        return Ok(());
    }
    let Some(kept) = answer.log else {
        let why = format!("{id} has no log: its program wrote none, or its run has not ended");
        return Err(No(why).into());
    };
    say(&log_text(&kept.log));
    Ok(())
}

/// The lines of a log, below one about the bytes that are not in it.
fn log_text(log: &RunLog) -> String {
    let left_out = log.left_out().map(|line| format!("{line}\n")).unwrap_or_default();
    format!("{left_out}{}", honest(&log.text))
}

/// The next look at an event, after one that took this long, and the pause before it. A server
/// that gives no cursor would wait for the end of the run, so it is asked without a wait. A server
/// that does not wait is not asked without a pause either.
fn next_look(
    last: &EventQuery,
    cursor: Option<String>,
    took: Duration,
) -> (Option<Duration>, EventQuery) {
    let Some(cursor) = cursor else { return (Some(LOOK_EVERY), EventQuery::default()) };
    let is_same = last.after.as_ref() == Some(&cursor);
    let pause = (is_same && took < LOOK_EVERY).then_some(LOOK_EVERY);
    (pause, EventQuery { wait: WAIT_S, after: Some(cursor) })
}

/// The part of an event that was printed.
#[derive(Default)]
struct Seen {
    stages: usize,
    /// The time and the text of the newest line of progress.
    newest: Option<(String, String)>,
}

impl Seen {
    fn tell(&mut self, detail: &EventDetail, as_json: bool) {
        let stages = detail.stages.iter().skip(self.stages).map(|stage| {
            let note = stage.note.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
            let seconds = stage.after_ms as f64 / 1000.0;
            let line = format!("{seconds:>8.1} s  {}{note}", stage.stage.as_str());
            (&stage.at, line, json!(stage))
        });
        let known = |line: &ProgressLine| Some((line.at.clone(), line.text.clone())) == self.newest;
        let after = detail.progress.iter().rposition(known).map_or(0, |place| place + 1);
        let progress = detail.progress.iter().skip(after).map(|line| {
            let cost = line.cost_micros.filter(|cost| *cost > 0).map(Micros);
            let cost = cost.map(|cost| format!("  ({cost} so far)")).unwrap_or_default();
            (&line.at, format!("            {}{cost}", line.text), json!(line))
        });
        let mut news: Vec<_> = stages.chain(progress).collect();
        news.sort_by_key(|(at, ..)| *at);
        for (_, line, value) in news {
            print(as_json, &line, &value);
        }
        self.stages = detail.stages.len();
        if let Some(line) = detail.progress.last() {
            self.newest = Some((line.at.clone(), line.text.clone()));
        }
        if detail.row.state.is_final() {
            for reply in detail.replies.iter().filter(|reply| !reply.text.is_empty()) {
                print(as_json, &format!("\n{}", reply.text), reply);
            }
        }
    }
}

fn print(as_json: bool, line: &str, value: &impl Serialize) {
    if as_json {
        say_json(value);
    } else {
        say(line);
    }
}

/// Refuses a text that cannot be an event's id.
fn event_id(text: &str) -> Result<EventId> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Ok(EventId::from(text));
    }
    let why = format!("{text} is not the id of an event. `quintet events` lists them.");
    Err(Usage(why).into())
}

/// Sends the kept answer of each event again. Reports the refusals at the end.
///
/// # Errors
/// [`No`] when one could not be sent.
pub async fn deliver(client: &Client, ids: &[String], as_json: bool) -> Result<()> {
    let mut delivered = Vec::new();
    let mut refused = Vec::new();
    for id in ids {
        match client.ask::<DeliverEvent>(&event_id(id)?, &()).await {
            Ok(answer) => {
                delivered.push(answer.event_id);
                if !as_json {
                    say(&format!("the answer of {id} is sent again; its agent does not run again"));
                }
            }
            Err(error) if is_no(&error) => refused.push(format!("{id}: {error}")),
            Err(error) => return Err(error),
        }
    }
    if as_json {
        say_json(&json!({ "delivered": delivered }));
    }
    if refused.is_empty() { Ok(()) } else { Err(No(refused.join("\n")).into()) }
}

/// Whether the event has an answer that its chat did not get.
async fn keeps_an_answer(client: &Client, id: &EventId) -> Result<bool> {
    let found = client.ask::<ReadEvent>(id, &EventQuery::default()).await;
    match found {
        Ok(detail) => Ok(detail.row.keeps_an_answer()),
        // The replay says what is wrong.
        Err(error) if is_no(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks which of the two is meant; without a terminal it runs again, and says what else there is.
async fn means_delivery(client: &Client, id: &EventId, as_json: bool) -> Result<bool> {
    if !keeps_an_answer(client, id).await? {
        return Ok(false);
    }
    let can_ask = watched() && std::io::stdin().is_terminal();
    if as_json || !can_ask {
        remark(&format!(
            "{id} has a finished answer; `quintet deliver {id}` sends it without another run"
        ));
        return Ok(false);
    }
    let question = format!(
        "{id} has a finished answer that was not delivered. Send it again (s), or run the agent again, at its cost (r)? "
    );
    loop {
        match ask(&question)?.trim().to_lowercase().as_str() {
            "s" | "send" => return Ok(true),
            "r" | "run" => return Ok(false),
            _ => {}
        }
    }
}

/// Replays each id. Reports the first refusal at the end, after trying all others.
///
/// # Errors
/// [`No`] when one could not be replayed.
pub async fn replay(client: &Client, ids: &[String], as_json: bool) -> Result<()> {
    let mut done = ReplayAnswer::default();
    let mut refused = Vec::new();
    for id in ids {
        if means_delivery(client, &event_id(id)?, as_json).await? {
            deliver(client, std::slice::from_ref(id), as_json).await?;
            continue;
        }
        match client.ask::<ReplayEvent>(&event_id(id)?, &()).await {
            Ok(answer) => {
                done.matched.extend(answer.matched);
                done.replayed.extend(answer.replayed);
                if !as_json {
                    say(&format!("{id} runs again"));
                }
            }
            Err(error) if is_no(&error) => refused.push(format!("{id}: {error}")),
            Err(error) => return Err(error),
        }
    }
    if as_json {
        say_json(&done);
    }
    if refused.is_empty() { Ok(()) } else { Err(No(refused.join("\n")).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_waits_at_the_server_and_falls_back_where_that_knows_no_cursor() {
        let at = |after: &str| EventQuery { wait: WAIT_S, after: Some(after.to_owned()) };
        let look = |last: &EventQuery, cursor: Option<&str>, took_ms| {
            let took = Duration::from_millis(took_ms);
            let (pause, next) = next_look(last, cursor.map(str::to_owned), took);
            (pause.is_some(), next.wait, next.after)
        };
        let next = |cursor: &str| Some(cursor.to_owned());
        let first = EventQuery::default();
        assert_eq!(look(&first, Some("1"), 3), (false, 25, next("1")));
        assert_eq!(look(&at("1"), Some("2"), 3), (false, 25, next("2")), "a change");
        assert_eq!(look(&at("1"), Some("1"), 25_000), (false, 25, next("1")), "nothing new");
        assert_eq!(look(&at("1"), Some("1"), 3), (true, 25, next("1")), "it does not wait");
        assert_eq!(look(&first, None, 3), (true, 0, None), "an older server");
        assert_eq!(look(&at("1"), None, 25_000), (true, 0, None));
    }
}
