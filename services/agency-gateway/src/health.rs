//! `GET /health`: whether work can be leased, and whether the agents' programs exist.

use crate::Deps;
use axum::extract::State;
use contracts::ServiceName;
use platform::edge::{Checkup, Found};

/// Maximum silence of the control plane; a long poll lasts 25 s.
const SILENCE_MS: i64 = 90_000;

/// 200 also without the control plane: the tasks in hand go on, and it is asked again.
pub(crate) async fn health(State(deps): State<Deps>) -> Checkup {
    let mut checkup = Checkup::new(ServiceName::AgencyGateway, env!("CARGO_PKG_VERSION"))
        .uses("webhook-aggregator", control(&deps));
    for (agent, program) in deps.config.programs() {
        let is_there = program.command.first().is_none_or(|path| deps.programs.exists(path));
        // Health is open to everybody: it names the agent, not the path.
        let found = if is_there {
            Found::Answers
        } else {
            Found::Failed(format!("The program of agent {agent} was not found."))
        };
        checkup = checkup.uses(&format!("program of {agent}"), found);
    }
    checkup
}

/// Whether work can be leased. A full gateway does not ask, so that its silence means nothing.
fn control(deps: &Deps) -> Found {
    let control = deps.board.control();
    let full = deps.board.running() >= usize::try_from(deps.config.capacity).unwrap_or(usize::MAX);
    match (control.problem, control.heard_ms) {
        (Some(problem), _) => Found::Failed(problem),
        (None, None) => Found::Unknown,
        (None, Some(heard)) if !full && deps.clock.now_ms() - heard > SILENCE_MS => {
            Found::Failed("webhook-aggregator has not answered for a while.".to_owned())
        }
        (None, Some(_)) => Found::Answers,
    }
}
