//! What the configuration file says to this service: `[budget]`, and price and budget of each agent.

use crate::model::Model;
use crate::window;
use contracts::{Micros, TokenPrices};
use platform::config::{Report, Section};
use serde_json::Value;
use std::collections::BTreeMap;

/// What may be spent a day when nobody says anything: $50.
pub const DAILY_DEFAULT: Micros = Micros(50_000_000);
/// The keys of `[agents.<id>]` that are read here; the others belong to the gateway.
pub const AGENT_KEYS: [&str; 5] =
    ["runner", "estimated_cost", "input_price", "output_price", "daily_budget"];
/// The keys of the whole file that are read here.
pub const TOP_KEYS: [&str; 3] = ["budget", "agents", "models"];

/// The service's part of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[budget] daily`, dollars; `None`: the default of $50.
    pub daily: Option<Micros>,
    /// `[budget] monthly`, dollars; `None`: no limit for the month.
    pub monthly: Option<Micros>,
    /// `[budget] time_zone`, IANA; default UTC. Days and months are those of this zone.
    pub time_zone: String,
    /// `[agents.<id>]` by id in lower case: names are compared without case, so that no spelling finds a cheaper runner.
    agents: BTreeMap<String, AgentConfig>,
    /// The model that may choose between two agents.
    tie_breaker: Option<Model>,
}

/// What an agent costs and may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Spelled as in the file.
    pub id: String,
    pub price: Price,
    /// `daily_budget`, dollars.
    pub daily_budget: Option<Micros>,
}

/// What one run costs at most, as far as is known before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    Known(Micros),
    /// By the tokens that it needs: the caller's estimate counts.
    Tokens(TokenPrices),
    /// A `command` runner without `estimated_cost` or prices of tokens.
    Unknown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            daily: None,
            monthly: None,
            time_zone: "UTC".to_owned(),
            agents: BTreeMap::new(),
            tie_breaker: None,
        }
    }
}

impl Config {
    /// Reads the whole configuration (the file as JSON; null: there is none); everything wrong with our part goes into
    /// the report. Other top-level keys are left to who reads the file.
    pub fn read(whole: &Value, report: &Report) -> Self {
        let mut config = Self::default();
        let mut top = Section::new((!whole.is_null()).then_some(whole), "", report);
        config.tie_breaker = tie_breaker(&mut top);
        let mut budget = top.section("budget");
        config.daily = budget.dollars("daily");
        config.monthly = budget.dollars("monthly");
        if let Some(name) = budget.text("time_zone") {
            if window::zone(&name).is_some() {
                config.time_zone = name;
            } else {
                budget.wrong(
                    "time_zone",
                    "is not a time zone.",
                    "Write an IANA name, such as \"Europe/Berlin\" or \"UTC\".",
                );
            }
        }
        budget.finish();
        let mut agents = top.section("agents");
        for id in agents.names() {
            let agent = read_agent(&id, agents.section(&id));
            config.agents.insert(id.to_lowercase(), agent);
        }
        config
    }
    /// The model that may choose between two agents, where the owner allows one.
    pub fn tie_breaker(&self) -> Option<&Model> {
        self.tie_breaker.as_ref()
    }
    /// Adds or replaces an agent.
    #[must_use]
    pub fn with_agent(mut self, agent: AgentConfig) -> Self {
        self.agents.insert(agent.id.to_lowercase(), agent);
        self
    }
    /// The agent of this name, in any case.
    pub fn agent(&self, name: &str) -> Option<&AgentConfig> {
        self.agents.get(&name.to_lowercase())
    }
    /// All agents of the file.
    pub fn agents(&self) -> impl Iterator<Item = &AgentConfig> {
        self.agents.values()
    }
    /// What a run of this agent costs: an agent that the file does not name is run by `knowledge`, for nothing.
    pub fn price(&self, name: &str) -> Price {
        self.agent(name).map_or(Price::Known(Micros::ZERO), |agent| agent.price)
    }
}

/// `[models.openai]` with `breaks_ties = true`. Models for anything else are of a later version.
fn tie_breaker(top: &mut Section<'_>) -> Option<Model> {
    let table = top.value("models")?.as_object();
    let openai = table.and_then(|table| table.get("openai"));
    let allowed = openai.and_then(|model| model.get("breaks_ties")) == Some(&Value::Bool(true));
    if !allowed || table.is_some_and(|table| table.len() > 1) {
        top.wrong(
            "models",
            "is not in this version, but for [models.openai] with breaks_ties = true.",
            "Remove it for now.",
        );
        return None;
    }
    Model::read(top.section("models").section("openai"))
}

/// Other keys are the gateway's to check, so the section is not finished here.
fn read_agent(id: &str, mut section: Section<'_>) -> AgentConfig {
    let cost = section.dollars("estimated_cost");
    let tokens = section.token_prices().map(|prices| {
        let free = prices.input == Micros::ZERO && prices.output == Micros::ZERO;
        if free { Price::Known(Micros::ZERO) } else { Price::Tokens(prices) }
    });
    let price = match section.text("runner").as_deref() {
        None | Some("knowledge") => Price::Known(cost.unwrap_or(Micros::ZERO)),
        Some("command") => cost.map(Price::Known).or(tokens).unwrap_or(Price::Unknown),
        Some(_) => {
            section.wrong(
                "runner",
                "is not in this version.",
                "Write \"knowledge\" or \"command\".",
            );
            Price::Unknown
        }
    };
    AgentConfig { id: id.to_owned(), price, daily_budget: section.dollars("daily_budget") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let report = Report::default();
        let config = Config::read(&json!({}), &report);
        assert_eq!((config.daily, config.monthly, config.time_zone.as_str()), (None, None, "UTC"));
        assert_eq!(config.price("anyone"), Price::Known(Micros::ZERO));
        assert!(report.into_problems().is_empty());
    }

    #[test]
    fn a_command_without_a_price_has_an_unknown_one_in_any_spelling() {
        let report = Report::default();
        let file = json!({"agents": {
            "codegen": {"runner": "command", "command": ["x"], "env": []},
            "tests": {"runner": "command", "estimated_cost": 0.5, "daily_budget": 20},
            "free": {"runner": "command", "estimated_cost": 0},
            "metered": {"runner": "command", "input_price": 3, "output_price": 15},
            "local": {"runner": "command", "input_price": 0, "output_price": 0},
        }});
        let config = Config::read(&file, &report);
        assert_eq!(config.price("CodeGen"), Price::Unknown);
        assert_eq!(config.price("TESTS"), Price::Known(Micros(500_000)));
        assert_eq!(config.price("free"), Price::Known(Micros::ZERO));
        assert_eq!(
            config.price("metered"),
            Price::Tokens(TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) })
        );
        assert_eq!(config.price("local"), Price::Known(Micros::ZERO));
        assert_eq!(config.agent("Tests").unwrap().daily_budget, Some(Micros(20_000_000)));
        assert!(report.into_problems().is_empty());
    }

    #[test]
    fn what_is_wrong_is_listed_at_once() {
        let report = Report::default();
        let file = json!({"budget": {"daily": -1, "time_zone": "Mars/Olympus", "weekly": 5}, "models": {}, "agents": {"a": {"runner": "acp"}}});
        let config = Config::read(&file, &report);
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        assert_eq!(
            paths,
            ["models", "budget.daily", "budget.time_zone", "budget.weekly", "agents.a.runner"]
        );
        assert_eq!(config.price("a"), Price::Unknown, "what cannot be priced is not free");
    }
}
