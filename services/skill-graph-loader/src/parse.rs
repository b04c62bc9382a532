//! Parses a folder of Markdown into a graph. One bad file never fails the folder: it is left out,
//! with a finding.

pub mod document;
pub mod example_tags;
pub mod examples;
pub mod front_matter;
mod ids;
pub mod kind;
pub mod links;
pub mod markdown;
pub mod rights;
pub mod yaml;
mod yaml_lines;
pub mod yaml_repair;

use crate::check;
use crate::finding::{FINDINGS_A_FILE_MAX, finding, first_of};
use contracts::AgentId;
use contracts::graph::{
    Agent, Channel, Finding, Graph, Link, Severity, Skill, SkillKind, SourceFile,
};
use document::Document;
use kind::PathVerdict;
use links::{Names, Resolution};
use markdown::RawLink;
use platform::text::composed;
use std::collections::BTreeSet;

/// A parsed folder: the graph (without a version) and findings for its author.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub graph: Graph,
    /// Errors first, then by path and line.
    pub findings: Vec<Finding>,
}

/// How a folder is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each `SKILL.md` is an agent, also beside agents.
    pub skills_as_agents: bool,
}

/// Parses a folder in one of the ways to read it. The order of the files does not matter.
pub fn parse(files: Vec<SourceFile>, reading: Reading) -> Parsed {
    let mut findings = Vec::new();
    let mut documents = read_all(files, &mut findings);
    leave_skills_their_files(&mut documents);
    // In a folder of skills alone the skills are agents; beside agents they are knowledge.
    if reading.skills_as_agents
        || !documents.iter().any(|document| document.kind == SkillKind::Agent)
    {
        documents
            .iter_mut()
            .filter(|document| document.is_skill_file() && !document.is_placeholder())
            .for_each(Document::become_agent);
    }
    ids::name_agents(&mut documents, &mut findings);
    ids::leave_out_repeated_ids(&mut documents, &mut findings);
    let ids = ids::skill_ids(&documents);
    let names = Names::new(&documents);
    let edges = resolve_links(&documents, &names, &mut findings);
    let related = resolve_related(&documents, &names, &mut findings);
    let graph = assemble(&documents, &ids, &edges, &related);
    check::documents(&documents, &edges, &related, &mut findings);
    check::gather_repairs(&mut findings);
    order(&mut findings);
    Parsed { graph, findings }
}

/// The files of a skill are its knowledge, also those in an `agents/` inside: prompts for helpers
/// of its own. So are the files beside the `SOUL.md` of an agent. In a graph that is one skill, its
/// agents are those with a name and a description.
fn leave_skills_their_files(documents: &mut [Document]) {
    let owns = |document: &Document| document.is_skill_file() || kind::is_soul_file(&document.path);
    let folders: BTreeSet<String> = documents
        .iter()
        .filter(|document| owns(document))
        .map(|document| document.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
        .collect();
    if folders.is_empty() {
        return;
    }
    for document in documents {
        let mut above = document.path.as_str();
        let mut owned = false;
        while let Some((folder, _)) = above.rsplit_once('/') {
            owned |= folders.contains(folder);
            above = folder;
        }
        owned |= folders.contains("") && document.front.text("description").is_none();
        if owned && !owns(document) && !document.is_explicit() {
            document.become_guide();
        }
    }
}

/// Errors first, then by path and line.
pub fn order(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (a.severity, &a.path, a.line, &a.code, &a.message)
            .cmp(&(b.severity, &b.path, b.line, &b.code, &b.message))
    });
}

fn not_markdown(path: &str) -> Finding {
    let message = "not a Markdown file, so it was skipped";
    let fix = "Remove it, or rename it to .md.";
    finding(Severity::Hint, "not_markdown", path, 0, message, fix)
}

