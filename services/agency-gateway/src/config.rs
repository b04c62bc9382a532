//! `[gateway]`, `[secrets]` and `[agents.<id>]`: how many tasks run side by side, and the runner of
//! each agent.
//!
//! The gateway is the one service that reports the problems of `[agents]`.

use crate::model_run;
use crate::program::{Program, check_paths};
use crate::runner::{Runner, SignIn, UnknownModel};
use crate::runners::{self, Entry, REGISTRY};
use crate::secrets::Secrets;
use crate::tool_approvals::ToolApprovals;
use contracts::agent_run::AgentRun;
use contracts::{AgentId, Micros};
use platform::agents::{Agent, Agents, Price, RunnerKind};
use platform::config::{Report, Section};
use platform::files::FileLimits;
use platform::ports::Confinement;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Defaults of `gateway.capacity` and `gateway.light_capacity`.
const CAPACITY: u32 = 4;
const LIGHT_CAPACITY: u32 = 32;

/// The gateway's part of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `gateway.capacity` (1–64, default 4): runs of programs side by side.
    pub capacity: u32,
    /// `gateway.light_capacity` (1–256, default 32): the same for agents that start no program:
    /// models and the knowledge base, which use little of this machine.
    pub light_capacity: u32,
    /// `gateway.workspace_roots`: workspaces lie below one of these. Empty: below the home.
    pub workspace_roots: Vec<String>,
    /// Limits of files. The aggregator reports the problems of their section.
    pub files: FileLimits,
    /// By the agent's id in lower case.
    runners: BTreeMap<String, (Agent, Arc<dyn Runner>)>,
    /// Of agents that the file does not list.
    default: (Agent, Arc<dyn Runner>),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: CAPACITY,
            light_capacity: LIGHT_CAPACITY,
            workspace_roots: Vec::new(),
            files: FileLimits::default(),
            runners: BTreeMap::new(),
            default: default_of(&Agents::default()),
        }
    }
}

/// The runner of agents that the file does not list.
fn default_of(agents: &Agents) -> (Agent, Arc<dyn Runner>) {
    let unlisted = agents.agent(&AgentId::from(""));
    let runner = model_run::of(&unlisted).unwrap_or_else(runners::default);
    (unlisted, runner)
}

impl Config {
    /// Reads the sections `gateway`, `secrets` and `agents` of the whole configuration; every
    /// problem goes to the report.
    pub fn read(root: &Value, report: &Report) -> Self {
        Self::read_with(REGISTRY, root, report)
    }
    /// The same with other runners than this version's.
    pub fn read_with(registry: &[Entry], root: &Value, report: &Report) -> Self {
        let mut config = Self::read_gateway(root, report);
        let secrets = Secrets::read(root, report);
        let kinds: Vec<RunnerKind> = registry.iter().map(|entry| entry.kind).collect();
        let agents = Agents::read_each(&kinds, root, report, |agent, section| {
            let runner = read_runner(registry, &secrets, agent, section);
            config.runners.insert(agent.id.to_lowercase(), (agent.clone(), runner));
        });
        config.default = default_of(&agents);
        config
    }
    fn read_gateway(root: &Value, report: &Report) -> Self {
        let mut gateway = Section::new(root.get("gateway"), "gateway", report);
        let capacity = gateway.whole("capacity", 1, 64).and_then(|n| u32::try_from(n).ok());
        let light = gateway.whole("light_capacity", 1, 256).and_then(|n| u32::try_from(n).ok());
        let workspace_roots = gateway.texts("workspace_roots").unwrap_or_default();
        check_paths(&gateway, "workspace_roots", &workspace_roots);
        gateway.finish();
        let files = FileLimits::read(root, &Report::default());
        let capacity = capacity.unwrap_or(CAPACITY);
        let light_capacity = light.unwrap_or(LIGHT_CAPACITY);
        Self { capacity, light_capacity, workspace_roots, files, ..Self::default() }
    }
    /// The runner of this agent.
    pub fn runner(&self, id: &AgentId) -> &dyn Runner {
        let listed = self.runners.get(&id.as_str().to_lowercase());
        let (_, runner) = listed.unwrap_or(&self.default);
        &**runner
    }
    /// Whether a run of this agent may cost something here.
    pub(crate) fn may_cost(&self, id: &AgentId) -> bool {
        let listed = self.runners.get(&id.as_str().to_lowercase());
        let (agent, _) = listed.unwrap_or(&self.default);
        agent.price != Price::Known(Micros::ZERO)
    }
    /// The agents to lease for: the default runner serves every agent.
    pub fn leases(&self) -> Vec<String> {
        vec!["*".to_owned()]
    }
    /// The agents of the file, spelled as there.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.runners.values().map(|(agent, _)| agent.id.as_str())
    }
    /// The signs of an agent's sign-in, where its program has one.
    pub fn sign_in(&self, id: &str) -> Option<SignIn> {
        self.runner(&AgentId::from(id)).sign_in()
    }
    /// Agents with a model that their program is not known to have.
    pub fn unknown_models(&self) -> impl Iterator<Item = (&str, UnknownModel<'_>)> {
        let runners = self.runners.values();
        runners.filter_map(|(agent, runner)| Some((agent.id.as_str(), runner.unknown_model()?)))
    }
    /// Whether a run of this agent starts a program.
    pub(crate) fn starts_a_program(&self, id: &AgentId) -> bool {
        self.runner(id).program().is_some()
    }
    /// The most runs of this agent's kind side by side.
    pub(crate) fn most(&self, id: &AgentId) -> u32 {
        if self.starts_a_program(id) { self.capacity } else { self.light_capacity }
    }
    /// Agents whose runs start a program, with that program.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.runners
            .values()
            .filter_map(|(agent, runner)| Some((agent.id.as_str(), runner.program()?)))
    }
    /// The programs of the agents of the file, by their ids.
    pub fn all_runs(&self) -> BTreeMap<String, AgentRun> {
        let runs = self.runners.values();
        runs.filter_map(|(agent, runner)| Some((agent.id.clone(), run_of(agent, &**runner)?)))
            .collect()
    }
    /// The program that a run of this agent starts, if it starts one.
    pub fn runs(&self, id: &AgentId) -> Option<AgentRun> {
        let (agent, runner) = self.runners.get(&id.as_str().to_lowercase())?;
        run_of(agent, &**runner)
    }
    /// Agents whose program asks the owner through our MCP server.
    pub fn asking(&self) -> Vec<&str> {
        self.with_approvals(ToolApprovals::Ask)
    }
    /// Agents whose program may use every tool unasked.
    pub fn trusted(&self) -> Vec<&str> {
        self.with_approvals(ToolApprovals::Trust)
    }
    fn with_approvals(&self, how: ToolApprovals) -> Vec<&str> {
        let fits = |program: &Program| program.tool_approvals == Some(how);
        self.programs().filter(|(_, program)| fits(program)).map(|(id, _)| id).collect()
    }
    /// Paths that the program of some agent may write, as the file and the runners name them.
    pub fn writable_paths(&self) -> Vec<String> {
        let of = |program: &Program| {
            let reach = &program.reach;
            let state = reach.state.iter().map(|state| &state.folder);
            let paths = reach.writable.iter().chain(state).chain(&program.workspace);
            paths.cloned().collect::<Vec<_>>()
        };
        self.programs().flat_map(|(_, program)| of(program)).collect()
    }
    /// Agents whose program runs outside the sandbox.
    pub fn unconfined(&self) -> Vec<&str> {
        let is_off = |program: &Program| program.reach.confinement == Confinement::Off;
        self.programs().filter(|(_, program)| is_off(program)).map(|(id, _)| id).collect()
    }
}

