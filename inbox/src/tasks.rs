//! Tasks: queued, leased to one gateway at a time, done. An epoch that is not the newest changes
//! nothing.

use super::{
    Context, NewTask, ReadTranscript, SeenGateway, StoredEvent, TaskRow, args, json, read, sessions,
};
use contracts::agent_run::AgentRun;
use contracts::event::TranscriptLine;
use contracts::task::{LeasedTask, UnreadyAgent};
use contracts::{ConversationId, EventId, GatewayId, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A gateway asks for work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseTasks {
    pub gateway: GatewayId,
    pub agents: Vec<String>,
    pub capacity: u32,
    /// For agents that are none of `runs`; without it `capacity` counts every agent.
    #[serde(default)]
    pub light: Option<u32>,
    pub lease_ms: i64,
    #[serde(default)]
    pub runs: BTreeMap<String, AgentRun>,
    /// Agents among them that it is not ready to run.
    #[serde(default)]
    pub unready: Vec<UnreadyAgent>,
}

/// Renews a lease. `None`: the lease has ended or passed on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewLease {
    pub task: TaskId,
    pub epoch: u32,
    pub lease_ms: i64,
}

/// One task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetTask {
    pub task: TaskId,
}

/// A task with its event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetRun {
    pub task: TaskId,
}

/// Input of a run before it begins: the newest lines of its conversation, and the gateways.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrepareRun {
    pub conversation: ConversationId,
    /// Maximum lines.
    pub lines: u32,
    /// See [`ReadTranscript::without_public`].
    #[serde(default)]
    pub without_public: bool,
}

/// The answer to [`PrepareRun`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// Oldest first.
    pub lines: Vec<TranscriptLine>,
    pub gateways: Vec<SeenGateway>,
}

/// Gateways that asked for work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListGateways;

/// From now on a gateway gets no more tasks, or gets them again; it may end what it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DrainGateway {
    pub gateway: GatewayId,
    pub drained: bool,
}
use platform::ports::PortResult;

const COLUMNS: &str = "id, event_id, agent, message, context, approval_id, digest, cost_limit, state, epoch, gateway_id, lease_until_ms, created_ms,
    leased_ms, outcome, text, EXISTS (SELECT 1 FROM stop WHERE stop.task_id = task.id) AS stopped,
    (SELECT s.event_id FROM stop s WHERE s.task_id = task.id) AS stopped_by";

/// A gateway's presence is noted this often: it may ask each second, and a row written costs money
/// on Workers.
const SEEN_EVERY_MS: i64 = 5_000;

/// Puts a task up for lease. The same task again changes nothing.
pub(super) fn insert(context: &Context<'_>, event: &EventId, task: &NewTask) -> PortResult<()> {
    context.exec(
        "INSERT INTO task (id, shard, event_id, agent, message, context, approval_id, digest, cost_limit, state, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'queued', ?10) ON CONFLICT (id) DO NOTHING",
        args![
            task.id.as_str(),
            context.shard.as_str(),
            event.as_str(),
            task.agent.as_str(),
            &task.message,
            json(&task.context)?,
            task.approval_id.as_str(),
            &task.digest,
            task.cost_limit,
            context.now_ms,
        ],
    )?;
    let wanted = task.place.gateway.iter().map(|gateway| (gateway, true, task.place.until_ms));
    let unwanted = task.place.not.iter().map(|gateway| (gateway, false, task.place.not_until_ms));
    for (gateway, wanted, until_ms) in wanted.chain(unwanted) {
        context.exec(
            "INSERT INTO place (task_id, gateway_id, wanted, until_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (task_id, gateway_id) DO NOTHING",
            args![task.id.as_str(), gateway.as_str(), wanted, until_ms],
        )?;
    }
    Ok(())
}

/// Ends the task that an event leaves behind. A new run supersedes the previous one; its late
/// reports are stale. When the event ends, an unleased task is withdrawn; a leased one may still
/// be answered.
pub(super) fn close(
    context: &Context<'_>,
    event: &EventId,
    new_run: bool,
    ended: bool,
) -> PortResult<()> {
    if !new_run && !ended {
        return Ok(());
    }
    let open = if new_run { "('queued', 'leased')" } else { "('queued')" };
    let last = "(SELECT task_id FROM event WHERE id = ?1)";
    let closed = context.exec(
        &format!(
            "UPDATE task SET state = 'lost' WHERE id = {last} AND state IN {open} RETURNING id"
        ),
        args![event.as_str()],
    )?;
    if !closed.is_empty() {
        context
            .exec(&format!("DELETE FROM place WHERE task_id = {last}"), args![event.as_str()])?;
    }
    Ok(())
}