fn read_all(mut files: Vec<SourceFile>, findings: &mut Vec<Finding>) -> Vec<Document> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut seen = BTreeSet::new();
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let shown: String = file.path.chars().filter(|c| !c.is_control()).take(200).collect();
        match kind::judge_path(&file.path) {
            PathVerdict::Ignored => {}
            PathVerdict::Read(path)
                if kind::without_toml(&path).is_some() && !file.text.starts_with("---") =>
            {
                findings.push(not_markdown(&shown));
            }
            PathVerdict::NotMarkdown => findings.push(not_markdown(&shown)),
            PathVerdict::Refused => {
                let message = "the path leads out of the folder, so it was skipped";
                findings.push(finding(
                    Severity::Error,
                    "bad_path",
                    &shown,
                    0,
                    message,
                    "Use a path relative to the folder, without `..`.",
                ));
            }
            PathVerdict::TooLong => {
                let message = format!(
                    "the path is longer than {} bytes, so it was skipped",
                    kind::PATH_BYTES_MAX
                );
                findings.push(finding(
                    Severity::Error,
                    "bad_path",
                    &shown,
                    0,
                    message,
                    "Shorten the names of the file and its folders.",
                ));
            }
            PathVerdict::Read(path) if !seen.insert(composed(&path).to_lowercase()) => {
                findings.push(finding(
                    Severity::Error,
                    "duplicate_path",
                    &path,
                    0,
                    "another file has this path (case does not count)",
                    "Rename or remove one of them.",
                ));
            }
            PathVerdict::Read(path) => {
                let (document, found) = Document::read(&SourceFile { path, text: file.text });
                documents.extend(document);
                findings.extend(found);
            }
        }
    }
    documents
}

/// The resolved links of all files, as pairs of indexes.
fn resolve_links(
    documents: &[Document],
    names: &Names,
    findings: &mut Vec<Finding>,
) -> BTreeSet<(usize, usize)> {
    let mut edges = BTreeSet::new();
    for (from, document) in documents.iter().enumerate() {
        let in_keys =
            document.front.raw_lines().filter(|(_, line)| !line.trim_start().starts_with('#'));
        let in_keys = in_keys.flat_map(|(number, line)| {
            markdown::wiki_links_of_line(line).into_iter().map(move |target| RawLink {
                target,
                line: number,
                wiki: true,
            })
        });
        // `relatedAgents: [[x]]` is resolved as an agent, not as a link.
        let in_keys: Vec<_> =
            in_keys.filter(|link| names.agent(documents, from, &link.target).is_none()).collect();
        let mut told = 0;
        for link in in_keys.iter().chain(&document.outline.links) {
            let resolution = if link.wiki {
                names.wiki(from, &link.target)
            } else {
                names.markdown(from, &link.target)
            };
            if let Resolution::To(to) | Resolution::Ambiguous(to, _) = &resolution
                && *to != from
            {
                edges.insert((from, *to));
            }
            let Some(found) = link_finding(documents, document, link, &resolution) else {
                continue;
            };
            told += 1;
            if told <= FINDINGS_A_FILE_MAX {
                findings.push(found);
            }
        }
        if told > FINDINGS_A_FILE_MAX {
            let message =
                format!("{} more links are broken or ambiguous", told - FINDINGS_A_FILE_MAX);
            findings.push(finding(
                Severity::Warning,
                "more_links",
                &document.path,
                0,
                message,
                "Correct the first ones and check again.",
            ));
        }
    }
    edges
}

fn link_finding(
    documents: &[Document],
    document: &Document,
    link: &RawLink,
    resolution: &Resolution,
) -> Option<Finding> {
    let target: String = link.target.chars().take(200).collect();
    match resolution {
        Resolution::To(_) | Resolution::NotOurs => None,
        Resolution::Broken => {
            let message = format!("no file is called `{target}`");
            let fix = "Correct the link, or add a file, title or alias of that name.";
            // Notes link to notes that are not written yet; an agent's file is complete.
            let is_note = matches!(document.kind, SkillKind::Guide | SkillKind::Skill);
            let severity = if is_note { Severity::Hint } else { Severity::Warning };
            Some(finding(severity, "broken_link", &document.path, link.line, message, fix))
        }
        Resolution::Ambiguous(_, all) => {
            let paths: Vec<&str> = all
                .iter()
                .filter_map(|at| documents.get(*at))
                .map(|other| other.path.as_str())
                .take(5)
                .collect();
            let message = format!("`{target}` is ambiguous: {}", paths.join(" or "));
            Some(finding(
                Severity::Warning,
                "ambiguous_link",
                &document.path,
                link.line,
                message,
                "Add the folder, as in `[[folder/name]]`.",
            ))
        }
    }
}

