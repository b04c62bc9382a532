//! `GET /health`: whether the database and the sign-in counter answer, and
//! whether the probes are recent.

use crate::{Deps, attempts, probe, store};
use axum::extract::State;
use contracts::ServiceName;
use platform::edge::{Checkup, Found};

/// 503 when the database or the counter of sign-ins does not answer: nobody can be let in then.
pub async fn health(State(deps): State<Deps>) -> Checkup {
    let probes = store::probes(&*deps.sql).await;
    let age = probes.as_ref().map_or(Found::Unknown, |rows| {
        let system = rows.iter().find(|row| row.service == probe::SYSTEM);
        match system.map(|row| probe::is_fresh(row, deps.clock.now_ms(), &deps.config)) {
            None => Found::Unknown,
            Some(true) => Found::Answers,
            Some(false) => Found::Failed("The services have not been probed lately.".to_owned()),
        }
    });
    Checkup::new(ServiceName::MonitoringDashboard, env!("CARGO_PKG_VERSION"))
        .needs("database", Found::of(probes, "The database does not answer."))
        .needs(
            "sign-in counter",
            Found::of(attempts::look(&deps).await, "Sign-ins cannot be counted."),
        )
        .uses("probes", age)
}
