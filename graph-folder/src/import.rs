//! Copies the agents and skills of a foreign folder into a graph: Markdown files alone, below a
//! folder of their own, with no right that they ask for. The copy appears whole or not at all.

mod conflicts;
mod gathered;
mod placed;
mod target;

use conflicts::Agents;
use contracts::graph::{Finding, Graph, Severity, SkillKind, SourceFile};
pub use gathered::{Entry, Gathered, Skipped};
pub use placed::{PlaceError, place, restore};
use skill_graph_loader::check_folder;
use skill_graph_loader::parse::{kind, rights};
use std::collections::{BTreeMap, BTreeSet};
pub use target::Target;

/// Names that a new folder cannot have, because they tell the loader what is inside.
const TELLING: &[&str] =
    &["agents", "agent", "channels", "channel", "guides", "guide", "skills", "skill", "plugins"];
/// Maximum characters of the name of a new folder.
const NAME_CHARS_MAX: usize = 60;
/// Maximum times that an import is tried with fewer files.
const ROUNDS_MAX: usize = 5;

/// The additions of an import to a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The files, with paths below the new folder.
    pub files: Vec<SourceFile>,
    /// Ids of the new agents, as the whole graph spells them.
    pub agents: Vec<String>,
    /// Names of the new skills that are knowledge.
    pub skills: Vec<String>,
    /// The new agent that gets what fits no other, in a graph that had no agents.
    pub fallback: Option<String>,
    /// Rights that files asked for and do not get, by path.
    pub rights: Vec<(String, String)>,
    pub skipped: Vec<Skipped>,
}

/// The reason that nothing is imported.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error(
        "no agent and no skill among {0} Markdown files. An agent has `name:` and `description:` \
         in its front matter, a skill is a folder with a SKILL.md."
    )]
    Nothing(usize),
    #[error("nothing is left to import: {path}: {reason}")]
    Skipped { path: String, reason: String },
    #[error("the graph would be refused: {path}: {message}. {fix}")]
    Graph { path: String, message: String, fix: String },
    #[error("agents of your graph would change: {message}. {fix}")]
    Owner { message: String, fix: String },
    #[error(
        "the names of the agents collide with those of your graph again and again. Import a folder of the source."
    )]
    Collisions,
}

/// The name of a new folder, made of a text from outside. Empty when nothing of it is left.
pub fn folder_name(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .collect();
    let name: String = plain.trim_matches(['.', '-', '_']).chars().take(NAME_CHARS_MAX).collect();
    if TELLING.contains(&name.as_str()) { format!("imported-{name}") } else { name }
}

/// Chooses what of a source belongs to a graph, below a new folder beside the graph's other files.
/// No agent of the graph changes its id or disappears.
///
/// # Errors
/// When nothing does, or the graph with it would be refused.
pub fn choose(target: &Target, source: Gathered) -> Result<Import, Refused> {
    let Gathered { files, mut skipped, .. } = source.finish();
    let count = files.len();
    let mut import = Import::default();
    let mut files: Vec<SourceFile> = files
        .into_iter()
        .filter_map(|file| stripped(file, &target.name, &mut import.rights, &mut skipped))
        .collect();
    let before = check_folder(target.files.clone(), target.reading);
    let had = Agents::of(&before.graph);
    let mut left_out = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let chosen = belonging_files(target, &files);
        if chosen.files.is_empty() {
            return Err(nothing(count, left_out));
        }
        let others = target.files.iter().filter(|file| !target.is_new(&file.path));
        let all = others.chain(&chosen.files).cloned().collect();
        let after = check_folder(all, target.reading);
        let has = Agents::of(&after.graph);
        let mut out = conflicts::copies(target, &had, &chosen.files);
        if out.is_empty()
            && let Some(error) = new_error(&before.findings, &after.findings)
        {
            let Finding { path, message, fix, code, .. } = error.clone();
            // A graph with two agents of one id is refused; of other errors the file is left out.
            if code == "duplicate_agent" || !target.is_new(&path) {
                return Err(Refused::Graph { path, message, fix });
            }
            out.push((path, message));
        }
        if out.is_empty() {
            if let Some((message, fix)) = conflicts::changes_of_the_owners(target, &had, &has) {
                return Err(Refused::Owner { message, fix });
            }
            out = conflicts::takers(target, (&before.graph, &had), (&after, &has));
        }
        if out.is_empty() {
            name_the_new(&mut import, target, &after.graph, &has);
            if before.graph.agents.is_empty() {
                import.fallback = after.graph.fallback_agent().map(|agent| agent.id.to_string());
            }
            import.files = chosen.files;
            skipped.extend(chosen.skipped);
            skipped.extend(
                left_out
                    .iter()
                    .map(|(path, reason)| Skipped::new(below(&target.name, path), reason)),
            );
            skipped.sort_by(|a, b| a.path.cmp(&b.path));
            import.skipped = skipped;
            return Ok(import);
        }
        files.retain(|file| !out.iter().any(|(path, _)| is_of(path, &file.path)));
        left_out.extend(out);
    }
    Err(Refused::Collisions)
}

