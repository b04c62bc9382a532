//! `GET /health` and `GET /api/status`.

use crate::{Deps, ask, budget, halt};
use axum::Json;
use axum::extract::State;
use contracts::ServiceName;
use contracts::monitoring::{AssistantStatus, Health};
use platform::edge::ApiResult;
use platform::ports::SqlExt;
use platform::sql;
use serde::Deserialize;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `GET /health`, public: degraded if the database does not answer, because nothing can be approved
/// then.
pub async fn health(State(deps): State<Deps>) -> Json<Health> {
    let answers = deps.sql.query(sql!("SELECT 1 AS one")).await;
    let problems: Vec<String> =
        answers.err().map(|_| "The database does not answer.".to_owned()).into_iter().collect();
    let status = if problems.is_empty() { "ok" } else { "degraded" };
    Json(Health {
        service: ServiceName::PersonalAssistant,
        status: status.to_owned(),
        version: VERSION.to_owned(),
        problems,
    })
}

#[derive(Deserialize)]
struct Counts {
    pending: i64,
    running: i64,
}

/// The state at a glance, for the owner.
pub async fn status(State(deps): State<Deps>) -> ApiResult<Json<AssistantStatus>> {
    let count = sql!(
        "SELECT (SELECT COUNT(*) FROM approvals WHERE state = 'pending' AND expires_at > ?1) AS pending,
                (SELECT COUNT(*) FROM approvals WHERE state = 'claimed' AND (lease_until > ?1 OR valid_until > ?1)) AS running",
        deps.clock.now_ms()
    );
    let counts = deps.sql.one::<Counts>(count).await?.unwrap_or(Counts { pending: 0, running: 0 });
    let budget = budget::answer(&deps).await?;
    Ok(Json(AssistantStatus {
        service: ServiceName::PersonalAssistant,
        version: VERSION.to_owned(),
        halted: halt::all_halted(&deps).await?,
        pending: counts.pending,
        undelivered: ask::undelivered(&deps).await?,
        running: counts.running,
        model: None,
        time_zone: budget.time_zone,
        budget: budget.scopes,
    }))
}
