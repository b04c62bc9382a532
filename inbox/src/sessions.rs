//! Sessions that agents' programs keep by themselves, by conversation and agent, and the point from
//! which a conversation counts.

use super::{Context, TaskRow, args};
use contracts::task::BackendSession;
use contracts::{AgentId, GatewayId, Micros, Tokens};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Sessions that are kept of a conversation.
const KEPT: u32 = 20;

/// The sender begins anew: earlier lines are no history any more, and no session is resumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartAfresh {
    pub conversation: String,
}

/// The sessions of a conversation, the one used last first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListSessions {
    pub conversation: String,
}

/// Makes a session the one that its agent resumes here. False: there is none of this name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PickSession {
    pub conversation: String,
    pub agent: AgentId,
    pub id: String,
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptSession {
    pub agent: AgentId,
    pub runner: String,
    pub id: String,
    pub gateway_id: Option<GatewayId>,
    pub runs: u32,
    pub begun_ms: i64,
    pub used_ms: i64,
    /// 1: the next run resumes it.
    pub current: u8,
}

impl StartAfresh {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        context.exec(
            "INSERT INTO fresh (conversation, after_seq, since_ms)
             SELECT ?1, COALESCE(MAX(seq), 0), ?2 FROM said WHERE conversation = ?1
             ON CONFLICT (conversation) DO UPDATE SET after_seq = excluded.after_seq, since_ms = excluded.since_ms",
            args![&self.conversation, context.now_ms],
        )?;
        context.exec(
            "UPDATE session SET current = 0 WHERE conversation = ?1",
            args![&self.conversation],
        )?;
        Ok(())
    }
}

impl ListSessions {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<KeptSession>> {
        context.all(
            "SELECT agent, runner, id, gateway_id, runs, begun_ms, used_ms, current FROM session
             WHERE conversation = ?1 ORDER BY used_ms DESC, id LIMIT ?2",
            args![&self.conversation, KEPT],
        )
    }
}

impl PickSession {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<bool> {
        let known = context.number(
            "SELECT COUNT(*) FROM session WHERE conversation = ?1 AND agent = ?2 AND id = ?3",
            args![&self.conversation, self.agent.as_str(), &self.id],
        )?;
        if known == 0 {
            return Ok(false);
        }
        context.exec(
            "UPDATE session SET current = (id = ?3) WHERE conversation = ?1 AND agent = ?2",
            args![&self.conversation, self.agent.as_str(), &self.id],
        )?;
        Ok(true)
    }
}

/// The last `seq` before a conversation began anew; 0 where it never did.
pub(super) fn begins_after(context: &Context<'_>, conversation: &str) -> PortResult<i64> {
    context.number("SELECT after_seq FROM fresh WHERE conversation = ?1", args![conversation])
}

#[derive(Deserialize)]
struct Current {
    runner: String,
    id: String,
    input: u64,
    output: u64,
    cost_micros: Option<i64>,
}

/// The session that a task's run resumes.
pub(super) fn of_task(context: &Context<'_>, task: &TaskRow) -> PortResult<Option<BackendSession>> {
    let Some(conversation) = &task.context.conversation else { return Ok(None) };
    let current: Option<Current> = context.one(
        "SELECT runner, id, input, output, cost_micros FROM session
         LEFT JOIN session_cost USING (conversation, agent, id)
         WHERE conversation = ?1 AND agent = ?2 AND current = 1",
        args![conversation, task.agent.as_str()],
    )?;
    Ok(current.map(|row| BackendSession {
        runner: row.runner,
        id: row.id,
        spent: Tokens { input: row.input, output: row.output },
        cost: row.cost_micros.map(Micros),
    }))
}

/// Keeps the session that a run reported. Where the sender began anew during the run, it is kept
/// and not resumed.
pub(super) fn keep(
    context: &Context<'_>,
    task: &TaskRow,
    session: &BackendSession,
) -> PortResult<()> {
    let Some(conversation) = &task.context.conversation else { return Ok(()) };
    let since = context
        .number("SELECT since_ms FROM fresh WHERE conversation = ?1", args![conversation])?;
    let current = since < task.created_ms;
    if current {
        context.exec(
            "UPDATE session SET current = 0 WHERE conversation = ?1 AND agent = ?2",
            args![conversation, task.agent.as_str()],
        )?;
    }
    let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    context.exec(
        "INSERT INTO session (conversation, agent, id, runner, gateway_id, input, output, runs, begun_ms, used_ms, current)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?9)
         ON CONFLICT (conversation, agent, id) DO UPDATE SET runner = excluded.runner, gateway_id = excluded.gateway_id,
            input = excluded.input, output = excluded.output, runs = runs + 1, used_ms = excluded.used_ms, current = excluded.current",
        args![
            conversation,
            task.agent.as_str(),
            &session.id,
            &session.runner,
            task.gateway_id.as_ref().map(GatewayId::as_str),
            count(session.spent.input),
            count(session.spent.output),
            context.now_ms,
            current,
        ],
    )?;
    context.exec(
        "DELETE FROM session WHERE conversation = ?1 AND current = 0 AND used_ms <
            (SELECT MIN(used_ms) FROM (SELECT used_ms FROM session WHERE conversation = ?1 ORDER BY used_ms DESC LIMIT ?2))",
        args![conversation, KEPT],
    )?;
    if let Some(cost) = session.cost {
        context.exec(
            "INSERT INTO session_cost (conversation, agent, id, cost_micros) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (conversation, agent, id) DO UPDATE SET cost_micros = excluded.cost_micros",
            args![conversation, task.agent.as_str(), &session.id, cost.0],
        )?;
    }
    context.exec(
        "DELETE FROM session_cost WHERE conversation = ?1 AND NOT EXISTS
            (SELECT 1 FROM session AS kept WHERE kept.conversation = session_cost.conversation
             AND kept.agent = session_cost.agent AND kept.id = session_cost.id)",
        args![conversation],
    )?;
    Ok(())
}
