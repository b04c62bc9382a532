//! This service's storage.
//!
//! | data | stored in | lifetime |
//! | --- | --- | --- |
//! | one row per version | table `skill_graph` | permanent |
//! | the current version | table `skill_graph_current`, one row | – |
//! | graph, model, search index | objects `graph/<digest>/{graph.json,model.bin,index.bin}` | permanent |
//! | findings of the publish | object `graph/<digest>/report.json` | permanent |
//! | backup of the graph last published or rolled back to | object `skill-graph-full.json` | overwritten |
//! | copy of a graph | KV `graph:<version>` | 24 h |
//! | copy of an index (base64) | KV `index:<version>` | 1 h |
//! | search results | KV `search:<version>:<digest of query and limit>` | 30 min |

use contracts::GraphVersion;
use contracts::graph::VersionRow;
use platform::ports::{PortError, PortErrorKind, PortResult, Sql, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};

/// The backup's object name.
pub const BACKUP: &str = "skill-graph-full.json";
pub const GRAPH_TTL_S: u64 = 24 * 3600;
pub const INDEX_TTL_S: u64 = 3600;
pub const SEARCH_TTL_S: u64 = 1800;
/// Maximum rows of `GET /api/versions`.
const VERSIONS_MAX: i64 = 200;
/// Hexadecimal characters of a digest that form a version.
const VERSION_CHARS: usize = 32;

/// The version of a digest.
pub fn version_of(digest: &str) -> GraphVersion {
    GraphVersion::new(digest.get(..VERSION_CHARS).unwrap_or(digest))
}

/// Names of a version's objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectNames {
    pub graph: String,
    pub model: String,
    pub index: String,
}

impl ObjectNames {
    /// The names for a digest.
    pub fn of(digest: &str) -> Self {
        let name = |file: &str| format!("graph/{digest}/{file}");
        Self { graph: name("graph.json"), model: name("model.bin"), index: name("index.bin") }
    }
    /// The name of the publish report.
    pub fn report(&self) -> String {
        format!("{}report.json", self.graph.trim_end_matches("graph.json"))
    }
}

/// A version's row.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Version {
    pub version: GraphVersion,
    pub digest: String,
    pub published_at: i64,
    pub message: Option<String>,
    pub agents: usize,
    pub skills: usize,
    pub findings: usize,
    #[serde(deserialize_with = "names")]
    pub objects: ObjectNames,
}

fn names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ObjectNames, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

const COLUMNS: &str = "version, digest, published_at, message, agents, skills, findings, objects";

/// The current version: one row read.
///
/// # Errors
/// Those of the database.
pub async fn current(sql: &dyn Sql) -> PortResult<Option<GraphVersion>> {
    #[derive(Deserialize)]
    struct Pointer {
        version: Option<GraphVersion>,
    }
    let pointer: Option<Pointer> =
        sql.one(sql!("SELECT version FROM skill_graph_current WHERE id = 1")).await?;
    Ok(pointer.and_then(|pointer| pointer.version))
}

/// One version.
///
/// # Errors
/// Those of the database.
pub async fn version(sql: &dyn Sql, version: &GraphVersion) -> PortResult<Option<Version>> {
    let text = format!("SELECT {COLUMNS} FROM skill_graph WHERE version = ?1 AND state = 'ready'");
    sql.one(Statement::new(text).bind(version.as_str())).await
}

/// Versions with this prefix: at most two, which shows whether it is unique.
///
/// # Errors
/// Those of the database.
pub async fn beginning_with(sql: &dyn Sql, start: &str) -> PortResult<Vec<Version>> {
    // Hexadecimal digits sort before `g`, so the key's index is used instead of a scan.
    let text = format!(
        "SELECT {COLUMNS} FROM skill_graph WHERE state = 'ready' AND version >= ?1 AND version < \
         ?1 || 'g' LIMIT 2"
    );
    sql.all(Statement::new(text).bind(start)).await
}

/// The version served when this one was published; if unrecorded, the one published before it.
///
/// # Errors
/// Those of the database.
pub async fn before(sql: &dyn Sql, version: &GraphVersion) -> PortResult<Option<Version>> {
    let text = format!(
        "SELECT {COLUMNS} FROM skill_graph WHERE state = 'ready' AND version = COALESCE(
             (SELECT parent FROM skill_graph WHERE version = ?1),
             (SELECT version FROM skill_graph WHERE state = 'ready' AND seq < (SELECT seq FROM \
             skill_graph WHERE version = ?1) ORDER BY seq DESC LIMIT 1))"
    );
    sql.one(Statement::new(text).bind(version.as_str())).await
}

/// All versions, the latest publish first.
///
/// # Errors
/// Those of the database.
pub async fn versions(sql: &dyn Sql) -> PortResult<Vec<VersionRow>> {
    let text = format!(
        "SELECT {COLUMNS} FROM skill_graph WHERE state = 'ready' ORDER BY seq DESC LIMIT ?1"
    );
    let rows: Vec<Version> = sql.all(Statement::new(text).bind(VERSIONS_MAX)).await?;
    let current = current(sql).await?;
    let row = |row: Version| VersionRow {
        current: current.as_ref() == Some(&row.version),
        published_at: rfc3339(row.published_at),
        version: row.version,
        message: row.message,
        agents: row.agents,
        skills: row.skills,
        findings: row.findings,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Writes the row and makes it current, atomically. `Conflict` when the current version is no
/// longer `seen`, which becomes its parent. A republished version keeps its message unless there is
/// a new one.
///
/// # Errors
/// `Conflict` when another publish came first; else those of the database.
pub async fn publish(sql: &dyn Sql, row: &Version, seen: Option<&GraphVersion>) -> PortResult<()> {
    let objects = serde_json::to_string(&row.objects)
        .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    // The sequence number is NULL, which fails the whole batch, if another publish came in between.
    let insert = sql!(
        "INSERT INTO skill_graph (version, digest, state, seq, published_at, message, agents, \
         skills, findings, objects, parent)
         VALUES (?1, ?2, 'ready',
                 CASE WHEN (SELECT version FROM skill_graph_current WHERE id = 1) IS ?9 THEN (SELECT COALESCE(MAX(seq), 0) + 1 FROM skill_graph) END,
                 ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (version) DO UPDATE SET state = 'ready', seq = excluded.seq, published_at = excluded.published_at,
                 message = COALESCE(excluded.message, skill_graph.message), parent = \
                 excluded.parent, findings = excluded.findings, objects = excluded.objects",
        row.version.as_str(),
        &row.digest,
        row.published_at,
        row.message.clone(),
        count(row.agents),
        count(row.skills),
        count(row.findings),
        objects,
        seen.map(GraphVersion::as_str),
    );
    let point =
        sql!("UPDATE skill_graph_current SET version = ?1 WHERE id = 1", row.version.as_str());
    sql.batch(vec![insert, point]).await.map(drop)
}

/// Makes a stored version current. False when the current version is no longer `seen`.
///
/// # Errors
/// Those of the database.
pub async fn point(
    sql: &dyn Sql,
    to: &GraphVersion,
    seen: Option<&GraphVersion>,
) -> PortResult<bool> {
    let update = sql!(
        "UPDATE skill_graph_current SET version = ?1 WHERE id = 1 AND version IS ?2 RETURNING \
         version",
        to.as_str(),
        seen.map(GraphVersion::as_str)
    );
    Ok(!sql.query(update).await?.is_empty())
}
