//! The inbox's Durable Object: `transactionSync` around the shared state machine, and an alarm for
//! due work.

use crate::clock::WorkerClock;
use crate::inbox::{Answer, InboxRequest, why};
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

/// Delay of the alarm for work that is due at once, which the accepting Worker usually does first.
const LOOK_AFTER_MS: i64 = 1_000;
/// Delay of the next alarm after a failure.
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
    /// Time of the current alarm, milliseconds since the epoch; unknown after a start.
    alarm: Cell<Option<i64>>,
    ready: Cell<bool>,
}

/// The object's storage as a port of the state machine.
struct ObjectSql {
    storage: Storage,
    /// Rows read and written, which the storage is billed by.
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

/// Every error occurs in a transaction that is rolled back, so nothing is stored.
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
    /// Uses the object's own storage.
    pub fn new(state: State) -> Self {
        Self { state, alarm: Cell::new(None), ready: Cell::new(false) }
    }
    /// Runs one command in one transaction. The output gate holds the response until the storage is
    /// durable.
    ///
    /// # Errors
    /// When the request is invalid, or the alarm cannot be set.
    pub async fn fetch(&self, mut request: Request) -> Result<Response> {
        let InboxRequest { shard, command } = serde_json::from_str(&request.text().await?)
            .map_err(|error| worker::Error::from(error.to_string()))?;
        let writes = !command.only_reads();
        let answer: Answer =
            self.send(&shard, command).map_err(|error| (why(error.kind), error.detail));
        if writes {
            self.arm(&shard, LOOK_AFTER_MS).await?;
        }
        Response::ok(serde_json::to_string(&answer)?)
    }
    /// Runs `pump` on due work, then sets the next alarm, even after a failure.
    ///
    /// # Errors
    /// When the next alarm cannot be set; the runtime then retries.
    pub async fn alarm<F: Future<Output = PortResult<()>>>(
        &self,
        pump: impl FnOnce(Shard) -> F,
    ) -> Result<Response> {
        self.alarm.set(None);
        let Some(shard) = self.shard() else { return Response::empty() };
        let pumped = pump(shard.clone()).await;
        if let Err(error) = &pumped {
            tracing::error!(%shard, %error, "pumping the inbox failed and will be retried");
        }
        self.arm(&shard, if pumped.is_ok() { LOOK_AFTER_MS } else { AGAIN_MS }).await?;
        Response::empty()
    }
    /// Runs a command.
    ///
    /// # Errors
    /// Those of the state machine, after a rollback.
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
    /// Creates the tables and stores the object's own name for its alarms, within the first
    /// transaction after a start.
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
    /// Sets the alarm to the next due time, unless an earlier one is set: each setting costs a
    /// written row.
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