/// For each file the agents of its `relatedAgents`, in order, without itself.
fn resolve_related(
    documents: &[Document],
    names: &Names,
    findings: &mut Vec<Finding>,
) -> Vec<Vec<usize>> {
    let mut related = Vec::with_capacity(documents.len());
    for (from, document) in documents.iter().enumerate() {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for name in document.front.list("relatedAgents") {
            match names.agent(documents, from, &name) {
                Some(at) if at != from && !found.contains(&at) => found.push(at),
                Some(_) => {}
                None => unknown.push(name),
            }
        }
        first_of(&unknown, findings, |name| {
            finding(
                Severity::Warning,
                "unknown_agent",
                &document.path,
                document.front.line_of("relatedAgents", name),
                format!("relatedAgents names `{name}`, but no agent has that id"),
                "Correct the id, or add the agent's file.",
            )
        });
        related.push(found);
    }
    related
}

fn assemble(
    documents: &[Document],
    ids: &[String],
    edges: &BTreeSet<(usize, usize)>,
    related: &[Vec<usize>],
) -> Graph {
    let mut graph = Graph::default();
    let id_of = |at: usize| ids.get(at).cloned().unwrap_or_default();
    let agent_ids = |all: &[usize]| -> Vec<AgentId> {
        all.iter()
            .filter_map(|at| documents.get(*at)?.agent_id.clone())
            .map(AgentId::from)
            .collect()
    };
    for ((document, id), related) in documents.iter().zip(ids).zip(related) {
        let related = agent_ids(related);
        if let Some(agent_id) = &document.agent_id {
            graph.agents.push(agent(document, id, agent_id, related.clone()));
        }
        if let Some(channel_id) = &document.channel_id {
            graph.channels.push(channel(document, id, channel_id, related.clone()));
        }
        graph.skills.push(Skill {
            id: id.clone(),
            path: document.path.clone(),
            kind: document.kind,
            title: document.title.clone(),
            description: document.description.clone(),
            keywords: document.keywords.clone(),
            aliases: document.aliases.clone(),
            tags: document.tags(),
            headings: document
                .outline
                .headings
                .iter()
                .map(|heading| heading.text.clone())
                .filter(|text| !text.is_empty())
                .collect(),
            related_agents: related,
            body: document.body.clone(),
            extra: document.extra(),
        });
    }
    graph.links =
        edges.iter().map(|(from, to)| Link { from: id_of(*from), to: id_of(*to) }).collect();
    graph
}

fn agent(document: &Document, skill: &str, id: &str, related_agents: Vec<AgentId>) -> Agent {
    let channels = document.front.list("relatedChannels").into_iter();
    let channels = channels.map(|name| {
        kind::without_prefix(name.trim_start_matches("[[").trim_end_matches("]]"), "channel-")
            .to_owned()
    });
    Agent {
        id: AgentId::from(id),
        skill: skill.to_owned(),
        title: document.title.clone(),
        description: document.positive_description(),
        keywords: document.keywords.clone(),
        aliases: document.aliases.clone(),
        bullets: document.claims.bullets.clone(),
        examples: document.claims.examples.iter().map(|(text, _)| text.clone()).collect(),
        negatives: document.claims.negatives.clone(),
        complexity: document.complexity.clone(),
        related_agents,
        related_channels: channels.collect(),
        model: document.front.text("model"),
        fallback: document.front.flag("fallback"),
        public: document.front.flag("public"),
    }
}

fn channel(document: &Document, skill: &str, id: &str, related_agents: Vec<AgentId>) -> Channel {
    Channel {
        id: id.to_owned(),
        skill: skill.to_owned(),
        title: document.title.clone(),
        description: document.description.clone(),
        platform: document.front.text("platform"),
        context_richness: document.front.text("contextRichness"),
        latency: document.front.text("latency"),
        keywords: document.keywords.clone(),
        related_agents,
    }
}
