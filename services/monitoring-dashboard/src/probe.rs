//! The probe round: checks every service's health and asks the aggregator for the gateways' last
//! poll.
//!
//! A status is valid until the next check. One failed check makes a service degraded, a second in a
//! row makes it down. Unmeasured time does not count.

use crate::owners::{self, within};
use crate::remembered;
use crate::store::{self, HOUR_MS, Measured, ProbeRow};
use crate::{Config, Deps};
use contracts::ServiceName;
use contracts::task::{GatewayList, SILENT_MS};
use futures_util::future::{join, join_all};
use std::collections::BTreeMap;

/// The series of all services together.
pub const SYSTEM: &str = "system";
/// Latency in milliseconds above which a service is degraded.
const SLOW_MS: f64 = 2_000.0;
/// Timeout of a check, in milliseconds.
const PATIENCE_MS: i64 = 5_000;
/// Silence in milliseconds after which a gateway is down.
const GATEWAY_STALE_MS: i64 = 180_000;
/// Failed checks in a row that make an outage.
const CONFIRM: u32 = 2;
/// Age, in intervals, at which a check becomes stale.
const STALE_INTERVALS: i64 = 3;
/// Interval for storing the services' metrics; each time they scan their day.
const REMEMBER_MS: i64 = 600_000;

/// The result of one check.
#[derive(Clone, Debug, PartialEq)]
enum ProbeResult {
    Good,
    Unwell(String),
    Failed(String),
    /// The check could not run.
    Unmeasured(String),
}

struct Check {
    service: ServiceName,
    verdict: ProbeResult,
    latency_ms: Option<f64>,
}

/// Runs one round. It never fails: a result that cannot be stored is unmeasured.
pub async fn tick(deps: &Deps) {
    if let Err(error) = round(deps).await {
        tracing::warn!(error = %error, "cannot store the probe round");
    }
}

async fn round(deps: &Deps) -> platform::ports::PortResult<()> {
    let previous: BTreeMap<String, ProbeRow> = store::probes(&*deps.sql)
        .await?
        .into_iter()
        .map(|row| (row.service.clone(), row))
        .collect();
    let asked = [
        ServiceName::PersonalAssistant,
        ServiceName::AgencyRouter,
        ServiceName::SkillGraphLoader,
        ServiceName::WebhookAggregator,
    ];
    let (mut checks, gateway) =
        join(join_all(asked.map(|service| check(deps, service))), check_gateway(deps)).await;
    checks.push(Check {
        service: ServiceName::MonitoringDashboard,
        verdict: ProbeResult::Good,
        latency_ms: None,
    });
    checks.push(gateway);
    let now = deps.clock.now_ms();
    let mut rows: Vec<ProbeRow> = checks
        .iter()
        .map(|check| advance(previous.get(check.service.as_str()), check, now))
        .collect();
    rows.push(whole_system(previous.get(SYSTEM), &rows, now));
    let mut statements = Vec::new();
    for row in &rows {
        let before = previous.get(&row.service);
        statements.extend(store::record(
            row,
            before.map(|p| p.checked_at),
            measured(before, now, deps.config.probe_interval_ms),
        ));
    }
    let last_round = previous.get(SYSTEM).map_or(0, |row| row.checked_at);
    if last_round / HOUR_MS != now / HOUR_MS {
        statements.extend(store::forget(now));
    }
    deps.sql.batch(statements).await?;
    if last_round / REMEMBER_MS != now / REMEMBER_MS {
        remembered::remember(deps).await;
    }
    Ok(())
}

