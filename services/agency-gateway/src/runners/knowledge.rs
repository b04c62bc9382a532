//! `runner = "knowledge"`, the default: answers from the skill graph alone. No model, no program,
//! no cost; the same graph and message give the same answer. Text of the files is quoted as data
//! and never followed.
//!
//! Files come from the routing decision first, then from the loader's search. `sections.rs` splits
//! them at their headings and ranks the sections; `compose.rs` writes the answer.

mod compose;
mod material;
mod sections;

use crate::program::Program;
use crate::runner::{Finish, Job, Run, RunEvent, Runner, Stopped, Tools};
use crate::text::clip;
use async_trait::async_trait;
use contracts::Micros;
use contracts::approval::Outcome;
use contracts::calls::skill_graph_loader::{ListAgents, ReadSkill, Search};
use contracts::graph::{SearchHit, SearchQuery, Skill, SkillKind, VersionQuery};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use material::Material;
use platform::agents::Agent;
use platform::config;
use platform::ports::{CallError, Calls};
use std::sync::Arc;

/// Maximum bytes of a message used as a search query.
const QUERY_BYTES_MAX: usize = 400;
/// Number of search hits.
const HITS: usize = 6;
/// Maximum files read.
const FILES: usize = 5;

/// Reads an agent that answers from the graph: it has no keys of its own.
pub(super) fn read(
    _: &Agent,
    section: &mut config::Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    crate::tool_approvals::refuse(section, &mut program.tool_approvals);
    Arc::new(Knowledge)
}

/// Answers from the skill graph.
#[derive(Debug)]
pub(super) struct Knowledge;

#[async_trait]
impl Runner for Knowledge {
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run> {
        let (calls, job) = (tools.calls.clone(), job.clone());
        let work = async move {
            match gather(&*calls, &job).await {
                Ok(material) => Finish::free(Outcome::Success, compose::answer(&job, &material)),
                Err(error) => {
                    tracing::warn!(error = %error, task = %job.task, "the skill graph could not be read");
                    Finish::free(
                        Outcome::Failed,
                        format!(
                            "{} answers from the skill graph, which could not be read just now. \
                             Please try again.",
                            job.agent
                        ),
                    )
                }
            }
        };
        Box::new(Answering { work: work.boxed(), end: None })
    }
}

struct Answering {
    work: BoxFuture<'static, Finish>,
    end: Option<Finish>,
}

#[async_trait]
impl Run for Answering {
    async fn next(&mut self) -> RunEvent {
        if self.end.is_none() {
            self.end = Some((&mut self.work).await);
        }
        RunEvent::Finished(self.end.clone().unwrap_or_else(|| Finish::free(Outcome::Cancelled, "")))
    }
    async fn stop(&mut self) -> Stopped {
        // Nothing runs outside this future, so a dropped one does nothing.
        self.work = std::future::pending().boxed();
        self.end.get_or_insert_with(|| Finish::free(Outcome::Cancelled, ""));
        Stopped { cost: Some(Micros::ZERO), ..Stopped::default() }
    }
}

async fn gather(calls: &dyn Calls, job: &Job) -> Result<Material, CallError> {
    let q = clip(&job.message, QUERY_BYTES_MAX);
    let query = SearchQuery { q, limit: Some(HITS), version: None };
    let search = calls.ask::<Search>(&(), &query).await?;
    // Without the list of agents an answer is poorer, not wrong.
    let agents = match calls.ask::<ListAgents>(&(), &VersionQuery::default()).await {
        Ok(list) => list.agents,
        Err(error) => {
            tracing::warn!(%error, task = %job.task, "the list of agents could not be read");
            Vec::new()
        }
    };
    let mut files: Vec<Skill> = Vec::new();
    for id in wanted(job, &search.results) {
        match calls.ask::<ReadSkill>(&id, &VersionQuery::default()).await.map(|linked| linked.skill)
        {
            Ok(skill) if matches!(skill.kind, SkillKind::Guide | SkillKind::Skill) => {
                files.push(skill);
            }
            Ok(_) => {}
            // The graph may have changed since the message was routed.
            Err(error) if error.status() == Some(404) => {}
            Err(error) => return Err(error),
        }
        if files.len() == FILES {
            break;
        }
    }
    Ok(Material { agents, files, hits: search.results })
}

/// The files to read: those of the decision, then the hits, without agents, channels and
/// repetitions.
fn wanted(job: &Job, hits: &[SearchHit]) -> Vec<String> {
    let decided = job.context.skill_files.iter().map(|name| file_id(name));
    let found = hits
        .iter()
        .filter(|hit| matches!(hit.kind, SkillKind::Guide | SkillKind::Skill))
        .map(|hit| hit.id.clone());
    let mut ids: Vec<String> = Vec::new();
    for id in decided.chain(found) {
        let other_kind = hits
            .iter()
            .any(|hit| hit.id == id && !matches!(hit.kind, SkillKind::Guide | SkillKind::Skill));
        if !id.is_empty() && !other_kind && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The id of a file that may be given as a path: `guides/code-review.md` is `code-review`.
fn file_id(name: &str) -> String {
    let Some(path) = name.strip_suffix(".md") else { return name.to_owned() };
    let mut parts = path.rsplit('/');
    let stem = parts.next().unwrap_or_default();
    if stem == "SKILL" { parts.next().unwrap_or_default().to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knowledge_finds_a_file_by_id_or_path() {
        assert_eq!(file_id("code-review"), "code-review");
        assert_eq!(file_id("guides/code-review.md"), "code-review");
        assert_eq!(file_id("skills/pdf/SKILL.md"), "pdf");
    }
}
