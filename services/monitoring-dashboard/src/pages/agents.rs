//! The router's pool: which agents can work now.

use super::layout::{Frame, Here, gap, title};
use super::refusal::PageResult;
use super::signs::{self, Mood};
use crate::session::Owner;
use crate::{Deps, owners, stats};
use axum::extract::State;
use contracts::routing::{Breaker, PoolMember};
use futures_util::future::join3;
use maud::{Markup, html};

/// `GET /dashboard/agents`.
pub async fn show(State(deps): State<Deps>, owner: Owner) -> PageResult {
    let (ledger, halts, agents) = join3(owners::ledger(&deps), owners::halts(&deps), owners::agents(&deps)).await;
    let ledger = ledger.ok();
    let routing = owners::routing(&deps, stats::day_start(ledger.as_ref(), deps.clock.now_ms())).await;
    let frame = Frame::of(&deps, &owner, ledger.as_ref(), halts.ok(), "");
    let today = routing.map(|routing| routing.by_agent).unwrap_or_default();
    let body = html! {
        (title("Agents", "Who can take work now. After repeated failures an agent rests, and its work goes to a related one."))
        section.panel aria-label="Agents" {
            @match agents {
                Err(_) => (gap("agency-router")),
                Ok(agents) if agents.is_empty() => p.empty { "No agents are published. Publish a skill graph: " code { "quintet graph publish DIR" } },
                Ok(agents) => table.events {
                    thead { tr { th scope="col" { "State" } th scope="col" { "Agent" } th.figure scope="col" { "Messages today" } th.figure scope="col" { "Running" } th.figure scope="col" { "Run time" } th.figure scope="col" { "Failures" } } }
                    tbody { @for agent in &agents { (line(agent, today.get(agent.agent.as_str()).copied().unwrap_or(0))) } }
                },
            }
        }
    };
    Ok(frame.page(Here::Agents, "Agents", body))
}

fn line(agent: &PoolMember, today: u64) -> Markup {
    let (mood, word) = match (agent.available, agent.breaker) {
        (true, Breaker::Closed) => (Mood::Good, "ready"),
        (_, Breaker::HalfOpen) => (Mood::Warn, "being tried"),
        (_, Breaker::Open) => (Mood::Bad, "resting"),
        (false, Breaker::Closed) => (Mood::Bad, "down"),
    };
    html! {
        tr {
            td { (signs::sign(mood, word)) @if let Some(at) = &agent.retry_at { span.quiet.detail { "tried again " (signs::time(at)) } } }
            td.wide { strong { (agent.title) } span.quiet.detail { (agent.agent) } }
            (signs::cell("today", &today.to_string()))
            (signs::cell("running", &agent.in_flight.to_string()))
            (signs::cell("run time", &signs::latency(agent.latency_ms)))
            (signs::cell("failures", &agent.failures.to_string()))
        }
    }
}
