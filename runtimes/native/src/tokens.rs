//! The tokens of the four scopes: their values are files, and a register keeps their names, their
//! ages, and how long a token that was replaced stays valid.
//!
//! The files are the authority, because their directory is closed to everyone but the owner: a
//! command changes them, and a running server reads them again. No request can change a token.

mod keeper;

pub use keeper::{Keeper, PATH, router};

use crate::data_dir::{DataDir, token_variable, variable, write_private};
use crate::ports::clock::SystemClock;
use anyhow::{Context, Result};
use platform::edge::auth::Issued;
use platform::edge::{Principal, Scope};
use platform::ports::{Clock, ClockExt};
use platform::secret::{Secret, digest};
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// The register, among the tokens.
const REGISTER: &str = "tokens/register.json";
/// The last use of each token; written by the server alone.
const USES: &str = "tokens/uses.json";

/// A token as `quintet token list` shows it: never its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub scope: Scope,
    pub name: String,
    /// The variable that sets it; none for a token of the data directory.
    pub variable: Option<String>,
    pub created: Option<String>,
    /// To the minute.
    pub last_used: Option<String>,
    /// Until when the token before it is valid too.
    pub previous_until: Option<String>,
}

/// By scope.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Register(BTreeMap<String, Entry>);

#[derive(Clone, Default, Serialize, Deserialize)]
struct Entry {
    name: String,
    /// Counts the tokens of the scope, for their names.
    number: u32,
    made_ms: i64,
    /// Hex SHA-256 of the token: an entry describes no other value.
    digest: String,
    #[serde(default)]
    previous: Vec<Previous>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Previous {
    digest: String,
    until_ms: i64,
}

/// The tokens that are valid now.
pub struct Held {
    pub issued: Vec<Issued>,
    pub rows: Vec<Row>,
    /// When the first grace ends.
    pub next_end_ms: Option<i64>,
}

impl Register {
    /// Empty where it cannot be read: then names and graces are lost, and no token.
    fn read(data: &DataDir) -> Self {
        let text = std::fs::read(data.join(REGISTER)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
    fn write(&self, data: &DataDir) -> Result<()> {
        write_private(&data.join(REGISTER), &serde_json::to_vec_pretty(self)?)
    }
    /// The entry of this token; a new one if the file was changed by hand.
    fn entry(&mut self, scope: Scope, token: &Secret, made_ms: i64) -> (&mut Entry, bool) {
        let digest = hex::encode(digest(token.reveal().as_bytes()));
        let entry = self.0.entry(scope.as_str().to_owned()).or_default();
        let is_new = entry.digest != digest;
        if is_new {
            let number = entry.number.saturating_add(1);
            let name = format!("{}-{number}", scope.as_str());
            *entry = Entry { name, number, made_ms, digest, previous: Vec::new() };
        }
        (entry, is_new)
    }
}

/// Waits for other commands that change the register; they take turns by the folder itself.
fn turn(data: &DataDir) -> Result<File> {
    let path = data.join("tokens");
    let folder = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    folder.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(folder)
}

fn file_of(data: &DataDir, scope: Scope) -> PathBuf {
    data.join("tokens").join(scope.as_str())
}

/// Reads all tokens, makes the missing ones, and enters the new ones in the register.
///
/// # Errors
/// Those of the file system; a token that is too short, or the same for two scopes.
pub fn read(data: &DataDir) -> Result<Held> {
    let _turn = turn(data)?;
    let now = SystemClock.now_ms();
    let mut register = Register::read(data);
    let mut held = Held { issued: Vec::new(), rows: Vec::new(), next_end_ms: None };
    let mut changed = false;
    for (token, owner) in data.tokens()? {
        let Principal::Scope(scope) = owner else { continue };
        held.issued.push(Issued {
            digest: digest(token.reveal().as_bytes()),
            scope,
            is_current: true,
        });
        let set_by = Some(token_variable(scope)).filter(|name| variable(name).is_some());
        if let Some(name) = set_by {
            held.rows.push(Row {
                scope,
                name: name.clone(),
                variable: Some(name),
                created: None,
                last_used: None,
                previous_until: None,
            });
            continue;
        }
        let (entry, is_new) = register.entry(scope, &token, made_ms(data, scope).unwrap_or(now));
        let before = entry.previous.len();
        entry.previous.retain(|previous| previous.until_ms > now);
        changed |= is_new || entry.previous.len() != before;
        let ends = entry.previous.iter().map(|previous| previous.until_ms);
        held.next_end_ms = ends.clone().chain(held.next_end_ms).min();
        held.issued.extend(entry.previous.iter().filter_map(|previous| {
            let digest = hex::decode(&previous.digest).ok()?.try_into().ok()?;
            Some(Issued { digest, scope, is_current: false })
        }));
        held.rows.push(Row {
            scope,
            name: entry.name.clone(),
            variable: None,
            created: Some(rfc3339(entry.made_ms)),
            last_used: None,
            previous_until: ends.max().map(rfc3339),
        });
    }
    if changed {
        register.write(data)?;
    }
    Uses::read(data).fill(&mut held.rows);
    Ok(held)
}

/// The time of a token's file, for one that the register does not know.
fn made_ms(data: &DataDir, scope: Scope) -> Option<i64> {
    let changed = std::fs::metadata(file_of(data, scope)).ok()?.modified().ok()?;
    i64::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The last use of each token, by name and age.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Uses(BTreeMap<String, String>);

impl Uses {
    fn read(data: &DataDir) -> Self {
        let text = std::fs::read(data.join(USES)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
    fn write(&self, data: &DataDir) -> Result<()> {
        write_private(&data.join(USES), &serde_json::to_vec(self)?)
    }
    fn key(row: &Row) -> String {
        format!("{} {}", row.name, row.created.as_deref().unwrap_or_default())
    }
    fn fill(&self, rows: &mut [Row]) {
        for row in rows {
            row.last_used = self.0.get(&Self::key(row)).cloned();
        }
    }
}

/// Replaces the token of a scope in its file. With a grace the token before it stays valid until
/// then, and an earlier one for the rest of its own.
///
/// # Errors
/// Those of the file system; the old token is unchanged then.
pub fn replace(
    data: &DataDir,
    scope: Scope,
    name: Option<String>,
    grace_ms: Option<i64>,
) -> Result<Secret> {
    let _turn = turn(data)?;
    let now = SystemClock.now_ms();
    let mut register = Register::read(data);
    let mut previous = Vec::new();
    if let Some(old) = data.kept_secret(scope.as_str()) {
        let (entry, _) = register.entry(scope, &old, now);
        if let Some(grace_ms) = grace_ms {
            previous.clone_from(&entry.previous);
            let until_ms = now.saturating_add(grace_ms);
            previous.push(Previous { digest: entry.digest.clone(), until_ms });
        }
    }
    let token = Secret::new(SystemClock.random_hex(32));
    let (entry, _) = register.entry(scope, &token, now);
    entry.previous = previous;
    if let Some(name) = name {
        entry.name = name;
    }
    // The value first: a register that does not fit its file gives no token a grace.
    write_private(&file_of(data, scope), token.reveal().as_bytes())?;
    register.write(data)?;
    Ok(token)
}