/// Makes the stop of this event's run due, now that the run has ended.
pub(super) fn tell_of_end(context: &Context<'_>, event: &EventId) -> PortResult<()> {
    context.exec(
        "UPDATE queue SET due_ms = MIN(due_ms, ?2) WHERE event_id IN (
            SELECT s.event_id FROM stop s JOIN event e ON e.task_id = s.task_id WHERE e.id = ?1)",
        args![event.as_str(), context.now_ms],
    )?;
    Ok(())
}

/// Removes the marks of stops, now that their message has ended.
pub(super) fn forget_stop(context: &Context<'_>, event: &EventId) -> PortResult<()> {
    context.exec(
        "DELETE FROM stop WHERE (SELECT t.event_id FROM task t WHERE t.id = task_id) = ?1",
        args![event.as_str()],
    )?;
    Ok(())
}

/// Puts the task of an event up for lease again. Who had it and its epoch stay: the next lease is a
/// newer one, and what the one before still says is stale from then on.
pub(super) fn requeue(context: &Context<'_>, event: &EventId) -> PortResult<()> {
    context.exec("UPDATE task SET state = 'queued' WHERE id = (SELECT task_id FROM event WHERE id = ?1) AND state = 'leased'", args![event.as_str()])?;
    Ok(())
}

impl GetTask {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<TaskRow>> {
        get(context, &self.task)
    }
}

impl GetRun {
    pub(super) fn carry_out(
        self,
        context: &Context<'_>,
    ) -> PortResult<Option<(TaskRow, StoredEvent)>> {
        let Some(task) = get(context, &self.task)? else { return Ok(None) };
        Ok(read::event(context, &task.event_id)?.map(|event| (task, event)))
    }
}

impl PrepareRun {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Prepared> {
        let conversation = self.conversation.0;
        let after = sessions::begins_after(context, &conversation)?;
        let without_public = self.without_public;
        let read = ReadTranscript { conversation, after, limit: self.lines, without_public };
        let lines = read.carry_out(context)?.lines;
        Ok(Prepared { lines, gateways: ListGateways.carry_out(context)? })
    }
}

pub(super) fn get(context: &Context<'_>, task: &TaskId) -> PortResult<Option<TaskRow>> {
    context.one(&format!("SELECT {COLUMNS} FROM task WHERE id = ?1"), args![task.as_str()])
}

