//! `GET /api/diff?from=&to=`: the changes between two versions, in an author's terms.

use crate::versions::named;
use crate::{Deps, load, store};
use axum::Json;
use axum::extract::State;
use contracts::graph::{Agent, AgentChange, DiffQuery, Graph, GraphDiff, Skill};
use contracts::{GraphVersion, Problem};
use platform::edge::{ApiError, ApiResult, Query};
use std::collections::{HashMap, HashSet};

/// Maximum lines listed per kind; the rest is counted.
const LISTED_MAX: usize = 50;

/// The handler.
pub async fn diff(
    State(deps): State<Deps>,
    Query(wanted): Query<DiffQuery>,
) -> ApiResult<Json<GraphDiff>> {
    let to = match wanted.to.filter(|to| !to.is_empty()) {
        Some(to) => named(&deps, &to).await?.version,
        None => store::current(&*deps.sql)
            .await?
            .ok_or_else(|| ApiError::not_found("published graph"))?,
    };
    let from = match wanted.from.filter(|from| !from.is_empty()) {
        Some(from) => named(&deps, &from).await?.version,
        None => {
            let before = store::before(&*deps.sql, &to).await?;
            before
                .ok_or_else(|| {
                    Problem::field(
                        "from",
                        "There is no version before that one.",
                        "Name one from `quintet graph versions`.",
                    )
                })?
                .version
        }
    };
    let (old, new) = (load::graph(&deps, &from).await?, load::graph(&deps, &to).await?);
    Ok(Json(compare(from, to, &old.graph, &new.graph)))
}

fn listed(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LISTED_MAX);
    lines.truncate(LISTED_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// Items of `these` that are not in `those`.
fn only<'a>(
    these: impl Iterator<Item = &'a str>,
    those: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let those: HashSet<&str> = those.collect();
    listed(these.filter(|one| !those.contains(one)).map(str::to_owned).collect())
}

fn compare(from: GraphVersion, to: GraphVersion, old: &Graph, new: &Graph) -> GraphDiff {
    let agents =
        |graph: &Graph| graph.agents.iter().map(|agent| agent.id.0.clone()).collect::<Vec<_>>();
    let files =
        |graph: &Graph| graph.skills.iter().map(|skill| skill.path.clone()).collect::<Vec<_>>();
    let gone = |old: &[String], new: &[String]| {
        only(old.iter().map(String::as_str), new.iter().map(String::as_str))
    };
    let before: HashMap<&str, &Skill> =
        old.skills.iter().map(|skill| (skill.path.as_str(), skill)).collect();
    let changed_files = new
        .skills
        .iter()
        .filter(|skill| before.get(skill.path.as_str()).is_some_and(|before| before != skill));
    let both = new.agents.iter().filter_map(|agent| Some((old.agent(&agent.id)?, agent)));
    GraphDiff {
        agents_added: gone(&agents(new), &agents(old)),
        agents_removed: gone(&agents(old), &agents(new)),
        agents_changed: both.filter_map(|(old, new)| change(old, new)).collect(),
        files_added: gone(&files(new), &files(old)),
        files_removed: gone(&files(old), &files(new)),
        files_changed: listed(changed_files.map(|skill| skill.path.clone()).collect()),
        from,
        to,
    }
}

fn change(old: &Agent, new: &Agent) -> Option<AgentChange> {
    if old == new {
        return None;
    }
    let (before, after) = (&old.examples, &new.examples);
    let mut other = Vec::new();
    for (name, differs) in [
        ("title", old.title != new.title),
        ("description", old.description != new.description),
        ("keywords", old.keywords != new.keywords || old.aliases != new.aliases),
        ("complexity", old.complexity != new.complexity),
        ("related agents", old.related_agents != new.related_agents),
        ("related channels", old.related_channels != new.related_channels),
        ("bullets", old.bullets != new.bullets || old.negatives != new.negatives),
        ("model", old.model != new.model),
        ("public or fallback", old.public != new.public || old.fallback != new.fallback),
    ] {
        if differs {
            other.push(name.to_owned());
        }
    }
    Some(AgentChange {
        agent: new.id.clone(),
        examples_added: only(after.iter().map(String::as_str), before.iter().map(String::as_str)),
        examples_removed: only(before.iter().map(String::as_str), after.iter().map(String::as_str)),
        other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_folder;
    use contracts::graph::SourceFile;

    fn graph(examples: &str, more: &[(&str, &str)]) -> Graph {
        let agent = format!(
            "---\nagentId: codegen\nkeywords: [code]\n---\n# Codegen\n## Examples\n{examples}"
        );
        let mut files = vec![SourceFile { path: "agents/agent-codegen.md".into(), text: agent }];
        files.extend(
            more.iter()
                .map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }),
        );
        check_folder(files, crate::Reading::default()).graph
    }

    #[test]
    fn diff_reports_changes_by_agent_and_file() {
        let old = graph("- fix it\n- build it\n", &[("guides/a.md", "# A\ntext\n")]);
        let new = graph(
            "- fix it\n- write it\n",
            &[("guides/b.md", "# B\n"), ("agents/agent-pm.md", "---\nagentId: pm\n---\n# Pm\n")],
        );
        let diff = compare("v1".into(), "v2".into(), &old, &new);
        assert_eq!((diff.agents_added, diff.agents_removed), (vec!["pm".to_owned()], vec![]));
        assert_eq!(diff.agents_changed[0].examples_added, ["write it"]);
        assert_eq!(diff.agents_changed[0].examples_removed, ["build it"]);
        assert_eq!(diff.agents_changed[0].other, Vec::<String>::new());
        assert_eq!(
            (diff.files_added.len(), diff.files_removed, diff.files_changed),
            (2, vec!["guides/a.md".to_owned()], vec!["agents/agent-codegen.md".to_owned()])
        );
        assert_eq!(compare("v".into(), "v".into(), &old, &old).agents_changed, []);
    }
}