fn run_of(agent: &Agent, runner: &dyn Runner) -> Option<AgentRun> {
    let name = agent.runner.map_or("", |kind| kind.name).to_owned();
    Some(runner.program()?.as_run(name, runner.settings()))
}

fn read_runner(
    registry: &[Entry],
    secrets: &Secrets,
    agent: &Agent,
    mut section: Section<'_>,
) -> Arc<dyn Runner> {
    if section.has("command") && !section.has("runner") {
        section.wrong(
            "runner",
            "is missing, so that the command beside it would never run.",
            "Write runner = \"command\", or remove the command.",
        );
    }
    let mut program = Program::read(&mut section);
    program.secrets = secrets.of_agent(&mut section, &program.env);
    let runner = match registry.iter().find(|entry| Some(entry.kind) == agent.runner) {
        Some(entry) => (entry.read)(agent, &mut section, program),
        None => runners::default(),
    };
    section.finish();
    runner
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Micros, TokenPrices};
    use platform::agents::Price;
    use platform::ports::Bounds;
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
    fn an_unlisted_agent_is_answered_from_the_graph() {
        let (config, problems) = read(json!({}));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.capacity, 4);
        assert!(config.runner(&AgentId::from("codegen")).program().is_none());
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
        assert_eq!(config.runners["a"].0.price, Price::Tokens(prices));
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
            "daily_budget": 20, "timeout_s": 60, "output_bytes_max": 1000, "work_bytes_max": 5_000_000_000_i64}}}));
        assert!(problems.is_empty(), "{problems:?}");
        let program = config.runner(&AgentId::from("CodeGen")).program().unwrap();
        let bounds = Bounds { work_bytes: 5_000_000_000, memory_bytes: 8 << 30 };
        assert_eq!(program.bounds, bounds);
        assert_eq!(
            (config.capacity, program.timeout_ms, program.output_bytes_max),
            (2, 60_000, 1000)
        );
        assert_eq!(config.runners["codegen"].0.price, Price::Known(Micros(500_000)));
        assert_eq!(program.command, ["claude", "-p"]);
        assert_eq!(config.programs().collect::<Vec<_>>(), [("codegen", program)]);
    }

    #[test]
    fn config_lists_all_problems_at_once() {
        let (_, problems) = read(json!({"gateway": {"capacity": 65, "speed": 1}, "agents": {
            "a": {"runner": "gemini"}, "b": {"runner": "shell"}, "c": {"runner": "command"},
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
        assert!(problems.iter().any(|p| p.contains("\"gemini\" is no runner")));
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
