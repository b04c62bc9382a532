//! The agents, chats and budget of this installation, and the one next step, for the answer to a
//! greeting. Facts alone; the agent writes the sentence around them.

use crate::{Deps, cockpit};
use contracts::AgentId;
use contracts::budget::BudgetTextRequest;
use contracts::calls::agency_router::ReadPool;
use contracts::calls::personal_assistant::TellBudget;
use contracts::routing::PoolMember;
use inbox::StoredEvent;
use platform::ports::CallError;
use platform::small_talk::{SmallTalk, small_talk};

/// Maximum agents that are named.
const AGENTS_MAX: usize = 12;

/// The facts, if the message is a greeting or a call for help by a sender that the owner knows, and
/// goes to an agent that answers it with them. Without an answer of another service they are fewer.
pub(crate) async fn of_installation(
    deps: &Deps,
    event: &StoredEvent,
    agent: &AgentId,
    text: &str,
) -> Option<String> {
    let is_asked = small_talk(text)? != SmallTalk::Thanks;
    if !is_asked || event.origin.public_only || works(deps, agent) {
        return None;
    }
    let mut parts = Vec::new();
    match agents(deps).await {
        Ok(lines) => parts.push(lines),
        Err(error) => tracing::warn!(%error, "the agents of a greeting could not be read"),
    }
    // Others would read it in a group.
    if event.origin.approver && !event.origin.in_group {
        parts.push(chats(deps));
        let request = BudgetTextRequest { actor: event.origin.actor.clone().unwrap_or_default() };
        match deps.calls.ask::<TellBudget>(&(), &request).await {
            Ok(told) => parts.push(format!("Budget: {}", told.message)),
            Err(error) => tracing::warn!(%error, "the budget of a greeting could not be read"),
        }
        parts.extend(next_step(deps));
    }
    parts.push("`/help` lists the commands.".to_owned());
    Some(parts.join("\n\n"))
}

async fn agents(deps: &Deps) -> Result<String, CallError> {
    let pool = deps.calls.ask::<ReadPool>(&(), &()).await?;
    if pool.agents.is_empty() {
        return Ok("There are no agents yet.".to_owned());
    }
    let line = |member: &PoolMember| {
        let how = if works(deps, &member.agent) { "" } else { " (quotes the skill graph)" };
        format!("- {}{how}", cockpit::named(member))
    };
    let mut lines: Vec<String> = pool.agents.iter().map(line).collect();
    cockpit::cut(&mut lines, AGENTS_MAX, "agents: `/agents`");
    Ok(format!("Agents here:\n{}", lines.join("\n")))
}

/// Whether a program or a model does the work of this agent.
fn works(deps: &Deps, agent: &AgentId) -> bool {
    let by = deps.config.agents.agent(agent);
    by.is_program() || by.uses_model()
}

/// The chats that the owner has connected.
fn chats(deps: &Deps) -> String {
    let names: Vec<String> = connected(deps).collect();
    if names.is_empty() {
        return "Chats: the web console. No other is connected yet.".to_owned();
    }
    format!("Chats: the web console, {}.", names.join(", "))
}

/// The endpoints of chats that the owner has connected.
pub(crate) fn connected(deps: &Deps) -> impl Iterator<Item = String> {
    let own = deps.config.endpoints.iter().filter(|own| own.connection.is_some() && !own.local);
    own.map(|endpoint| endpoint.shard().to_string())
}

/// The first thing that is missing, and how to get it.
fn next_step(deps: &Deps) -> Option<String> {
    if !deps.config.agents.iter().any(|agent| agent.is_program() || agent.uses_model()) {
        return Some(
            "Next step: no agent has a program yet, so none can change anything. Give one its own, \
             for example `[agents.codegen]` with `runner = \"claude-code\"` in quintet.toml; \
             `quintet doctor` says whether it works."
                .to_owned(),
        );
    }
    connected(deps).next().is_none().then(|| {
        "Next step: connect a chat with `quintet setup telegram` (or slack, discord).".to_owned()
    })
}
