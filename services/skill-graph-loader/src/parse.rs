//! Parses a folder of Markdown into a graph. One bad file never fails the folder: it is left out,
//! with a finding.

pub mod document;
pub mod examples;
pub mod front_matter;
pub mod kind;
pub mod links;
pub mod markdown;
pub mod yaml;
pub mod yaml_repair;

use crate::check;
use crate::finding::{DUPLICATE_AGENT, FINDINGS_A_FILE_MAX, finding};
use contracts::AgentId;
use contracts::graph::{
    Agent, Channel, Finding, Graph, Link, Severity, Skill, SkillKind, SourceFile,
};
use document::Document;
use kind::PathVerdict;
use links::{Names, Resolution};
use markdown::RawLink;
use std::collections::{BTreeSet, HashMap};

/// A parsed folder: the graph (without a version) and findings for its author.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub graph: Graph,
    /// Errors first, then by path and line.
    pub findings: Vec<Finding>,
}

/// Parses a folder. The order of the files does not matter.
pub fn parse(files: Vec<SourceFile>) -> Parsed {
    let mut findings = Vec::new();
    let mut documents = read_all(files, &mut findings);
    // In a folder of skills alone the skills are agents; beside agents they are knowledge.
    if !documents.iter().any(|document| document.kind == SkillKind::Agent) {
        documents
            .iter_mut()
            .filter(|document| document.is_skill_file())
            .for_each(Document::become_agent);
    }
    leave_out_repeated_ids(&mut documents, &mut findings);
    let ids = skill_ids(&documents);
    let names = Names::new(&documents);
    let edges = resolve_links(&documents, &names, &mut findings);
    let related = resolve_related(&documents, &names, &mut findings);
    let graph = assemble(&documents, &ids, &edges, &related);
    check::documents(&documents, &edges, &related, &mut findings);
    order(&mut findings);
    Parsed { graph, findings }
}

/// Errors first, then by path and line.
pub fn order(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (a.severity, &a.path, a.line, &a.code, &a.message)
            .cmp(&(b.severity, &b.path, b.line, &b.code, &b.message))
    });
}

fn read_all(mut files: Vec<SourceFile>, findings: &mut Vec<Finding>) -> Vec<Document> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut seen = BTreeSet::new();
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let shown: String = file.path.chars().filter(|c| !c.is_control()).take(200).collect();
        match kind::judge_path(&file.path) {
            PathVerdict::Ignored => {}
            PathVerdict::NotMarkdown => findings.push(finding(
                Severity::Hint,
                "not_markdown",
                &shown,
                0,
                "not a Markdown file, so it was skipped",
                "Remove it, or rename it to .md.",
            )),
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
            PathVerdict::Read(path) if !seen.insert(path.to_lowercase()) => {
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

/// Removes agents (or channels) with a repeated id; the first by path stays.
fn leave_out_repeated_ids(documents: &mut Vec<Document>, findings: &mut Vec<Finding>) {
    let mut first: HashMap<String, String> = HashMap::new();
    documents.retain(|document| {
        let (what, id) = match (&document.agent_id, &document.channel_id) {
            (Some(id), _) => ("agent", id),
            (None, Some(id)) => ("channel", id),
            (None, None) => return true,
        };
        let key = format!("{what} {}", id.to_lowercase());
        let Some(owner) = first.get(&key) else {
            first.insert(key, document.path.clone());
            return true;
        };
        let message = format!("the {what} id `{id}` is taken by {owner}");
        let code = if what == "agent" { DUPLICATE_AGENT } else { "duplicate_channel" };
        let line = document.front.line(if what == "agent" { "agentId" } else { "channelId" });
        findings.push(finding(
            Severity::Error,
            code,
            &document.path,
            line,
            message,
            format!("Give one of the two files another {what}Id."),
        ));
        false
    });
}

/// The shortest unique names of the files: the stem, with folders in front if stems collide.
fn skill_ids(documents: &[Document]) -> Vec<String> {
    let parts: Vec<Vec<&str>> =
        documents.iter().map(|document| kind::id_parts(&document.path)).collect();
    let tail = |parts: &[&str], length: usize| {
        parts.get(parts.len().saturating_sub(length)..).unwrap_or_default().join("/")
    };
    let mut lengths = vec![1_usize; documents.len()];
    let deepest = parts.iter().map(Vec::len).max().unwrap_or(1);
    for _ in 0..deepest {
        let mut count: HashMap<String, usize> = HashMap::new();
        for (parts, length) in parts.iter().zip(&lengths) {
            *count.entry(tail(parts, *length).to_lowercase()).or_default() += 1;
        }
        for (parts, length) in parts.iter().zip(&mut lengths) {
            if count.get(&tail(parts, *length).to_lowercase()).is_some_and(|count| *count > 1) {
                *length += 1;
            }
        }
    }
    let mut taken = BTreeSet::new();
    let named = documents.iter().zip(parts.iter().zip(&lengths));
    named
        .map(|(document, (parts, length))| {
            let id = tail(parts, *length);
            // Only `a/SKILL.md` beside `a.md` gets here; the whole path is always unique.
            if taken.insert(id.to_lowercase()) { id } else { document.path.clone() }
        })
        .collect()
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
            Some(finding(Severity::Warning, "broken_link", &document.path, link.line, message, fix))
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
        let mut found = Vec::new();
        for name in document.front.list("relatedAgents") {
            match names.agent(documents, from, &name) {
                Some(at) if at != from && !found.contains(&at) => found.push(at),
                Some(_) => {}
                None => {
                    let line = document.front.line_of("relatedAgents", &name);
                    let message = format!("relatedAgents names `{name}`, but no agent has that id");
                    findings.push(finding(
                        Severity::Warning,
                        "unknown_agent",
                        &document.path,
                        line,
                        message,
                        "Correct the id, or add the agent's file.",
                    ));
                }
            }
        }
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
