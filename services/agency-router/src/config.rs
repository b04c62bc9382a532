//! What the router reads of the configuration: prices of `[agents.<id>]`.
//!
//! The table belongs to agency-gateway, which reports what is wrong with it; here nothing is refused twice.

use contracts::{AgentId, Micros, TokenPrices, Tokens};
use platform::config::{Report, Section};
use serde_json::Value;
use std::collections::HashMap;

/// The runner that answers from the graph and costs nothing; also the one of an agent without `[agents.<id>]`.
const KNOWLEDGE: &str = "knowledge";

/// What a run of an agent costs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Price {
    /// Nobody knows.
    Unknown,
    Run(Micros),
    Tokens(TokenPrices),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Agent {
    price: Price,
    /// It is a program, which uses a model as like as not.
    is_program: bool,
}

/// The router's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// By id in lower case.
    agents: HashMap<String, Agent>,
}

impl Config {
    /// Reads the whole configuration (TOML or JSON as a JSON value). Unusable values count as not set.
    pub fn read(root: &Value) -> Self {
        let agents = root.get("agents").and_then(Value::as_object);
        Self {
            agents: agents
                .into_iter()
                .flatten()
                .map(|(name, agent)| (name.to_lowercase(), read_agent(agent)))
                .collect(),
        }
    }

    fn agent(&self, agent: &AgentId) -> Agent {
        self.agents
            .get(&agent.as_str().to_lowercase())
            .copied()
            .unwrap_or(Agent { price: Price::Run(Micros::ZERO), is_program: false })
    }

    /// What a run of this agent is expected to cost when it needs so many tokens; `None` when nobody knows.
    pub fn estimated_cost(&self, agent: &AgentId, expected: Tokens) -> Option<Micros> {
        match self.agent(agent).price {
            Price::Unknown => None,
            Price::Run(cost) => Some(cost),
            Price::Tokens(prices) => Some(prices.cost(expected)),
        }
    }

    /// Whether this agent may use a model, so that tokens mean something.
    pub fn is_program(&self, agent: &AgentId) -> bool {
        self.agent(agent).is_program
    }
}

fn read_agent(agent: &Value) -> Agent {
    // Whoever owns the table has reported it.
    let unheard = Report::default();
    let mut section = Section::new(Some(agent), "agents", &unheard);
    let is_program = section.text("runner").is_some_and(|runner| runner != KNOWLEDGE);
    let stated = section.dollars("estimated_cost").map(Price::Run);
    let by_tokens = section.token_prices().filter(|_| is_program).map(Price::Tokens);
    let unstated = if is_program { Price::Unknown } else { Price::Run(Micros::ZERO) };
    Agent { price: stated.or(by_tokens).unwrap_or(unstated), is_program }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_price_is_that_of_the_configured_runner() {
        let config = Config::read(&json!({"agents": {
            "codegen": {"runner": "command", "estimated_cost": 0.5}, "Ops": {"runner": "command"}, "docs": {},
            "tests": {"runner": "command", "input_price": 3, "output_price": 15}, "half": {"runner": "command", "input_price": 3},
        }}));
        let cost = |agent: &str| {
            config.estimated_cost(&AgentId::from(agent), Tokens { input: 10_000, output: 1_000 })
        };
        assert_eq!(cost("CodeGen"), Some(Micros(500_000)));
        assert_eq!((cost("ops"), cost("half")), (None, None));
        assert_eq!(cost("tests"), Some(Micros(45_000)));
        assert_eq!((cost("docs"), cost("unheard-of")), (Some(Micros::ZERO), Some(Micros::ZERO)));
        assert_eq!(
            (config.is_program(&AgentId::from("OPS")), config.is_program(&AgentId::from("docs"))),
            (true, false)
        );
    }
}
