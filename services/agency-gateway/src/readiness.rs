//! The configuration held against the graph and the machine: an agent that the graph does not have
//! never runs, and neither does a program that is not there.

use crate::{Config, Deps};
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::graph::VersionQuery;
use platform::ports::Programs;

/// Below this likeness two names are not taken for a typing error.
const LIKENESS: f64 = 0.7;

/// A table of `[agents]` that does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    pub agent: String,
    /// The reason.
    pub why: String,
    pub fix: String,
}

/// Agents of the configuration that cannot do what it says. A graph that cannot be read is not held
/// against them.
pub async fn unready(deps: &Deps) -> Vec<Unready> {
    let mut found = missing_programs(&deps.config, &*deps.programs);
    let version = VersionQuery { version: None };
    match deps.calls.ask::<ListAgents>(&(), &version).await {
        Ok(list) => {
            let names: Vec<String> = list.agents.into_iter().map(|agent| agent.id.0).collect();
            found.extend(unknown_agents(&deps.config, &names));
        }
        Err(error) => tracing::warn!(%error, "the agents of the graph could not be listed"),
    }
    found
}

/// Agents whose program is not there.
pub fn missing_programs(config: &Config, programs: &dyn Programs) -> Vec<Unready> {
    let missing = config.programs().filter_map(|(id, program)| {
        let name = program.command.first()?;
        (!programs.exists(name)).then(|| Unready {
            agent: id.to_owned(),
            why: format!(
                "agent {id} is not ready: its program {name} is not there or not executable"
            ),
            fix: format!("install {name}, put it on PATH, or correct agents.{id}.command"),
        })
    });
    missing.collect()
}

/// Agents that the graph does not have.
pub fn unknown_agents(config: &Config, graph: &[String]) -> Vec<Unready> {
    let unknown =
        config.agents().filter(|id| !graph.iter().any(|name| name.eq_ignore_ascii_case(id)));
    let tell = |id: &str| {
        let likeness =
            |name: &&String| strsim::jaro_winkler(&name.to_lowercase(), &id.to_lowercase());
        let nearest = graph
            .iter()
            .filter(|name| likeness(name) >= LIKENESS)
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let fix = match nearest {
            Some(name) => {
                format!("write [agents.{name}] if you mean that one, or add {id} to the graph")
            }
            None => format!(
                "add {id} to the graph, or remove the table; the graph has {}",
                graph.join(", ")
            ),
        };
        let why = format!("[agents.{id}] does nothing: the graph has no agent {id}");
        Unready { agent: id.to_owned(), why, fix }
    };
    unknown.map(tell).collect()
}
