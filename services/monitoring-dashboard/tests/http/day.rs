//! A realistic day: the metrics, approvals and events of the fake services.

use super::world::World;
use contracts::Micros;
use contracts::approval::{Approval, ApprovalState, Choice, MonitoringLevel};
use contracts::budget::{AgentCost, BudgetAnswer, BudgetScope};
use contracts::event::{AttemptEntry, EventDetail, EventRow, Reply, Stage, StageEntry};
use contracts::monitoring::{InboxStats, LedgerStats};
use contracts::routing::{Breaker, PoolInstance, PoolMember, RoutingStats};
use platform::time::rfc3339;
use serde_json::json;

pub fn ledger(w: &World) -> LedgerStats {
    let pending =
        w.approvals.lock().unwrap().iter().filter(|a| a.state == ApprovalState::Pending).count()
            as u64;
    let days = [9.1, 11.4, 7.25, 12.8, 10.2, 3.1, 2.4, 11.9, 14.6, 9.8, 13.3, 12.1, 4.4, 3.0];
    LedgerStats {
        time_zone: "Europe/Berlin".into(),
        today: "2026-09-21".into(),
        day_start_ms: w.clock.now_ms() - 14 * 3_600_000,
        approved: 46,
        rejected: 3,
        expired: 1,
        by_human: 7,
        pending,
        median_decision_ms: Some(184_000.0),
        cost_today: Micros(12_500_000),
        held: Micros(6_750_000),
        limit: Micros(50_000_000),
        unpriced_count: 1,
        overrun: Micros(0),
        daily_costs: days.iter().filter_map(|d| Micros::from_dollars(*d)).collect(),
        halted: w.halts.lock().unwrap().all,
        own_limit: true,
        halt_tried: true,
    }
}

pub fn routing() -> RoutingStats {
    let by_agent = [("codegen", 31), ("pm", 14), ("security", 9), ("assistant", 22)]
        .map(|(agent, n)| (agent.to_owned(), n))
        .into();
    RoutingStats {
        direct: 0,
        decisions: 76,
        avg_latency_ms: Some(2.3),
        p50_latency_ms: Some(1.8),
        p95_latency_ms: Some(5.9),
        p99_latency_ms: Some(11.0),
        out_of_scope: 4,
        fallbacks: 1,
        by_agent,
        accuracy: Some(0.918),
        labelled: 61,
    }
}

pub fn inbox() -> InboxStats {
    InboxStats {
        requests: 76,
        open: 2,
        dead: 1,
        avg_latency_ms: Some(3_420.0),
        p50_latency_ms: Some(1_900.0),
        p90_latency_ms: Some(8_300.0),
        p99_latency_ms: Some(31_000.0),
        answered: 71,
        chats: 2,
        working_agents: 3,
        ..InboxStats::default()
    }
}

pub fn pool(now: i64) -> Vec<PoolMember> {
    let member = |agent: &str, title: &str, ms: f64, in_flight| PoolMember {
        agent: agent.into(),
        title: title.into(),
        available: true,
        breaker: Breaker::Closed,
        in_flight,
        latency_ms: Some(ms),
        failures: 0,
        retry_at: None,
        instances: Vec::new(),
    };
    let mut list = vec![
        member("codegen", "Code generation", 14_200.0, 1),
        member("pm", "Project management", 2_100.0, 0),
        member("security", "Security review", 6_900.0, 0),
        member("assistant", "Assistant", 900.0, 0),
    ];
    list[2] = PoolMember {
        available: false,
        breaker: Breaker::Open,
        failures: 5,
        retry_at: Some(rfc3339(now + 40_000)),
        ..list[2].clone()
    };
    let instance = |gateway: &str, in_flight| PoolInstance {
        gateway: gateway.into(),
        available: true,
        breaker: Breaker::Closed,
        in_flight,
        latency_ms: Some(14_200.0),
        failures: 0,
        retry_at: None,
    };
    list[0].instances = vec![instance("gw-home", 1), instance("gw-office", 0)];
    list
}

