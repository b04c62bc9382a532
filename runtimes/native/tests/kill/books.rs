//! Compares the posted updates, the messages shown by the platform, and the two databases.

use crate::Kill;
use crate::posters::{AllPosted, Posted, is_placeholder};
use crate::recorder::Shown;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Maximum runs of a message before it is a dead letter (dispatch/run.rs, `RUNS_MAX`).
const RUNS_MAX: usize = 4;
/// Maximum time for an event to end, after the last kill and after its arrival. No timer takes this
/// long unless something is missing.
const END_WITHIN_MS: i64 = 20_000;
/// Wait before the sender is told that an agent is away (dispatch/run.rs, `TELL_AFTER_MS`).
const TELL_AFTER_MS: i64 = 45_000;

/// An event of the inbox.
struct Event {
    id: String,
    key: u64,
    state: String,
    reason: Option<String>,
    runs: usize,
    replays: usize,
    /// Time of its first end.
    ended_ms: i64,
    /// Its timeline, for the failure message.
    way: String,
    /// Its newest reply text.
    reply: Option<String>,
}

/// A task, with its approval from the other database.
struct Task {
    id: String,
    event: String,
    state: String,
    approval: String,
    digest: String,
}

struct Approval {
    id: String,
    state: String,
    digest: String,
    event: Option<String>,
}

