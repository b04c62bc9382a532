//! `[gateway]` and `[agents.<id>]`: how many tasks run side by side, and how each agent is run.

use crate::runners::{self, MESSAGE};
use contracts::{AgentId, Micros, TokenPrices};
use platform::config::{Report, Section};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tasks side by side when `gateway.capacity` is not set.
pub const CAPACITY: u32 = 4;
/// Seconds a command may run when `timeout_s` is not set.
pub const TIMEOUT_S: i64 = 900;
/// Bytes a command may print when `output_bytes_max` is not set.
pub const OUTPUT_BYTES_MAX: i64 = 1 << 20;
/// The most that may be allowed: the text is kept in memory until the run ends.
const OUTPUT_BYTES_CEILING: i64 = 64 << 20;

/// The gateway's part of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `gateway.capacity` (1–64, default 4): tasks run side by side.
    pub capacity: u32,
    agents: BTreeMap<String, AgentConfig>,
    default: AgentConfig,
}

/// `[agents.<id>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentConfig {
    /// A name of the registry in `runners.rs`; `knowledge` unless set.
    pub runner: String,
    /// Program and arguments, run as they stand: never a shell. The message goes to standard input, or in place of the
    /// one whole argument `{message}`, which must come after a `--`.
    pub command: Vec<String>,
    /// What a run is expected to cost; the approval works with it. None: unknown.
    pub estimated_cost: Option<Micros>,
    /// Instead of that, the prices of its model's tokens: the router estimates how many a message needs.
    pub token_prices: Option<TokenPrices>,
    /// Variables handed on beside PATH, HOME, LANG and TERM.
    pub env: Vec<String>,
    /// `data_directory = "visible"`: the program may see the data directory with the tokens. Unless set it cannot.
    pub data_visible: bool,
    /// A limit for this agent inside the owner's own; kept by personal-assistant.
    pub daily_budget: Option<Micros>,
    /// `timeout_s` (1–86400, default 900).
    pub timeout_ms: u64,
    /// Default 1 MiB.
    pub output_bytes_max: usize,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            runner: runners::DEFAULT.to_owned(),
            command: Vec::new(),
            estimated_cost: None,
            token_prices: None,
            env: Vec::new(),
            data_visible: false,
            daily_budget: None,
            timeout_ms: whole(TIMEOUT_S) * 1000,
            output_bytes_max: usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(usize::MAX),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { capacity: CAPACITY, agents: BTreeMap::new(), default: AgentConfig::default() }
    }
}

impl Config {
    /// Reads the sections `gateway` and `agents` of the whole configuration; every problem goes to the report.
    pub fn read(root: &Value, report: &Report) -> Self {
        let mut gateway = Section::new(root.get("gateway"), "gateway", report);
        let capacity = gateway
            .whole("capacity", 1, 64)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(CAPACITY);
        gateway.finish();
        let mut section = Section::new(root.get("agents"), "agents", report);
        let agents = section.names().into_iter().map(|name| {
            let agent = AgentConfig::read(section.section(&name));
            (name, agent)
        });
        Self { capacity, agents: agents.collect(), default: AgentConfig::default() }
    }
    /// How this agent is run. Ids are compared without case, since the graph's spelling may differ from the file's.
    pub fn agent(&self, id: &AgentId) -> &AgentConfig {
        let exact = self.agents.get(id.as_str());
        let other = || {
            self.agents
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(id.as_str()))
                .map(|(_, agent)| agent)
        };
        exact.or_else(other).unwrap_or(&self.default)
    }
    /// What to lease with: the default runner serves every agent, so every agent is asked for.
    pub fn leases(&self) -> Vec<String> {
        vec!["*".to_owned()]
    }
    /// Agents that need a program, with its name.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.agents
            .iter()
            .filter(|(_, agent)| agent.runner == "command")
            .filter_map(|(name, agent)| Some((name.as_str(), agent.command.first()?.as_str())))
    }
}

