//! For each agent of the configuration: whether the graph has it, and whether its program is there,
//! in which version, and signed in.

use super::finding::{Finding, ok, warning};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::ports::objects::FolderObjects;
use crate::ports::sql::SqliteSql;
use crate::programs::NativePrograms;
use agency_gateway::runner::SignIn;
use agency_gateway::{Config, Program, Unready};
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::graph::{Agent, VersionQuery};
use platform::ports::{ProgramEvent, ProgramSpec, Programs};
use skill_graph_loader::Reading;
use skill_graph_loader::load::stored_graph;
use skill_graph_loader::parse::parse;
use std::sync::Arc;

/// Maximum time for a program to print its version.
const VERSION_MS: u64 = 10_000;

/// All agents of the configuration.
pub(super) async fn check(
    data: &DataDir,
    config: &Config,
    programs: &NativePrograms,
) -> Vec<Finding> {
    if config.agents().next().is_none() {
        return Vec::new();
    }
    let tell = |unready: &Unready| warning(&unready.why, &unready.fix);
    let missing = agency_gateway::missing_programs(config, programs);
    let mut found: Vec<Finding> = missing.iter().map(tell).collect();
    found.extend(agency_gateway::unknown_models(config).iter().map(tell));
    match graph(data).await {
        Ok(names) => {
            found.extend(agency_gateway::unknown_agents(config, &names).iter().map(tell));
        }
        Err(error) => found.push(warning(
            format!("the agents of the graph were not compared: {error}"),
            "start the server: it says what is wrong with its data",
        )),
    }
    let there = |id: &str| !missing.iter().any(|unready| unready.agent == id);
    for (id, program) in config.programs().filter(|(id, _)| there(id)) {
        found.push(of_program(programs, id, program, config.sign_in(id)).await);
    }
    found
}

/// The agents of the running server's graph; of the stored one where no server answers, and of the
/// default graph where none was ever published.
async fn graph(data: &DataDir) -> anyhow::Result<Vec<String>> {
    let ids = |agents: Vec<Agent>| agents.into_iter().map(|agent| agent.id.0).collect();
    if let Ok(client) = Client::new(None, data)
        && let Ok(list) = client.ask::<ListAgents>(&(), &VersionQuery { version: None }).await
    {
        return Ok(ids(list.agents));
    }
    let file = data.join("quintet.db");
    let stored = if file.exists() {
        let objects = FolderObjects::new(data.join("objects"));
        stored_graph(&SqliteSql::read_only(&file)?, &objects).await?
    } else {
        None
    };
    let graph = stored.map_or_else(
        || parse(graph_folder::default_graph(), Reading::default()).graph,
        Arc::unwrap_or_clone,
    );
    Ok(ids(graph.agents))
}

async fn of_program(
    programs: &NativePrograms,
    id: &str,
    program: &Program,
    sign_in: Option<SignIn>,
) -> Finding {
    let name = program.command.first().map_or("", String::as_str);
    // A program of the owner's own may do anything when it is asked for its version.
    if program.reach.state.is_none() {
        return ok(format!("agent {id}: its program {name} is there"));
    }
    // No program starts before there is a data directory to keep from it.
    let there = match version(programs, name, program).await {
        Some(version) => format!("agent {id}: its program {name} is there, version {version}"),
        None => format!("agent {id}: its program {name} is there"),
    };
    let Some(sign_in) = sign_in else {
        let first = format!("{}{name}", agency_gateway::assignment(program));
        return ok(format!("{there}; whether it is signed in shows at its first run (`{first}`)"));
    };
    match agency_gateway::sign_of(programs, program, &sign_in) {
        Some(sign) => ok(format!("{there}, signed in ({sign})")),
        None => warning(
            format!("{there}, and no sign-in was found"),
            agency_gateway::how_to_sign_in(id, program, &sign_in),
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
