//! The router's pool: agents that can work now, and their machines.

use super::halt::ACTOR;
use super::layout::{Frame, Noted, gap, title};
use super::menu;
use super::signs::{self, Mood};
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::stats::cents;
use crate::{Config, Deps, Form, day, owners};
use axum::extract::{Query, State};
use contracts::budget::AgentCost;
use contracts::halt::{HaltList, HaltRequest, ResumeRequest};
use contracts::routing::{Breaker, PoolInstance, PoolMember};
use contracts::task::{GatewayList, GatewayRow, GatewayState};
use contracts::{AgentId, Micros};
use futures_util::future::join5;
use maud::{Markup, html};
use platform::ports::CallError;

/// `GET /dashboard/agents`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let (ledger, halts, agents, gateways, budget) = join5(
        owners::ledger(&deps),
        owners::halts(&deps),
        owners::agents(&deps),
        owners::gateways(&deps),
        owners::budget(&deps),
    )
    .await;
    let costs = budget.ok().map(|budget| budget.agents);
    let ledger = ledger.ok();
    let routing = owners::routing(&deps, day::start(ledger.as_ref(), deps.clock.now_ms())).await;
    let frame = Frame::of(&deps, &owner, ledger.as_ref(), halts.ok(), &noted.note);
    let today = routing.map(|routing| routing.by_agent).unwrap_or_default();
    // If the inbox does not answer, show the pool's view alone.
    let standing = gateways.as_ref().ok().map(|list| list.gateways.clone());
    let body = html! {
        (title("Agents", "Agents that can work now. After repeated failures an agent pauses and \
            its work goes to a related one. While no machine is in service, messages wait."))
        section.panel aria-label="Agents" {
            @match agents {
                Err(_) => (gap("agency-router")),
                Ok(agents) if agents.is_empty() => p.empty { "No agents are published. Publish a skill graph: " code { "quintet graph publish DIR" } },
                Ok(agents) => table.events {
                    thead { tr { th scope="col" { "State" } th scope="col" { "Agent" } th.figure scope="col" { "Messages today" } th.figure scope="col" { "Cost today" } th.figure scope="col" { "Running" } th.figure scope="col" { "Run time" } th.figure scope="col" { "Failures" } th scope="col" { "" } } }
                    tbody { @for agent in &agents {
                        @let id = agent.agent.as_str();
                        @let figures = [today.get(id).copied().unwrap_or(0).to_string(), cost(costs.as_deref(), id)];
                        (line(agent, standing.as_deref(), &figures, (is_halted(frame.halts.as_ref(), id), &halt_form(&deps.config, &owner, frame.halts.as_ref(), id))))
                    } }
                },
            }
        }
        (machines(&deps.config, &owner, gateways))
    };
    Ok(frame.page(&menu::AGENTS, menu::AGENTS.title, body))
}

fn change(gateway: &str, drained: bool) -> String {
    format!("drain:{gateway}:{drained}")
}

fn halt_change(agent: &str, halts: bool) -> String {
    format!("halt-agent:{agent}:{halts}")
}

/// Whether this agent is halted.
fn is_halted(halts: Option<&HaltList>, agent: &str) -> bool {
    let target = format!("agent:{}", agent.to_ascii_lowercase());
    let mut rows = halts.iter().flat_map(|halts| &halts.halts);
    rows.any(|row| row.target == target && row.resumed_at.is_none())
}

/// The button that halts an agent, or ends its halt.
fn halt_form(config: &Config, owner: &Owner, halts: Option<&HaltList>, agent: &str) -> Markup {
    if halts.is_none() {
        return html! {};
    }
    let is_halted = is_halted(halts, agent);
    html! {
        form.inline method="post" action=(config.url("/dashboard/agents/halt")) {
            input type="hidden" name="agent" value=(agent);
            input type="hidden" name="halts" value=(!is_halted);
            input type="hidden" name="token" value=(owner.token(&halt_change(agent, !is_halted)));
            button.plain { @if is_halted { "Resume" } @else { "Halt" } }
        }
    }
}

/// `POST /dashboard/agents/halt`.
pub async fn halt(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let (agent, halts) = (form.field("agent").to_owned(), form.field("halts") == "true");
    owner.require(&form, &halt_change(&agent, halts))?;
    let (agent, actor) = (Some(AgentId::new(agent)), Some(ACTOR.to_owned()));
    if halts {
        let reason = Some("stopped by hand".to_owned());
        let request = HaltRequest { agent, reason, actor, ..HaltRequest::default() };
        owners::halt(&deps, &request).await?;
    } else {
        let request = ResumeRequest { agent, actor, ..ResumeRequest::default() };
        owners::resume(&deps, &request).await?;
    }
    let note = if halts { "agent_halted" } else { "resumed" };
    Ok(see(&deps.config.url(&format!("/dashboard/agents?note={note}"))))
}

/// `POST /dashboard/gateways/drain`.
pub async fn drain(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let (gateway, drained) = (form.field("gateway").to_owned(), form.field("drained") == "true");
    owner.require(&form, &change(&gateway, drained))?;
    owners::drain(&deps, &gateway, drained).await?;
    let note = if drained { "drained" } else { "restored" };
    Ok(see(&deps.config.url(&format!("/dashboard/agents?note={note}"))))
}

fn machines(config: &Config, owner: &Owner, gateways: Result<GatewayList, CallError>) -> Markup {
    html! {
        section.panel aria-label="Gateways" {
            h2 { "Gateways" }
            @match gateways {
                Err(_) => (gap("webhook-aggregator")),
                Ok(list) if list.gateways.is_empty() => p.empty { "No machine has joined yet. " code { "quintet up" } " runs one; " code { "quintet gateway --control URL" } " adds another machine." },
                Ok(list) => table.events {
                    thead { tr { th scope="col" { "State" } th scope="col" { "Gateway" } th.figure scope="col" { "Running" } th scope="col" { "Last seen" } th scope="col" { "" } } }
                    tbody { @for row in &list.gateways { (machine(config, owner, row)) } }
                },
            }
        }
    }
}

