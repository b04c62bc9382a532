//! The ledger's invariants (I1–I10 of the design) under random interleavings. Each seed is a
//! history of requests, decisions, claims, renewals, settlements, halts, lost responses, limit
//! changes and passing time.

use crate::kit::*;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Seeded, so that a seed tells the whole story.
struct Dice(fastrand::Rng);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0.u64(0..n)
    }
    fn dollars(&mut self, max_micros: u64) -> f64 {
        self.roll(max_micros + 1) as f64 / 1e6
    }
}

struct Story {
    bed: Bed,
    dice: Dice,
    asked: Vec<Value>,
    tokens: HashMap<String, Vec<Value>>,
    /// In half of the histories limits only rise; then admitted work may never exceed a limit.
    rising: bool,
    limit: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(fastrand::Rng::with_seed(seed));
        let limit = 6_000_000 + dice.roll(12_000_000);
        let config = json!({"budget": {"daily": limit as f64 / 1e6, "monthly": 40.0}, "agents": {"codegen": {"daily_budget": 6.0}}});
        Self {
            bed: Bed::with(config),
            rising: dice.roll(2) == 0,
            dice,
            asked: Vec::new(),
            tokens: HashMap::new(),
            limit,
        }
    }
    fn some_asked(&mut self) -> Option<Value> {
        let n = self.asked.len() as u64;
        (n > 0).then(|| self.asked[self.dice.roll(n) as usize].clone())
    }
    async fn step(&mut self) {
        if self.dice.roll(12) == 0 {
            // One of the next operations takes effect without a response, or never happens.
            if self.dice.roll(2) == 0 {
                self.bed.sql.faults.keep_but_fail_next(1);
            } else {
                self.bed.sql.faults.refuse_next(1, platform::ports::PortErrorKind::Unavailable);
            }
        }
        match self.dice.roll(20) {
            0..=3 => self.request().await,
            4 | 5 => self.decide().await,
            6..=8 => self.claim().await,
            9..=11 => self.settle().await,
            12 => self.renew().await,
            13 => self.halt().await,
            14 => self.change_limit().await,
            15 => personal_assistant::tick(&self.bed.deps).await,
            16..=18 => self.renew().await,
            // Mostly less than a lease, so that runs live long enough to be renewed.
            _ => {
                let most = if self.dice.roll(3) == 0 { 400_000 } else { 20_000 };
                self.bed.clock.advance(self.dice.roll(most) as i64);
            }
        }
    }
    async fn request(&mut self) {
        // Sometimes an earlier task again, with the same or another amount.
        let task = format!("t{}", self.dice.roll(40));
        let mut body = request(&task, self.dice.dollars(2_000_000));
        body["agentType"] = json!(["codegen", "security"][self.dice.roll(2) as usize]);
        let (status, mut answer) = self.bed.post(AGENT, "/api/approve", body).await;
        if status == 200 {
            answer["task"] = json!(task);
            self.asked.push(answer);
        }
    }
    async fn decide(&mut self) {
        let Some(asked) = self.some_asked() else { return };
        let decision = if self.dice.roll(4) == 0 { "reject" } else { "approve" };
        self.bed.decide(&asked["approvalId"], decision).await;
    }
    async fn claim(&mut self) {
        let Some(asked) = self.some_asked() else { return };
        let task = asked["task"].as_str().unwrap().to_owned();
        let halted = self.is_halted(&task).await;
        let (status, answer) = self.bed.claim(&asked).await;
        if status == 200 {
            assert!(!halted, "I10: {task} began under a halt");
            self.tokens.entry(task).or_default().push(answer["claimToken"].clone());
        }
    }
    async fn is_halted(&self, task: &str) -> bool {
        // Directly from the table, because the port may have a pending fault.
        let Ok(rows) = self
            .bed
            .deps
            .sql
            .query(platform::sql!(
                "SELECT 1 AS one FROM halt WHERE resumed_at IS NULL AND target IN ('all', ?1)",
                format!("task:{task}")
            ))
            .await
        else {
            return false;
        };
        !rows.is_empty()
    }
    async fn settle(&mut self) {
        let mut tasks: Vec<_> = self.tokens.keys().cloned().collect();
        tasks.sort();
        if tasks.is_empty() {
            return;
        }
        let task = tasks[self.dice.roll(tasks.len() as u64) as usize].clone();
        let token =
            self.tokens[&task][self.dice.roll(self.tokens[&task].len() as u64) as usize].clone();
        let cost = (self.dice.roll(4) > 0).then(|| self.dice.dollars(2_000_000));
        let outcome = ["success", "failed", "cancelled", "timeout", "unavailable"]
            [self.dice.roll(5) as usize];
        let first = self.bed.settle(&task, &token, cost, outcome).await;
        let again = self.bed.settle(&task, &token, cost, outcome).await;
        if first.0 == 200 && again.0 == 200 {
            assert_eq!(first.1, again.1, "I4: settling again is the same");
        }
    }
    async fn renew(&mut self) {
        let task = match self.tokens.keys().min() {
            Some(_) if self.dice.roll(6) > 0 => {
                let mut begun: Vec<_> = self.tokens.keys().cloned().collect();
                begun.sort();
                begun[self.dice.roll(begun.len() as u64) as usize].clone()
            }
            _ => format!("t{}", self.dice.roll(40)),
        };
        let cost = (self.dice.roll(3) > 0).then(|| self.dice.roll(4_000_000));
        let body = json!({"taskId": task, "costMicros": cost});
        self.bed.post(AGGREGATOR, "/internal/renewed", body).await;
        // Whether a question about more money is open: its answer is part of the story.
        let open = platform::sql!(
            "SELECT id FROM approvals WHERE tops_up IS NOT NULL AND state = 'pending'"
        );
        for row in self.bed.deps.sql.query(open).await.unwrap_or_default() {
            self.asked.push(json!({"approvalId": row["id"], "task": "none", "digest": ""}));
        }
    }
    async fn halt(&mut self) {
        let body = if self.dice.roll(3) == 0 {
            json!({"all": true})
        } else {
            json!({"taskId": format!("t{}", self.dice.roll(40))})
        };
        let target = json!({"taskId": body["taskId"]});
        let path = if self.dice.roll(2) == 0 { "/api/halt" } else { "/api/resume" };
        self.bed.post(OPERATOR, path, if path == "/api/halt" { body } else { target }).await;
    }
    async fn change_limit(&mut self) {
        self.limit = if self.rising {
            self.limit + self.dice.roll(500_000)
        } else {
            4_000_000 + self.dice.roll(12_000_000)
        };
        self.bed
            .send(OPERATOR, "PUT", "/api/budget", json!({"daily": self.limit as f64 / 1e6}))
            .await;
    }

    async fn check(&self, seed: u64, step: u32) {
        let at = format!("seed {seed}, step {step}");
        let now = platform::ports::Clock::now_ms(&*self.bed.clock);
        let rows = |text: &'static str| async move {
            self.bed.deps.sql.query(platform::ports::Statement::new(text)).await
        };
        let Ok(spent) = rows("SELECT b.scope, b.spent_u, (SELECT COALESCE(SUM(p.amt_u), 0) FROM posted p WHERE p.task IN (SELECT h.task FROM hold h WHERE h.scope = b.scope)) AS posted FROM budget b").await else { return };
        for row in spent {
            assert_eq!(row["spent_u"], row["posted"], "{at}: I3 {row:?}");
        }
        let Ok(partial) = rows("SELECT h.task, COUNT(*) AS n, a.agent, COUNT(DISTINCT h.amt_u) AS amounts, COUNT(DISTINCT h.attempt) AS attempts FROM hold h JOIN approvals a ON a.task = h.task GROUP BY h.task").await else { return };
        for row in partial {
            let expected = if row["agent"] == "codegen" { 3 } else { 2 };
            assert_eq!(
                (row["n"].as_i64(), row["amounts"].as_i64(), row["attempts"].as_i64()),
                (Some(expected), Some(1), Some(1)),
                "{at}: I2 {row:?}"
            );
        }
        let figures = platform::sql!(
            "SELECT b.scope, b.limit_u, b.spent_u, (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > ?1) AS held, (SELECT COALESCE(SUM(p.overrun_u), 0) FROM posted p WHERE p.task IN (SELECT h.task FROM hold h WHERE h.scope = b.scope))
                + (SELECT COALESCE(SUM(MAX(0, h.amt_u - COALESCE(h.limit_u, h.amt_u))), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > ?1) AS overrun FROM budget b",
            now
        );
        let Ok(figures) = self.bed.deps.sql.query(figures).await else { return };
        for row in figures {
            let figure = |name: &str| row[name].as_i64().unwrap();
            if self.rising
                || !row["scope"].as_str().unwrap().starts_with("day:")
                || row["scope"].as_str().unwrap().contains("agent:")
            {
                assert!(
                    figure("spent_u") + figure("held") <= figure("limit_u") + figure("overrun"),
                    "{at}: I1 {row:?}"
                );
            }
        }
        let (status, told) = self.bed.send(OPERATOR, "GET", "/api/budget", Value::Null).await;
        if status != 200 {
            return;
        }
        let agents = told["agents"].as_array().unwrap();
        for (place, name) in ["spent", "held"].into_iter().enumerate() {
            let sum: f64 = agents.iter().map(|row| row[name].as_f64().unwrap()).sum();
            let day = told["scopes"][0][name].as_f64().unwrap();
            assert!((sum - day).abs() < 1e-9, "{at}: I13 {place} {agents:?}");
        }
        let Ok(orphans) = rows(
            "SELECT a.task FROM approvals a WHERE a.state IN ('approved', 'claimed', 'consumed') AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.task = a.task)",
        )
        .await
        else {
            return;
        };
        assert!(orphans.is_empty(), "{at}: I11 approved without a hold: {orphans:?}");
        let Ok(revived) = rows("SELECT a.task FROM approvals a JOIN hold h ON h.task = a.task WHERE a.state = 'consumed' AND h.exp <> 0").await else { return };
        assert!(revived.is_empty(), "{at}: I8 a settled hold lives again: {revived:?}");
    }
}

