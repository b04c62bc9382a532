//! `/api/stats` and `/api/sla`, and the probe rounds behind them.

use super::bed::{Bed, OPERATOR};
use contracts::ServiceName;
use monitoring_dashboard::tick;
use platform::ports::Clock;
use serde_json::json;

async fn rounds(bed: &Bed, n: usize) {
    for _ in 0..n {
        bed.clock.advance(15_000);
        tick(&bed.deps).await;
    }
}

#[tokio::test]
async fn stats_come_from_the_owning_services() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    let stats = bed.api("/api/stats", "viewer-token").await.json();
    assert_eq!(stats["requests"], 76);
    assert_eq!(stats["avgRoutingLatency"], 2.3);
    assert_eq!(stats["approvalRate"], 0.92);
    assert_eq!(stats["costToday"], "$12.50");
    assert_eq!(
        (&stats["costTodayMicros"], &stats["pendingApprovals"], &stats["deadLetters"]),
        (&json!(12_500_000), &json!(2), &json!(1))
    );
    assert_eq!(
        (&stats["todayTz"], &stats["since"]),
        (&json!("Europe/Berlin"), &json!("2026-09-21T00:13:22.000Z"))
    );
    for service in ServiceName::ALL {
        assert_eq!(stats["workerStatus"][service.as_str()], "healthy", "{service}");
    }
}

#[tokio::test]
async fn sla_is_null_before_the_first_measurement() {
    let bed = Bed::new();
    let sla = bed.api("/api/sla", OPERATOR).await.json();
    assert_eq!((&sla["uptime7d"], &sla["coverage"]), (&json!(null), &json!(0.0)));
    tick(&bed.deps).await;
    rounds(&bed, 4).await;
    let sla = bed.api("/api/sla", OPERATOR).await.json();
    assert_eq!(
        (&sla["uptime7d"], &sla["perService"]["agency-router"]["uptime7d"]),
        (&json!(100.0), &json!(100.0))
    );
    assert_eq!(
        (&sla["avgLatency"], &sla["routingAccuracy"], &sla["costTrend"]),
        (&json!(3420.0), &json!(0.918), &json!("rising"))
    );
}

#[tokio::test]
async fn sla_uptime_excludes_the_outage() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    rounds(&bed, 4).await;
    bed.fakes.down(ServiceName::AgencyRouter);
    rounds(&bed, 4).await;
    let stats = bed.api("/api/stats", OPERATOR).await.json();
    assert_eq!(
        (&stats["workerStatus"]["agency-router"], &stats["avgRoutingLatency"]),
        (&json!("down"), &json!(null))
    );
    bed.fakes.up(ServiceName::AgencyRouter);
    rounds(&bed, 1).await;
    // Nine intervals: up until the first failed check, degraded until the second, down for the next
    // three.
    let sla = bed.api("/api/sla", OPERATOR).await.json();
    assert_eq!(
        (&sla["uptime7d"], &sla["perService"]["agency-router"]["uptime7d"]),
        (&json!(66.66), &json!(66.66))
    );
    assert_eq!(sla["perService"]["personal-assistant"]["uptime7d"], 100.0);
}

#[tokio::test]
async fn probe_marks_a_silent_gateway_degraded_then_down() {
    let bed = Bed::new();
    let status = async |bed: &Bed| {
        bed.api("/api/stats", OPERATOR).await.json()["workerStatus"]["agency-gateway"].clone()
    };
    assert_eq!(status(&bed).await, "unknown");
    for (age_ms, expected) in [
        (1_000, "healthy"),
        (90_000, "degraded"),
        (400_000, "degraded"),
        (415_000, "down"),
        (2_000, "healthy"),
    ] {
        *bed.world.gateway_age_ms.lock().unwrap() = age_ms;
        rounds(&bed, 1).await;
        assert_eq!(status(&bed).await, expected, "{age_ms}");
    }
    bed.fakes.down(ServiceName::WebhookAggregator);
    rounds(&bed, 1).await;
    assert_eq!(status(&bed).await, "unknown");
}

