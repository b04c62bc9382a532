//! The configuration held against the graph and the machine: an agent that the graph does not have
//! never runs, and neither does a program that is not there.

use crate::runner::{SignIn, UnknownModel};
use crate::{Config, Deps, Program};
use contracts::AgentId;
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::graph::VersionQuery;
use contracts::task::UnreadyAgent;
use platform::names::nearest;
use platform::ports::Programs;
use platform::text::short;

/// Maximum agents and characters that the server is told.
const TOLD_MAX: usize = 100;
const WHY_CHARS_MAX: usize = 400;

/// A table of `[agents]` that does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    pub agent: String,
    /// The reason, as a sentence about the agent.
    pub why: String,
    /// The same, to be read after “not ready: ”.
    pub short: String,
    pub fix: String,
}

/// Agents of the configuration that cannot do what it says. A graph that cannot be read is not held
/// against them.
pub async fn unready(deps: &Deps) -> Vec<Unready> {
    let mut found = missing_programs(&deps.config, &*deps.programs);
    found.extend(not_signed_in(&deps.config, &*deps.programs));
    found.extend(unknown_models(&deps.config));
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

/// Agents that are not ready to run on this machine, as the server is told with each lease.
pub(crate) fn of_programs(config: &Config, programs: &dyn Programs) -> Vec<UnreadyAgent> {
    let tell = |may_start| {
        move |unready: Unready| UnreadyAgent {
            agent: unready.agent.as_str().into(),
            why: short(&unready.short, WHY_CHARS_MAX),
            fix: short(&unready.fix, WHY_CHARS_MAX),
            may_start,
        }
    };
    let missing = missing_programs(config, programs).into_iter().map(tell(false));
    let unsigned = not_signed_in(config, programs).into_iter().map(tell(true));
    missing.chain(unsigned).take(TOLD_MAX).collect()
}

/// Agents whose program is there and shows no sign of a sign-in. It may have one that cannot be
/// seen, so they run.
pub fn not_signed_in(config: &Config, programs: &dyn Programs) -> Vec<Unready> {
    let there = config.programs().filter(|(_, program)| {
        program.reach.state.is_some()
            && program.command.first().is_some_and(|name| programs.exists(name))
    });
    let unsigned = there.filter_map(|(id, program)| {
        let sign_in = config.sign_in(id)?;
        if sign_of(programs, program, &sign_in).is_some() {
            return None;
        }
        let name = program.command.first().map_or("", String::as_str);
        let short = format!("no sign-in of its program {name} was found");
        Some(Unready {
            agent: id.to_owned(),
            why: format!("agent {id} may not be ready: {short}"),
            short,
            fix: how_to_sign_in(id, program, &sign_in),
        })
    });
    unsigned.collect()
}

/// Words of programs that are not signed in, in lower case.
const ASKS_TO_SIGN_IN: [&str; 7] = [
    "not logged in",
    "not signed in",
    "run /login",
    "api key",
    "api_key",
    "unauthorized",
    "authentication required",
];
/// Longer words are an agent's own, about its work.
const ASKING_BYTES_MAX: usize = 1_000;

/// How to sign the program of an agent in, if its words say that it is not signed in and this
/// machine finds no sign-in of it.
pub(crate) fn sign_in_for(
    config: &Config,
    programs: &dyn Programs,
    run: (&AgentId, &str),
) -> Option<String> {
    let (agent, said) = run;
    if said.len() > ASKING_BYTES_MAX {
        return None;
    }
    let said = said.to_lowercase();
    if !ASKS_TO_SIGN_IN.iter().any(|words| said.contains(words)) {
        return None;
    }
    let unsigned = not_signed_in(config, programs)
        .into_iter()
        .find(|one| one.agent.eq_ignore_ascii_case(&agent.0))?;
    // A program that speaks a protocol has said it already.
    let folder = config
        .programs()
        .find(|(id, _)| id.eq_ignore_ascii_case(&agent.0))
        .map(|(_, of)| assignment(of));
    if folder.is_some_and(|folder| said.contains(&folder.trim().to_lowercase())) {
        return None;
    }
    Some(format!("On the machine of this agent {}.", unsigned.fix))
}

/// The first sign that the program of an agent is signed in: a file in its state folder, or a
/// variable that the agent names.
pub fn sign_of(programs: &dyn Programs, program: &Program, sign_in: &SignIn) -> Option<String> {
    let secrets = || program.secrets.iter().map(|secret| secret.name.as_str());
    let names = || program.env.iter().map(String::as_str).chain(secrets());
    let handed: Vec<&str> =
        sign_in.variables.iter().copied().filter(|name| names().any(|own| own == *name)).collect();
    let folder = program.reach.state.as_ref().map_or("", |state| state.folder.as_str());
    programs.sign_of(folder, sign_in.files, &handed)
}

/// The command that signs the program of an agent in, and the other way.
pub fn how_to_sign_in(id: &str, program: &Program, sign_in: &SignIn) -> String {
    format!(
        "run `{}{}`, or set one of {} and name it in agents.{id}.secrets",
        assignment(program),
        sign_in.how,
        sign_in.variables.join(", ")
    )
}

/// `CLAUDE_CONFIG_DIR=~/… `: where a sign-in of this agent belongs.
pub fn assignment(program: &Program) -> String {
    let state = program.reach.state.as_ref();
    state.map_or_else(String::new, |state| format!("{}={} ", state.variable, state.folder))
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
            short: format!("its program {name} is not there or not executable"),
            fix: format!("install {name}, put it on PATH, or correct agents.{id}.command"),
        })
    });
    missing.collect()
}

/// Agents whose model is in no list of their program. It may be newer than the list, so they run.
pub fn unknown_models(config: &Config) -> Vec<Unready> {
    let tell = |(id, unknown): (&str, UnknownModel<'_>)| {
        let UnknownModel { model, known } = unknown;
        let near = nearest(model, known.iter().copied());
        let names = if near.is_empty() { known.join(", ") } else { near.join(" or ") };
        let short = format!("its model \"{model}\" is not one that Quintet knows of its program");
        Unready {
            agent: id.to_owned(),
            why: format!("agent {id}: {short}"),
            short,
            fix: format!(
                "set agents.{id}.model to {names}; a newer name is handed to the program as it is"
            ),
        }
    };
    config.unknown_models().map(tell).collect()
}

/// Agents that the graph does not have.
pub fn unknown_agents(config: &Config, graph: &[String]) -> Vec<Unready> {
    let unknown =
        config.agents().filter(|id| !graph.iter().any(|name| name.eq_ignore_ascii_case(id)));
    let tell = |id: &str| {
        let nearest = nearest(id, graph.iter().map(String::as_str));
        let fix = match nearest.first() {
            Some(name) => {
                format!("write [agents.{name}] if you mean that one, or add {id} to the graph")
            }
            None => format!(
                "add {id} to the graph, or remove the table; the graph has {}",
                graph.join(", ")
            ),
        };
        let why = format!("[agents.{id}] does nothing: the graph has no agent {id}");
        let short = "the graph has no such agent".to_owned();
        Unready { agent: id.to_owned(), why, short, fix }
    };
    unknown.map(tell).collect()
}