impl LeaseTasks {
    /// Leases the waiting tasks, oldest first. A task whose lease ran out is not leased here: the
    /// event's own step decides whether that run may be repeated.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<LeasedTask>> {
        let (gateway, lease_ms) = (&self.gateway, self.lease_ms);
        let offered = json(&self.agents)?;
        context.exec(
            "INSERT INTO gateway (id, shard, agents, seen_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id, shard) DO UPDATE SET agents = excluded.agents, seen_ms = excluded.seen_ms
            WHERE excluded.seen_ms >= seen_ms + ?5 OR agents <> excluded.agents",
            args![
                gateway.as_str(),
                context.shard.as_str(),
                &offered,
                context.now_ms,
                SEEN_EVERY_MS
            ],
        )?;
        context.exec(
            "INSERT INTO agent_run (id, shard, runs) VALUES (?1, ?2, ?3)
         ON CONFLICT (id, shard) DO UPDATE SET runs = excluded.runs WHERE runs <> excluded.runs",
            args![gateway.as_str(), context.shard.as_str(), json(&self.runs)?],
        )?;
        note_unready(context, gateway, &self.unready)?;
        let waiting = "SELECT id FROM task WHERE shard = ?1 AND state = 'queued'
                AND EXISTS (SELECT 1 FROM json_each(?5) offer WHERE offer.value = '*' OR offer.value = task.agent)
                AND NOT EXISTS (SELECT 1 FROM place WHERE place.task_id = task.id AND place.until_ms > ?4 AND place.wanted <> (place.gateway_id = ?2))
                AND NOT EXISTS (SELECT 1 FROM drained WHERE drained.gateway_id = ?2)";
        // 1 for an agent that counts against `capacity`.
        let kind = "(?8 IS NULL OR EXISTS (SELECT 1 FROM json_each(?8) run WHERE lower(run.value) = lower(task.agent)))";
        let programs: Vec<&String> = self.runs.keys().collect();
        let programs = self.light.map(|_| json(&programs)).transpose()?;
        let rows: Vec<TaskRow> = context.all(
        &format!(
            "UPDATE task SET state = 'leased', epoch = epoch + 1, gateway_id = ?2, lease_until_ms = ?3, leased_ms = ?4
             WHERE id IN (SELECT id FROM ({waiting} AND {kind} = 1 ORDER BY created_ms LIMIT ?6)
                UNION ALL SELECT id FROM ({waiting} AND {kind} = 0 ORDER BY created_ms LIMIT ?7))
             RETURNING {COLUMNS}"
        ),
        args![context.shard.as_str(), gateway.as_str(), context.now_ms + lease_ms, context.now_ms, &offered, self.capacity, self.light.unwrap_or(0), programs],
    )?;
        let mut leased = Vec::new();
        for row in rows {
            // The event's own look at the run is at the end of the lease.
            context.exec(
                "UPDATE queue SET due_ms = ?2 WHERE event_id = ?1 AND state = 'running'",
                args![row.event_id.as_str(), row.lease_until_ms + 1],
            )?;
            context.exec("DELETE FROM place WHERE task_id = ?1", args![row.id.as_str()])?;
            let session = sessions::of_task(context, &row)?;
            leased.push(LeasedTask {
                task_id: row.id,
                epoch: row.epoch,
                lease_ms,
                agent: row.agent,
                message: row.message,
                context: row.context,
                approval_id: row.approval_id,
                digest: row.digest,
                cost_limit: row.cost_limit,
                session,
            });
        }
        Ok(leased)
    }
}

/// Writes only what has changed: a written row costs money on Workers.
fn note_unready(
    context: &Context<'_>,
    gateway: &GatewayId,
    unready: &[UnreadyAgent],
) -> PortResult<()> {
    context.exec(
        "INSERT INTO unready (gateway_id, agents) SELECT ?1, ?2
         WHERE ?2 <> COALESCE((SELECT u.agents FROM unready u WHERE u.gateway_id = ?1), '[]')
         ON CONFLICT (gateway_id) DO UPDATE SET agents = excluded.agents",
        args![gateway.as_str(), json(&unready)?],
    )?;
    Ok(())
}

impl RenewLease {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<TaskRow>> {
        let until = context.now_ms + self.lease_ms;
        let row: Option<TaskRow> = context.one(
        &format!(
            "UPDATE task SET lease_until_ms = ?3
             WHERE id = ?1 AND epoch = ?2 AND state = 'leased' AND lease_until_ms >= ?4 RETURNING {COLUMNS}"
        ),
        args![self.task.as_str(), self.epoch, until, context.now_ms],
    )?;
        if let Some(row) = &row {
            context.exec(
                "UPDATE queue SET due_ms = ?2 WHERE event_id = ?1 AND state = 'running'",
                args![row.event_id.as_str(), until + 1],
            )?;
            context.exec(
                "UPDATE gateway SET seen_ms = ?2 WHERE id = ?1",
                args![row.gateway_id.as_ref().map(contracts::GatewayId::as_str), context.now_ms],
            )?;
        }
        Ok(row)
    }
}

impl ListGateways {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<SeenGateway>> {
        context.all(
        "SELECT g.id, g.agents, g.seen_ms,
            COALESCE((SELECT o.runs FROM agent_run o WHERE o.id = g.id AND o.shard = g.shard), '{}') AS runs,
            (SELECT COUNT(*) FROM task t WHERE t.shard = g.shard AND t.gateway_id = g.id AND t.state = 'leased'
                AND t.lease_until_ms > ?2) AS running,
            (SELECT COUNT(*) FROM task t JOIN place p ON p.task_id = t.id WHERE t.shard = g.shard AND t.state = 'queued'
                AND p.gateway_id = g.id AND p.wanted = 1 AND p.until_ms > ?2) AS kept,
            EXISTS (SELECT 1 FROM drained d WHERE d.gateway_id = g.id) AS drained,
            COALESCE((SELECT u.agents FROM unready u WHERE u.gateway_id = g.id), '[]') AS unready
         FROM gateway g WHERE g.shard = ?1",
        args![context.shard.as_str(), context.now_ms],
    )
    }
}

