//! The owner's rules, time zone and daily limit, as they are now.

use crate::ledger::{self, Scope};
use crate::limits::Limits;
use crate::policy::{COST_THRESHOLD_DEFAULT, Condition, Rules};
use crate::store::Answers;
use crate::{Deps, store, window};
use contracts::policy::PolicyRule;
use contracts::{Micros, Shard};
use platform::edge::ApiResult;
use platform::ports::Statement;
use platform::sql;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::HashMap;

/// The row of the rules with conditions.
pub const CONDITIONS: &str = "rules";
/// The row that is another one after each change of the rules.
pub const REVISION_NAME: &str = "revision";
/// The rows of the simple settings, and their names on the wire.
pub const SETTINGS: [(&str, &str); 5] = [
    ("costThresholdMicros", "costThreshold"),
    ("riskTolerance", "riskTolerance"),
    ("allowedAgencies", "allowedAgencies"),
    ("blockedOperations", "blockedOperations"),
    ("requiresHumanApproval", "requiresHumanApproval"),
];

/// Everything of the owner's that decides about a request.
#[derive(Clone, Debug)]
pub struct Owner {
    pub rules: Rules,
    /// The rules with conditions, as they were written.
    pub conditions: Vec<PolicyRule>,
    /// The simple settings, by their names on the wire, that were changed while it runs.
    pub changed: Vec<String>,
    pub revision: Revision,
    pub time_zone: String,
    /// The limit of a day, wherever it comes from.
    pub daily: Micros,
}

/// Which change of the rules was the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision(Option<String>);

impl Revision {
    /// That of a change.
    pub fn new(text: String) -> Self {
        Self(Some(text))
    }
    /// Its name; none before the first change.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
    /// Its name as it is stored: JSON.
    pub fn text(&self) -> Option<String> {
        self.name().map(|name| Value::from(name).to_string())
    }
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: String,
}

impl Owner {
    /// The scopes of a task of this agent that came in by this endpoint, in the owner's calendar.
    pub fn scopes(
        &self,
        deps: &Deps,
        now_ms: i64,
        agent: &str,
        endpoint: Option<&Shard>,
    ) -> ApiResult<Vec<Scope>> {
        let zone = window::zone(&self.time_zone).ok_or_else(|| store::unreadable("time zone"))?;
        ledger::scopes(&deps.config, &zone, now_ms, Some(agent), endpoint)
            .map_err(|_| store::unreadable("calendar"))
    }
    /// Goes back to the simple settings of the configuration, and the defaults.
    pub fn give_up_changes(&mut self, deps: &Deps) {
        self.rules =
            Rules { conditions: std::mem::take(&mut self.rules.conditions), ..start(deps) };
        self.changed.clear();
    }
    /// Makes the rules with conditions ready to be compared.
    ///
    /// # Errors
    /// One that cannot be read: it must not pass for one that is not there.
    pub fn compile(&mut self) -> ApiResult<()> {
        let compiled = self.conditions.iter().map(Condition::of).collect::<Option<Vec<_>>>();
        self.rules.conditions = compiled.ok_or_else(|| store::unreadable("rule of the owner"))?;
        Ok(())
    }
}

/// The rules before any change: those of the configuration, else the defaults.
fn start(deps: &Deps) -> Rules {
    let file = &deps.config.approvals;
    Rules {
        cost_threshold: file.cost_threshold.unwrap_or(COST_THRESHOLD_DEFAULT),
        risk_tolerance: file.risk_tolerance.unwrap_or_default(),
        allowed_agencies: file.allowed_agencies.clone().unwrap_or_default(),
        blocked_operations: file.blocked_operations.clone().unwrap_or_default(),
        requires_human_approval: file.requires_human_approval.clone().unwrap_or_default(),
        conditions: Vec::new(),
    }
}

/// Reads the owner's rules.
pub async fn read(deps: &Deps) -> ApiResult<Owner> {
    of(deps, &mut Answers::of(&*deps.sql, statements().to_vec()).await?)
}

/// Reads the owner's rules.
pub fn statements() -> [Statement; 2] {
    [sql!("SELECT name, value FROM personal_context"), Limits::statement()]
}

/// The rows of [`statements`].
pub fn of(deps: &Deps, answers: &mut Answers) -> ApiResult<Owner> {
    let rows: Vec<Setting> = answers.all()?;
    let kept: HashMap<String, String> = rows.into_iter().map(|row| (row.name, row.value)).collect();
    let mut rules = start(deps);
    if let Some(micros) = kept_as(&kept, "costThresholdMicros")? {
        rules.cost_threshold = Micros(micros);
    }
    take(&kept, "riskTolerance", &mut rules.risk_tolerance)?;
    take(&kept, "allowedAgencies", &mut rules.allowed_agencies)?;
    take(&kept, "blockedOperations", &mut rules.blocked_operations)?;
    take(&kept, "requiresHumanApproval", &mut rules.requires_human_approval)?;
    let changed = SETTINGS.iter().filter(|(stored, _)| kept.contains_key(*stored));
    let time_zone = kept_as(&kept, "timeZone")?.unwrap_or_else(|| deps.config.time_zone.clone());
    let mut owner = Owner {
        rules,
        conditions: kept_as(&kept, CONDITIONS)?.unwrap_or_default(),
        changed: changed.map(|(_, name)| (*name).to_owned()).collect(),
        revision: Revision(kept_as(&kept, REVISION_NAME)?),
        time_zone,
        daily: Limits::found(deps, answers)?.daily().0,
    };
    owner.compile()?;
    Ok(owner)
}

fn take<T: DeserializeOwned>(
    kept: &HashMap<String, String>,
    name: &str,
    into: &mut T,
) -> ApiResult<()> {
    if let Some(value) = kept_as(kept, name)? {
        *into = value;
    }
    Ok(())
}

fn kept_as<T: DeserializeOwned>(
    kept: &HashMap<String, String>,
    name: &str,
) -> ApiResult<Option<T>> {
    kept.get(name)
        .map(|text| serde_json::from_str(text))
        .transpose()
        .map_err(|_| store::unreadable("rule of the owner"))
}

/// Writes a row, if the rules are still those of this revision.
pub fn setting(deps: &Deps, name: &str, value: &Value, seen: &Revision, by: &str) -> Statement {
    let text = format!(
        "INSERT INTO personal_context (name, value, set_at, set_by) SELECT ?1, ?2, ?3, ?4 WHERE {} IS ?5
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at, set_by = excluded.set_by",
        store::REVISION
    );
    sql!(text, name, value.to_string(), deps.clock.now_ms(), by, seen.text())
}

/// Writes a revision whatever the last one was.
pub fn renewed(deps: &Deps, revision: &Revision, by: &str) -> Statement {
    sql!(
        "INSERT INTO personal_context (name, value, set_at, set_by) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at, set_by = excluded.set_by",
        REVISION_NAME,
        revision.text(),
        deps.clock.now_ms(),
        by
    )
}

/// Writes the time zone, which is no rule, if the rules are of this revision.
pub fn time_zone(deps: &Deps, zone: &str, at: &Revision, by: &str) -> Statement {
    setting(deps, "timeZone", &Value::from(zone), at, by)
}
