//! What the router reads of the configuration: prices of `[agents.<id>]` and `budget.time_zone`.
//!
//! Both tables belong to others (agency-gateway, personal-assistant), who report what is wrong with them; here nothing
//! is refused twice.

use contracts::{AgentId, Micros};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;

/// The runner that answers from the graph and costs nothing; also the one of an agent without `[agents.<id>]`.
const KNOWLEDGE: &str = "knowledge";

/// The router's part of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Price of a run by agent id in lower case; none where it is unknown.
    prices: BTreeMap<String, Option<Micros>>,
    /// `budget.time_zone` (IANA, default UTC): when the owner's day begins, for `/api/routing-stats`.
    time_zone: TimeZone,
}

impl Default for Config {
    fn default() -> Self {
        Self { prices: BTreeMap::new(), time_zone: TimeZone::UTC }
    }
}

impl Config {
    /// Reads the whole configuration (TOML or JSON as a JSON value). Unusable values count as not set.
    pub fn read(root: &Value) -> Self {
        let agents = root.get("agents").and_then(Value::as_object);
        let prices = agents.into_iter().flatten().map(|(name, agent)| (name.to_lowercase(), price(agent))).collect();
        let zone = root.pointer("/budget/time_zone").and_then(Value::as_str);
        Self { prices, time_zone: zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC) }
    }

    /// What a run of this agent is expected to cost; `None` when nobody knows.
    pub fn estimated_cost(&self, agent: &AgentId) -> Option<Micros> {
        self.prices.get(&agent.as_str().to_lowercase()).copied().unwrap_or(Some(Micros::ZERO))
    }

    /// The start of the owner's day that `now_ms` lies in, in milliseconds since the epoch.
    pub fn day_start_ms(&self, now_ms: i64) -> i64 {
        let start = Timestamp::from_millisecond(now_ms).ok().and_then(|now| now.to_zoned_datetime(self.time_zone.clone()).start_of_day().ok());
        start.map_or(now_ms, |start| start.timestamp().as_millisecond())
    }
}

fn price(agent: &Value) -> Option<Micros> {
    let stated = agent.get("estimated_cost").and_then(Value::as_f64).and_then(Micros::from_dollars);
    let runner = agent.get("runner").and_then(Value::as_str).unwrap_or(KNOWLEDGE);
    stated.or_else(|| (runner == KNOWLEDGE).then_some(Micros::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_price_is_that_of_the_configured_runner() {
        let config = Config::read(&json!({"agents": {"codegen": {"runner": "command", "estimated_cost": 0.5}, "Ops": {"runner": "command"}, "docs": {}}}));
        let cost = |agent: &str| config.estimated_cost(&AgentId::from(agent));
        assert_eq!(cost("CodeGen"), Some(Micros(500_000)));
        assert_eq!(cost("ops"), None);
        assert_eq!((cost("docs"), cost("unheard-of")), (Some(Micros::ZERO), Some(Micros::ZERO)));
    }

    #[test]
    fn the_day_begins_where_the_owner_lives() {
        let config = Config::read(&json!({"budget": {"time_zone": "Europe/Berlin"}}));
        let at = |text: &str| platform::time::parse_rfc3339(text).unwrap();
        assert_eq!(config.day_start_ms(at("2026-09-21T23:30:00Z")), at("2026-09-21T22:00:00Z"));
        assert_eq!(Config::default().day_start_ms(at("2026-09-21T23:30:00Z")), at("2026-09-21T00:00:00Z"));
    }
}
