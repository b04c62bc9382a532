//! The archive of the metrics: one object a day, `metrics-archive/<day>.json`, since the table keeps eight days.
//!
//! `GET /api/archive` lists the days, `GET /api/archive/{day}` gives one; `POST /api/restore` brings the days that still count
//! back into the table. Rows that are there stay as they are.

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

/// `2026-11-24` of a time, in UTC: hours are kept in UTC too.
fn label(ms: i64) -> String {
    rfc3339(ms).chars().take(10).collect()
}

fn object(day: &str) -> String {
    format!("{FOLDER}/{day}.json")
}

/// Writes each full day that the table still has and the archive has not. Once a day by timer; a missed day is made up for.
///
/// # Errors
/// When the database or the objects fail; the next time goes on from there.
pub async fn archive(deps: &Deps) -> PortResult<()> {
    let now = deps.clock.now_ms();
    let today = now - now.rem_euclid(DAY_MS);
    let kept = deps.objects.list(&format!("{FOLDER}/")).await?;
    // The oldest day of the table is cut off; the day after it was archived before, or was never whole here.
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
    // Names of objects are made of checked words alone.
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