#[tokio::test]
async fn service_that_answers_503_is_degraded_and_its_problem_is_shown() {
    let bed = Bed::new();
    bed.fakes.unable(ServiceName::AgencyRouter, "The database does not answer.");
    rounds(&bed, 3).await;
    let stats = bed.api("/api/stats", OPERATOR).await.json();
    assert_eq!(stats["workerStatus"]["agency-router"], "degraded");
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/health", &cookie).await.text;
    assert!(page.contains("The database does not answer."), "{page}");
}

#[tokio::test]
async fn stats_have_gaps_for_services_that_do_not_answer() {
    let bed = Bed::new();
    bed.fakes.all_down();
    let stats = bed.api("/api/stats", OPERATOR).await;
    assert_eq!(stats.status, 200);
    let stats = stats.json();
    assert_eq!(
        (&stats["approvalRate"], &stats["costToday"], &stats["avgRoutingLatency"]),
        (&json!(null), &json!("unknown"), &json!(null))
    );
    assert_eq!(stats["workerStatus"]["personal-assistant"], "unknown");
    assert_eq!(bed.api("/api/sla", OPERATOR).await.json()["costTrend"], "insufficient_data");
}

#[tokio::test]
async fn probe_results_become_stale() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    bed.clock.advance(45_001);
    assert_eq!(
        bed.api("/api/stats", OPERATOR).await.json()["workerStatus"]["agency-router"],
        "unknown"
    );
}

#[tokio::test]
async fn probe_counts_time_once_for_two_concurrent_rounds() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    bed.clock.advance(15_000);
    tokio::join!(tick(&bed.deps), tick(&bed.deps));
    let rows = bed
        .deps
        .sql
        .query(platform::sql!("SELECT up_ms FROM metrics WHERE series = 'probe.system'"))
        .await
        .unwrap();
    assert_eq!(rows[0]["up_ms"], 15_000);
}

#[tokio::test]
async fn stats_need_a_token_with_read_scope() {
    let bed = Bed::new();
    assert_eq!(bed.api("/api/stats", "nonsense").await.status, 401);
    assert_eq!(bed.api("/api/stats", "agent-token").await.status, 403);
    assert_eq!(bed.get("/health", "").await.json()["service"], "monitoring-dashboard");
}

#[tokio::test]
async fn planned_paths_answer_not_in_this_version() {
    let bed = Bed::new();
    for path in ["/api/series", "/api/incidents", "/metrics"] {
        assert_eq!(
            bed.api(path, "viewer-token").await.json()["code"],
            "not_in_this_version",
            "{path}"
        );
    }
    assert_eq!(bed.get("/status", "").await.status, 501);
}

#[tokio::test]
async fn probe_round_that_cannot_be_stored_is_unmeasured() {
    let sql = std::sync::Arc::new(platform::memory::MemorySql::with_migrations(&[]));
    let mut bed = Bed::new();
    bed.deps.sql = sql;
    tick(&bed.deps).await;
}

#[tokio::test]
async fn stats_keep_last_known_values_apart_from_todays() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    let at = bed.clock.now_ms();
    let answering = bed.api("/api/stats", OPERATOR).await.json();
    assert_eq!(answering.get("lastKnown"), None);
    bed.fakes.down(ServiceName::AgencyRouter);
    bed.clock.advance(60_000);
    let stats = bed.api("/api/stats", OPERATOR).await.json();
    assert_eq!(stats["avgRoutingLatency"], json!(null));
    let last = &stats["lastKnown"];
    assert_eq!(
        (&last["at"], &last["routing"]["avgLatencyMs"]),
        (&json!(platform::time::rfc3339(at)), &json!(2.3))
    );
    assert_eq!(
        (last.get("ledger"), last.get("inbox")),
        (None, None),
        "those who answer speak for themselves"
    );
    bed.clock.advance(2 * 3_600_000);
    assert_eq!(
        bed.api("/api/stats", OPERATOR).await.json().get("lastKnown"),
        None,
        "an hour later it is forgotten"
    );
}

