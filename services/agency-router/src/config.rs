//! What the router reads of the configuration: prices of `[agents.<id>]`.
//!
//! The table belongs to agency-gateway, which reports what is wrong with it; here nothing is refused twice.

use contracts::{AgentId, Micros};
use serde_json::Value;
use std::collections::BTreeMap;

/// The runner that answers from the graph and costs nothing; also the one of an agent without `[agents.<id>]`.
const KNOWLEDGE: &str = "knowledge";

/// The router's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Price of a run by agent id in lower case; none where it is unknown.
    prices: BTreeMap<String, Option<Micros>>,
}

impl Config {
    /// Reads the whole configuration (TOML or JSON as a JSON value). Unusable values count as not set.
    pub fn read(root: &Value) -> Self {
        let agents = root.get("agents").and_then(Value::as_object);
        let prices = agents.into_iter().flatten().map(|(name, agent)| (name.to_lowercase(), price(agent))).collect();
        Self { prices }
    }

    /// What a run of this agent is expected to cost; `None` when nobody knows.
    pub fn estimated_cost(&self, agent: &AgentId) -> Option<Micros> {
        self.prices.get(&agent.as_str().to_lowercase()).copied().unwrap_or(Some(Micros::ZERO))
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
}
