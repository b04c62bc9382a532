//! An agent that answers in place of another, said before its run and with its answer.

use crate::Deps;
use contracts::AgentId;
use inbox::StoredEvent;
use platform::agents::Price;

/// The beginning of a message by one that stands in, with the program and price that are its own;
/// empty for any other.
pub(super) fn stand_in(deps: &Deps, event: &StoredEvent, agent: &AgentId) -> String {
    let own = deps.config.agents.agent(agent);
    let runner = own.runner.filter(|kind| kind.is_program);
    let price = match own.price {
        Price::Known(cost) => format!(", {cost} a run"),
        Price::Tokens(_) | Price::Unknown => String::new(),
    };
    let terms = runner.map(|kind| format!(" ({}{price})", kind.name)).unwrap_or_default();
    let missing: Vec<&str> = event.data.exclude.iter().map(AgentId::as_str).collect();
    if !missing.is_empty() {
        let are = if missing.len() == 1 { "is" } else { "are" };
        return format!(
            "{} {are} not available right now; {agent}{terms} is answering instead.\n\n",
            missing.join(" and ")
        );
    }
    if event.data.fallback {
        format!(
            "The best agent for this is not available right now; {agent}{terms} is answering instead.\n\n"
        )
    } else {
        String::new()
    }
}