pub fn budget() -> BudgetAnswer {
    let scope =
        |scope: &str, window: &str, label: &str, limit, spent, held, source: &str| BudgetScope {
            scope: scope.into(),
            window: window.into(),
            label: label.into(),
            limit: Micros(limit),
            source: source.into(),
            spent: Micros(spent),
            held: Micros(held),
            remaining: Micros(limit - spent - held),
            resets_at: "2026-09-21T22:00:00.000Z".into(),
        };
    let cost = |agent: &str, spent, held, unpriced| AgentCost {
        agent: agent.into(),
        spent: Micros(spent),
        held: Micros(held),
        unpriced,
    };
    BudgetAnswer {
        time_zone: "Europe/Berlin".into(),
        scopes: vec![
            scope("all", "day", "2026-09-21", 50_000_000, 12_500_000, 6_750_000, "file"),
            scope("all", "month", "2026-09", 500_000_000, 198_400_000, 6_750_000, "default"),
            scope("agent:codegen", "day", "2026-09-21", 20_000_000, 11_200_000, 4_500_000, "api"),
        ],
        agents: vec![
            cost("codegen", 11_200_000, 4_500_000, 0),
            cost("pm", 1_300_000, 0, 1),
            cost("docs", 0, 2_250_000, 0),
        ],
    }
}

#[expect(clippy::too_many_lines, reason = "a list of samples")]
pub fn approvals(now: i64) -> Vec<Approval> {
    let base = |id: &str, state, description: &str| Approval {
        id: id.into(),
        version: 3,
        state,
        task_id: format!("telegram.main.{id}").as_str().into(),
        kind: "codegen".into(),
        agent_type: "codegen".into(),
        operation: Some("run".into()),
        description: description.into(),
        arguments: Some(
            json!({ "message": description, "branch": "release/2.4", "dryRun": false, "paths": ["services/billing", "migrations"] }),
        ),
        estimated_cost: Some(Micros(4_500_000)),
        cost_limit: Micros(6_000_000),
        digest: "9f2c4e0b7a1d4c55b0d1e6f3a2978cbb41f0c6d2e8a94b7753d0aa11bc90ef42".into(),
        reason: "$4.50 is more than a quarter of your threshold of $10.00.".into(),
        code: None,
        policies: vec!["cost_threshold".into()],
        monitoring_level: MonitoringLevel::Basic,
        requested_at: rfc3339(now - 200_000),
        expires_at: rfc3339(now + 700_000),
        decided_at: None,
        decided_by: None,
        decided_by_name: None,
        channel: Some("telegram".into()),
        event_id: Some("telegram.main.01J8AAAAAAAAAAAAAAAAAAAAA2".into()),
        actual_cost: None,
        choice: Choice::default(),
        review: None,
    };
    let decided = |id: &str, state, description: &str, by: &str, minutes: i64| Approval {
        decided_by: Some(by.into()),
        decided_at: Some(rfc3339(now - minutes * 60_000)),
        reason: "Within your rules.".into(),
        ..base(id, state, description)
    };
    vec![
        base(
            "apr_01J8B1",
            ApprovalState::Pending,
            "Apply the pending billing migration to the release branch and open a pull request",
        ),
        Approval {
            estimated_cost: None,
            reason: "The price of this run is not known.".into(),
            policies: vec!["unknown_price".into(), "requires_human_approval".into()],
            arguments: Some(
                json!({ "message": "<script>alert(1)</script> rotate the signing keys", "scope": "all" }),
            ),
            expires_at: rfc3339(now + 95_000),
            agent_type: "security".into(),
            channel: Some("slack".into()),
            ..base(
                "apr_01J8B2",
                ApprovalState::Pending,
                "<b>Rotate</b> every signing key & tell the team",
            )
        },
        Approval {
            actual_cost: Some(Micros(380_000)),
            ..decided(
                "apr_01J8A9",
                ApprovalState::Consumed,
                "Summarise yesterday's incidents",
                "policy",
                24,
            )
        },
        decided(
            "apr_01J8A8",
            ApprovalState::Rejected,
            "Delete the staging database",
            "telegram:main:700100200",
            51,
        ),
        decided("apr_01J8A7", ApprovalState::Expired, "Upgrade all dependencies", "clock", 190),
    ]
}

