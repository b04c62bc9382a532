//! Findings about names shared by two files, which are ambiguous for links and people.

use crate::finding::{HINTS_MAX, finding, first_of, listed};
use crate::parse::document::Document;
use contracts::graph::{Finding, Severity, SkillKind};
use std::collections::HashMap;

pub(super) fn check(documents: &[Document], findings: &mut Vec<Finding>) {
    titles(documents, findings);
    aliases(documents, findings);
}

fn titles(documents: &[Document], findings: &mut Vec<Finding>) {
    let fix = "Give the two files different titles.";
    let mut first: HashMap<String, &Document> = HashMap::new();
    let mut notes = Vec::new();
    for document in documents {
        let Some(other) = first.get(&document.title.to_lowercase()) else {
            first.insert(document.title.to_lowercase(), document);
            continue;
        };
        let line = if document.front.has("title") { document.front.line("title") } else { 0 };
        let message = format!("the title `{}` is also that of {}", document.title, other.path);
        let same =
            |severity| finding(severity, "duplicate_title", &document.path, line, message, fix);
        let both_agents = document.kind == SkillKind::Agent && other.kind == SkillKind::Agent;
        if both_agents {
            // Agents of one name in several collections differ by their ids.
            let named = document.front.has("title");
            findings.push(same(if named { Severity::Warning } else { Severity::Hint }));
        } else {
            notes.push(same(Severity::Hint));
        }
    }
    if notes.len() > HINTS_MAX {
        let paths: Vec<&str> = notes.iter().map(|note| note.path.as_str()).collect();
        let message = format!(
            "{} files have a title that another has too: {}",
            notes.len(),
            listed(&paths, HINTS_MAX)
        );
        notes = vec![finding(Severity::Hint, "duplicate_title", "", 0, message, fix)];
    }
    findings.extend(notes);
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
        let other = |alias: &String| {
            let mut others = owners.get(&alias.to_lowercase()).into_iter().flatten();
            documents.get(*others.find(|owner| **owner != at)?)
        };
        let shared: Vec<_> =
            document.aliases.iter().filter_map(|alias| Some((alias, other(alias)?))).collect();
        first_of(&shared, findings, |(alias, other)| {
            finding(
                Severity::Warning,
                "duplicate_alias",
                &document.path,
                document.front.line_of("aliases", alias),
                format!("the alias `{alias}` also names {}", other.path),
                "Remove the alias from one of the two.",
            )
        });
    }
}
