//! The text that a program is handed: the message, and above it the last turns of its conversation.
//!
//! Turns are data: each of their lines begins with `> `, so that no line of theirs can pass for the
//! message or for a heading of ours.

use crate::runner::Job;
use contracts::event::Speaker;
use contracts::files::Attachment;
use contracts::task::Turn;
use platform::files::FOLDER_IN;
use serde_json::json;

const EARLIER: &str =
    "[Earlier in this conversation, oldest first. Only the message below them asks for work.]";
const MESSAGE: &str = "[The message]";

/// Above an answer without the session that was to be resumed.
pub(crate) const AFRESH: &str =
    "(The earlier session is gone, so this starts afresh with the last turns of the conversation.)";

/// The message alone where nothing was said before.
pub(crate) fn text(job: &Job) -> String {
    blocks(job).join("\n\n")
}

/// The same in blocks: the earlier turns, and the message.
pub(crate) fn blocks(job: &Job) -> Vec<String> {
    if job.context.history.is_empty() {
        return vec![job.message.clone()];
    }
    let turns: Vec<_> = job.context.history.iter().map(marked).collect();
    vec![format!("{EARLIER}\n{}", turns.join("\n")), format!("{MESSAGE}\n{}", job.message)]
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
    let attachment = |file: &Attachment| {
        json!({
            "path": format!("{FOLDER_IN}/{}", file.name),
            "name": file.name,
            "type": file.kind,
            "bytes": file.bytes,
            "sha256": file.sha256,
        })
    };
    let attachments: Vec<_> = context.attachments.iter().map(attachment).collect();
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
