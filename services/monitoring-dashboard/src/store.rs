//! Every table this service owns: `dashboard_session`, `dashboard_sign_in_link`, `probe`,
//! `metrics`.

use platform::backup::Table;
use platform::ports::{PortResult, Sql, SqlExt, Statement};
use platform::sql;
use serde::Deserialize;

/// One hour, the width of a `metrics` row.
pub const HOUR_MS: i64 = 3_600_000;
/// Maximum age of `metrics` rows.
pub const KEPT_MS: i64 = 8 * 24 * HOUR_MS;
/// `metrics` as restored from the archive.
pub const METRICS: Table = Table::keeping("metrics", &["series", "t"]);

/// Stores the digest of a sign-in link's code until it is used or expires.
pub async fn keep_link(store: &dyn Sql, code_hash: &str, expires_at: i64) -> PortResult<()> {
    store
        .query(sql!(
            "INSERT INTO dashboard_sign_in_link (code_hash, expires_at) VALUES (?1, ?2)",
            code_hash,
            expires_at
        ))
        .await?;
    Ok(())
}

/// Redeems a link; true for the first request in time.
pub async fn use_link(store: &dyn Sql, code_hash: &str, now: i64) -> PortResult<bool> {
    let text = "DELETE FROM dashboard_sign_in_link WHERE code_hash = ?1 AND expires_at > ?2 \
        RETURNING code_hash";
    Ok(!store.query(sql!(text, code_hash, now)).await?.is_empty())
}

/// Whether an unexpired link of this digest is unused.
pub async fn is_link(store: &dyn Sql, code_hash: &str, now: i64) -> PortResult<bool> {
    let text =
        "SELECT code_hash FROM dashboard_sign_in_link WHERE code_hash = ?1 AND expires_at > ?2";
    Ok(!store.query(sql!(text, code_hash, now)).await?.is_empty())
}

/// Opens a session.
pub async fn open_session(
    store: &dyn Sql,
    id_hash: &str,
    key_hash: Option<String>,
    now: i64,
    expires_at: i64,
) -> PortResult<()> {
    let text = "INSERT INTO dashboard_session (id_hash, key_hash, created_at, expires_at)
        VALUES (?1, ?2, ?3, ?4)";
    store.query(sql!(text, id_hash, key_hash, now, expires_at)).await?;
    Ok(())
}

/// A session that has not expired.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionRow {
    pub conversation: Option<String>,
    pub key_hash: Option<String>,
}

/// The unexpired session of this digest.
pub async fn session(store: &dyn Sql, id_hash: &str, now: i64) -> PortResult<Option<SessionRow>> {
    store
        .one(sql!(
            "SELECT conversation, key_hash FROM dashboard_session WHERE id_hash = ?1 AND expires_at > ?2",
            id_hash,
            now
        ))
        .await
}

/// Binds a session to the key of its pages. The first key stays; true if it is this one.
pub async fn bind_session(store: &dyn Sql, id_hash: &str, key_hash: &str) -> PortResult<bool> {
    let text = "UPDATE dashboard_session SET key_hash = COALESCE(key_hash, ?2) \
        WHERE id_hash = ?1 RETURNING key_hash = ?2 AS bound";
    #[derive(Deserialize)]
    struct Row {
        bound: i64,
    }
    let row: Option<Row> = store.one(sql!(text, id_hash, key_hash)).await?;
    Ok(row.is_some_and(|row| row.bound == 1))
}

/// Deletes a session.
pub async fn close_session(store: &dyn Sql, id_hash: &str) -> PortResult<()> {
    store.query(sql!("DELETE FROM dashboard_session WHERE id_hash = ?1", id_hash)).await?;
    Ok(())
}

