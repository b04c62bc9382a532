//! Conflicts of an import with the graph that it enters: an agent of the owner's that would change,
//! and new agents that would take something by their name.

use super::target::Target;
use contracts::graph::{Agent, Graph, SourceFile};
use platform::names::as_mentioned;
use platform::text::printable;
use skill_graph_loader::Parsed;
use skill_graph_loader::parse::kind::is_skill_file;
use std::collections::{HashMap, HashSet};

/// Maximum changes in one message.
const CHANGES_SHOWN: usize = 5;

/// The files and ids of a graph's agents, in both directions.
pub(super) struct Agents<'a> {
    by_path: HashMap<&'a str, &'a Agent>,
    /// By the id in lower case.
    by_id: HashMap<String, &'a str>,
}

impl<'a> Agents<'a> {
    pub fn of(graph: &'a Graph) -> Self {
        let paths: HashMap<&str, &str> =
            graph.skills.iter().map(|file| (file.id.as_str(), file.path.as_str())).collect();
        let all = || {
            let path = |skill: &str| paths.get(skill).copied();
            graph.agents.iter().filter_map(move |agent| Some((path(&agent.skill)?, agent)))
        };
        Self {
            by_path: all().collect(),
            by_id: all().map(|(path, agent)| (agent.id.as_str().to_lowercase(), path)).collect(),
        }
    }
    pub fn at(&self, path: &str) -> Option<&'a str> {
        self.by_path.get(path).map(|agent| agent.id.as_str())
    }
    /// Those below the new folder, or the others, with their paths.
    fn of_the_new(
        &self,
        target: &Target,
        is_new: bool,
    ) -> impl Iterator<Item = (&'a str, &'a Agent)> {
        let all = self.by_path.iter().map(|(path, agent)| (*path, *agent));
        all.filter(move |(path, _)| target.is_new(path) == is_new)
    }
    fn is_at(&self, id: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
        self.by_id.get(&id.to_lowercase()).is_some_and(|path| is_wanted(path))
    }
}

/// A message about agents of the owner's that would have another id or none, with its fix. `None`
/// if all stay as they are.
pub(super) fn changes_of_the_owners(
    target: &Target,
    before: &Agents<'_>,
    after: &Agents<'_>,
) -> Option<(String, String)> {
    let mut changed: Vec<(&str, &str)> = before
        .of_the_new(target, false)
        .map(|(path, agent)| (path, agent.id.as_str()))
        .filter(|(path, id)| after.at(path) != Some(*id))
        .collect();
    changed.sort_unstable();
    let (first, id) = *changed.first()?;
    let told: Vec<String> = changed
        .iter()
        .take(CHANGES_SHOWN)
        .map(|(path, id)| {
            let now = match after.at(path) {
                Some(now) => format!("become `{}`", printable(now)),
                None => "not be an agent".to_owned(),
            };
            let cause = cause(target, after, id)
                .map_or_else(String::new, |other| format!(" because of {}", printable(other)));
            format!("`{}` ({}) would {now}{cause}", printable(id), printable(path))
        })
        .collect();
    let more = changed.len().saturating_sub(CHANGES_SHOWN);
    let rest = if more == 0 { String::new() } else { format!(", and {more} more") };
    let fix = if is_skill_file(first) && after.at(first).is_none() {
        "Add --skills-as-agents here and to each command that reads the folder, so that skills \
         stay agents beside the new ones."
            .to_owned()
    } else {
        format!(
            "Write `agentId: {}` into {}, so that it keeps its id, or rename the agent in a copy \
             of the source.",
            printable(id),
            printable(first)
        )
    };
    Some((format!("{}{rest}", told.join(", ")), fix))
}

/// The new file that has the id, or has the same name below its folder.
fn cause<'a>(target: &Target, after: &Agents<'a>, id: &str) -> Option<&'a str> {
    let id = id.to_lowercase();
    let is_new = |path: &&str| target.is_new(path);
    after.by_id.get(&id).copied().filter(is_new).or_else(|| {
        let below = format!("/{id}");
        let named = after.by_id.iter().filter(|(other, _)| other.ends_with(&below));
        named.map(|(_, path)| *path).filter(is_new).min()
    })
}

