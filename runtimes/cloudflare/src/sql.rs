//! The shared database on D1. A `batch` is D1's own: one atomic transaction.

use crate::storage::parameter;
use crate::{invalid, unknown};
use async_trait::async_trait;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, Sql, Statement};
use worker::send::SendFuture;
use worker::{D1Database, D1PreparedStatement, D1Result};

/// A D1 database.
pub struct D1Sql(pub D1Database);

impl D1Sql {
    fn prepare(&self, statement: &Statement) -> PortResult<D1PreparedStatement> {
        let args: Vec<_> = statement.args.iter().map(parameter).collect();
        self.0.prepare(statement.sql.as_ref()).bind(&args).map_err(invalid)
    }
}

fn rows(result: &D1Result) -> PortResult<Vec<Row>> {
    if tracing::enabled!(tracing::Level::DEBUG)
        && let Ok(Some(meta)) = result.meta()
    {
        // Billed by D1; `docs/cost.md` adds it up.
        tracing::debug!(
            rows_read = meta.rows_read.unwrap_or(0),
            rows_written = meta.rows_written.unwrap_or(0),
            "d1"
        );
    }
    result.results::<Row>().map_err(unknown)
}

/// Maps D1's errors, which are text only.
fn failed(error: worker::Error) -> PortError {
    let text = error.to_string();
    let has = |word: &str| text.contains(word);
    if has("SQLITE_CONSTRAINT") {
        PortError::clean(PortErrorKind::Conflict, text)
    } else if has("SQLITE_FULL") || has("Exceeded maximum DB size") {
        PortError::clean(PortErrorKind::Full, text)
    } else if has("SQLITE_ERROR") || has("D1_TYPE_ERROR") {
        PortError::clean(PortErrorKind::Invalid, text)
    } else if has("SQLITE_BUSY") {
        PortError::clean(PortErrorKind::Timeout, text)
    } else {
        // The network, or an overloaded or moved database: a write may have taken effect.
        PortError::unknown(PortErrorKind::Unavailable, text)
    }
}

#[async_trait]
impl Sql for D1Sql {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        SendFuture::new(
            async move { rows(&self.prepare(&statement)?.all().await.map_err(failed)?) },
        )
        .await
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        // D1 refuses an empty batch, which has nothing to do.
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        SendFuture::new(async move {
            let prepared = statements
                .iter()
                .map(|statement| self.prepare(statement))
                .collect::<PortResult<Vec<_>>>()?;
            self.0.batch(prepared).await.map_err(failed)?.iter().map(rows).collect()
        })
        .await
    }
}