/// An event at this stage.
pub fn event(
    id: &str,
    at: i64,
    channel: &str,
    text: &str,
    stages: &[(Stage, i64)],
    agent: Option<&str>,
) -> EventDetail {
    let state = stages.last().map_or(Stage::Received, |(stage, _)| *stage);
    let row = EventRow {
        id: id.into(),
        endpoint: if channel == "web" { "console" } else { "main" }.into(),
        channel: channel.into(),
        dedupe_key: "k".into(),
        conversation: format!("{channel}:main:700100200").as_str().into(),
        sender: Some(format!("{channel}:main:700100200")),
        text: text.into(),
        state,
        reason: None,
        attempts: 0,
        received_at: rfc3339(at),
        updated_at: rfc3339(at),
        agent: agent.map(Into::into),
        decision_id: Some("dec_01J8A".into()),
        task_id: None,
        approval_id: None,
        cost_micros: None,
        cost_unknown: false,
    };
    let stages = stages
        .iter()
        .map(|(stage, after)| StageEntry {
            stage: *stage,
            at: rfc3339(at + after),
            after_ms: *after,
            note: None,
        })
        .collect();
    let progress = vec![contracts::event::ProgressLine {
        at: "2026-01-01T00:00:00Z".into(),
        text: "running <b>cargo test</b>".into(),
        cost_micros: Some(120_000),
    }];
    EventDetail {
        row,
        stages,
        attempts_log: vec![],
        replies: vec![],
        progress,
        replays: 0,
        cursor: Some("7.0.1".to_owned()),
        attachments: vec![],
        answer_files: vec![],
    }
}

#[expect(clippy::too_many_lines, reason = "a list of samples")]
pub fn events(now: i64) -> Vec<EventDetail> {
    use Stage::{
        Answered, Approved, Dead, Done, Ignored, Parked, Received, Refused, Routed, Running,
    };
    let id = |n: u32, channel: &str| format!("{channel}.main.01J8AAAAAAAAAAAAAAAAAAAAA{n}");
    let whole = [
        (Received, 0),
        (Routed, 9),
        (Approved, 21),
        (Running, 340),
        (Answered, 2_410),
        (Done, 2_690),
    ];
    let mut list = vec![
        event(
            &id(1, "slack"),
            now - 40_000,
            "slack",
            "Can you review the retry logic in the payment worker?",
            &[(Received, 0), (Routed, 11), (Approved, 30), (Running, 420)],
            Some("codegen"),
        ),
        event(
            &id(2, "telegram"),
            now - 200_000,
            "telegram",
            "Apply the pending billing migration to the release branch and open a pull request",
            &[(Received, 0), (Routed, 8), (Parked, 25)],
            Some("codegen"),
        ),
        event(
            &id(3, "discord"),
            now - 900_000,
            "discord",
            "What is our policy for rotating credentials?",
            &whole,
            Some("security"),
        ),
        event(
            &id(4, "telegram"),
            now - 1_900_000,
            "telegram",
            "Plan the next sprint around the importer rewrite and leave two days for the audit \
             findings",
            &whole,
            Some("pm"),
        ),
        event(
            &id(5, "slack"),
            now - 4_000_000,
            "slack",
            "<script>alert('x')</script> **bold** & more",
            &[(Received, 0), (Routed, 7), (Refused, 19)],
            Some("codegen"),
        ),
        event(
            &id(6, "telegram"),
            now - 9_000_000,
            "telegram",
            "Summarise the incident channel",
            &[(Received, 0), (Routed, 12), (Dead, 61_000)],
            Some("assistant"),
        ),
        event(
            &id(7, "discord"),
            now - 90_000_000,
            "discord",
            "hello?",
            &[(Received, 0), (Ignored, 1)],
            None,
        ),
        event(
            &id(8, "web"),
            now - 91_000_000,
            "web",
            "How do I write a good ticket?",
            &whole,
            Some("pm"),
        ),
        event(
            &id(9, "slack"),
            now - 92_000_000,
            "slack",
            "Status of the release?",
            &whole,
            Some("pm"),
        ),
    ];
    list[1].row.approval_id = Some("apr_01J8B1".into());
    list[3].row.cost_micros = Some(380_000);
    list[4].row.reason = Some("The operation is among your blocked ones.".into());
    list[5].row.reason = Some("The gateway did not answer in time.".into());
    list[5].attempts_log = vec![AttemptEntry {
        stage: Running,
        at: rfc3339(now - 8_960_000),
        error: "no lease within 30 s".into(),
        retry_at: Some(rfc3339(now - 8_930_000)),
    }];
    list[6].row.reason = Some("unknown_sender".into());
    let text = "Here is a plan for **two weeks**:\n\n- importer: split parsing from storing\n- audit: close F-12 and F-15\n\nRun `quintet events` to follow it.";
    list[3].replies = vec![Reply {
        id: "r1".into(),
        state: "sent".into(),
        text: text.into(),
        attempts: 1,
        error: None,
        message_ids: vec!["77".into()],
        updated_at: rfc3339(now - 1_897_000),
    }];
    list
}