async fn check(deps: &Deps, service: ServiceName) -> Check {
    let started = deps.clock.now_ms();
    let answer = within(deps, PATIENCE_MS, deps.calls.health(service)).await;
    let latency_ms = (deps.clock.now_ms() - started).max(0) as f64;
    let verdict = match answer {
        Err(_) => ProbeResult::Failed("did not answer its health check".to_owned()),
        Ok(health) if health.status != "ok" => ProbeResult::Unwell(if health.problems.is_empty() {
            "reports that it is degraded".to_owned()
        } else {
            health.problems.join("; ")
        }),
        Ok(_) if latency_ms > SLOW_MS => {
            ProbeResult::Unwell(format!("answered after {latency_ms:.0} ms"))
        }
        Ok(_) => ProbeResult::Good,
    };
    let measured = !matches!(verdict, ProbeResult::Failed(_));
    Check { service, verdict, latency_ms: measured.then_some(latency_ms) }
}

async fn check_gateway(deps: &Deps) -> Check {
    let verdict = match within(deps, PATIENCE_MS, owners::gateways(deps)).await {
        Ok(list) => gateway_verdict(&list),
        Err(_) => ProbeResult::Unmeasured("webhook-aggregator reported no gateways".to_owned()),
    };
    Check { service: ServiceName::AgencyGateway, verdict, latency_ms: None }
}

fn gateway_verdict(list: &GatewayList) -> ProbeResult {
    if list.gateways.is_empty() {
        return ProbeResult::Failed("no gateway has joined yet".to_owned());
    }
    let in_service = list.gateways.iter().filter(|gateway| !gateway.drained);
    let Some(age_ms) = in_service.map(|gateway| gateway.age_ms).min() else {
        return ProbeResult::Unwell("every gateway is drained".to_owned());
    };
    let said = format!("last seen {} s ago", age_ms / 1000);
    if age_ms <= SILENT_MS {
        ProbeResult::Good
    } else if age_ms <= GATEWAY_STALE_MS {
        ProbeResult::Unwell(said)
    } else {
        ProbeResult::Failed(said)
    }
}

/// The status after a check.
fn advance(previous: Option<&ProbeRow>, check: &Check, now: i64) -> ProbeRow {
    let failed_before = previous.map_or(0, |row| row.fails);
    let (status, fails, detail) = match &check.verdict {
        ProbeResult::Good => ("healthy", 0, None),
        ProbeResult::Unwell(why) => ("degraded", 0, Some(why)),
        ProbeResult::Failed(why) if failed_before + 1 >= CONFIRM => {
            ("down", failed_before + 1, Some(why))
        }
        ProbeResult::Failed(why) => ("degraded", failed_before + 1, Some(why)),
        ProbeResult::Unmeasured(why) => ("unknown", failed_before, Some(why)),
    };
    row(previous, check.service.as_str(), (status, fails, detail.cloned()), check.latency_ms, now)
}

fn row(
    previous: Option<&ProbeRow>,
    service: &str,
    (status, fails, detail): (&str, u32, Option<String>),
    latency_ms: Option<f64>,
    now: i64,
) -> ProbeRow {
    let since =
        previous.filter(|before| before.status == status).map_or(now, |before| before.since);
    ProbeRow {
        service: service.to_owned(),
        status: status.to_owned(),
        fails,
        since,
        checked_at: now,
        latency_ms,
        detail,
    }
}

/// All services together: the worst status; unknown if one is unknown and none is down.
fn whole_system(previous: Option<&ProbeRow>, rows: &[ProbeRow], now: i64) -> ProbeRow {
    let worst = ["down", "unknown", "degraded"]
        .into_iter()
        .find(|status| rows.iter().any(|row| row.status == *status))
        .unwrap_or("healthy");
    row(previous, SYSTEM, (worst, 0, None), None, now)
}

/// The time since the previous check, attributed to that check's status.
fn measured(previous: Option<&ProbeRow>, now: i64, interval_ms: i64) -> Measured {
    let Some(before) = previous else { return Measured::default() };
    let passed = (now - before.checked_at).max(0);
    let held = if passed > STALE_INTERVALS * interval_ms { interval_ms } else { passed };
    match before.status.as_str() {
        "healthy" => Measured { up_ms: held, ..Measured::default() },
        "degraded" => Measured { degraded_ms: held, ..Measured::default() },
        "down" => Measured { down_ms: held, ..Measured::default() },
        _ => Measured::default(),
    }
}

