//! The parts of an answer, each from its source: the ledger, the approvals, the halts, the inbox,
//! the graph.

use super::intent::{Intent, intents};
use crate::store::ApprovalRow;
use crate::{Deps, budget, halt};
use contracts::calls::skill_graph_loader::Search;
use contracts::calls::webhook_aggregator::ListEvents;
use contracts::event::EventsQuery;
use contracts::graph::{SearchHit, SearchQuery};
use platform::edge::ApiResult;
use platform::ports::SqlExt;
use platform::sql;
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};

const HITS: usize = 3;
const ROWS: u32 = 5;
/// Lifetime of a cached chat session.
const SESSION_TTL_S: u64 = 3600;
const QUERY_CHARS: usize = 200;
const LINE_CHARS: usize = 160;

/// The answer to a message, without a model.
pub async fn answer(deps: &Deps, session: &str, message: &str) -> ApiResult<String> {
    let mut parts = Vec::new();
    for intent in intents(message) {
        parts.push(match intent {
            Intent::Order => {
                "I do not act from here. Use `quintet halt`, `resume`, `approve` or `reject`, the dashboard, or the buttons under a question.".to_owned()
            }
            Intent::Who => "I am your assistant in Quintet: I keep your approvals, your budget and your halts.".to_owned(),
            Intent::Help => {
                "Ask me about the budget, pending approvals, halts, recent events, your messages here, or anything in the skill graph.".to_owned()
            }
            Intent::Budget => about_budget(deps).await?,
            Intent::Approvals => about_approvals(deps).await?,
            Intent::Halts => about_halts(deps).await?,
            Intent::Events => about_events(deps).await,
            Intent::History => about_session(deps, session).await?,
            Intent::Knowledge => about_graph(deps, message).await,
        });
    }
    Ok(parts.join("\n\n"))
}

/// Limits, spending and holds.
pub async fn about_budget(deps: &Deps) -> ApiResult<String> {
    let budget = budget::answer(deps).await?;
    let line = |scope: &contracts::budget::BudgetScope| {
        let (spent, limit, held, remaining) =
            (scope.spent, scope.limit, scope.held, scope.remaining);
        format!(
            "- {} {} ({}): {spent} of {limit} spent, {held} held, {remaining} left until {}",
            scope.scope, scope.window, scope.label, scope.resets_at
        )
    };
    Ok(format!("Your budget:\n{}", budget.scopes.iter().map(line).collect::<Vec<_>>().join("\n")))
}

/// Requests that wait for the owner.
pub async fn about_approvals(deps: &Deps) -> ApiResult<String> {
    let find = sql!(
        "SELECT * FROM approvals WHERE state = 'pending' AND expires_at > ?1 ORDER BY requested_at LIMIT ?2",
        deps.clock.now_ms(),
        ROWS
    );
    let rows: Vec<ApprovalRow> = deps.sql.all(find).await?;
    if rows.is_empty() {
        return Ok("Nothing waits for your decision.".to_owned());
    }
    let line = |row: &ApprovalRow| {
        format!(
            "- {}: {} for up to {}, since {}: {}",
            row.id,
            row.agent,
            row.amount(),
            rfc3339(row.requested_at),
            shorten(&row.description)
        )
    };
    Ok(format!(
        "Waiting for your decision:\n{}",
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    ))
}

/// Halts in force.
pub async fn about_halts(deps: &Deps) -> ApiResult<String> {
    #[derive(Deserialize)]
    struct Halt {
        target: String,
        reason: String,
        at: i64,
    }
    if !halt::all_halted(deps).await? {
        let rows: Vec<Halt> = deps.sql.all(sql!("SELECT target, reason, at FROM halt WHERE resumed_at IS NULL ORDER BY at DESC LIMIT ?1", ROWS)).await?;
        if rows.is_empty() {
            return Ok("Nothing is halted.".to_owned());
        }
        let line = |row: &Halt| {
            format!("- {} since {}: {}", row.target, rfc3339(row.at), shorten(&row.reason))
        };
        return Ok(format!("Halted:\n{}", rows.iter().map(line).collect::<Vec<_>>().join("\n")));
    }
    Ok("Everything is halted: nothing starts until you resume.".to_owned())
}