impl AgentConfig {
    fn read(mut section: Section<'_>) -> Self {
        let mut agent = Self::default();
        if let Some(name) = section.text("runner") {
            agent.runner = known_runner(&section, name);
        }
        if let Some(command) = section.texts("command") {
            check_command(&section, &command);
            agent.command = command;
        }
        if agent.runner == "command" && !section.has("command") {
            section.wrong(
                "command",
                "is missing.",
                "Write it as a list: the program, then its arguments.",
            );
        }
        if section.has("command") && !section.has("runner") {
            section.wrong(
                "runner",
                "is missing, so that the command beside it would never run.",
                "Write runner = \"command\", or remove the command.",
            );
        }
        agent.estimated_cost = section.dollars("estimated_cost");
        agent.token_prices = section.token_prices();
        if agent.estimated_cost.is_some() && agent.token_prices.is_some() {
            section.wrong(
                "estimated_cost",
                "stands beside prices of tokens, and only one can count.",
                "Remove it, or remove input_price and output_price.",
            );
        }
        agent.daily_budget = section.dollars("daily_budget");
        if let Some(env) = section.texts("env") {
            check_env(&section, &env);
            agent.env = env;
        }
        match section.text("data_directory").as_deref() {
            None | Some("hidden") => {}
            Some("visible") => agent.data_visible = true,
            Some(_) => section.wrong(
                "data_directory",
                "is neither \"hidden\" nor \"visible\".",
                "Write one of the two; hidden is the default.",
            ),
        }
        agent.timeout_ms =
            section.whole("timeout_s", 1, 86_400).map_or(agent.timeout_ms, |s| whole(s) * 1000);
        let bytes = section
            .whole("output_bytes_max", 1, OUTPUT_BYTES_CEILING)
            .and_then(|n| usize::try_from(n).ok());
        agent.output_bytes_max = bytes.unwrap_or(agent.output_bytes_max);
        section.finish();
        agent
    }
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The runner of this name; one that a later version has is refused by name, like one that nobody has.
fn known_runner(section: &Section<'_>, name: String) -> String {
    let known: Vec<_> = runners::REGISTRY.iter().map(|entry| entry.name).collect();
    if known.contains(&name.as_str()) {
        return name;
    }
    if runners::LATER.contains(&name.as_str()) {
        section.wrong(
            "runner",
            &format!("\"{name}\" is not in this version."),
            "Use \"command\" with the agent's own program for now, or \"knowledge\".",
        );
    } else {
        section.wrong(
            "runner",
            &format!("\"{name}\" is no runner."),
            &format!("The runners are: {}.", known.join(", ")),
        );
    }
    runners::DEFAULT.to_owned()
}

/// The message may only ever be one whole argument, behind `--`, where no program takes it for an option.
fn check_command(section: &Section<'_>, command: &[String]) {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        section.wrong(
            "command",
            "names no program.",
            "Write the program first, then its arguments.",
        );
    }
    if command.iter().any(|part| part.contains('\0')) {
        section.wrong("command", "contains a NUL character.", "Remove it.");
    }
    if command.iter().any(|part| part != MESSAGE && part.contains(MESSAGE)) {
        section.wrong(
            "command",
            "has {message} inside a longer argument.",
            "Make \"{message}\" an argument of its own, or leave it out: then the message goes to standard input.",
        );
    }
    let mut places =
        command.iter().enumerate().filter(|(_, part)| *part == MESSAGE).map(|(place, _)| place);
    let Some(place) = places.next() else { return };
    if places.next().is_some() {
        section.wrong("command", "has {message} more than once.", "Keep one.");
    }
    // Place 0 is the program: a message must never choose what is run.
    if !command.iter().take(place).skip(1).any(|part| part == "--") {
        section.wrong(
            "command",
            "has {message} without \"--\" before it, so that a message could become an option.",
            "Put \"--\" before it, or leave {message} out: then the message goes to standard input.",
        );
    }
}

