//! Which gateway a task should run on, where several could: the router's pool chooses, the inbox
//! keeps the task for that one for a moment; then any gateway may lease it.

use crate::Deps;
use contracts::agent_run::AgentRun;
use contracts::calls::agency_router::ChooseInstance;
use contracts::routing::{Candidate, InstanceRequest};
use contracts::task::UnreadyAgent;
use contracts::{AgentId, GatewayId};
use inbox::{Placement, SeenGateway, StoredEvent};

/// A gateway that waits for work asks again within 25 s and may be slow to: longer silent, no task
/// is kept for it. (People are told that it is silent after `contracts::task::SILENT_MS`, when
/// there is no doubt.)
const LIVE_MS: i64 = 40_000;
/// A task is kept so long for the gateway that was chosen. One that waits for work takes it at
/// once; one that does not come has its hands full.
const KEPT_MS: i64 = 3_000;
/// A gateway that could not do it is passed over so long for this task; when it is the only one
/// left, it may try again.
const PASSED_OVER_MS: i64 = 60_000;

/// Gateways that could not do this event's work, with the last one that said so.
pub(crate) fn passed_over(event: &StoredEvent, last: Option<&GatewayId>) -> Vec<GatewayId> {
    event.data.not_on.iter().chain(last).cloned().collect()
}

/// Where the event's task should run.
pub(super) async fn place(
    deps: &Deps,
    event: &StoredEvent,
    agent: &AgentId,
    seen: Vec<SeenGateway>,
) -> Placement {
    let not = passed_over(event, None);
    let live = others(deps, seen, agent, &not);
    let gateway = if live.len() < 2 { None } else { choose(deps, agent, &live).await };
    // Kept from now on: the router may have taken its time.
    let now_ms = deps.clock.now_ms();
    Placement { gateway, not, until_ms: now_ms + KEPT_MS, not_until_ms: now_ms + PASSED_OVER_MS }
}

/// Gateways that are in service, run this agent and are not among `not`.
pub(crate) fn others(
    deps: &Deps,
    seen: Vec<SeenGateway>,
    agent: &AgentId,
    not: &[GatewayId],
) -> Vec<Candidate> {
    let candidate = |gateway: SeenGateway| Candidate {
        in_hand: gateway.running + gateway.kept,
        gateway: gateway.id,
    };
    let is_ready = |gateway: &SeenGateway| unready_on(gateway, agent).is_none();
    let fit = in_service(deps, seen, agent)
        .filter(|gateway| is_ready(gateway) && !not.contains(&gateway.id));
    fit.map(candidate).collect()
}

fn in_service(
    deps: &Deps,
    seen: Vec<SeenGateway>,
    agent: &AgentId,
) -> impl Iterator<Item = SeenGateway> {
    let now_ms = deps.clock.now_ms();
    seen.into_iter().filter(move |gateway| {
        let runs_it = |offer: &String| offer == "*" || offer == agent.as_str();
        now_ms - gateway.seen_ms <= LIVE_MS
            && !gateway.drained
            && gateway.agents.iter().any(runs_it)
    })
}

/// The reason that this gateway could not start the agent.
fn unready_on<'a>(gateway: &'a SeenGateway, agent: &AgentId) -> Option<&'a UnreadyAgent> {
    let is_this = |said: &&UnreadyAgent| {
        !said.may_start && said.agent.as_str().eq_ignore_ascii_case(agent.as_str())
    };
    gateway.unready.iter().find(is_this)
}

/// The reason that no gateway in service could start this agent, if each of them says so.
pub(super) fn unready(
    deps: &Deps,
    seen: Vec<SeenGateway>,
    agent: &AgentId,
) -> Option<UnreadyAgent> {
    let mut why = None;
    for gateway in in_service(deps, seen, agent) {
        let said = unready_on(&gateway, agent)?.clone();
        why.get_or_insert(said);
    }
    why
}

/// The programs that a run of this agent may start: one for each way that the gateways in service
/// have configured. None where no gateway has asked for work, or the agent needs no program.
pub(super) fn runs(deps: &Deps, seen: Vec<SeenGateway>, agent: &AgentId) -> Vec<AgentRun> {
    let is_this = |id: &str| id.eq_ignore_ascii_case(agent.as_str());
    let offered = in_service(deps, seen, agent)
        .flat_map(|gateway| gateway.runs.into_iter().filter(|(id, _)| is_this(id)));
    let mut runs: Vec<AgentRun> = Vec::new();
    for (_, run) in offered {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    runs
}

/// The router's choice; if the router does not answer, the gateway with the fewest tasks.
async fn choose(deps: &Deps, agent: &AgentId, live: &[Candidate]) -> Option<GatewayId> {
    let request = InstanceRequest { agent: agent.clone(), among: live.to_vec() };
    let chosen = match deps.calls.ask::<ChooseInstance>(&(), &request).await {
        Ok(answer) => answer.gateway,
        Err(error) => {
            tracing::warn!(%error, "the router could not be asked for an instance");
            None
        }
    };
    let idlest = || {
        live.iter()
            .min_by_key(|candidate| candidate.in_hand)
            .map(|candidate| candidate.gateway.clone())
    };
    chosen.or_else(idlest)
}
