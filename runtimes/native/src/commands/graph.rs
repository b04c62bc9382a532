//! `quintet graph check|import|publish|versions|diff|rollback|search`.

use crate::cli::Graph;
use crate::client::Client;
use crate::commands::graph_import;
use crate::data_dir::DataDir;
use crate::exit::No;
use crate::finding::{line, read_folder, say_all};
use crate::terminal::{counted, remark, say, say_json, table};
use anyhow::Result;
use contracts::GraphVersion;
use contracts::calls::skill_graph_loader::{ListVersions, Publish, ReadDiff, Rollback, Search};
use contracts::graph::{
    AgentChange, DiffQuery, Finding, Graph as SkillGraph, GraphDiff, PublishRequest,
    RollbackRequest, SearchQuery, Severity, VersionRow,
};
use platform::edge::ApiError;
use platform::text::{printable, short};
use serde_json::json;
use skill_graph_loader::parse::order;
use skill_graph_loader::publish::{acceptable, within_limits};
use skill_graph_loader::{Limits, Reading};
use std::path::Path;
use text_model::evaluate::{self, Advice, Surroundings};
use text_model::{TooManyAgents, TrainingSet};

/// Maximum examples to cross-validate in a check; more would take too long.
const TRIED_EXAMPLES_MAX: usize = 4_000;

/// Runs one of them.
///
/// # Errors
/// `check`: [`No`] on any error or warning, and when a publish would be refused. Others: when the
/// server refuses.
#[expect(clippy::too_many_lines, reason = "one arm for each command")]
pub async fn graph(
    command: Graph,
    client: impl Fn() -> Result<Client>,
    data: impl Fn() -> Result<DataDir>,
    as_json: bool,
) -> Result<()> {
    match command {
        Graph::Check { folder, reading } => check(&folder, reading.into(), as_json),
        Graph::Import(asked) => graph_import::import(&asked, &data()?, as_json),
        Graph::Publish { folder, message, allow_removal, reading } => {
            let request = PublishRequest {
                files: read_folder(&folder)?,
                message,
                allow_removal,
                skills_as_agents: reading.skills_as_agents,
            };
            let published = client()?.ask::<Publish>(&(), &request).await?;
            if as_json {
                say_json(&published);
                return Ok(());
            }
            published
                .findings
                .iter()
                .filter(|finding| told(finding))
                .for_each(|finding| remark(&line(finding)));
            let what = if published.changed { "published" } else { "unchanged" };
            say(&format!(
                "{what}: version {}, {} agents, {} files",
                published.version, published.agents, published.skills
            ));
            if !published.rights.is_empty() {
                remark(&format!(
                    "this gives rights: {}. If you did not mean it, run quintet graph rollback.",
                    published.rights.join(", ")
                ));
            }
            Ok(())
        }
        Graph::Versions => {
            let list = client()?.ask::<ListVersions>(&(), &()).await?;
            if as_json {
                say_json(&list);
            } else {
                say(&versions(&list.versions));
            }
            Ok(())
        }
        Graph::Diff { from, to } => {
            let diff = client()?.ask::<ReadDiff>(&(), &DiffQuery { from, to }).await?;
            if as_json {
                say_json(&diff);
            } else {
                say(&readable(&diff));
            }
            Ok(())
        }
        Graph::Rollback { version } => {
            let request = RollbackRequest { version: version.map(GraphVersion::new) };
            let now = client()?.ask::<Rollback>(&(), &request).await?;
            if as_json {
                say_json(&now);
            } else {
                let what = if now.changed { "rolled back" } else { "unchanged" };
                say(&format!(
                    "{what}: version {}, {} agents, {} files",
                    now.version, now.agents, now.skills
                ));
            }
            Ok(())
        }
        Graph::Search { query } => {
            let query = SearchQuery { q: query, ..SearchQuery::default() };
            let answer = client()?.ask::<Search>(&(), &query).await?;
            if as_json {
                say_json(&answer);
                return Ok(());
            }
            for hit in &answer.results {
                say(&format!(
                    "{}  {}\n  {}",
                    hit.id,
                    printable(&hit.title),
                    printable(&hit.snippet)
                ));
            }
            if answer.results.is_empty() {
                say("nothing found");
            }
            Ok(())
        }
    }
}

fn check(folder: &Path, reading: Reading, as_json: bool) -> Result<()> {
    let (files, odd) = graph_folder::read(folder)?;
    let small_enough = within_limits(&Limits::NATIVE, &files);
    let mut parsed = skill_graph_loader::check_folder(files, reading);
    parsed.findings.extend(odd);
    order(&mut parsed.findings);
    let bad = parsed.findings.iter().filter(|finding| finding.severity != Severity::Hint).count();
    let (accuracy, advice) = tried(&parsed.graph);
    let refused = small_enough.and_then(|()| acceptable(&parsed.graph, &parsed.findings)).err();
    let refused = refused
        .map(|error| (error.to_string(), ApiError::from(error).0.fix))
        .or_else(|| teaches_nothing(&parsed.graph))
        .or_else(|| too_many_agents(&parsed.graph));
    if as_json {
        let (agents, files) = (parsed.graph.agents.len(), parsed.graph.skills.len());
        let why = refused.as_ref().map(|(why, _)| why);
        say_json(
            &json!({ "agents": agents, "files": files, "findings": parsed.findings, "accuracy": accuracy, "advice": advice, "refused": why }),
        );
    } else {
        say_all(&parsed.findings);
        let (files, agents, findings) =
            (parsed.graph.skills.len(), parsed.graph.agents.len(), parsed.findings.len());
        say(&format!(
            "{}, {}, {}",
            counted(files, "file"),
            counted(agents, "agent"),
            counted(findings, "finding")
        ));
        if let Some(accuracy) = accuracy {
            say(&format!(
                "{:.1} % of the examples reach their agent when held out of the training",
                accuracy * 100.0
            ));
        }
        for Advice { agent, accuracy, write, .. } in &advice {
            let rate = accuracy.map(|rate| format!(" ({:.0} %)", rate * 100.0)).unwrap_or_default();
            say(&format!("  {}{rate}: write {}", printable(agent), printable(write)));
        }
        if let Some((why, fix)) = &refused {
            say(&format!("a publish would be refused: {why}\n  fix: {fix}"));
        }
    }
    match refused {
        _ if bad > 0 => Err(No(format!("{bad} error(s) and warning(s)")).into()),
        Some((why, _)) => Err(No(why).into()),
        None => Ok(()),
    }
}

