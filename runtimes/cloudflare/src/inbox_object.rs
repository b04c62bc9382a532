//! The inbox's Durable Object: `transactionSync` round the shared state machine, and an alarm for what is due.

use crate::clock::WorkerClock;
use crate::inbox::{Answer, Ask, why};
use crate::storage::parameter;
use ::inbox::{Command, Context, InboxCommand, NextDue, Reply, SCHEMA, handle};
use contracts::Shard;
use platform::ports::{
    Clock, ClockExt, PortError, PortErrorKind, PortResult, Row, SqlValue, SyncSql,
};
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Request, Response, Result, State, Storage};

/// What is due at once is taken by the Worker that accepted it; the alarm looks after it this much later.
const LOOK_AFTER_MS: i64 = 1_000;
/// After a failed alarm.
const AGAIN_MS: i64 = 5_000;

#[wasm_bindgen]
extern "C" {
    type RawStorage;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &RawStorage,
        work: &mut dyn FnMut() -> std::result::Result<JsValue, JsValue>,
    ) -> std::result::Result<JsValue, JsValue>;
}

/// An inbox.
pub struct InboxObject {
    state: State,
    /// The alarm that is set, milliseconds since the epoch; unknown after a start.
    alarm: Cell<Option<i64>>,
    ready: Cell<bool>,
}

/// The object's storage as the state machine wants it.
struct ObjectSql {
    storage: Storage,
    /// Rows read and written, what the storage is paid by.
    rows: Cell<(usize, usize)>,
}

impl ObjectSql {
    fn new(storage: Storage) -> Self {
        Self { storage, rows: Cell::new((0, 0)) }
    }
}

impl SyncSql for ObjectSql {
    fn exec(&self, sql: &str, args: &[SqlValue]) -> PortResult<Vec<Row>> {
        let args: Vec<JsValue> = args.iter().map(parameter).collect();
        let cursor = self.storage.sql().exec_raw(sql, args).map_err(failed)?;
        let found = cursor.to_array::<Row>().map_err(failed);
        let (read, written) = self.rows.get();
        self.rows.set((read + cursor.rows_read(), written + cursor.rows_written()));
        found
    }
}

/// Every failure is inside a transaction that is rolled back, so nothing of it stays.
fn failed(error: worker::Error) -> PortError {
    let text = error.to_string();
    let kind = if text.contains("SQLITE_CONSTRAINT") {
        PortErrorKind::Conflict
    } else if text.contains("SQLITE_FULL") {
        PortErrorKind::Full
    } else if text.contains("SQLITE_ERROR") {
        PortErrorKind::Invalid
    } else {
        PortErrorKind::Unavailable
    };
    PortError::clean(kind, text)
}

impl InboxObject {
    /// Over the object's own storage.
    pub fn new(state: State) -> Self {
        Self { state, alarm: Cell::new(None), ready: Cell::new(false) }
    }
    /// One command, one transaction. The answer leaves only when the storage has it durably (the output gate).
    ///
    /// # Errors
    /// When the request is none of ours, or the alarm cannot be set.
    pub async fn fetch(&self, mut request: Request) -> Result<Response> {
        let Ask { shard, command } = serde_json::from_str(&request.text().await?)
            .map_err(|error| worker::Error::from(error.to_string()))?;
        let writes = !command.only_reads();
        let answer: Answer =
            self.send(&shard, command).map_err(|error| (why(error.kind), error.detail));
        if writes {
            self.arm(&shard, LOOK_AFTER_MS).await?;
        }
        Response::ok(serde_json::to_string(&answer)?)
    }
    /// Moves what is due by `pump`, whatever becomes of it, and sets the next alarm.
    ///
    /// # Errors
    /// When the next alarm cannot be set; the runtime then calls again.
    pub async fn alarm<F: Future<Output = PortResult<()>>>(
        &self,
        pump: impl FnOnce(Shard) -> F,
    ) -> Result<Response> {
        self.alarm.set(None);
        let Some(shard) = self.shard() else { return Response::empty() };
        let pumped = pump(shard.clone()).await;
        if let Err(error) = &pumped {
            tracing::error!(%shard, %error, "the inbox could not be pumped; it is tried again");
        }
        self.arm(&shard, if pumped.is_ok() { LOOK_AFTER_MS } else { AGAIN_MS }).await?;
        Response::empty()
    }
    /// Carries a command out.
    ///
    /// # Errors
    /// The state machine's own; nothing was changed then.
    pub fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply> {
        let sql = ObjectSql::new(self.state.storage());
        let command = RefCell::new(Some(command));
        let outcome = RefCell::new(None);
        let mut work = || {
            let done = self.prepare(&sql, shard).and_then(|()| match command.take() {
                Some(command) => handle(
                    &Context {
                        sql: &sql,
                        shard,
                        now_ms: WorkerClock.now_ms(),
                        ulid: &|| WorkerClock.ulid(),
                    },
                    command,
                ),
                None => Err(PortError::clean(PortErrorKind::Invalid, "a transaction ran twice")),
            });
            let failed = done.as_ref().err().map(|error| JsValue::from_str(&error.detail));
            outcome.replace(Some(done));
            failed.map_or(Ok(JsValue::NULL), Err)
        };
        let storage = self.state.storage();
        let raw: &RawStorage = storage.as_raw().unchecked_ref();
        let committed = raw.transaction_sync(&mut work);
        let (rows_read, rows_written) = sql.rows.get();
        tracing::debug!(rows_read, rows_written, "inbox");
        match (committed, outcome.into_inner()) {
            (_, Some(Err(error))) => Err(error),
            (Ok(_), Some(Ok(reply))) => {
                self.ready.set(true);
                Ok(reply)
            }
            (Err(error), _) => Err(failed(worker::Error::from(error))),
            (Ok(_), None) => {
                Err(PortError::clean(PortErrorKind::Unavailable, "the transaction did not run"))
            }
        }
    }
    /// Tables, and the object's own name for its alarms; within the first transaction after a start.
    fn prepare(&self, sql: &ObjectSql, shard: &Shard) -> PortResult<()> {
        if self.ready.get() {
            return Ok(());
        }
        for statement in SCHEMA {
            sql.exec(statement, &[])?;
        }
        sql.exec(
            "CREATE TABLE IF NOT EXISTS inbox (one INTEGER PRIMARY KEY, shard TEXT NOT NULL)",
            &[],
        )?;
        sql.exec("INSERT OR IGNORE INTO inbox VALUES (1, ?1)", &[shard.as_str().into()])?;
        Ok(())
    }
    fn shard(&self) -> Option<Shard> {
        let sql = ObjectSql::new(self.state.storage());
        let row = sql.exec("SELECT shard FROM inbox", &[]).ok()?.pop()?;
        Some(Shard::new(row.get("shard")?.as_str()?))
    }
    /// Sets the alarm to the next due time, unless one comes at least as soon: each setting costs a row written.
    async fn arm(&self, shard: &Shard, at_least_ms: i64) -> Result<()> {
        let due = match self.send(shard, NextDue.into()).map(NextDue::reply) {
            Ok(Some(due)) => due,
            _ => Some(0),
        };
        let Some(due) = due else { return Ok(()) };
        let now = WorkerClock.now_ms();
        let wait = (due - now).max(at_least_ms);
        let set = match self.alarm.get() {
            Some(set) => Some(set),
            None => self.state.storage().get_alarm().await?,
        };
        if set.is_some_and(|at| at <= now + wait) {
            self.alarm.set(set);
            return Ok(());
        }
        self.alarm.set(Some(now + wait));
        self.state.storage().set_alarm(wait).await
    }
}
