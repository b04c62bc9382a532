//! `GET /api/stats`: today's metrics, each from the service that owns it. A service that does not
//! answer leaves a gap, never an error; `lastKnown` then has its last value.

use crate::remembered::{self, Remembered};
use crate::store::{self, ProbeRow};
use crate::{Deps, day, owners, probe};
use axum::Json;
use axum::extract::State;
use contracts::monitoring::{InboxStats, LastKnown, LedgerStats, Stats};
use contracts::routing::RoutingStats;
use contracts::{Micros, ServiceName};
use futures_util::future::join;
use platform::time::rfc3339;
use std::collections::BTreeMap;

/// The services' answers and the probe results.
pub struct StatsSources {
    pub ledger: Option<LedgerStats>,
    pub routing: Option<RoutingStats>,
    pub inbox: Option<InboxStats>,
    pub probes: Vec<ProbeRow>,
    /// Loaded only if a service did not answer.
    pub remembered: Option<Remembered>,
    pub now: i64,
}

impl StatsSources {
    /// Asks all services.
    pub async fn gather(deps: &Deps) -> Self {
        let now = deps.clock.now_ms();
        // The ledger knows when the owner's day began.
        let ledger = owners::ledger(deps).await.ok();
        let since = day::start(ledger.as_ref(), now);
        let (inbox, routing) = join(owners::inbox(deps, since), owners::routing(deps, since)).await;
        let inbox = inbox.ok();
        let probes = store::probes(&*deps.sql).await.unwrap_or_default();
        let complete = ledger.is_some() && inbox.is_some() && routing.is_ok();
        let remembered = if complete { None } else { remembered::recall(deps).await };
        Self { ledger, routing: routing.ok(), inbox, probes, remembered, now }
    }
    /// The last check of a service.
    pub fn probe(&self, service: ServiceName) -> Option<&ProbeRow> {
        self.probes.iter().find(|row| row.service == service.as_str())
    }
    /// The status to show. A healthy service that just failed to answer is degraded until the next
    /// probe.
    pub fn status(&self, deps: &Deps, service: ServiceName) -> String {
        let status = probe::shown(self.probe(service), self.now, &deps.config);
        let silent = match service {
            ServiceName::PersonalAssistant => self.ledger.is_none(),
            ServiceName::AgencyRouter => self.routing.is_none(),
            ServiceName::WebhookAggregator => self.inbox.is_none(),
            _ => false,
        };
        if silent && status == "healthy" { "degraded".to_owned() } else { status.to_owned() }
    }
}

/// Dollars and cents, as in the first sketch; the micros beside it are exact.
pub fn cents(amount: Micros) -> String {
    let cents = (amount.0.unsigned_abs() + 5_000) / 10_000;
    format!("{}${}.{:02}", if amount.0 < 0 { "-" } else { "" }, cents / 100, cents % 100)
}

/// Approved ÷ decided.
pub fn approval_rate(ledger: &LedgerStats) -> Option<f64> {
    let decided = ledger.approved + ledger.rejected + ledger.expired;
    (decided > 0).then(|| ledger.approved as f64 / decided as f64)
}

/// The response of `GET /api/stats`.
pub fn stats(deps: &Deps, figures: &StatsSources) -> Stats {
    let ledger = figures.ledger.clone().unwrap_or_default();
    let routing = figures.routing.clone().unwrap_or_default();
    let inbox = figures.inbox.clone().unwrap_or_default();
    let known = figures.ledger.is_some();
    // Kept separate, so that an old value never passes for today's, and only for services that did
    // not answer.
    let last_known = figures.remembered.clone().map(|old| LastKnown {
        at: rfc3339(old.at_ms),
        ledger: old.ledger.filter(|_| figures.ledger.is_none()),
        routing: old.routing.filter(|_| figures.routing.is_none()),
        inbox: old.inbox.filter(|_| figures.inbox.is_none()),
    });
    let since = day::start(figures.ledger.as_ref(), figures.now);
    Stats {
        requests: inbox.requests + routing.direct,
        avg_routing_latency: routing.avg_latency_ms,
        p50_routing_latency: routing.p50_latency_ms,
        p95_routing_latency: routing.p95_latency_ms,
        p99_routing_latency: routing.p99_latency_ms,
        approval_rate: approval_rate(&ledger),
        cost_today: if known { cents(ledger.cost_today) } else { "unknown".to_owned() },
        cost_today_micros: ledger.cost_today.0,
        held_micros: ledger.held.0,
        limit_micros: ledger.limit.0,
        unpriced_count: ledger.unpriced_count,
        overrun_micros: ledger.overrun.0,
        pending_approvals: ledger.pending,
        dead_letters: inbox.dead,
        open_events: inbox.open,
        halted: ledger.halted,
        today_tz: if known { ledger.time_zone } else { "UTC".to_owned() },
        since: rfc3339(since),
        worker_status: ServiceName::ALL
            .map(|service| (service.to_string(), figures.status(deps, service)))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        last_known,
    }
}

/// `GET /api/stats`.
pub async fn show(State(deps): State<Deps>) -> Json<Stats> {
    let figures = StatsSources::gather(&deps).await;
    Json(stats(&deps, &figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_show_money_in_cents() {
        for (micros, text) in [
            (12_500_000, "$12.50"),
            (0, "$0.00"),
            (4_999, "$0.00"),
            (5_000, "$0.01"),
            (-1_250_000, "-$1.25"),
            (1_999_996_000, "$2000.00"),
        ] {
            assert_eq!(cents(Micros(micros)), text);
        }
    }

    #[test]
    fn stats_have_no_approval_rate_without_decisions() {
        let mut ledger = LedgerStats::default();
        assert_eq!(approval_rate(&ledger), None);
        (ledger.approved, ledger.rejected, ledger.expired) = (6, 1, 1);
        assert_eq!(approval_rate(&ledger), Some(0.75));
    }
}