fn nothing(count: usize, left_out: BTreeMap<String, String>) -> Refused {
    left_out
        .into_iter()
        .next()
        .map_or(Refused::Nothing(count), |(path, reason)| Refused::Skipped { path, reason })
}

/// Whether a file is the agent's own or, where a folder is the agent, one in it: without the
/// agent these could become agents themselves.
fn is_of(agent: &str, path: &str) -> bool {
    let folder = agent.rsplit_once('/').filter(|_| owns_its_folder(agent));
    let folder = folder.map(|(folder, _)| folder);
    agent == path
        || folder.and_then(|folder| path.strip_prefix(folder)).is_some_and(|r| r.starts_with('/'))
}

/// Whether the files beside it are its own, for skills and for agents of `OpenClaw`.
fn owns_its_folder(path: &str) -> bool {
    kind::is_skill_file(path) || kind::is_soul_file(path)
}

/// The files of a source that belong to a graph, and the others with their reasons.
struct Chosen {
    files: Vec<SourceFile>,
    skipped: Vec<Skipped>,
}

fn belonging_files(target: &Target, files: &[SourceFile]) -> Chosen {
    let alone = check_folder(files.to_vec(), target.reading);
    let mut wanted = belonging(&alone.graph);
    // An empty template is no skill.
    for finding in alone.findings.iter().filter(|finding| finding.code == "placeholder") {
        wanted.remove(&finding.path);
    }
    let name = &target.name;
    let mut skipped = Vec::new();
    for skill in alone.graph.skills.iter().filter(|skill| !wanted.contains(&skill.path)) {
        skipped.push(Skipped::new(below(name, &skill.path), "no agent, and not part of a skill"));
    }
    for finding in &alone.findings {
        if finding.severity == Severity::Error || finding.code == "agent_copy" {
            skipped.push(Skipped::new(below(name, &finding.path), &finding.message));
        }
    }
    let files = files.iter().filter(|file| wanted.contains(&file.path)).cloned().collect();
    Chosen { files, skipped }
}

fn name_the_new(import: &mut Import, target: &Target, graph: &Graph, agents: &Agents<'_>) {
    for skill in graph.skills.iter().filter(|skill| target.is_new(&skill.path)) {
        match agents.at(&skill.path) {
            Some(id) => import.agents.push(id.to_owned()),
            None if skill.kind == SkillKind::Skill => import.skills.push(skill.id.clone()),
            None => {}
        }
    }
}

/// The file below the new folder, without the rights that it asks for.
fn stripped(
    file: SourceFile,
    name: &str,
    given: &mut Vec<(String, String)>,
    skipped: &mut Vec<Skipped>,
) -> Option<SourceFile> {
    let asked = rights::asked(&file.text).join(", ");
    let Some(text) = (if asked.is_empty() { Some(file.text) } else { rights::without(&file.text) })
    else {
        let reason = format!("it asks for {asked} in a way that cannot be left out");
        skipped.push(Skipped::new(&file.path, &reason));
        return None;
    };
    if !asked.is_empty() {
        given.push((file.path.clone(), asked));
    }
    Some(SourceFile { path: format!("{name}/{}", file.path), text })
}

fn below<'a>(name: &str, path: &'a str) -> &'a str {
    path.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
}

/// Paths of the agents, channels and skills, of the other files of these skills and of the agents
/// with a `SOUL.md`, and of the guides that an agent or a skill links to.
fn belonging(graph: &Graph) -> BTreeSet<String> {
    let folders: BTreeSet<&str> = graph
        .skills
        .iter()
        .filter(|skill| owns_its_folder(&skill.path))
        .filter_map(|skill| Some(skill.path.rsplit_once('/')?.0))
        .collect();
    let in_owned = |path: &str| {
        folders
            .iter()
            .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    };
    let main: BTreeSet<&str> = graph
        .skills
        .iter()
        .filter(|skill| skill.kind != SkillKind::Guide)
        .map(|skill| skill.id.as_str())
        .collect();
    let linked: BTreeSet<&str> = graph
        .links
        .iter()
        .filter(|link| main.contains(link.from.as_str()))
        .map(|link| link.to.as_str())
        .collect();
    let is_wanted =
        |id: &str, path: &str| main.contains(id) || in_owned(path) || linked.contains(id);
    graph
        .skills
        .iter()
        .filter(|skill| is_wanted(&skill.id, &skill.path))
        .map(|skill| skill.path.clone())
        .collect()
}

fn new_error<'a>(before: &[Finding], after: &'a [Finding]) -> Option<&'a Finding> {
    after.iter().find(|finding| finding.severity == Severity::Error && !before.contains(finding))
}

#[cfg(test)]
mod tests;