/// New files that say the same as an agent of the graph.
pub(super) fn copies(
    target: &Target,
    before: &Agents<'_>,
    files: &[SourceFile],
) -> Vec<(String, String)> {
    let known: HashMap<&str, &str> = target
        .files
        .iter()
        .filter(|file| !target.is_new(&file.path) && before.at(&file.path).is_some())
        .map(|file| (file.text.as_str(), file.path.as_str()))
        .collect();
    let again = |file: &SourceFile| {
        let original = known.get(file.text.as_str())?;
        Some((file.path.clone(), format!("the agent of {original} again")))
    };
    files.iter().filter_map(again).collect()
}

/// New agents whose name alone would give them something, with the reasons to skip them. The agents
/// of a folder that is imported anew keep what they have.
pub(super) fn takers(
    target: &Target,
    (old, before): (&Graph, &Agents<'_>),
    (new, after): (&Parsed, &Agents<'_>),
) -> Vec<(String, String)> {
    let configured: HashSet<String> =
        target.configured.iter().map(|id| id.to_lowercase()).collect();
    let owners = Mentions::of(before.of_the_new(target, false).map(|(_, agent)| agent));
    let fallback = new.graph.fallback_agent().map(|agent| agent.id.as_str());
    let mut found: Vec<(String, String)> = after
        .of_the_new(target, true)
        .filter_map(|(path, agent)| {
            let id = agent.id.as_str();
            let had_it = before.is_at(id, |path| target.is_new(path));
            let shown = printable(id);
            let reason = if let Some((name, owner)) = owners.taken_by(agent) {
                let (name, owner) = (printable(name), printable(owner));
                format!("`@{name}` would name it as well as your agent `{owner}`")
            } else if configured.contains(&id.to_lowercase()) && !had_it {
                format!("[agents.{shown}] of your configuration would run for it")
            } else if fallback == Some(id) && !old.agents.is_empty() && !had_it {
                format!("`{shown}` would get every message that fits no other agent")
            } else {
                return None;
            };
            Some((path.to_owned(), reason))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The names by which mentions find the owner's agents, in the form in which they are compared.
struct Mentions<'a> {
    /// An id goes before all other names.
    ids: HashMap<String, &'a str>,
    /// Other names, each with an agent and whether several have it.
    others: HashMap<String, (&'a str, bool)>,
}

impl<'a> Mentions<'a> {
    fn of(agents: impl Iterator<Item = &'a Agent>) -> Self {
        let (mut ids, mut others) = (HashMap::new(), HashMap::new());
        for agent in agents {
            let id = agent.id.as_str();
            ids.insert(as_mentioned(id), id);
            for name in names(agent) {
                let (first, is_shared) = others.entry(as_mentioned(name)).or_insert((id, false));
                *is_shared |= *first != id;
                *first = id.min(*first);
            }
        }
        Self { ids, others }
    }

    /// The name by which a new agent would be found as well as, or instead of, an agent here, and
    /// that agent's id.
    fn taken_by<'n>(&self, agent: &'n Agent) -> Option<(&'n str, &'a str)> {
        let id = agent.id.as_str();
        let as_id = as_mentioned(id);
        let owner = self.ids.get(&as_id).or_else(|| self.others.get(&as_id).map(|(id, _)| id));
        if let Some(owner) = owner {
            return Some((id, owner));
        }
        let last = as_mentioned(last_part(id));
        names(agent).find_map(|name| {
            let plain = as_mentioned(name);
            let owner = match self.ids.get(&plain) {
                // `theirs/coder` beside `coder` is the usual case, and the id keeps its mentions.
                Some(_) if plain == last => None,
                Some(owner) => Some(*owner),
                // A name of several agents selects none, with or without one more.
                None => self.others.get(&plain).filter(|(_, shared)| !shared).map(|(id, _)| *id),
            };
            Some((name, owner?))
        })
    }
}

/// The last part of an agent's id, its title and its aliases: what the router answers to beside the
/// id.
fn names(agent: &Agent) -> impl Iterator<Item = &str> {
    let own = [last_part(agent.id.as_str()), agent.title.as_str()].into_iter();
    let all = own.chain(agent.aliases.iter().map(String::as_str));
    // No mention has a name without a letter.
    all.filter(|name| name.contains(char::is_alphanumeric))
}

fn last_part(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