fn machine(config: &Config, owner: &Owner, row: &GatewayRow) -> Markup {
    let mood = match row.state() {
        GatewayState::InService => Mood::Good,
        GatewayState::Silent => Mood::Bad,
        GatewayState::Draining | GatewayState::OutOfService => Mood::Warn,
    };
    let offers = if row.agents.iter().any(|offer| offer == "*") {
        "every agent".to_owned()
    } else {
        row.agents.join(", ")
    };
    html! {
        tr {
            td { (signs::sign(mood, row.state().as_str())) }
            td.wide { strong { (row.gateway_id) } span.quiet.detail { (offers) } }
            (signs::cell("running", &row.running.to_string()))
            td { (signs::time(&row.last_seen)) }
            td {
                form.inline method="post" action=(config.url("/dashboard/gateways/drain")) {
                    input type="hidden" name="gateway" value=(row.gateway_id);
                    input type="hidden" name="drained" value=(!row.drained);
                    input type="hidden" name="token" value=(owner.token(&change(row.gateway_id.as_str(), !row.drained)));
                    button.plain { @if row.drained { "Put back into service" } @else { "Take out of service" } }
                }
            }
        }
    }
}

/// The machines an agent ran on recently, if several. The gateway's own state overrides the pool's
/// view.
fn places(instances: &[PoolInstance], standing: &[GatewayRow]) -> Markup {
    let gateway = |instance: &PoolInstance| {
        standing.iter().find(|row| row.gateway_id == instance.gateway).map(GatewayRow::state)
    };
    let state =
        |instance: &PoolInstance| match (gateway(instance), instance.available, instance.breaker) {
            (
                Some(
                    state @ (GatewayState::Silent
                    | GatewayState::Draining
                    | GatewayState::OutOfService),
                ),
                ..,
            ) => state.as_str(),
            (_, true, Breaker::Closed) => "ready",
            (_, _, Breaker::HalfOpen) => "being tried",
            _ => "resting",
        };
    html! {
        @if instances.len() > 1 {
            @for instance in instances {
                span.quiet.detail { (instance.gateway) ": " (state(instance)) ", " (instance.in_flight) " running, " (signs::latency(instance.latency_ms)) }
            }
        }
    }
}

/// Whether a gateway is in service and offers this agent.
fn offers(row: &GatewayRow, agent: &PoolMember) -> bool {
    row.state() == GatewayState::InService
        && row.agents.iter().any(|offer| offer == "*" || offer == agent.agent.as_str())
}

fn has_a_machine(agent: &PoolMember, standing: &[GatewayRow]) -> bool {
    standing.iter().any(|row| offers(row, agent))
}

/// The reason that the agent is not ready on any machine in service; with `true` it may run all the
/// same. Ids are compared without case, as the gateways do.
fn unready<'a>(agent: &PoolMember, standing: &'a [GatewayRow]) -> Option<(&'a str, bool)> {
    let id = agent.agent.as_str();
    let mut found = None;
    for row in standing.iter().filter(|row| offers(row, agent)) {
        let said = row.unready.iter().find(|said| said.agent.as_str().eq_ignore_ascii_case(id))?;
        found.get_or_insert((said.why.as_str(), said.may_start));
    }
    found
}

/// Posted and held on the owner's day; a dash where the ledger does not answer.
fn cost(costs: Option<&[AgentCost]>, agent: &str) -> String {
    let Some(costs) = costs else { return signs::money(None) };
    match costs.iter().find(|cost| cost.agent.as_str().eq_ignore_ascii_case(agent)) {
        None => cents(Micros::ZERO),
        Some(cost) if cost.held > Micros::ZERO => {
            format!("{} + {} held", cents(cost.spent), cents(cost.held))
        }
        Some(cost) => cents(cost.spent),
    }
}

fn line(
    agent: &PoolMember,
    standing: Option<&[GatewayRow]>,
    [messages, cost]: &[String; 2],
    (is_halted, halt): (bool, &Markup),
) -> Markup {
    let missing = unready(agent, standing.unwrap_or_default());
    let (mood, word) = match (agent.available, agent.breaker) {
        _ if is_halted => (Mood::Bad, "halted"),
        _ if standing.is_some_and(|standing| !has_a_machine(agent, standing)) => {
            (Mood::Bad, "no machine")
        }
        _ if missing.is_some_and(|(_, may_start)| !may_start) => (Mood::Bad, "not ready"),
        (true, Breaker::Closed) => (Mood::Good, "ready"),
        (_, Breaker::HalfOpen) => (Mood::Warn, "being tried"),
        (_, Breaker::Open) => (Mood::Bad, "resting"),
        (false, Breaker::Closed) => (Mood::Bad, "down"),
    };
    html! {
        tr {
            td { (signs::sign(mood, word)) @if let Some(at) = &agent.retry_at { span.quiet.detail { "tried again " (signs::time(at)) } } }
            td.wide { strong { (agent.title) } span.quiet.detail { (agent.agent) } @if let Some((why, _)) = missing { span.quiet.detail { "not ready: " (why) } } (places(&agent.instances, standing.unwrap_or_default())) }
            (signs::cell("today", messages))
            (signs::cell("cost today", cost))
            (signs::cell("running", &agent.in_flight.to_string()))
            (signs::cell("run time", &signs::latency(agent.latency_ms)))
            (signs::cell("failures", &agent.failures.to_string()))
            td { (halt) }
        }
    }
}
