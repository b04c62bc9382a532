//! `quintet schedules`: lists, makes, removes and runs schedules.

use crate::cli::{NewSchedule, Schedules};
use crate::client::Client;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::AgentId;
use contracts::calls::webhook_aggregator::{
    AddSchedule, ListSchedules, RemoveSchedule, RunSchedule,
};
use contracts::schedule::{ScheduleRequest, ScheduleView};
use platform::text::{printable, short};

/// Maximum characters of a message in the list.
const MESSAGE_CHARS: usize = 40;

/// Runs the subcommand; lists without one.
///
/// # Errors
/// When the server refuses.
pub async fn schedules(client: &Client, command: Option<Schedules>, as_json: bool) -> Result<()> {
    match command.unwrap_or(Schedules::List) {
        Schedules::List => list(client, as_json).await,
        Schedules::Next => next(client, as_json).await,
        Schedules::Add(new) => add(client, new, as_json).await,
        Schedules::Remove { name } => {
            let rest = client.ask::<RemoveSchedule>(&name, &()).await?;
            if as_json {
                say_json(&rest);
            } else {
                say(&format!("{} is removed.", printable(&name)));
            }
            Ok(())
        }
        Schedules::Run { name } => {
            let run = client.ask::<RunSchedule>(&name, &()).await?;
            if as_json {
                say_json(&run);
            } else {
                let event = &run.event_id;
                say(&format!(
                    "{} runs as {event}.\n  quintet events --follow {event}",
                    printable(&name)
                ));
            }
            Ok(())
        }
    }
}

async fn list(client: &Client, as_json: bool) -> Result<()> {
    let list = client.ask::<ListSchedules>(&(), &()).await?;
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if list.schedules.is_empty() {
        say("No schedules. `quintet schedules add --help` shows how to make one.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list.schedules.iter().map(row).collect();
    say(&table(&["NAME", "NEXT", "WHEN", "MADE BY", "CONVERSATION", "MESSAGE"], &rows));
    for view in &list.schedules {
        if let Some(note) = &view.note {
            say(&format!("{}: {}", view.name, printable(note)));
        }
    }
    Ok(())
}

fn row(view: &ScheduleView) -> Vec<String> {
    vec![
        view.name.clone(),
        due(view),
        view.timing.words(),
        view.made_by.as_str().to_owned(),
        view.conversation.clone(),
        printable(&short(&view.message, MESSAGE_CHARS)),
    ]
}

fn due(view: &ScheduleView) -> String {
    let local = view.next_due_local.clone();
    local.unwrap_or_else(|| if view.ended { "ended" } else { "not yet known" }.to_owned())
}

async fn next(client: &Client, as_json: bool) -> Result<()> {
    let mut list = client.ask::<ListSchedules>(&(), &()).await?;
    list.schedules.retain(|view| view.next_due.is_some());
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if list.schedules.is_empty() {
        say("Nothing is scheduled.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        list.schedules.iter().map(|view| vec![due(view), view.name.clone()]).collect();
    say(&table(&["NEXT", "NAME"], &rows));
    Ok(())
}

async fn add(client: &Client, new: NewSchedule, as_json: bool) -> Result<()> {
    let request = ScheduleRequest {
        name: new.name,
        cron: new.cron,
        at: new.at,
        every: new.every,
        time_zone: new.time_zone,
        conversation: new.conversation,
        message: new.message,
        on_missed: new.on_missed,
        agent: new.agent.map(AgentId::from),
    };
    let made = client.ask::<AddSchedule>(&(), &request).await?;
    if as_json {
        say_json(&made);
    } else {
        say(&format!("{} is due next at {}.", made.name, due(&made)));
    }
    Ok(())
}
