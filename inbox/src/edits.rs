//! A message that its sender edits. While it waits, the newest text counts; once its work has
//! begun, the new text is a message of its own that follows it.

use super::{Context, NewEvent, args};
use contracts::EventId;
use contracts::event::Stage;
use platform::ports::PortResult;
use serde::Deserialize;

/// An edit of a message that was answered longer ago is one for its readers, milliseconds.
const FOLLOW_UP_MS: i64 = 3_600_000;
/// No older message of a conversation is looked at.
const RECENT: u32 = 200;
/// Stands below the text of a message that replaces another one.
const EDITED: &str = "[The sender edited an earlier message to this]";

#[derive(Deserialize)]
struct Edited {
    id: EventId,
    state: Stage,
    text: String,
    sender: Option<String>,
    received_ms: i64,
    lease_ms: Option<i64>,
}

/// Applies an edit, and decides what becomes of the event that brought it.
pub(super) fn apply(context: &Context<'_>, event: &mut NewEvent) -> PortResult<()> {
    let Some(message) = event.edits.take().filter(|_| event.state == Stage::Received) else {
        return Ok(());
    };
    let Some(edited) = find(context, event, &message)?.filter(|_| !event.control) else {
        ignore(event, "edit");
        return Ok(());
    };
    let is_news = edited.sender == event.sender && edited.text != event.text;
    let is_waiting =
        edited.state == Stage::Received && edited.lease_ms.is_none_or(|at| at <= context.now_ms);
    let is_recent = context.now_ms - edited.received_ms <= FOLLOW_UP_MS;
    // A stop is no text for an agent: it stops the message, whether that waits or runs.
    let stops = event.is_stop_word && (is_waiting || !edited.state.is_final());
    if is_news && stops {
        event.origin.edits = Some(edited.id);
    } else if is_news && is_waiting {
        let id = edited.id.as_str();
        context.exec(
            "UPDATE event SET text = ?2, version = version + 1, updated_ms = ?3 WHERE id = ?1",
            args![id, &event.text, context.now_ms],
        )?;
        context.exec(
            "UPDATE said SET text = ?2 WHERE event_id = ?1 AND speaker = 'user'",
            args![id, &event.text],
        )?;
        ignore(event, "edit_taken");
    } else if is_news && (!edited.state.is_final() || is_recent) {
        event.text = format!("{}\n\n{EDITED}", event.text);
        event.is_stop_word = false;
        event.origin.edits = Some(edited.id);
    } else {
        ignore(event, "edit");
    }
    Ok(())
}

fn ignore(event: &mut NewEvent, reason: &str) {
    event.state = Stage::Ignored;
    event.reason = Some(reason.to_owned());
    event.semantic_key = None;
    event.said.clear();
    event.text.clear();
}

fn find(context: &Context<'_>, event: &NewEvent, message: &str) -> PortResult<Option<Edited>> {
    context.one(
        "SELECT e.id, e.state, e.text, e.sender, e.received_ms, q.lease_ms
         FROM (SELECT * FROM event WHERE conversation = ?1 ORDER BY seq DESC LIMIT ?3) AS e
         LEFT JOIN queue q ON q.event_id = e.id
         WHERE e.payload ->> 'message' = ?2 AND e.control = 0 AND e.state NOT IN ('ignored', 'quarantined')
         ORDER BY e.seq DESC LIMIT 1",
        args![event.conversation.as_str(), message, RECENT],
    )
}
