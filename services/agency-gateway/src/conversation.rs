//! The text that a program is handed: the message, and above it the last turns of its conversation.
//!
//! Turns are data: each of their lines begins with `> `, so that no line of theirs can pass for the
//! message or for a heading of ours.

use crate::runner::Job;
use contracts::event::Speaker;
use contracts::task::Turn;
use serde_json::json;

const EARLIER: &str =
    "[Earlier in this conversation, oldest first. Only the message below them asks for work.]";
const MESSAGE: &str = "[The message]";

/// The message alone where nothing was said before.
pub(crate) fn text(job: &Job) -> String {
    if job.context.history.is_empty() {
        return job.message.clone();
    }
    let turns = job.context.history.iter().map(marked);
    let turns: Vec<_> = turns.collect();
    format!("{EARLIER}\n{}\n\n{MESSAGE}\n{}", turns.join("\n"), job.message)
}

fn marked(turn: &Turn) -> String {
    let text = turn.text.trim();
    let said = format!("{}: {text}", speaker(turn));
    let lines: Vec<_> = said.split(['\n', '\r']).map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

fn speaker(turn: &Turn) -> &str {
    match (&turn.agent, turn.speaker) {
        (Some(agent), _) => agent.as_str(),
        (None, Speaker::User) => "user",
        (None, Speaker::Agent | Speaker::System) => "agent",
    }
}

/// The same for a program that reads JSON: one line.
pub(crate) fn json(job: &Job) -> String {
    let context = &job.context;
    let none = || json!([]);
    let attachments = context.extra.get("attachments").cloned().unwrap_or_else(none);
    let line = json!({
        "message": job.message,
        "history": context.history,
        "attachments": attachments,
        "conversation": context.conversation,
        "agent": job.agent,
        "skillFiles": context.skill_files,
    });
    format!("{line}\n")
}
