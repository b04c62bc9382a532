//! `GET /api/sla`: uptime from measured time, latency and accuracy from the other services, and the
//! cost trend.

use crate::store::{self, HOUR_MS, HourRow};
use crate::{Deps, owners, probe};
use axum::Json;
use axum::extract::State;
use contracts::monitoring::{ServiceUptime, Sla};
use contracts::{Micros, ServiceName};
use futures_util::future::join3;

/// The window: 168 hours.
pub const WINDOW_MS: i64 = 168 * HOUR_MS;
/// Minimum labels for an accuracy.
const LABELS_MIN: u64 = 20;
/// Minimum daily rise in micro-dollars; less is noise.
const RISE_MIN: i64 = 1_000_000;

/// Start of the trailing window: 167 full hours and the current one.
pub fn window_start(now: i64) -> i64 {
    now - now.rem_euclid(HOUR_MS) - WINDOW_MS
}

/// Percentage of measured time that was good, rounded down to two decimals.
fn uptime_percent(good_ms: i64, down_ms: i64) -> Option<f64> {
    let total = good_ms + down_ms;
    (total > 0).then(|| (i128::from(good_ms) * 10_000 / i128::from(total)) as f64 / 100.0)
}

/// Uptime and coverage of one series in these hours.
pub fn uptime(hours: &[HourRow], service: &str) -> ServiceUptime {
    let (mut good, mut down) = (0, 0);
    for hour in hours.iter().filter(|hour| hour.series.strip_prefix("probe.") == Some(service)) {
        good += hour.up_ms + hour.degraded_ms;
        down += hour.down_ms;
    }
    let coverage = ((good + down) as f64 / WINDOW_MS as f64).min(1.0);
    ServiceUptime {
        uptime7d: uptime_percent(good, down),
        coverage: (coverage * 10_000.0).floor() / 10_000.0,
    }
}

/// Compares the mean of the last seven full days with the seven before.
pub fn cost_trend(daily: &[Micros]) -> &'static str {
    let Some((older, newer)) = daily
        .len()
        .checked_sub(14)
        .and_then(|start| daily.get(start..))
        .map(|fortnight| fortnight.split_at(7))
    else {
        return "insufficient_data";
    };
    let sum = |days: &[Micros]| days.iter().map(|day| day.0).sum::<i64>();
    let (before, after) = (sum(older), sum(newer));
    if after * 100 > before * 115 && after - before > 7 * RISE_MIN {
        "rising"
    } else if after * 100 < before * 85 {
        "falling"
    } else {
        "stable"
    }
}

/// Builds the response of `GET /api/sla`.
pub async fn gather(deps: &Deps) -> Sla {
    let now = deps.clock.now_ms();
    let day_start = now - now.rem_euclid(24 * HOUR_MS);
    let (ledger, routing, inbox) = join3(
        owners::ledger(deps),
        owners::routing(deps, day_start),
        owners::inbox(deps, day_start),
    )
    .await;
    let hours = store::hours(&*deps.sql, window_start(now)).await.unwrap_or_default();
    let (routing, inbox) = (routing.unwrap_or_default(), inbox.unwrap_or_default());
    let system = uptime(&hours, probe::SYSTEM);
    Sla {
        uptime7d: system.uptime7d,
        avg_latency: inbox.avg_latency_ms,
        p50_latency: inbox.p50_latency_ms,
        p90_latency: inbox.p90_latency_ms,
        p99_latency: inbox.p99_latency_ms,
        routing_accuracy: routing.accuracy.filter(|_| routing.labelled >= LABELS_MIN),
        routing_accuracy_n: routing.labelled,
        cost_trend: ledger
            .map_or("insufficient_data", |ledger| cost_trend(&ledger.daily_costs))
            .to_owned(),
        coverage: system.coverage,
        per_service: ServiceName::ALL
            .map(|service| (service.to_string(), uptime(&hours, service.as_str())))
            .into(),
    }
}

/// `GET /api/sla`.
pub async fn show(State(deps): State<Deps>) -> Json<Sla> {
    Json(gather(&deps).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(t: i64, up_ms: i64, degraded_ms: i64, down_ms: i64) -> HourRow {
        HourRow {
            series: "probe.system".into(),
            t,
            up_ms,
            degraded_ms,
            down_ms,
            ..HourRow::default()
        }
    }

    #[test]
    fn sla_uptime_is_weighted_by_duration_and_rounded_down() {
        assert_eq!(uptime_percent(0, 0), None);
        assert_eq!(uptime_percent(1, 0), Some(100.0));
        assert_eq!(uptime_percent(0, 1), Some(0.0));
        assert_eq!(uptime_percent(99_999_999, 1), Some(99.99));
        assert_eq!(uptime_percent(2, 1), Some(66.66));
    }

    #[test]
    fn sla_counts_degraded_time_as_good_and_ignores_other_series() {
        let mut hours = vec![hour(0, 1_000, 500, 0), hour(1, 0, 0, 500)];
        hours.push(HourRow {
            series: "probe.agency-router".into(),
            down_ms: 9_000,
            ..HourRow::default()
        });
        assert_eq!(uptime(&hours, "system").uptime7d, Some(75.0));
        assert_eq!(
            uptime(&hours, "personal-assistant"),
            ServiceUptime { uptime7d: None, coverage: 0.0 }
        );
    }

    #[test]
    fn sla_coverage_is_the_measured_share_of_the_window() {
        let hours: Vec<_> = (0..84).map(|n| hour(n * HOUR_MS, HOUR_MS, 0, 0)).collect();
        assert_eq!(uptime(&hours, "system").coverage, 0.5);
    }

    #[test]
    fn sla_window_is_never_longer_than_168_hours() {
        let now = 1_790_000_002_000;
        assert!(now - (window_start(now) + HOUR_MS) <= WINDOW_MS);
    }

    #[test]
    fn sla_cost_trend_rises_only_beyond_noise() {
        let days = |older: i64, newer: i64| -> Vec<Micros> {
            [[Micros(older); 7], [Micros(newer); 7]].concat()
        };
        assert_eq!(cost_trend(&days(1, 1)[1..]), "insufficient_data");
        assert_eq!(cost_trend(&days(10_000_000, 12_000_000)), "rising");
        assert_eq!(cost_trend(&days(1_000_000, 1_900_000)), "stable");
        assert_eq!(cost_trend(&days(10_000_000, 8_000_000)), "falling");
        assert_eq!(cost_trend(&days(10_000_000, 9_000_000)), "stable");
        assert_eq!(cost_trend(&days(0, 0)), "stable");
        assert_eq!(cost_trend(&days(0, 2_000_000)), "rising");
    }
}