fn check_env(section: &Section<'_>, names: &[String]) {
    for name in names {
        let odd =
            name.is_empty() || name.contains(['=', '\0']) || name.chars().any(char::is_whitespace);
        if name.to_ascii_uppercase().starts_with("QUINTET_") {
            section.wrong(
                "env",
                &format!("names {name}, and Quintet's own variables are never given to an agent."),
                "Remove it from the list.",
            );
        } else if odd {
            section.wrong(
                "env",
                &format!("has \"{name}\", which is no variable's name."),
                "List names only, such as [\"ANTHROPIC_API_KEY\"]; values come from the gateway's environment.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> (Config, Vec<String>) {
        let report = Report::default();
        let config = Config::read(&value, &report);
        (
            config,
            report
                .into_problems()
                .into_iter()
                .map(|p| format!("{}: {}", p.path, p.message))
                .collect(),
        )
    }

    #[test]
    fn an_agent_that_nobody_configured_is_answered_from_the_graph() {
        let (config, problems) = read(json!({}));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.capacity, 4);
        assert_eq!(config.agent(&AgentId::from("codegen")), &AgentConfig::default());
        assert_eq!(config.leases(), ["*"]);
    }

    #[test]
    fn prices_of_tokens_come_in_pairs_and_instead_of_a_price_of_the_run() {
        let agent = |more: Value| {
            let mut agent = json!({"runner": "command", "command": ["x"]});
            agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(json!({"agents": {"a": agent}}))
        };
        let (config, problems) = agent(json!({"input_price": 3, "output_price": 15.5}));
        assert_eq!(problems, Vec::<String>::new());
        let prices = TokenPrices { input: Micros(3_000_000), output: Micros(15_500_000) };
        assert_eq!(config.agent(&AgentId::from("a")).token_prices, Some(prices));
        assert_eq!(
            agent(json!({"input_price": 3})).1,
            ["agents.a.output_price: is missing beside the other price."]
        );
        assert_eq!(
            agent(json!({"input_price": 3, "output_price": 15, "estimated_cost": 1})).1,
            ["agents.a.estimated_cost: stands beside prices of tokens, and only one can count."]
        );
        assert_eq!(agent(json!({"input_price": -3, "output_price": 15})).1.len(), 1);
    }

    #[test]
    fn a_command_is_read_whole() {
        let (config, problems) = read(json!({"gateway": {"capacity": 2}, "agents": {"codegen": {
            "runner": "command", "command": ["claude", "-p"], "estimated_cost": 0.5, "env": ["ANTHROPIC_API_KEY", "PATH"],
            "daily_budget": 20, "timeout_s": 60, "output_bytes_max": 1000}}}));
        assert!(problems.is_empty(), "{problems:?}");
        let agent = config.agent(&AgentId::from("CodeGen"));
        assert_eq!((config.capacity, agent.timeout_ms, agent.output_bytes_max), (2, 60_000, 1000));
        assert_eq!(agent.estimated_cost, Some(Micros(500_000)));
        assert_eq!(config.programs().collect::<Vec<_>>(), [("codegen", "claude")]);
    }

    #[test]
    fn config_lists_all_problems_at_once() {
        let (_, problems) = read(json!({"gateway": {"capacity": 65, "speed": 1}, "agents": {
            "a": {"runner": "claude-code"}, "b": {"runner": "shell"}, "c": {"runner": "command"},
            "d": {"command": ["x"]}, "e": {"env": ["QUINTET_OPERATOR_TOKEN", "A=B"], "timeout_s": 0, "colour": "red"}}}));
        let paths: Vec<_> = problems.iter().map(|p| p.split(": ").next().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "gateway.capacity",
                "gateway.speed",
                "agents.a.runner",
                "agents.b.runner",
                "agents.c.command",
                "agents.d.runner",
                "agents.e.env",
                "agents.e.env",
                "agents.e.timeout_s",
                "agents.e.colour"
            ]
        );
        assert!(problems.iter().any(|p| p.contains("\"claude-code\" is not in this version")));
    }

    #[test]
    fn a_message_becomes_an_argument_only_behind_two_dashes() {
        let problems = |command: Value| {
            read(json!({"agents": {"a": {"runner": "command", "command": command}}})).1.len()
        };
        assert_eq!(problems(json!(["codex", "exec", "--", "{message}"])), 0);
        for bad in [
            json!(["codex", "{message}"]),
            json!(["codex", "{message}", "--"]),
            json!(["sh", "-c", "--", "echo {message}"]),
            json!(["--", "{message}"]),
            json!(["{message}"]),
            json!(["a", "--", "{message}", "{message}"]),
            json!([]),
            json!([" "]),
        ] {
            assert!(problems(bad.clone()) > 0, "{bad}");
        }
    }
}