#[tokio::test]
async fn archive_restores_full_days_after_the_table_is_lost() {
    let bed = Bed::new();
    tick(&bed.deps).await;
    for _ in 0..30 {
        bed.clock.advance(3_600_000);
        tick(&bed.deps).await;
    }
    monitoring_dashboard::archive(&bed.deps).await.unwrap();
    let days = bed.api("/api/archive", "viewer-token").await.json()["days"].clone();
    assert_eq!(days, json!(["2026-09-21"]), "today is not over");
    let day = bed.api("/api/archive/2026-09-21", "viewer-token").await.json();
    assert!(day["rows"].as_array().unwrap().len() > 20);
    assert_eq!(bed.api("/api/archive/2026-02-30", "viewer-token").await.status, 404);
    assert_eq!(bed.api("/api/archive/..%2F..%2Fetc", "viewer-token").await.status, 404);

    let before = bed.api("/api/sla", OPERATOR).await.json();
    bed.deps
        .sql
        .query(platform::sql!(
            "DELETE FROM metrics WHERE t < ?1",
            bed.clock.now_ms() - 20 * 3_600_000
        ))
        .await
        .unwrap();
    let restore =
        async |token: &str| bed.send("POST", "/api/restore", &[("authorization", token)], "").await;
    assert_eq!(restore("Bearer viewer-token").await.status, 403);
    assert_eq!(restore("Bearer operator-token").await.status, 200);
    let after = bed.api("/api/sla", OPERATOR).await.json();
    assert_eq!(after["perService"]["agency-router"], before["perService"]["agency-router"]);
}

#[tokio::test]
async fn health_is_503_while_the_database_or_the_sign_in_counter_fails() {
    use platform::ports::PortErrorKind::Unavailable;
    let bed = Bed::new();
    let well = bed.get("/health", "").await;
    assert_eq!((well.status.as_u16(), &well.json()["status"]), (200, &"ok".into()));
    assert_eq!(well.json()["dependsOn"]["probes"], "unknown", "no round was made yet");
    bed.clock.advance(1_000);
    bed.sql.faults.refuse_next(1, Unavailable);
    let ill = bed.get("/health", "").await;
    assert_eq!(
        (ill.status.as_u16(), &ill.json()["dependsOn"]["database"]),
        (503, &"failed".into())
    );
    bed.clock.advance(1_000);
    bed.cell.faults.refuse_next(1, Unavailable);
    assert_eq!(bed.get("/health", "").await.status, 503);
}

#[tokio::test]
async fn health_is_degraded_when_the_probes_are_old() {
    let bed = Bed::new();
    monitoring_dashboard::tick(&bed.deps).await;
    assert_eq!(bed.get("/health", "").await.json()["dependsOn"]["probes"], "ok");
    bed.clock.advance(600_000);
    let old = bed.get("/health", "").await;
    assert_eq!((old.status.as_u16(), &old.json()["status"]), (200, &"degraded".into()));
}

#[tokio::test]
async fn cost_of_each_agent_is_shown_and_unknown_where_the_ledger_is_silent() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let budget = bed.get("/dashboard/budget", &cookie).await.text;
    for figure in ["$11.20", "$1.30", "$4.50", "$2.25", "the cost of 1 is unknown"] {
        assert!(budget.contains(figure), "{figure}: {budget}");
    }
    let cost = |page: &str| {
        let row = page.split("<tr>").find(|row| row.contains("Code generation")).unwrap();
        let cell = row.split("data-name=\"cost today\">").nth(1).unwrap();
        cell.split('<').next().unwrap().to_owned()
    };
    let agents = bed.get("/dashboard/agents", &cookie).await.text;
    assert_eq!(cost(&agents), "$11.20 + $4.50 held");
    bed.fakes.down(ServiceName::PersonalAssistant);
    let agents = bed.get("/dashboard/agents", &cookie).await.text;
    assert_eq!(cost(&agents), "–");
}
