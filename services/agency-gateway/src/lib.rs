//! The agency gateway: the only place where agents run, on the owner's own machine.
//!
//! It opens no connection to itself: [`serve`] leases work from webhook-aggregator by long poll,
//! claims the approval at personal-assistant, runs the agent by its runner, settles the cost and
//! hands the result back. [`router`] is for the owner's own programs on the same machine.
//!
//! * `lease.rs` takes work, `run.rs` carries one task out, `guard.rs` keeps its lease and hears of
//!   halts, `purse.rs` knows its money, `report.rs` repeats what must be acknowledged.
//! * `ending.rs` words the answer of a run that was stopped, `program_log.rs` keeps the end of its
//!   program's log.
//! * `board.rs` knows what runs here; the endpoints `run_task.rs`, `tasks.rs`, `halt.rs`,
//!   `health.rs` read it.
//! * `runner.rs` says what a runner is, `runners.rs` has all of them, `config.rs` gives each agent
//!   its own.

mod acp;
mod backend;
pub mod board;
mod changed;
pub mod config;
mod conversation;
mod deps;
mod ending;
mod files;
mod guard;
mod halt;
mod health;
mod lease;
mod model_desk;
mod model_run;
mod model_talk;
mod output;
mod program;
mod program_log;
mod program_run;
mod purse;
mod readiness;
mod report;
mod run;
mod run_task;
pub mod runner;
pub mod runners;
mod secrets;
mod talk;
mod tasks;
mod text;
mod tool_approvals;
mod unstarted;
mod usage_limit;
mod work;

pub use board::Board;
pub use config::Config;
pub use deps::Deps;
pub use program::Program;
pub use readiness::{
    Unready, assignment, how_to_sign_in, missing_programs, sign_of, unknown_agents, unknown_models,
    unready,
};

use axum::Router;
use contracts::ServiceName;
use contracts::calls::agency_gateway as calls;
use platform::edge::Routes;

fn routes(deps: &Deps) -> Routes<Deps> {
    Routes::new(ServiceName::AgencyGateway, deps.auth.clone())
        .health(deps.clock.clone(), health::health)
        .document(include_str!("../../../docs/api/agency-gateway.json"))
        .call(calls::RunTask, run_task::run_task)
        .call(calls::ReadTask, tasks::one)
        .call(calls::FollowTask, tasks::events)
        .call(calls::Halt, halt::halt)
}

/// The gateway's own HTTP interface.
pub fn router(deps: Deps) -> Router {
    routes(&deps).finish(deps)
}

/// Takes and runs tasks until `stop` is ready; then runs in hand get 5 s to end, are stopped, and
/// are reported. Returns when nothing runs any more, at the latest some 30 s after `stop`.
pub async fn serve(deps: Deps, stop: impl Future<Output = ()> + Send) {
    lease::serve(&deps, stop).await;
}
