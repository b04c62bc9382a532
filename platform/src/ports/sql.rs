//! The shared database: SQLite's dialect on both runtimes. `batch` is the only transaction: all
//! statements or none (D1 refuses `BEGIN`). At most 100 parameters per statement, integers below
//! 2^53, no virtual tables, no blobs.

use super::{PortError, PortErrorKind, PortResult};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

macro_rules! into_value {
    ($($from:ty => $make:expr),+ $(,)?) => {$(
        impl From<$from> for SqlValue {
            fn from(value: $from) -> Self { ($make)(value) }
        }
    )+};
}
into_value! {
    i64 => SqlValue::Int,
    i32 => |v| SqlValue::Int(i64::from(v)),
    u32 => |v| SqlValue::Int(i64::from(v)),
    bool => |v| SqlValue::Int(i64::from(v)),
    f64 => SqlValue::Real,
    String => SqlValue::Text,
    &String => |v: &String| SqlValue::Text(v.clone()),
    &str => |v: &str| SqlValue::Text(v.to_owned()),
    contracts::Micros => |v: contracts::Micros| SqlValue::Int(v.0),
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement with its parameters (`?1`, `?2`, …).
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: Cow<'static, str>,
    pub args: Vec<SqlValue>,
}

impl Statement {
    /// A statement; parameters by [`Statement::bind`].
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), args: Vec::new() }
    }
    /// Adds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<SqlValue>) -> Self {
        self.args.push(value.into());
        self
    }
}

/// `sql!("SELECT … WHERE id = ?1", id)`: a [`Statement`] with its parameters in order.
#[macro_export]
macro_rules! sql {
    ($text:expr $(, $arg:expr)* $(,)?) => { $crate::ports::Statement::new($text)$(.bind($arg))* };
}

/// A row as a JSON object: column → value.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// The shared database.
#[async_trait]
pub trait Sql: Send + Sync {
    /// Runs one statement; rows of SELECT or RETURNING.
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>>;
    /// Runs all statements in one transaction; the rows of each.
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>>;
}

/// Synchronous SQLite, as in a Durable Object or on a connection.
pub trait SyncSql {
    /// Runs one statement; the rows of SELECT or RETURNING.
    ///
    /// # Errors
    /// Those of the database: a broken constraint, a full disk, a statement that is wrong.
    fn exec(&self, sql: &str, args: &[SqlValue]) -> PortResult<Vec<Row>>;
}

/// Rows as values.
#[async_trait]
pub trait SqlExt {
    /// All rows, each read into `T` by its column names.
    async fn all<T: DeserializeOwned>(&self, statement: Statement) -> PortResult<Vec<T>>;
    /// The first row, if any.
    async fn one<T: DeserializeOwned>(&self, statement: Statement) -> PortResult<Option<T>>;
}

#[async_trait]
impl<S: Sql + ?Sized> SqlExt for S {
    async fn all<T: DeserializeOwned>(&self, statement: Statement) -> PortResult<Vec<T>> {
        self.query(statement).await?.into_iter().map(read_row).collect()
    }
    async fn one<T: DeserializeOwned>(&self, statement: Statement) -> PortResult<Option<T>> {
        self.query(statement).await?.into_iter().next().map(read_row).transpose()
    }
}

/// Reads a row into a value by its column names.
///
/// # Errors
/// `Invalid` when a field is missing or has another type.
pub fn read_row<T: DeserializeOwned>(row: Row) -> PortResult<T> {
    serde_json::from_value(serde_json::Value::Object(row)).map_err(|e| {
        PortError::clean(PortErrorKind::Invalid, format!("a row has another shape: {e}"))
    })
}
