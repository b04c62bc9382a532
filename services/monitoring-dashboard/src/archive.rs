//! The metrics archive: one object per day, `metrics-archive/<day>.json`, because the table keeps
//! only eight days.
//!
//! `GET /api/archive` lists the days, `GET /api/archive/{day}` returns one. `POST /api/restore`
//! copies the days within the window back into the table; existing rows stay.

use crate::Deps;
use crate::store::{HOUR_MS, KEPT_MS, METRICS};
use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use contracts::backup::Restored;
use contracts::monitoring::{Archive, ArchiveDay};
use platform::backup::merge;
use platform::edge::{ApiError, ApiResult};
use platform::ports::{PortError, PortErrorKind, PortResult, Row};
use platform::sql;
use platform::time::{parse_rfc3339, rfc3339};
use std::collections::BTreeMap;

const FOLDER: &str = "metrics-archive";
const DAY_MS: i64 = 24 * HOUR_MS;

/// The UTC day of a time, such as `2026-11-24`.
fn label(ms: i64) -> String {
    rfc3339(ms).chars().take(10).collect()
}

fn object(day: &str) -> String {
    format!("{FOLDER}/{day}.json")
}

/// Archives each full day of the table that is missing. A daily timer runs it, and it catches up on
/// missed days.
///
/// # Errors
/// When the database or the object store fails; the next run continues.
pub async fn archive(deps: &Deps) -> PortResult<()> {
    let now = deps.clock.now_ms();
    let today = now - now.rem_euclid(DAY_MS);
    let kept = deps.objects.list(&format!("{FOLDER}/")).await?;
    // Skips the table's oldest day, which is incomplete: it was archived earlier or was never
    // complete here.
    for start in (1..KEPT_MS / DAY_MS).map(|days| today - days * DAY_MS) {
        let name = object(&label(start));
        if kept.contains(&name) {
            continue;
        }
        let rows = deps
            .sql
            .query(sql!(
                "SELECT * FROM metrics WHERE t >= ?1 AND t < ?2 ORDER BY series, t",
                start,
                start + DAY_MS
            ))
            .await?;
        if !rows.is_empty() {
            let text = serde_json::to_vec(&rows)
                .map_err(|error| PortError::clean(PortErrorKind::Invalid, error.to_string()))?;
            deps.objects.put(&name, Bytes::from(text)).await?;
        }
    }
    Ok(())
}

async fn day_rows(deps: &Deps, day: &str) -> ApiResult<Option<Vec<Row>>> {
    // Only checked words may become part of an object's name.
    if day.len() != 10 || parse_rfc3339(&format!("{day}T00:00:00Z")).is_none() {
        return Ok(None);
    }
    let Some(bytes) = deps.objects.get(&object(day)).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        tracing::error!(day, %error, "an archived day cannot be read");
        ApiError::new(contracts::ErrorCode::Internal, "This day of the archive cannot be read.")
    })
}

/// `GET /api/archive`.
pub async fn list(State(deps): State<Deps>) -> ApiResult<Json<Archive>> {
    let names = deps.objects.list(&format!("{FOLDER}/")).await?;
    let days = names
        .iter()
        .rev()
        .filter_map(|name| name.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".json"));
    Ok(Json(Archive { days: days.map(str::to_owned).collect() }))
}

/// `GET /api/archive/{day}`.
pub async fn day(State(deps): State<Deps>, Path(day): Path<String>) -> ApiResult<Json<ArchiveDay>> {
    let rows = day_rows(&deps, &day).await?.ok_or_else(|| {
        ApiError::not_found("such day in the archive; GET /api/archive lists them")
    })?;
    Ok(Json(ArchiveDay { day, rows }))
}

/// `POST /api/restore`.
pub async fn restore(State(deps): State<Deps>) -> ApiResult<Json<Restored>> {
    let now = deps.clock.now_ms();
    let mut count = 0;
    for days in 0..KEPT_MS / DAY_MS {
        if let Some(rows) = day_rows(&deps, &label(now - days * DAY_MS)).await? {
            count += merge(&*deps.sql, &METRICS, rows).await?;
        }
    }
    Ok(Json(Restored { rows: BTreeMap::from([("metrics".to_owned(), count)]) }))
}
