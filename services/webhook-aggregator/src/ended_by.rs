//! Who ended a run before its end, in a sentence for its answer.

use crate::Deps;
use contracts::calls::personal_assistant::CheckHalts;
use contracts::halt::{HaltCheck, HaltCheckAnswer, HaltedBy};
use contracts::task::HALTED_BY_SOMEONE;
use contracts::{EventId, Shard, TaskId};
use inbox::{GetRun, InboxExt, StoredEvent, TaskRow};
use platform::ports::PortResult;
use platform::text::{printable, short};

/// The end of a run that was halted.
pub(crate) const HALTED: &str = "Stopped by the owner.";
/// Maximum characters of a name.
const NAME_CHARS_MAX: usize = 60;

/// Who stopped this run from the chat. A stop does not depend on it.
pub(crate) async fn stopped(deps: &Deps, shard: &Shard, row: &TaskRow) -> String {
    let told = match &row.stopped_by {
        Some(by) => stopped_by(deps, shard, row, by).await,
        None => Ok(None),
    };
    let told = told.unwrap_or_else(|error| {
        tracing::warn!(%error, task = %row.id, "who stopped a run could not be read");
        None
    });
    told.unwrap_or_else(|| "It was stopped from the chat.".to_owned())
}

async fn stopped_by(
    deps: &Deps,
    shard: &Shard,
    row: &TaskRow,
    by: &EventId,
) -> PortResult<Option<String>> {
    let run = deps.inbox.ask(shard, GetRun { task: row.id.clone() }).await?;
    let stop = deps.event(by).await?;
    Ok(run.zip(stop).and_then(|((_, run), (stop, ..))| {
        let name = stop.origin.name.as_deref();
        Some(person(&run, stop.origin.actor.as_deref()?, name, "stopped"))
    }))
}

/// Who halted this run; the gateway knows the owner's own halts without a name.
pub(crate) async fn halted(
    deps: &Deps,
    shard: &Shard,
    row: &TaskRow,
    by: Option<HaltedBy>,
) -> Option<String> {
    let by = by?;
    let run = deps.inbox.ask(shard, GetRun { task: row.id.clone() }).await;
    let (_, run) = run.ok()??;
    Some(person(&run, &by.actor, by.name.as_deref(), "halted"))
}

/// Puts who halted a run in the place of the gateway's sentence: a gateway on the server's own
/// machine learns of a halt before the halt has a name.
pub(crate) async fn name_the_halt(deps: &Deps, shard: &Shard, task: &TaskId, text: &mut String) {
    let Some(before) = text.strip_suffix(HALTED_BY_SOMEONE) else { return };
    let check = HaltCheck { tasks: vec![task.clone()], ..HaltCheck::default() };
    let Ok(HaltCheckAnswer { by: Some(by), .. }) = deps.calls.ask::<CheckHalts>(&(), &check).await
    else {
        return;
    };
    if let Ok(Some((_, run))) = deps.inbox.ask(shard, GetRun { task: task.clone() }).await {
        let named = person(&run, &by.actor, by.name.as_deref(), "halted");
        *text = format!("{before}{named}");
    }
}

/// A name proves nothing, so that the id stands behind it. A token and the dashboard are the
/// owner's.
fn person(run: &StoredEvent, actor: &str, name: Option<&str>, did: &str) -> String {
    if run.origin.actor.as_deref() == Some(actor) {
        return format!("You {did} it.");
    }
    if !actor.contains(':') {
        return format!("The owner {did} it.");
    }
    // An approver of another endpoint is nobody that this chat knows.
    if !actor.starts_with(&format!("{}:{}:", run.channel, run.endpoint)) {
        return format!("An approver of another chat {did} it.");
    }
    let name = name.map(|name| short(printable(name).trim(), NAME_CHARS_MAX));
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{name} ({actor}) {did} it."),
        None => format!("{actor} {did} it."),
    }
}
