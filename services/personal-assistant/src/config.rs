//! The service's part of the configuration: `[approvals]`, `[budget]`, `[models]`, and the price
//! and budget of each agent.

use crate::approvals_file::ApprovalsFile;
use crate::budget_file::{self, FileLimit};
use crate::due::Due;
use crate::transcription::Transcriber;
use crate::{daily_time, window};
use contracts::schedule::Timing;
use contracts::{AgentId, Micros};
use platform::agents::{Agents, Price};
use platform::config::{Report, Section};
use platform::models::Models;
use serde_json::Value;

/// Default budget of a day: $50.
pub const DAILY_DEFAULT: Micros = Micros(50_000_000);
/// The service's part of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[budget] daily`, dollars; `None`: the default of $50.
    pub daily: Option<Micros>,
    /// `[budget] monthly`, dollars; `None`: no limit for the month.
    pub monthly: Option<Micros>,
    /// The further limits of `[budget]`.
    pub limits: Vec<FileLimit>,
    /// `[budget] time_zone`, IANA; default UTC. Days and months are those of this zone.
    pub time_zone: String,
    /// Price and daily budget of each agent.
    pub agents: Agents,
    /// `[approvals]`: the rules before any change at runtime.
    pub approvals: ApprovalsFile,
    models: Models,
    /// The way in which recordings become words.
    transcriber: Option<Transcriber>,
    /// Minutes of the local day at which the digest is due.
    digest_at: Option<i64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            daily: None,
            monthly: None,
            limits: Vec::new(),
            time_zone: "UTC".to_owned(),
            agents: Agents::default(),
            approvals: ApprovalsFile::default(),
            models: Models::default(),
            transcriber: None,
            digest_at: None,
        }
    }
}

impl Config {
    /// Reads the whole configuration (the file as JSON; null: there is none). Every problem of our
    /// part goes to the report; those of `[agents]` are the gateway's to report.
    pub fn read(whole: &Value, report: &Report) -> Self {
        let mut config = Self::default();
        let mut top = Section::new((!whole.is_null()).then_some(whole), "", report);
        config.models = Models::read(whole, report);
        top.value("models");
        if top.has("transcription") {
            config.transcriber = Transcriber::read(top.section("transcription"));
        }
        if top.has("digest") {
            config.digest_at = daily_time::read(top.section("digest"));
        }
        if top.has("approvals") {
            config.approvals = ApprovalsFile::read(top.section("approvals"));
        }
        let mut budget = top.section("budget");
        config.daily = budget.dollars("daily");
        config.monthly = budget.dollars("monthly");
        config.limits = budget_file::read(&mut budget);
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
        check_schedules(&mut top);
        config.agents = Agents::read(whole);
        config
    }
    /// The owner's models.
    pub fn models(&self) -> &Models {
        &self.models
    }
    /// The way in which recordings become words, where the owner has configured one.
    pub fn transcriber(&self) -> Option<&Transcriber> {
        self.transcriber.as_ref()
    }
    /// Minutes of the local day at which the owner wants the digest.
    pub fn digest_at(&self) -> Option<i64> {
        self.digest_at
    }
    /// The price of a run of this agent.
    pub fn price(&self, agent: &AgentId) -> Price {
        self.agents.agent(agent).price
    }
}

/// Reports schedules that are never due. Their other keys are the aggregator's to report.
fn check_schedules(top: &mut Section<'_>) {
    if !top.has("schedules") {
        return;
    }
    let mut schedules = top.section("schedules");
    for name in schedules.names() {
        let mut section = schedules.section(&name);
        let timing = Timing {
            cron: section.text("cron"),
            at: section.text("at"),
            every: section.text("every"),
            time_zone: section.text("time_zone"),
        };
        if let Err(mistake) = Due::read(&timing, "UTC") {
            section.wrong(mistake.key, &mistake.what, mistake.fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::TokenPrices;
    use serde_json::json;

    fn price(config: &Config, agent: &str) -> Price {
        config.price(&AgentId::from(agent))
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let report = Report::default();
        let config = Config::read(&json!({}), &report);
        assert_eq!((config.daily, config.monthly, config.time_zone.as_str()), (None, None, "UTC"));
        assert_eq!(price(&config, "anyone"), Price::Known(Micros::ZERO));
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
        assert_eq!(price(&config, "CodeGen"), Price::Unknown);
        assert_eq!(price(&config, "TESTS"), Price::Known(Micros(500_000)));
        assert_eq!(price(&config, "free"), Price::Known(Micros::ZERO));
        assert_eq!(
            price(&config, "metered"),
            Price::Tokens(TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) })
        );
        assert_eq!(price(&config, "local"), Price::Known(Micros::ZERO));
        assert_eq!(config.agents.get("Tests").unwrap().daily_budget, Some(Micros(20_000_000)));
        assert!(report.into_problems().is_empty());
    }

    #[test]
    fn what_is_wrong_is_listed_at_once() {
        let report = Report::default();
        let file = json!({"budget": {"daily": -1, "time_zone": "Mars/Olympus", "yearly": 5}, "models": {"m": {}}, "agents": {"a": {"runner": "gemini"}}});
        let config = Config::read(&file, &report);
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        // The gateway reports agents.a.runner.
        assert_eq!(
            paths,
            ["models.m.api", "models.m.model", "budget.daily", "budget.time_zone", "budget.yearly"]
        );
        assert_eq!(price(&config, "a"), Price::Unknown, "a runner of a later version is not free");
    }
}
