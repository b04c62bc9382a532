//! Findings about a folder: the problem, its position, and the fix. An `error` leaves the file out;
//! the rest is advice.

mod agents;
mod names;

use crate::finding::finding;
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
        skill_beside_agents(document, findings);
    }
    agents::check(documents, findings);
    names::check(documents, findings);
    orphans(documents, edges, related, findings);
}

fn unknown_complexity(document: &Document, findings: &mut Vec<Finding>) {
    if document.kind != SkillKind::Agent {
        return;
    }
    for value in document.front.list("complexity") {
        if !matches!(
            value.to_lowercase().as_str(),
            "simple" | "moderate" | "complex" | "any" | "all"
        ) {
            let line = document.front.line_of("complexity", &value);
            let message = format!("complexity `{value}` is unknown");
            findings.push(finding(
                Severity::Warning,
                "unknown_complexity",
                &document.path,
                line,
                message,
                "Use simple, moderate or complex.",
            ));
        }
    }
}

/// In a folder of skills alone each is an agent; beside agents they are knowledge, which the author
/// may not expect.
fn skill_beside_agents(document: &Document, findings: &mut Vec<Finding>) {
    if document.is_skill_file() && document.kind == SkillKind::Skill {
        let message = "beside agents a SKILL.md is knowledge: no message is routed to it";
        let fix =
            "Add `agentId: NAME` to its front matter to make it an agent; otherwise leave it.";
        findings.push(finding(
            Severity::Hint,
            "skill_is_knowledge",
            &document.path,
            0,
            message,
            fix,
        ));
    }
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
    for (at, document) in documents.iter().enumerate() {
        if !linked.contains(&at) && documents.len() > 1 {
            findings.push(finding(
                Severity::Hint,
                "orphan",
                &document.path,
                0,
                "no file links to it and it has no links",
                "Link to it where readers need it.",
            ));
        }
    }
}
