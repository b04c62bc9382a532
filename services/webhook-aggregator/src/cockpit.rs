//! The commands that only look: what runs and waits here, which agents there are, what waits for a
//! decision. They cost nothing.

use crate::Deps;
use crate::steps::{open_where, words_of};
use contracts::approval::{ApprovalsText, ApprovalsTextRequest};
use contracts::calls::agency_router::ReadPool;
use contracts::calls::personal_assistant::TellApprovals;
use contracts::event::Stage;
use contracts::routing::PoolMember;
use inbox::{InboxExt, StoredEvent};
use platform::ports::CallError;
use platform::text::{as_code, printable, short};

/// Maximum lines of a list, and characters shown of a message.
const LINES_MAX: usize = 20;
const SHOWN_CHARS: usize = 80;
/// Marks of Markdown that change words or make links.
const MARKS: [char; 9] = ['[', ']', '<', '>', '`', '*', '~', '|', '\\'];

/// `/status`: the open messages of this conversation; for an approver also what waits for him.
pub(crate) async fn status(deps: &Deps, event: &StoredEvent) -> Result<String, CallError> {
    let open: Vec<StoredEvent> = deps.inbox.ask(&event.shard, open_where(event)).await?;
    let now_ms = deps.clock.now_ms();
    let mut lines: Vec<String> = open
        .iter()
        .filter(|open| open.seq < event.seq && !open.control)
        .map(|open| line(open, now_ms))
        .collect();
    cut(&mut lines, LINES_MAX, "messages");
    if lines.is_empty() {
        lines.push("Nothing runs or waits here.".to_owned());
    }
    if event.origin.approver {
        let told = tell_approvals(deps, event).await?;
        if told.halted {
            lines.push("Everything is halted: no work starts until /resume.".to_owned());
        }
        lines.push(match told.pending {
            0 => "No request waits for you.".to_owned(),
            1 => "1 request waits for you: /approvals".to_owned(),
            count => format!("{count} requests wait for you: /approvals"),
        });
    }
    Ok(lines.join("\n"))
}

fn line(open: &StoredEvent, now_ms: i64) -> String {
    let words = as_code(words_of(open), SHOWN_CHARS);
    let minutes = now_ms.saturating_sub(open.received_ms).max(0) / 60_000;
    let since = if minutes == 0 { "just now".to_owned() } else { format!("{minutes} min") };
    let agent = open.agent.as_ref().map_or("An agent", |agent| agent.as_str());
    match open.state {
        Stage::Running => format!("{agent} works on {words} ({since})"),
        state if state.is_held(open.reason.as_deref()) => {
            format!("{words} waits for the end of a halt ({since})")
        }
        Stage::Parked => format!("{words} waits for a decision ({since})"),
        _ => format!("{words} waits ({since})"),
    }
}

/// `/agents`: the agents that messages can go to.
pub(crate) async fn agents(deps: &Deps) -> Result<String, CallError> {
    let pool = deps.calls.ask::<ReadPool>(&(), &()).await?;
    let mut lines: Vec<String> = pool.agents.iter().map(named).collect();
    if lines.is_empty() {
        return Ok("There are no agents yet.".to_owned());
    }
    cut(&mut lines, LINES_MAX, "agents");
    lines.push("Begin a message with a name to choose one.".to_owned());
    Ok(lines.join("\n"))
}

/// An agent with its title, and whether it can work.
pub(crate) fn named(member: &PoolMember) -> String {
    let down = if member.available { "" } else { " (not available now)" };
    let title = title(&member.title);
    if title.eq_ignore_ascii_case(member.agent.as_str()) {
        format!("@{}{down}", member.agent)
    } else {
        format!("@{} – {title}{down}", member.agent)
    }
}

/// A title from a file of the graph, whose marks would be drawn as ours.
fn title(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !MARKS.contains(c)).collect();
    short(&printable(plain.trim()), SHOWN_CHARS)
}

/// `/approvals`: what this approver may decide.
pub(crate) async fn approvals(deps: &Deps, event: &StoredEvent) -> Result<String, CallError> {
    Ok(tell_approvals(deps, event).await?.message)
}

async fn tell_approvals(deps: &Deps, event: &StoredEvent) -> Result<ApprovalsText, CallError> {
    let request = ApprovalsTextRequest { actor: event.origin.actor.clone().unwrap_or_default() };
    deps.calls.ask::<TellApprovals>(&(), &request).await
}

/// Names how many lines above `most` are left out.
pub(crate) fn cut(lines: &mut Vec<String>, most: usize, what: &str) {
    let more = lines.len().saturating_sub(most);
    if more > 0 {
        lines.truncate(most);
        lines.push(format!("… and {more} more {what}"));
    }
}