/// The newest messages.
pub async fn about_events(deps: &Deps) -> String {
    let newest = EventsQuery { limit: Some(ROWS), ..EventsQuery::default() };
    match deps.calls.ask::<ListEvents>(&(), &newest).await {
        Ok(list) if list.events.is_empty() => "No message has come in yet.".to_owned(),
        Ok(list) => {
            let line = |event: &contracts::event::EventRow| {
                format!(
                    "- {} {} ({}): {}",
                    event.received_at,
                    event.channel,
                    event.state.as_str(),
                    shorten(&event.text)
                )
            };
            format!(
                "The newest messages:\n{}",
                list.events.iter().map(line).collect::<Vec<_>>().join("\n")
            )
        }
        Err(error) => {
            tracing::warn!(error = %error, "cannot read the events for the chat");
            "The inbox is unavailable right now.".to_owned()
        }
    }
}

/// The owner's messages in a session, newest first.
#[derive(Serialize, Deserialize)]
struct OwnMessage {
    content: String,
    at: i64,
}

async fn about_session(deps: &Deps, session: &str) -> ApiResult<String> {
    let rows = session_lines(deps, session).await?;
    if rows.is_empty() {
        return Ok("This is your first message here.".to_owned());
    }
    let line = |said: &OwnMessage| format!("- {}: {}", rfc3339(said.at), shorten(&said.content));
    Ok(format!(
        "Your messages here, newest first:\n{}",
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    ))
}

/// The cached copy is keyed by the newest message's id from the database, so it can be missing but
/// never stale.
async fn session_lines(deps: &Deps, session: &str) -> ApiResult<Vec<OwnMessage>> {
    #[derive(Deserialize)]
    struct Newest {
        id: String,
    }
    let newest =
        sql!("SELECT id FROM chat_message WHERE session = ?1 ORDER BY id DESC LIMIT 1", session);
    let Some(Newest { id }) = deps.sql.one(newest).await? else { return Ok(Vec::new()) };
    let key = format!("session:{id}");
    if let Some(lines) =
        deps.kv.get(&key).await.ok().flatten().and_then(|text| serde_json::from_str(&text).ok())
    {
        return Ok(lines);
    }
    let find = sql!(
        "SELECT content, at FROM chat_message WHERE session = ?1 AND role = 'user' ORDER BY id DESC LIMIT ?2",
        session,
        ROWS
    );
    let lines: Vec<OwnMessage> = deps.sql.all(find).await?;
    if let Ok(text) = serde_json::to_string(&lines)
        && let Err(error) = deps.kv.put(&key, &text, SESSION_TTL_S).await
    {
        tracing::warn!(%error, "cannot store a copy of a chat session");
    }
    Ok(lines)
}

/// Passages of the skill graph.
pub async fn about_graph(deps: &Deps, message: &str) -> String {
    let query: String = message.chars().take(QUERY_CHARS).collect();
    let query = SearchQuery { q: query, limit: Some(HITS), version: None };
    match deps.calls.ask::<Search>(&(), &query).await {
        Ok(found) if found.results.is_empty() => {
            "The skill graph has nothing about that.".to_owned()
        }
        Ok(found) => format!(
            "From the skill graph:\n{}",
            found.results.iter().take(HITS).map(cited).collect::<Vec<_>>().join("\n")
        ),
        Err(error) => {
            tracing::warn!(error = %error, "cannot search the skill graph for the chat");
            "The skill graph cannot be read right now.".to_owned()
        }
    }
}

/// A passage with its source.
fn cited(hit: &SearchHit) -> String {
    let heading = hit.heading.as_deref().map(|heading| format!(" › {heading}")).unwrap_or_default();
    let text = if hit.snippet.is_empty() { &hit.description } else { &hit.snippet };
    format!("- {}{heading}: {text} [{}]", hit.title, hit.path)
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = "ü".repeat(500);
        assert_eq!(shorten(&text).chars().count(), LINE_CHARS + 1);
        assert_eq!(shorten("a\n b"), "a b");
    }
}
