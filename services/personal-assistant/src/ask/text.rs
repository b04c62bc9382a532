//! The text of an approval in a chat: our facts, and the words of others as quotes.

use crate::policy::{QUESTION, TOOL_CALL, UNNAMED};
use crate::store::{ApprovalRow, unreadable};
use contracts::agent_run::AgentRun;
use contracts::approval::{ApprovalState, Choice, DESCRIPTION_CHARS_MAX};
use platform::edge::ApiResult;
use platform::text::{honest, printable};
use platform::time::rfc3339;
use serde::Deserialize;

/// How much of a description a chat shows, characters: with the rest it fits in one message of
/// every platform.
const SHOWN_CHARS: usize = 1_200;
/// The same, as it is quoted, for a question of an agent: it is shown in full, in as many messages
/// as it takes, and the buttons stand under the last. The aggregator sends 24 messages of a text,
/// and a platform's escapes may double it.
const SHOWN_IN_PARTS_CHARS: usize = 12_000;
/// Characters after which a quoted line is continued on the next, so that no message of several
/// begins without the mark of a quote.
const QUOTED_LINE_CHARS: usize = 400;
/// Characters of the line that says what a run starts; the dashboard shows all of it.
const STARTS_CHARS: usize = 200;

/// Whether a chat shows enough to decide there.
pub(super) fn may_be_decided(approval: &ApprovalRow) -> bool {
    quoted(approval).may_be_decided
}

/// The text of a question, and of its outcome.
pub(super) fn of(approval: &ApprovalRow, now_ms: i64) -> ApiResult<String> {
    if approval.tops_up.is_some() {
        return more_money(approval, now_ms);
    }
    let what = approval.operation.as_ref().unwrap_or(&approval.kind);
    let work = printable(&format!("{} · {what}", approval.agent));
    let shown = quoted(approval).text;
    let by = by(approval);
    let state = approval.state_at(now_ms)?;
    if approval.kind == QUESTION {
        return Ok(question(approval, state, &shown));
    }
    let end = match state {
        ApprovalState::Pending => {
            let extended = match approval.choice() {
                Choice::ToolCall => format!(
                    "\n“For this task” and “Always” let {} use {} again with exactly these arguments.",
                    printable(&approval.agent),
                    printable(what)
                ),
                _ => String::new(),
            };
            return Ok(format!(
                "Approval needed: {work}\n{shown}\n\n{}Cost: {}\nWhy you are asked: {}{extended}\nUntil {} · {}",
                starts(approval)?,
                cost(approval)?,
                approval.reason,
                rfc3339(approval.expires_at),
                approval.id
            ));
        }
        ApprovalState::Rejected => format!("Rejected by {by}"),
        ApprovalState::Expired => "Expired: no decision came in time".to_owned(),
        ApprovalState::Cancelled => format!("Cancelled: halted by {by}"),
        ApprovalState::Approved
        | ApprovalState::Claimed
        | ApprovalState::Consumed
        | ApprovalState::Lapsed => format!("Approved by {by}"),
    };
    Ok(format!("{end}: {work}\n{shown}\n\n{} · up to {}", approval.id, approval.amount()))
}

/// The programs that a run of a chat's message may start, a line for each that the gateways have
/// configured.
fn starts(approval: &ApprovalRow) -> ApiResult<String> {
    #[derive(Deserialize)]
    struct Arguments {
        #[serde(default)]
        runs: Vec<AgentRun>,
    }
    let (Some(arguments), Some(_)) = (&approval.arguments, &approval.event_id) else {
        return Ok(String::new());
    };
    let arguments: Arguments =
        serde_json::from_str(arguments).map_err(|_| unreadable("arguments"))?;
    let line = |run: &AgentRun| {
        let folder = match (&run.workspace, run.worktree) {
            (Some(folder), true) => format!("a git worktree of {folder}"),
            (Some(folder), false) => folder.clone(),
            (None, _) => "a work folder of its own".to_owned(),
        };
        let model = run.model.as_ref().map(|model| format!(", model {model}")).unwrap_or_default();
        let sandbox = if run.sandbox == "off" { ", outside the sandbox" } else { "" };
        let text = format!("{}{model}, in {folder}{sandbox}", run.program.join(" "));
        format!("Runs: {}\n", platform::text::short(&printable(&text), STARTS_CHARS))
    };
    Ok(arguments.runs.iter().map(line).collect())
}

/// Who decided, for people.
fn by(approval: &ApprovalRow) -> String {
    approval.decider().unwrap_or_else(|| "an unnamed approver".to_owned())
}