pub struct Books {
    posted: AllPosted,
    shown: BTreeMap<u64, Vec<Shown>>,
    kills: Vec<Kill>,
    events: Vec<Event>,
    tasks: Vec<Task>,
    approvals: BTreeMap<String, Approval>,
    /// Micro-dollars spent and held.
    money: (i64, i64),
    strays: usize,
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| read(row)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Letters and digits only, so that rendered and raw Markdown compare equal.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Books {
    /// Reads the books after the server has stopped.
    pub fn read(data: &Path, posted: AllPosted, messages: Vec<Shown>, kills: Vec<Kill>) -> Self {
        let (inbox, own) = (
            Connection::open(data.join("inbox.db")).unwrap(),
            Connection::open(data.join("quintet.db")).unwrap(),
        );
        let events = all(
            &inbox,
            "SELECT id, dedupe_key, state, reason, runs, replays,
                (SELECT MIN(at_ms) FROM stage s WHERE s.event_id = event.id AND s.stage IN ('done', 'dead', 'refused', 'expired')),
                (SELECT GROUP_CONCAT(s.stage || '+' || (s.at_ms - event.received_ms), ' ') FROM stage s WHERE s.event_id = event.id),
                (SELECT o.text FROM outbox o WHERE o.event_id = event.id AND o.kind = 'reply' ORDER BY o.seq DESC LIMIT 1)
             FROM event WHERE shard = 'telegram.main' ORDER BY seq",
            |row| {
                let key: String = row.get(1)?;
                let (id, state, reason, runs, replays) = (row.get(0)?, row.get(2)?, row.get(3)?, row.get::<_, u32>(4)?, row.get::<_, u32>(5)?);
                let (ended_ms, way, reply) = (row.get::<_, Option<i64>>(6)?.unwrap_or(i64::MAX), row.get(7)?, row.get(8)?);
                Ok(Event { id, key: key.parse().unwrap(), state, reason, runs: runs as usize, replays: replays as usize, ended_ms, way, reply })
            },
        );
        let tasks =
            all(&inbox, "SELECT id, event_id, state, approval_id, digest FROM task", |row| {
                Ok(Task {
                    id: row.get(0)?,
                    event: row.get(1)?,
                    state: row.get(2)?,
                    approval: row.get(3)?,
                    digest: row.get(4)?,
                })
            });
        let approvals =
            all(&own, "SELECT task, id, state, digest, event_id FROM approvals", |row| {
                Ok((
                    row.get(0)?,
                    Approval {
                        id: row.get(1)?,
                        state: row.get(2)?,
                        digest: row.get(3)?,
                        event: row.get(4)?,
                    },
                ))
            });
        let sum = |sql: &str| own.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let money = (
            sum("SELECT COALESCE(SUM(spent_u), 0) FROM budget"),
            sum("SELECT COALESCE(SUM(amt_u), 0) FROM hold"),
        );
        let strays = messages.iter().filter(|message| message.answers.is_none()).count();
        let mut shown: BTreeMap<u64, Vec<Shown>> = BTreeMap::new();
        for message in messages {
            shown.entry(message.answers.unwrap_or_default()).or_default().push(message);
        }
        Self {
            posted,
            shown,
            kills,
            events,
            tasks,
            approvals: approvals.into_iter().collect(),
            money,
            strays,
        }
    }

    /// Number of kills between the event's first post and its end.
    fn kills_during(&self, posted: Posted, event: &Event) -> usize {
        self.kills
            .iter()
            .filter(|kill| kill.after_ms >= posted.first_ms && kill.before_ms <= event.ended_ms)
            .count()
    }

    pub fn summary(&self) -> String {
        let hits: Vec<usize> = self
            .events
            .iter()
            .filter_map(|event| Some(self.kills_during(*self.posted.get(&event.key)?, event)))
            .collect();
        let sent: usize = self.shown.values().map(Vec::len).sum();
        let acks: i64 =
            self.posted.values().map(|posted| posted.acked_ms - posted.first_ms).max().unwrap_or(0);
        format!(
            "{} acknowledged (slowest after {acks} ms), {} events, {} of them met by a kill (at \
             most {} times), {} run again, {} cut off {RUNS_MAX} times and replayed, {sent} \
             messages sent ({} repeated)",
            self.posted.len(),
            self.events.len(),
            hits.iter().filter(|n| **n > 0).count(),
            hits.iter().max().unwrap_or(&0),
            self.events.iter().filter(|event| event.runs > 1).count(),
            self.events.iter().filter(|event| event.replays > 0).count(),
            sent.saturating_sub(self.events.len()),
        )
    }

    /// Every violation.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let known: BTreeSet<u64> = self.events.iter().map(|event| event.key).collect();
        wrong.extend(
            self.posted
                .keys()
                .filter(|key| !known.contains(key))
                .map(|key| format!("lost: {key} was acknowledged and is not there")),
        );
        if known.len() != self.events.len() {
            wrong.push(format!(
                "duplicated: {} events for {} updates",
                self.events.len(),
                known.len()
            ));
        }
        if self.strays > 0 {
            wrong.push(format!("{} messages answer nothing", self.strays));
        }
        if self.money != (0, 0) {
            wrong.push(format!(
                "nothing here costs anything, but (spent, held) is {:?}",
                self.money
            ));
        }
        for event in &self.events {
            match self.posted.get(&event.key) {
                None => wrong.push(format!("unexpected: {} was never posted", event.key)),
                Some(posted) => wrong.extend(
                    self.wrong_of(*posted, event)
                        .into_iter()
                        .map(|what| format!("{} ({}): {what}", event.key, event.id)),
                ),
            }
        }
        wrong.extend(self.tasks.iter().filter_map(|task| self.wrong_approval(task)));
        wrong
    }