/// Reason and fix if the router cannot train on this graph.
fn teaches_nothing(graph: &SkillGraph) -> Option<(String, String)> {
    let why = "no agent has examples, keywords or a description to learn from";
    TrainingSet::from_graph(graph)
        .is_empty()
        .then(|| (why.to_owned(), "Add example messages to at least one agent.".to_owned()))
}

/// As the router refuses to learn it.
fn too_many_agents(graph: &SkillGraph) -> Option<(String, String)> {
    let refused = TooManyAgents::of(graph)?;
    Some((refused.to_string(), refused.fix().to_owned()))
}

/// Cross-validated accuracy and advice. Empty for graphs that would take minutes: `quintet eval`
/// handles those.
fn tried(graph: &SkillGraph) -> (Option<f64>, Vec<Advice>) {
    if graph.agents.len() < 2
        || graph.agents.iter().map(|agent| agent.examples.len()).sum::<usize>() > TRIED_EXAMPLES_MAX
    {
        return (None, Vec::new());
    }
    let bar = crate::terminal::progress();
    let mut progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let mut around = Surroundings { seconds: &|| 0.0, progress: &mut progress };
    let report = evaluate::cross_validate(graph, &mut around).unwrap_or_default();
    bar.finish_and_clear();
    let ids: Vec<String> = graph.agents.iter().map(|agent| agent.id.to_string()).collect();
    (report.accuracy, evaluate::advice(&report, &ids))
}

fn versions(rows: &[VersionRow]) -> String {
    let cells = |row: &VersionRow| {
        let mark = if row.current { "current" } else { "" };
        let message = short(&printable(row.message.as_deref().unwrap_or("–")), 50);
        vec![
            row.version.to_string(),
            row.published_at.clone(),
            row.agents.to_string(),
            row.skills.to_string(),
            row.findings.to_string(),
            mark.to_owned(),
            message,
        ]
    };
    table(
        &["version", "published", "agents", "files", "findings", "", "message"],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    )
}

fn readable(diff: &GraphDiff) -> String {
    let mut out = format!("{} → {}", diff.from, diff.to);
    let mut add = |mark: &str, text: &str| {
        out.push_str(&format!("\n{mark} {}", short(&printable(text), 120)));
    };
    diff.agents_added.iter().for_each(|id| add("+", &format!("agent {id}")));
    diff.agents_removed.iter().for_each(|id| add("-", &format!("agent {id}")));
    for AgentChange { agent, examples_added, examples_removed, other } in &diff.agents_changed {
        let parts =
            if other.is_empty() { String::new() } else { format!(": {}", other.join(", ")) };
        add("~", &format!("agent {agent}{parts}"));
        examples_added.iter().for_each(|text| add("  +", text));
        examples_removed.iter().for_each(|text| add("  -", text));
    }
    diff.files_added.iter().for_each(|path| add("+", path));
    diff.files_removed.iter().for_each(|path| add("-", path));
    diff.files_changed.iter().for_each(|path| add("~", path));
    if !out.contains('\n') {
        out.push_str("\nno difference");
    }
    out
}

/// Whether a publish prints the finding: errors, warnings, and how well the router separates the
/// agents. `check` lists the other hints.
fn told(finding: &Finding) -> bool {
    finding.severity != Severity::Hint
        || matches!(finding.code.as_str(), "held_out_accuracy" | "weak_agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(code: &str, path: &str) -> Finding {
        Finding {
            severity: Severity::Hint,
            code: code.to_owned(),
            path: path.to_owned(),
            line: 0,
            message: "m".to_owned(),
            fix: "f".to_owned(),
        }
    }

    #[test]
    fn graph_publish_prints_separability_and_leaves_other_hints_to_the_check() {
        let all = ["held_out_accuracy", "weak_agent", "few_examples"].map(|code| hint(code, ""));
        assert_eq!(all.iter().map(told).collect::<Vec<_>>(), [true, true, false]);
        assert!(told(&Finding { severity: Severity::Warning, ..hint("few_examples", "a.md") }));
    }

    #[test]
    fn finding_without_a_file_names_the_whole_graph() {
        assert_eq!(line(&hint("c", "")), "hint: the whole graph: m [c]\n  fix: f");
        assert_eq!(line(&hint("c", "a.md")), "hint: a.md: m [c]\n  fix: f");
    }
}