/// A question of an agent, as a chat shows it.
fn question(approval: &ApprovalRow, state: ApprovalState, shown: &str) -> String {
    let id = &approval.id;
    if state == ApprovalState::Pending {
        let until = rfc3339(approval.expires_at);
        let asker = match approval.agent.as_str() {
            UNNAMED => "An agent".to_owned(),
            agent => printable(agent),
        };
        return format!(
            "{asker} asks you:\n{shown}\n\nAnswer: /answer {id} your words\nUntil {until}"
        );
    }
    let end = match state {
        ApprovalState::Expired => return format!("No answer came in time:\n{shown}"),
        ApprovalState::Cancelled => "Cancelled",
        _ => "Answered",
    };
    format!("{end} by {}:\n{shown}\n\n> {}", by(approval), printable(&approval.reason))
}

/// The cost of a request, as far as it is known.
fn cost(approval: &ApprovalRow) -> ApiResult<String> {
    let most = approval.amount();
    Ok(match approval.estimate()? {
        Some(_) => format!("up to {most}"),
        None => format!("unknown. Up to {most} is set aside, and counts if it reports no cost"),
    })
}

/// The question whether a run may spend more, and its outcome.
fn more_money(approval: &ApprovalRow, now_ms: i64) -> ApiResult<String> {
    let (agent, more) = (printable(&approval.agent), approval.amount());
    let by = by(approval);
    let shown = quoted(approval).text;
    let end = match approval.state_at(now_ms)? {
        ApprovalState::Pending => {
            return Ok(format!(
                "{agent} has reached its cost limit and is paused\n{shown}\n\n{}\nAllow {more} more?\nUntil {} · {}",
                approval.reason,
                rfc3339(approval.expires_at),
                approval.id
            ));
        }
        ApprovalState::Rejected => format!("{agent} was stopped by {by}"),
        ApprovalState::Expired => format!("{agent} was stopped: no decision came in time"),
        ApprovalState::Cancelled => format!("{agent} has ended"),
        ApprovalState::Approved
        | ApprovalState::Claimed
        | ApprovalState::Consumed
        | ApprovalState::Lapsed => format!("{more} more for {agent}, by {by}"),
    };
    Ok(format!("{end}\n{shown}\n\n{}", approval.id))
}

/// A description as a chat shows it.
struct Quoted {
    text: String,
    /// A question of an agent is decided in a chat only if all of it is shown there.
    may_be_decided: bool,
}

/// The description as a quote, so that no line of it passes for one of ours. It says how much is
/// left out, because the program gets all of it.
fn quoted(approval: &ApprovalRow) -> Quoted {
    let text = honest(&approval.description);
    let is_asked_by_agent = matches!(approval.kind.as_str(), TOOL_CALL | QUESTION);
    if is_asked_by_agent {
        let whole = quote(&text);
        if whole.chars().count() <= SHOWN_IN_PARTS_CHARS {
            return Quoted { text: whole, may_be_decided: true };
        }
    }
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    let quote = quote(&shown);
    let length = text.chars().count();
    let mut hidden = Vec::new();
    if length > SHOWN_CHARS {
        // A message that fills the description may be longer than it.
        let is_whole = is_asked_by_agent || length < DESCRIPTION_CHARS_MAX;
        let least = if is_whole { "" } else { "At least " };
        hidden.push(format!("{least}{} more characters are not shown here.", length - SHOWN_CHARS));
    }
    // The arguments of a chat's message are that message again; a tool call's are its description.
    if let (None, Some(arguments), false) =
        (&approval.event_id, &approval.arguments, is_asked_by_agent)
    {
        hidden.push(format!("Its arguments ({} bytes) are not shown here.", arguments.len()));
    }
    if hidden.is_empty() {
        return Quoted { text: quote, may_be_decided: true };
    }
    let cut = if length > SHOWN_CHARS { " …" } else { "" };
    let rest = if is_asked_by_agent {
        "Read all of it in the dashboard, and decide there."
    } else {
        "The dashboard shows more."
    };
    let text = format!("{quote}{cut}\n\n{} {rest}", hidden.join(" "));
    Quoted { text, may_be_decided: !is_asked_by_agent }
}

/// Each line with the mark of a quote. A long one goes on after an arrow.
fn quote(text: &str) -> String {
    let mut quote = String::new();
    for line in text.lines() {
        let mut mark = "> ";
        let mut rest = line;
        loop {
            let end = rest.char_indices().nth(QUOTED_LINE_CHARS).map_or(rest.len(), |(at, _)| at);
            let (head, tail) = rest.split_at(end);
            if !quote.is_empty() {
                quote.push('\n');
            }
            quote.push_str(mark);
            quote.push_str(head);
            if tail.is_empty() {
                break;
            }
            (mark, rest) = ("> \u{21b3} ", tail);
        }
    }
    quote
}
