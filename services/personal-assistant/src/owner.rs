//! The owner's rules, time zone and daily limit, as they are now.

use crate::ledger::{self, Scope};
use crate::limits::Limits;
use crate::policy::{COST_THRESHOLD_DEFAULT, Rules};
use crate::store::Answers;
use crate::{Deps, store, window};
use contracts::Micros;
use contracts::chat::RiskTolerance;
use platform::edge::ApiResult;
use platform::ports::Statement;
use platform::sql;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::HashMap;

/// Everything of the owner's that decides about a request.
#[derive(Clone, Debug)]
pub struct Owner {
    pub rules: Rules,
    pub time_zone: String,
    /// The limit of a day, wherever it comes from.
    pub daily: Micros,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: String,
}

impl Owner {
    /// The scopes of a task of this agent, in the owner's calendar.
    pub fn scopes(&self, deps: &Deps, now_ms: i64, agent: &str) -> ApiResult<Vec<Scope>> {
        let zone = window::zone(&self.time_zone).ok_or_else(|| store::unreadable("time zone"))?;
        ledger::scopes(&deps.config, &zone, now_ms, Some(agent))
            .map_err(|_| store::unreadable("calendar"))
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
    let rules = Rules {
        cost_threshold: Micros(
            kept_as(&kept, "costThresholdMicros")?.unwrap_or(COST_THRESHOLD_DEFAULT.0),
        ),
        risk_tolerance: kept_as::<RiskTolerance>(&kept, "riskTolerance")?.unwrap_or_default(),
        allowed_agencies: kept_as(&kept, "allowedAgencies")?.unwrap_or_default(),
        blocked_operations: kept_as(&kept, "blockedOperations")?.unwrap_or_default(),
        requires_human_approval: kept_as(&kept, "requiresHumanApproval")?.unwrap_or_default(),
    };
    let time_zone = kept_as(&kept, "timeZone")?.unwrap_or_else(|| deps.config.time_zone.clone());
    Ok(Owner { rules, time_zone, daily: Limits::found(deps, answers)?.daily().0 })
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
