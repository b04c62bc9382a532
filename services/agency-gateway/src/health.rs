//! `GET /health`: whether work can be leased, and whether the agents' programs exist.

use crate::{Deps, lease};
use axum::extract::State;
use contracts::ServiceName;
use platform::edge::{Checkup, Found};

/// Maximum silence of the control plane; a long poll lasts 25 s.
const SILENCE_MS: i64 = 90_000;

/// 200 also without the control plane: the tasks in hand go on, and it is asked again.
pub(crate) async fn health(State(deps): State<Deps>) -> Checkup {
    let mut checkup = Checkup::new(ServiceName::AgencyGateway, env!("CARGO_PKG_VERSION"))
        .uses("webhook-aggregator", control(&deps));
    let is_missing = |path: &String| !deps.programs.exists(path);
    let mut all = Found::Answers;
    for (agent, program) in deps.config.programs() {
        if program.command.first().is_some_and(is_missing) {
            // Health is open to everybody: it names the agent, not the path.
            all = Found::Failed(format!("The program of agent {agent} was not found."));
            checkup = checkup.uses("programs", all.clone());
        }
    }
    if all == Found::Answers { checkup.uses("programs", all) } else { checkup }
}

/// Whether work can be leased. A full gateway does not ask, so that its silence means nothing.
fn control(deps: &Deps) -> Found {
    let control = deps.board.control();
    let full = lease::room(deps).is_none();
    match (control.problem, control.heard_ms) {
        (Some(problem), _) => Found::Failed(problem),
        (None, None) => Found::Unknown,
        (None, Some(heard)) if !full && deps.clock.now_ms() - heard > SILENCE_MS => {
            Found::Failed("webhook-aggregator has not answered for a while.".to_owned())
        }
        (None, Some(_)) => Found::Answers,
    }
}
