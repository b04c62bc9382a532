//! The tables, the clock and the names that a command works with.

use contracts::Shard;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, SqlValue, SyncSql};

/// Everything a command needs besides the tables.
pub struct Context<'a> {
    pub sql: &'a dyn SyncSql,
    pub shard: &'a Shard,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// A fresh ULID.
    pub ulid: &'a dyn Fn() -> String,
}

impl Context<'_> {
    pub(crate) fn exec(&self, sql: &str, args: &[SqlValue]) -> PortResult<Vec<Row>> {
        self.sql.exec(sql, args)
    }
    pub(crate) fn all<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        args: &[SqlValue],
    ) -> PortResult<Vec<T>> {
        self.sql.exec(sql, args)?.into_iter().map(platform::ports::sql::read_row).collect()
    }
    pub(crate) fn one<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        args: &[SqlValue],
    ) -> PortResult<Option<T>> {
        self.sql.exec(sql, args)?.into_iter().next().map(platform::ports::sql::read_row).transpose()
    }
    /// A single number, 0 where there is no row.
    pub(crate) fn number(&self, sql: &str, args: &[SqlValue]) -> PortResult<i64> {
        let row = self.sql.exec(sql, args)?.into_iter().next();
        Ok(row.and_then(|row| row.values().next().and_then(serde_json::Value::as_i64)).unwrap_or(0))
    }
}

/// Parameters of a statement, each by its `Into<SqlValue>`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$(platform::ports::SqlValue::from($value)),*] };
}
pub(crate) use args;

/// JSON for a column.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> PortResult<String> {
    serde_json::to_string(value)
        .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))
}
