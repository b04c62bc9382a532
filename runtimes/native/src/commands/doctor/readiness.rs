//! For each agent of the configuration: whether the graph has it, and whether its program is there,
//! in which version, and signed in.

use super::finding::{Finding, ok, warning};
use crate::client::Client;
use crate::data_dir::{DataDir, work_dir};
use crate::programs::NativePrograms;
use crate::programs::named::in_home;
use agency_gateway::runner::SignIn;
use agency_gateway::{Config, Program, Unready};
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::graph::VersionQuery;
use platform::ports::{ProgramEvent, ProgramSpec, Programs};
use std::path::PathBuf;

/// Maximum time for a program to print its version.
const VERSION_MS: u64 = 10_000;

/// All agents of the configuration.
pub(super) async fn check(data: &DataDir, config: &Config) -> Vec<Finding> {
    if config.agents().next().is_none() {
        return Vec::new();
    }
    let programs = NativePrograms::new(work_dir(), data.path());
    let tell = |unready: &Unready| warning(&unready.why, &unready.fix);
    let missing = agency_gateway::missing_programs(config, &programs);
    let mut found: Vec<Finding> = missing.iter().map(tell).collect();
    match graph(data).await {
        Some(names) => {
            found.extend(agency_gateway::unknown_agents(config, &names).iter().map(tell));
        }
        None => found.push(ok("the agents of the graph were not compared: no server answers")),
    }
    let there = |id: &str| !missing.iter().any(|unready| unready.agent == id);
    for (id, program) in config.programs().filter(|(id, _)| there(id)) {
        found.push(of_program(&programs, id, program, config.sign_in(id)).await);
    }
    found
}

/// The agents of the running server's graph; of the default graph where nothing was ever started.
async fn graph(data: &DataDir) -> Option<Vec<String>> {
    if !data.join("quintet.db").exists() {
        let parsed = skill_graph_loader::parse::parse(graph_folder::default_graph());
        return Some(parsed.graph.agents.into_iter().map(|agent| agent.id.0).collect());
    }
    let client = Client::new(None, data).ok()?;
    let list = client.ask::<ListAgents>(&(), &VersionQuery { version: None }).await.ok()?;
    Some(list.agents.into_iter().map(|agent| agent.id.0).collect())
}

async fn of_program(
    programs: &NativePrograms,
    id: &str,
    program: &Program,
    sign_in: Option<SignIn>,
) -> Finding {
    let name = program.command.first().map_or("", String::as_str);
    let Some(sign_in) = sign_in else {
        return ok(format!("agent {id}: its program {name} is there"));
    };
    // No program starts before there is a data directory to keep from it.
    let there = match version(programs, name, program).await {
        Some(version) => format!("agent {id}: its program {name} is there, version {version}"),
        None => format!("agent {id}: its program {name} is there"),
    };
    match seen(&sign_in, program) {
        Some(sign) => ok(format!("{there}, signed in ({sign})")),
        None => warning(
            format!("{there}, and no sign-in was found"),
            format!(
                "run `{}{}`, or set one of {} and name it in agents.{id}.secrets",
                assignment(program),
                sign_in.how,
                sign_in.variables.join(", ")
            ),
        ),
    }
}

/// The first line that the program prints for `--version`, started as a run is.
async fn version(programs: &NativePrograms, name: &str, program: &Program) -> Option<String> {
    let spec = ProgramSpec {
        program: name.to_owned(),
        args: vec!["--version".to_owned()],
        reach: program.reach.clone(),
        data_visible: program.data_visible,
        task: "doctor".to_owned(),
        timeout_ms: VERSION_MS,
        output_bytes_max: 64 << 10,
        ..ProgramSpec::default()
    };
    let mut running = programs.start(spec).await.ok()?;
    let mut first = None;
    loop {
        match running.next().await {
            ProgramEvent::Line(line) => first = first.or(Some(line)),
            ProgramEvent::Exited { code: Some(0), .. } => break,
            _ => return None,
        }
    }
    let line = platform::text::printable(&first?);
    Some(platform::text::short(line.trim(), 60)).filter(|line| !line.is_empty())
}

/// `CLAUDE_CONFIG_DIR=~/… `: where a sign-in of this agent belongs.
fn assignment(program: &Program) -> String {
    let state = program.reach.state.as_ref();
    state.map_or_else(String::new, |state| format!("{}={} ", state.variable, state.folder))
}

/// The first sign of a sign-in.
fn seen(sign_in: &SignIn, program: &Program) -> Option<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let state = program.reach.state.as_ref().map(|state| in_home(&state.folder, Some(&home)));
    let is_there = |file: &&&str| state.as_ref().is_some_and(|state| state.join(file).is_file());
    let file = sign_in.files.iter().find(is_there);
    let handed = |name: &&&str| {
        let secrets = program.secrets.iter().map(|secret| &secret.name);
        program.env.iter().chain(secrets).any(|env| env == **name)
            && std::env::var_os(**name).is_some()
    };
    let variable = sign_in.variables.iter().find(handed);
    file.or(variable).map(|sign| (*sign).to_owned())
}
