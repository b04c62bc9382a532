//! Findings about names shared by two files, which are ambiguous for links and people.

use crate::finding::finding;
use crate::parse::document::Document;
use contracts::graph::{Finding, Severity, SkillKind};
use std::collections::HashMap;

pub(super) fn check(documents: &[Document], findings: &mut Vec<Finding>) {
    titles(documents, findings);
    aliases(documents, findings);
}

fn titles(documents: &[Document], findings: &mut Vec<Finding>) {
    let mut first: HashMap<String, &Document> = HashMap::new();
    for document in documents {
        let Some(other) = first.get(&document.title.to_lowercase()) else {
            first.insert(document.title.to_lowercase(), document);
            continue;
        };
        let both_agents = document.kind == SkillKind::Agent && other.kind == SkillKind::Agent;
        let severity = if both_agents { Severity::Warning } else { Severity::Hint };
        let line = if document.front.has("title") { document.front.line("title") } else { 0 };
        let message = format!("the title `{}` is also that of {}", document.title, other.path);
        findings.push(finding(
            severity,
            "duplicate_title",
            &document.path,
            line,
            message,
            "Give the two files different titles.",
        ));
    }
}

/// An alias that is also an alias, title or id of another file.
fn aliases(documents: &[Document], findings: &mut Vec<Finding>) {
    let mut owners: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, document) in documents.iter().enumerate() {
        let ids = [Some(&document.title), document.agent_id.as_ref(), document.channel_id.as_ref()];
        for name in ids.into_iter().flatten().chain(&document.aliases) {
            owners.entry(name.to_lowercase()).or_default().push(at);
        }
    }
    for (at, document) in documents.iter().enumerate() {
        for alias in &document.aliases {
            let shared =
                owners.get(&alias.to_lowercase()).into_iter().flatten().find(|owner| **owner != at);
            let Some(other) = shared.and_then(|owner| documents.get(*owner)) else { continue };
            let line = document.front.line_of("aliases", alias);
            let message = format!("the alias `{alias}` also names {}", other.path);
            findings.push(finding(
                Severity::Warning,
                "duplicate_alias",
                &document.path,
                line,
                message,
                "Remove the alias from one of the two.",
            ));
        }
    }
}