/// Whether a check still says something about now.
pub fn is_fresh(row: &ProbeRow, now: i64, config: &Config) -> bool {
    now - row.checked_at <= STALE_INTERVALS * config.probe_interval_ms
}

/// The status to show now: that of the last check, unless it is stale.
pub fn shown<'a>(row: Option<&'a ProbeRow>, now: i64, config: &Config) -> &'a str {
    row.filter(|row| is_fresh(row, now, config)).map_or("unknown", |row| row.status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::task::GatewayRow;

    fn check(verdict: ProbeResult) -> Check {
        Check { service: ServiceName::AgencyRouter, verdict, latency_ms: None }
    }
    fn bad() -> Check {
        check(ProbeResult::Failed("no answer".into()))
    }

    #[test]
    fn probe_reports_an_outage_after_two_failures_in_a_row() {
        let well = advance(None, &check(ProbeResult::Good), 0);
        let first = advance(Some(&well), &bad(), 15_000);
        assert_eq!((first.status.as_str(), first.fails), ("degraded", 1));
        let second = advance(Some(&first), &bad(), 30_000);
        assert_eq!((second.status.as_str(), second.since), ("down", 30_000));
        let third = advance(Some(&second), &bad(), 45_000);
        assert_eq!((third.status.as_str(), third.since, third.fails), ("down", 30_000, 3));
        assert_eq!(advance(Some(&third), &check(ProbeResult::Good), 60_000).status, "healthy");
    }

    #[test]
    fn probe_status_is_valid_until_the_next_check_but_not_through_a_gap() {
        let well = advance(None, &check(ProbeResult::Good), 1_000);
        assert_eq!(measured(Some(&well), 16_000, 15_000).up_ms, 15_000);
        assert_eq!(measured(Some(&well), 46_000, 15_000).up_ms, 45_000);
        assert_eq!(measured(Some(&well), 9_000_000, 15_000).up_ms, 15_000);
        assert_eq!(measured(Some(&well), 0, 15_000), Measured::default());
        assert_eq!(measured(None, 16_000, 15_000), Measured::default());
    }

    #[test]
    fn probe_rates_a_gateway_by_the_age_of_its_last_lease() {
        let row = |age_ms, drained| GatewayRow {
            unready: Vec::new(),
            gateway_id: "home".into(),
            agents: vec!["*".into()],
            last_seen: String::new(),
            age_ms,
            running: 0,
            drained,
        };
        let list = |age_ms| GatewayList { gateways: vec![row(age_ms, false), row(0, true)] };
        assert_eq!(gateway_verdict(&list(60_000)), ProbeResult::Good);
        assert!(matches!(gateway_verdict(&list(60_001)), ProbeResult::Unwell(_)));
        assert!(matches!(gateway_verdict(&list(200_000)), ProbeResult::Failed(_)));
        assert!(matches!(
            gateway_verdict(&GatewayList { gateways: vec![row(0, true)] }),
            ProbeResult::Unwell(_)
        ));
        assert!(matches!(gateway_verdict(&GatewayList::default()), ProbeResult::Failed(_)));
    }

    #[test]
    fn probe_rates_the_system_by_its_worst_service() {
        let of = |statuses: &[&str]| {
            let rows: Vec<_> =
                statuses.iter().map(|status| row(None, "x", (status, 0, None), None, 0)).collect();
            whole_system(None, &rows, 0).status
        };
        assert_eq!(of(&["healthy", "healthy"]), "healthy");
        assert_eq!(of(&["healthy", "degraded"]), "degraded");
        assert_eq!(of(&["degraded", "unknown"]), "unknown");
        assert_eq!(of(&["unknown", "down"]), "down");
    }
}
