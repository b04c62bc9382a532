//! `GET /internal/ledger-stats`: approvals and money for the dashboard, from the ledger.

use crate::store::{self, Answers};
use crate::{Deps, halt, ledger, limits, owner, window};
use axum::Json;
use axum::extract::State;
use contracts::Micros;
use contracts::monitoring::{LedgerStats, SinceQuery};
use platform::edge::{ApiResult, Query};
use platform::sql;
use serde::Deserialize;

/// Full days of cost in the response.
const DAYS: i64 = 14;
/// Maximum newest decisions of people for the median.
const DECISIONS_MAX: u32 = 1_000;

#[derive(Default, Deserialize)]
struct Counts {
    approved: Option<u64>,
    rejected: Option<u64>,
    expired: Option<u64>,
    by_human: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Posted {
    unpriced: Option<u64>,
    overrun: Option<i64>,
}

#[derive(Deserialize)]
struct Number {
    n: i64,
}

#[derive(Deserialize)]
struct DayCost {
    scope: String,
    spent_u: i64,
}

/// Decided by a person, not by a rule or the expiry.
const HUMAN: &str = "decided_by NOT IN ('policy', 'expiry')";

/// Statistics since `since`, the start of the owner's day when it is left out.
pub async fn ledger_stats(
    State(deps): State<Deps>,
    Query(query): Query<SinceQuery>,
) -> ApiResult<Json<LedgerStats>> {
    let owner = owner::read(&deps).await?;
    let now_ms = deps.clock.now_ms();
    let zone = window::zone(&owner.time_zone).ok_or_else(|| store::unreadable("time zone"))?;
    let calendar = |_| store::unreadable("calendar");
    let today = window::day(now_ms, &zone).map_err(calendar)?;
    let since = query.since.unwrap_or(today.start_ms);
    let days = window::days_before(now_ms, &zone, DAYS).map_err(calendar)?;
    let scopes = ledger::scopes(&deps.config, &zone, now_ms, None, None).map_err(calendar)?;
    let batch = vec![
        sql!(
            format!(
                "SELECT SUM(state IN ('approved', 'claimed', 'consumed')) AS approved, SUM(state = 'rejected') AS rejected,
                 SUM(state = 'expired') AS expired, SUM({HUMAN} AND state <> 'cancelled') AS by_human FROM approvals WHERE decided_at >= ?1"
            ),
            since
        ),
        sql!("SELECT COUNT(*) AS n FROM approvals WHERE state = 'pending' AND expires_at > ?1", now_ms),
        sql!(
            format!(
                "SELECT decided_at - requested_at AS n FROM approvals WHERE decided_at >= ?1 AND {HUMAN} AND state <> 'cancelled' ORDER BY decided_at DESC LIMIT ?2"
            ),
            since,
            DECISIONS_MAX
        ),
        sql!("SELECT SUM(unpriced) AS unpriced, SUM(overrun_u) AS overrun FROM posted WHERE at >= ?1", since),
        sql!("SELECT scope, spent_u FROM budget WHERE scope GLOB 'day:*|all' ORDER BY scope"),
        ledger::figures(&ledger::keys(&scopes), now_ms),
        sql!("SELECT EXISTS (SELECT 1 FROM halt) AS n"),
    ];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let counts: Counts = answers.one()?.unwrap_or_default();
    let pending = answers.one::<Number>()?.map_or(0, |number| number.n.unsigned_abs());
    let median_decision_ms =
        median(answers.all::<Number>()?.into_iter().map(|number| number.n).collect());
    let posted: Posted = answers.one()?.unwrap_or_default();
    let costs: Vec<DayCost> = answers.all()?;
    let figures: Vec<ledger::Amounts> = answers.all()?;
    let (limit, source) = limits::Limits::read(&deps).await?.daily();
    let day_key = format!("day:{}|all", today.label);
    let figure = figures.iter().find(|row| row.scope == day_key);
    Ok(Json(LedgerStats {
        time_zone: owner.time_zone,
        today: today.label,
        day_start_ms: today.start_ms,
        approved: counts.approved.unwrap_or(0),
        rejected: counts.rejected.unwrap_or(0),
        expired: counts.expired.unwrap_or(0),
        by_human: counts.by_human.unwrap_or(0),
        pending,
        median_decision_ms,
        cost_today: Micros(figure.map_or(0, |row| row.spent_u)),
        held: Micros(figure.map_or(0, |row| row.held_u)),
        limit,
        unpriced_count: posted.unpriced.unwrap_or(0),
        overrun: Micros(posted.overrun.unwrap_or(0)),
        daily_costs: daily_costs(&days, &costs),
        halted: halt::all_halted(&deps).await?,
        own_limit: source != "default",
        halt_tried: answers.one::<Number>()?.is_some_and(|number| number.n > 0),
    }))
}

fn median(mut values: Vec<i64>) -> Option<f64> {
    values.sort_unstable();
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((*values.get(low)? + *values.get(high)?) as f64 / 2.0)
}

/// One amount per day from the first recorded day on; a day without work cost nothing.
fn daily_costs(days: &[String], costs: &[DayCost]) -> Vec<Micros> {
    let Some(first) = costs.iter().map(|cost| cost.scope.as_str()).min() else { return Vec::new() };
    let keys = days.iter().map(|day| format!("day:{day}|all"));
    keys.filter(|key| key.as_str() >= first)
        .map(|key| {
            Micros(costs.iter().find(|cost| cost.scope == key).map_or(0, |cost| cost.spent_u))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_median_of_no_decisions_is_unknown() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![9, 1, 5]), Some(5.0));
        assert_eq!(median(vec![1, 4]), Some(2.5));
    }

    #[test]
    fn stats_omit_days_before_the_first_record_and_count_idle_days_as_zero() {
        let days: Vec<String> =
            ["2026-11-20", "2026-11-21", "2026-11-22"].map(str::to_owned).into();
        let costs = [DayCost { scope: "day:2026-11-21|all".to_owned(), spent_u: 7 }];
        assert_eq!(daily_costs(&days, &costs), [Micros(7), Micros(0)]);
        assert!(daily_costs(&days, &[]).is_empty());
    }
}