impl DrainGateway {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<SeenGateway>> {
        let gateway = &self.gateway;
        if self.drained {
            context
            .exec("INSERT INTO drained (gateway_id, since_ms) VALUES (?1, ?2) ON CONFLICT (gateway_id) DO NOTHING", args![gateway.as_str(), context.now_ms])?;
        } else {
            context.exec("DELETE FROM drained WHERE gateway_id = ?1", args![gateway.as_str()])?;
        }
        ListGateways.carry_out(context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bed, asks, task};
    use super::super::{Advance, Finish, FinishRun, NewTask, Patch, Step};
    use super::*;
    use contracts::AgentId;
    use contracts::approval::Outcome;
    use contracts::event::Stage;

    #[tokio::test]
    async fn a_lease_is_fenced_by_its_epoch_and_a_result_is_taken_once() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let claimed = bed.claim().await.remove(0);
        let task = NewTask { cost_limit: 5, ..task(&claimed) };
        bed.to(&claimed, Stage::Running, Patch { task: Some(task.clone()), ..Patch::default() })
            .await;
        let lease = asks("g", "codegen", 4);
        let leased = bed.send(lease.clone()).await;
        assert_eq!((leased[0].epoch, leased[0].cost_limit.0), (1, 5));
        assert!(bed.send(lease).await.is_empty());
        let version = bed.get(&claimed.id).await.0.version;
        let finish = |epoch| FinishRun {
            session: None,
            log: None,
            task: task.id.clone(),
            epoch,
            outcome: Outcome::Success,
            text: "done".into(),
            event_version: version,
            step: Step::To { stage: Stage::Answered, note: None, patch: Box::default(), due_ms: 0 },
        };
        for (epoch, expected) in [(0, Finish::Stale), (1, Finish::First), (1, Finish::Again)] {
            let finish = bed.send(finish(epoch)).await;
            assert_eq!(finish, expected);
        }
        assert_eq!(bed.get(&claimed.id).await.0.state, Stage::Answered);
    }

    /// A message whose task waits for this agent.
    async fn waits(bed: &Bed, key: &str, agent: &str) {
        bed.accept(key, key).await;
        let claimed = bed.claim().await.remove(0);
        let task = NewTask { agent: AgentId::from(agent), ..task(&claimed) };
        let patch = Box::new(Patch { task: Some(task), ..Patch::default() });
        let step = Step::To { stage: Stage::Running, note: None, patch, due_ms: i64::MAX };
        let (event, version) = (claimed.id.clone(), claimed.version);
        bed.send(Advance { event, version, step, keep_ms: None }).await;
        bed.clock.advance(1);
    }

    #[tokio::test]
    async fn agents_without_a_program_have_a_capacity_of_their_own() {
        let bed = Bed::new();
        for (number, agent) in
            ["codegen", "docs", "CodeGen", "pm", "docs", "codegen"].iter().enumerate()
        {
            waits(&bed, &format!("k{number}"), agent).await;
        }
        let run = serde_json::json!({ "runner": "command", "program": ["x"], "sandbox": "strict", "network": "none", "timeoutS": 1, "memoryBytesMax": 1, "workBytesMax": 1 });
        let run: AgentRun = serde_json::from_value(run).unwrap();
        let runs = BTreeMap::from([("codegen".to_owned(), run)]);
        let lease =
            |capacity, light| LeaseTasks { light, runs: runs.clone(), ..asks("g", "*", capacity) };
        let leased = |tasks: Vec<LeasedTask>| {
            let mut agents: Vec<_> = tasks.into_iter().map(|task| task.agent.0).collect();
            agents.sort();
            agents
        };
        assert_eq!(leased(bed.send(lease(1, Some(2))).await), ["codegen", "docs", "pm"]);
        assert_eq!(leased(bed.send(lease(0, Some(9))).await), ["docs"]);
        // Without it every agent counts alike.
        assert_eq!(leased(bed.send(lease(9, None)).await), ["CodeGen", "codegen"]);
    }
}