/// Stores the conversation of a session's console.
pub async fn keep_conversation(
    store: &dyn Sql,
    id_hash: &str,
    conversation: &str,
) -> PortResult<()> {
    store
        .query(sql!(
            "UPDATE dashboard_session SET conversation = ?2 WHERE id_hash = ?1",
            id_hash,
            conversation
        ))
        .await?;
    Ok(())
}

/// A service's status at its last check.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ProbeRow {
    pub service: String,
    pub status: String,
    pub fails: u32,
    pub since: i64,
    pub checked_at: i64,
    pub latency_ms: Option<f64>,
    pub detail: Option<String>,
}

/// The last check of each service.
pub async fn probes(store: &dyn Sql) -> PortResult<Vec<ProbeRow>> {
    store
        .all(sql!(
            "SELECT service, status, fails, since, checked_at, latency_ms, detail FROM probe"
        ))
        .await
}

/// Measured time to add to an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    pub up_ms: i64,
    pub degraded_ms: i64,
    pub down_ms: i64,
}

/// Stores a check and adds the time since the previous one, unless another round was faster.
pub fn record(row: &ProbeRow, previous_at: Option<i64>, measured: Measured) -> Vec<Statement> {
    let hour = row.checked_at - row.checked_at.rem_euclid(HOUR_MS);
    let add = "INSERT INTO metrics (series, t, up_ms, degraded_ms, down_ms, checks, \
        latency_checks, latency_ms_sum) \
               SELECT ?1, ?2, ?3, ?4, ?5, 1, ?6, ?7 \
               WHERE COALESCE((SELECT checked_at FROM probe WHERE service = ?8), 0) = ?9 \
               ON CONFLICT (series, t) DO UPDATE SET up_ms = up_ms + excluded.up_ms, degraded_ms = degraded_ms + excluded.degraded_ms, \
               down_ms = down_ms + excluded.down_ms, checks = checks + 1, latency_checks = latency_checks + excluded.latency_checks, \
               latency_ms_sum = latency_ms_sum + excluded.latency_ms_sum";
    let set = "INSERT INTO probe (service, status, fails, since, checked_at, latency_ms, detail) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT (service) DO UPDATE SET status = excluded.status, fails = excluded.fails, since = excluded.since, \
               checked_at = excluded.checked_at, latency_ms = excluded.latency_ms, detail = excluded.detail \
               WHERE probe.checked_at = ?8";
    let previous_at = previous_at.unwrap_or(0);
    let series = format!("probe.{}", row.service);
    vec![
        sql!(
            add,
            series,
            hour,
            measured.up_ms,
            measured.degraded_ms,
            measured.down_ms,
            row.latency_ms.is_some()
        )
        .bind(row.latency_ms.unwrap_or(0.0))
        .bind(&row.service)
        .bind(previous_at),
        sql!(
            set,
            &row.service,
            row.status.as_str(),
            row.fails,
            row.since,
            row.checked_at,
            row.latency_ms,
            row.detail.clone(),
            previous_at
        ),
    ]
}

/// Deletes expired rows.
pub fn forget(now: i64) -> Vec<Statement> {
    vec![
        sql!("DELETE FROM metrics WHERE t < ?1", now - KEPT_MS),
        sql!("DELETE FROM dashboard_session WHERE expires_at <= ?1", now),
        sql!("DELETE FROM dashboard_sign_in_link WHERE expires_at <= ?1", now),
    ]
}

/// One hour of one series.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct HourRow {
    pub series: String,
    pub t: i64,
    pub up_ms: i64,
    pub degraded_ms: i64,
    pub down_ms: i64,
    pub latency_checks: i64,
    pub latency_ms_sum: f64,
}

/// The hours after `from`, oldest first.
pub async fn hours(store: &dyn Sql, from: i64) -> PortResult<Vec<HourRow>> {
    let text = "SELECT series, t, up_ms, degraded_ms, down_ms, latency_checks, latency_ms_sum FROM \
        metrics WHERE t > ?1 ORDER BY series, t";
    store.all(sql!(text, from)).await
}