    #[expect(clippy::too_many_lines, reason = "one check after another")]
    fn wrong_of(&self, posted: Posted, event: &Event) -> Vec<String> {
        let mut wrong = Vec::new();
        let kills = self.kills_during(posted, event);
        let messages = self.shown.get(&event.key).map_or(&[][..], Vec::as_slice);
        if event.state != "done" {
            wrong.push(format!(
                "is {} ({:?}) after {kills} kills and {} runs",
                event.state, event.reason, event.runs
            ));
        }
        if event.replays > 0 && kills < RUNS_MAX {
            wrong.push(format!("was dead after {kills} kills: {}", event.way));
        }
        let since_ms = self.kills.last().map_or(0, |kill| kill.after_ms).max(posted.acked_ms);
        if event.ended_ms > since_ms + END_WITHIN_MS {
            wrong.push(format!(
                "ended {} ms after it came and the last kill: {}",
                event.ended_ms - since_ms,
                event.way
            ));
        }
        // Each run answers once; a crash may repeat that message.
        let messages_max = 1 + kills + event.replays;
        if messages.len() > messages_max {
            let texts: Vec<Vec<String>> = messages
                .iter()
                .map(|message| message.texts.iter().map(|text| brief(text)).collect())
                .collect();
            wrong.push(format!(
                "{} messages were sent for it with {kills} kills meanwhile: {texts:?}; {}",
                messages.len(),
                event.way
            ));
        }
        if messages.is_empty() {
            wrong.push("nobody was answered".to_owned());
        }
        if event.runs > messages_max {
            wrong.push(format!("{} runs with {kills} kills", event.runs));
        }
        let last = messages
            .iter()
            .max_by_key(|message| message.changed)
            .and_then(|message| message.texts.last());
        if last.map(|text| bare(text)) != event.reply.as_deref().map(bare) {
            wrong.push(format!(
                "the last message shows {:?} and not {:?}",
                last.map(|text| brief(text)),
                event.reply.as_deref().map(brief)
            ));
        }
        for (early, text) in messages
            .iter()
            .flat_map(|message| &message.texts)
            .map(|text| (event.ended_ms - posted.first_ms < TELL_AFTER_MS, text))
        {
            if early && text.contains("is offline") {
                wrong.push(format!(
                    "was told after {} ms: {text}",
                    event.ended_ms - posted.first_ms
                ));
            }
        }
        let answers: BTreeSet<&String> = messages
            .iter()
            .flat_map(|message| &message.texts)
            .filter(|text| !is_placeholder(text))
            .collect();
        if kills == 0 && answers.len() > 1 {
            wrong.push(format!("was given several answers without a kill: {answers:?}"));
        }
        let left: Vec<_> = messages
            .iter()
            .filter(|message| message.texts.last().is_some_and(|text| is_placeholder(text)))
            .collect();
        if left.len() > kills {
            wrong.push(format!("{} placeholders are left with {kills} kills", left.len()));
        }
        wrong.extend(self.wrong_runs(event));
        wrong
    }

    /// Violations of: one run answered, and every run had one approval.
    fn wrong_runs(&self, event: &Event) -> Vec<String> {
        let mut wrong = Vec::new();
        let tasks: Vec<&Task> = self.tasks.iter().filter(|task| task.event == event.id).collect();
        let done: Vec<&str> =
            tasks.iter().filter(|task| task.state == "done").map(|task| task.id.as_str()).collect();
        if event.state == "done" && done.len() != 1 {
            wrong.push(format!("was answered by the tasks {done:?}"));
        }
        if tasks.len() > event.runs {
            wrong.push(format!("{} tasks for {} runs", tasks.len(), event.runs));
        }
        let approvals = self
            .approvals
            .values()
            .filter(|approval| approval.event.as_deref() == Some(&event.id))
            .count();
        if approvals < tasks.len() || approvals > event.runs {
            wrong.push(format!(
                "{approvals} approvals for {} tasks and {} runs",
                tasks.len(),
                event.runs
            ));
        }
        wrong
    }

    fn wrong_approval(&self, task: &Task) -> Option<String> {
        let Some(approval) = self.approvals.get(&task.id) else {
            return Some(format!("task {} has no approval", task.id));
        };
        if approval.id != task.approval
            || approval.digest != task.digest
            || approval.event.as_deref() != Some(&task.event)
        {
            return Some(format!("task {} holds another approval than it was given", task.id));
        }
        let fits = task.state != "done" || approval.state == "consumed";
        (!fits).then(|| format!("task {} is done and its approval {}", task.id, approval.state))
    }
}