/// Counts of a history: held, claimed, settled, refused for the budget, ended by overrun.
const COUNTS: &str =
    "SELECT (SELECT COUNT(DISTINCT task) FROM hold) AS held, (SELECT COUNT(*) FROM claim) AS claimed, (SELECT COUNT(*) FROM posted) AS settled,
    (SELECT COUNT(*) FROM approvals WHERE code = 'budget_exhausted') AS refused, (SELECT COUNT(*) FROM posted WHERE overrun_u > 0) AS overrun,
    (SELECT COUNT(*) FROM claim WHERE seq > 1) AS again, (SELECT COUNT(*) FROM posted WHERE cut_off = 1) AS cut_off,
    (SELECT COUNT(*) FROM approvals WHERE tops_up IS NOT NULL) AS questions,
    (SELECT COUNT(DISTINCT h.task) FROM hold h JOIN approvals a ON a.task = h.task WHERE h.limit_u > a.amount_u) AS raised";

async fn tell(seed: u64) -> HashMap<String, i64> {
    let mut story = Story::new(seed);
    for step in 0..250 {
        story.step().await;
        story.check(seed, step).await;
    }
    // I5: without renewals nothing runs, and every hold expires or is posted.
    story.bed.clock.advance(2 * 3_600_000);
    let now = platform::ports::Clock::now_ms(&*story.bed.clock);
    for _ in 0..3 {
        // Triggers the faults that no step has met.
        let _ = story.bed.deps.sql.query(platform::sql!("SELECT 1 AS one")).await;
    }
    personal_assistant::tick(&story.bed.deps).await;
    let live = story
        .bed
        .deps
        .sql
        .query(platform::sql!("SELECT task FROM hold WHERE exp > ?1", now))
        .await
        .unwrap();
    assert!(live.is_empty(), "seed {seed}: I5 {live:?}");
    story.bed.rows(COUNTS).await[0]
        .iter()
        .map(|(name, count)| (name.clone(), count.as_i64().unwrap()))
        .collect()
}

#[tokio::test]
async fn ledger_keeps_its_invariants_in_thirty_random_histories() {
    let mut total: HashMap<String, i64> = HashMap::new();
    for seed in 1..=30 {
        for (name, count) in tell(seed).await {
            *total.entry(name).or_default() += count;
        }
    }
    // A history without any events proves nothing.
    for (name, least) in [
        ("held", 200),
        ("claimed", 100),
        ("settled", 80),
        ("refused", 100),
        ("overrun", 20),
        ("again", 3),
        ("cut_off", 8),
        ("questions", 10),
        ("raised", 10),
    ] {
        assert!(total[name] >= least, "{name}: {total:?}");
    }
}
