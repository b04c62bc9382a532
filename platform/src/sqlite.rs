//! SQLite for the reference and the native adapters: rows as JSON, errors as port errors.

use crate::ports::{PortError, PortErrorKind, PortResult, Row, SqlValue, Statement, SyncSql};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode};

/// Runs one statement and reads its rows.
///
/// # Errors
/// That of SQLite, as the kind that callers act on.
pub fn run(connection: &Connection, statement: &Statement) -> PortResult<Vec<Row>> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(|e| port_error(&e))?;
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let args = statement.args.iter().map(|value| match value {
        SqlValue::Null => Value::Null,
        SqlValue::Int(number) => Value::Integer(*number),
        SqlValue::Real(number) => Value::Real(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
    });
    // Outside a transaction the last step of a statement is its COMMIT.
    let failure = if connection.is_autocommit() { commit_error } else { port_error };
    let mut rows = prepared.query(rusqlite::params_from_iter(args)).map_err(|e| port_error(&e))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(|e| failure(&e))? {
        let mut object = Row::new();
        for (i, name) in names.iter().enumerate() {
            object.insert(name.clone(), json_of(row.get_ref(i).map_err(|e| port_error(&e))?));
        }
        found.push(object);
    }
    Ok(found)
}

/// Runs all in one transaction.
///
/// # Errors
/// That of the first statement that fails; nothing is kept. At COMMIT the effect may be unknown.
pub fn run_batch(
    connection: &mut Connection,
    statements: &[Statement],
) -> PortResult<Vec<Vec<Row>>> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(|e| port_error(&e))?;
    let rows = statements
        .iter()
        .map(|statement| run(&transaction, statement))
        .collect::<PortResult<Vec<_>>>()?;
    transaction.commit().map_err(|e| commit_error(&e))?;
    Ok(rows)
}

fn json_of(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned().into()
        }
    }
}

/// SQLite's failure as a port's. Every statement runs in a transaction, so nothing of a failed one
/// stays.
pub fn port_error(error: &rusqlite::Error) -> PortError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => PortErrorKind::Conflict,
        Some(ErrorCode::DiskFull) => PortErrorKind::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => PortErrorKind::Timeout,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => {
            PortErrorKind::Unavailable
        }
        _ => PortErrorKind::Invalid,
    };
    PortError::clean(kind, error.to_string())
}

/// SQLite's failure at COMMIT as a port's. An I/O error there is of unknown effect: the frames may
/// already be in the write-ahead log, where recovery after a crash finds them.
pub fn commit_error(error: &rusqlite::Error) -> PortError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => {
            PortError::unknown(PortErrorKind::Unavailable, error.to_string())
        }
        _ => port_error(error),
    }
}

/// A connection as a synchronous SQL.
pub struct ConnectionSql<'a>(pub &'a Connection);

impl SyncSql for ConnectionSql<'_> {
    fn exec(&self, sql: &str, args: &[SqlValue]) -> PortResult<Vec<Row>> {
        run(self.0, &Statement { sql: sql.to_owned().into(), args: args.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Effect;

    #[test]
    fn commit_error_is_of_unknown_effect_only_for_an_io_failure() {
        let failure = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let io = failure(rusqlite::ffi::SQLITE_IOERR);
        assert_eq!(commit_error(&io).effect, Effect::Unknown);
        assert_eq!(port_error(&io).effect, Effect::None);
        let busy = failure(rusqlite::ffi::SQLITE_BUSY);
        assert_eq!(commit_error(&busy).effect, Effect::None);
    }
}
