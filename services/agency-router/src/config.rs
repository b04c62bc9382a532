//! The router's part of the configuration: the price of a run of each agent, and whether it uses a
//! model.

use contracts::{AgentId, Micros, Tokens};
use platform::agents::{Agents, Price};
use serde_json::Value;

/// The router's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub agents: Agents,
}

impl Config {
    /// Reads the whole configuration (TOML or JSON as a JSON value). The gateway reports the
    /// problems.
    pub fn read(root: &Value) -> Self {
        Self { agents: Agents::read(root) }
    }

    /// Expected cost of a run of this agent with so many tokens; `None` when its price is unknown.
    pub fn estimated_cost(&self, agent: &AgentId, expected: Tokens) -> Option<Micros> {
        match self.agents.agent(agent).price {
            Price::Unknown => None,
            Price::Known(cost) => Some(cost),
            Price::Tokens(prices) => Some(prices.cost(expected)),
        }
    }

    /// Whether this agent may use a model, so that tokens mean something.
    pub fn uses_model(&self, agent: &AgentId) -> bool {
        self.agents.agent(agent).uses_model()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::memory::runners::{READING, WRITING};
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
        let made_up = json!({"agents": {
            "reader": {"runner": READING.name, "input_price": 3, "output_price": 15},
            "writer": {"runner": WRITING.name, "input_price": 3, "output_price": 15},
        }});
        let made_up = Config { agents: Agents::read_as(&[READING, WRITING], &made_up) };
        let tokens = Tokens { input: 10_000, output: 1_000 };
        let (reader, writer) = (AgentId::from("Reader"), AgentId::from("writer"));
        assert_eq!(made_up.estimated_cost(&reader, tokens), Some(Micros(45_000)));
        assert_eq!(made_up.estimated_cost(&writer, tokens), None, "it uses no model");
        assert_eq!((made_up.uses_model(&reader), made_up.uses_model(&writer)), (true, false));
        assert_eq!(
            (config.uses_model(&AgentId::from("OPS")), config.uses_model(&AgentId::from("docs"))),
            (true, false)
        );
    }
}
