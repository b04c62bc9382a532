//! Findings about a folder: the problem, its position, and the fix. An `error` leaves the file out;
//! the rest is advice.

mod agents;
mod names;

use crate::finding::{HINTS_MAX, finding, first_of, listed};
use crate::parse::document::Document;
use contracts::graph::{Finding, Severity, SkillKind};
use std::collections::BTreeSet;

/// Findings that need all files at once. `edges` are links, `related` the agents that each file
/// names.
pub fn documents(
    documents: &[Document],
    edges: &BTreeSet<(usize, usize)>,
    related: &[Vec<usize>],
    findings: &mut Vec<Finding>,
) {
    for document in documents {
        unknown_complexity(document, findings);
        placeholder(document, findings);
    }
    skills_beside_agents(documents, findings);
    agents::check(documents, findings);
    names::check(documents, findings);
    orphans(documents, edges, related, findings);
}

fn unknown_complexity(document: &Document, findings: &mut Vec<Finding>) {
    if document.kind != SkillKind::Agent {
        return;
    }
    let mut unknown = document.front.list("complexity");
    unknown.retain(|value| {
        let known = ["simple", "moderate", "complex", "any", "all"];
        !known.contains(&value.to_lowercase().as_str())
    });
    first_of(&unknown, findings, |value| {
        finding(
            Severity::Warning,
            "unknown_complexity",
            &document.path,
            document.front.line_of("complexity", value),
            format!("complexity `{value}` is unknown"),
            "Use simple, moderate or complex.",
        )
    });
}

fn placeholder(document: &Document, findings: &mut Vec<Finding>) {
    if document.is_skill_file() && document.is_placeholder() {
        findings.push(finding(
            Severity::Hint,
            "placeholder",
            &document.path,
            document.front.line("description"),
            "the description is a placeholder, so the skill is no agent",
            "Write what the skill is for; or leave it, if it is a template.",
        ));
    }
}

/// In a folder of skills alone each is an agent; beside agents they are knowledge, which the author
/// may not expect.
fn skills_beside_agents(documents: &[Document], findings: &mut Vec<Finding>) {
    let is_skill = |document: &&Document| {
        document.is_skill_file() && document.kind == SkillKind::Skill && !document.is_placeholder()
    };
    let skills: Vec<&Document> = documents.iter().filter(is_skill).collect();
    let fix = "Add `agentId: NAME` to its front matter to make it an agent, or read all of them as \
        agents with --skills-as-agents; otherwise leave it.";
    gather(
        &skills,
        &Summary {
            code: "skill_is_knowledge",
            one: "beside agents a SKILL.md is knowledge: no message is routed to it",
            many: "SKILL.md files are knowledge beside agents: no message is routed to them",
            fix,
        },
        findings,
    );
}

/// Many files whose front matter was repaired become one hint: that is how a collection is written.
pub fn gather_repairs(findings: &mut Vec<Finding>) {
    const CODE: &str = "repaired_front_matter";
    let mut paths: Vec<String> = findings
        .iter()
        .filter(|finding| finding.code == CODE)
        .map(|finding| finding.path.clone())
        .collect();
    paths.dedup();
    if paths.len() <= HINTS_MAX {
        return;
    }
    findings.retain(|finding| finding.code != CODE);
    let message = format!(
        "{} files have front matter that is not valid YAML; it was read as plain text: {}",
        paths.len(),
        listed(&paths, HINTS_MAX)
    );
    let fix = "Nothing is lost. To write valid YAML, quote texts with a colon.";
    findings.push(finding(Severity::Hint, CODE, "", 0, message, fix));
}

/// The texts of a hint about one file, or about many.
struct Summary<'a> {
    code: &'a str,
    one: &'a str,
    /// Follows the number of files.
    many: &'a str,
    fix: &'a str,
}

fn gather(about: &[&Document], summary: &Summary<'_>, findings: &mut Vec<Finding>) {
    let mut add = |path: &str, message: &str| {
        findings.push(finding(Severity::Hint, summary.code, path, 0, message, summary.fix));
    };
    if about.len() <= HINTS_MAX {
        about.iter().for_each(|document| add(&document.path, summary.one));
        return;
    }
    let paths: Vec<&str> = about.iter().map(|document| document.path.as_str()).collect();
    add("", &format!("{} {}: {}", about.len(), summary.many, listed(&paths, HINTS_MAX)));
}

/// Files without links in either direction.
fn orphans(
    documents: &[Document],
    edges: &BTreeSet<(usize, usize)>,
    related: &[Vec<usize>],
    findings: &mut Vec<Finding>,
) {
    let mut linked = BTreeSet::new();
    linked.extend(edges.iter().flat_map(|(from, to)| [*from, *to]));
    for (from, agents) in related.iter().enumerate().filter(|(_, agents)| !agents.is_empty()) {
        linked.insert(from);
        linked.extend(agents);
    }
    // Agents are found by their messages and skills by their names; only notes need links.
    let is_note =
        |document: &Document| document.kind != SkillKind::Agent && !document.is_skill_file();
    let alone: Vec<&Document> = documents
        .iter()
        .enumerate()
        .filter(|(at, document)| !linked.contains(at) && is_note(document) && documents.len() > 1)
        .map(|(_, document)| document)
        .collect();
    gather(
        &alone,
        &Summary {
            code: "orphan",
            one: "no file links to it and it has no links",
            many: "files have no links and no file links to them",
            fix: "Link to it where readers need it.",
        },
        findings,
    );
}
