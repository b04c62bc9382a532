//! Findings about agents: too few examples, two agents with the same message, useless keywords.

use crate::finding::{FINDINGS_A_FILE_MAX, finding};
use crate::parse::document::Document;
use contracts::graph::{Finding, Severity, SkillKind};
use std::collections::{HashMap, HashSet};

/// Below this the router rarely finds the agent (two out of three messages at 20).
const EXAMPLES_FEW: usize = 20;
/// Below this more examples help (about 82 % at 50).
const EXAMPLES_SOME: usize = 60;
/// Minimum shared keywords of two agents that share half of the shorter list.
const SHARED_KEYWORDS_MIN: usize = 3;

pub(super) fn check(documents: &[Document], findings: &mut Vec<Finding>) {
    let agents: Vec<&Document> =
        documents.iter().filter(|document| document.kind == SkillKind::Agent).collect();
    for agent in &agents {
        missing_description(agent, findings);
        few_examples(agent, findings);
        unused_keywords(agent, findings);
    }
    shared_examples(&agents, findings);
    overlaps(&agents, findings);
    several_fallbacks(&agents, findings);
}

fn missing_description(agent: &Document, findings: &mut Vec<Finding>) {
    if agent.front.text("description").is_none() {
        let fix = "Add `description:` with one sentence about the agent's purpose.";
        findings.push(finding(
            Severity::Warning,
            "missing_description",
            &agent.path,
            1,
            "the agent has no description",
            fix,
        ));
    }
}

fn few_examples(agent: &Document, findings: &mut Vec<Finding>) {
    let count = agent.claims.examples.len();
    let (severity, code) = match count {
        0..EXAMPLES_FEW => (Severity::Warning, "few_examples"),
        EXAMPLES_FEW..EXAMPLES_SOME => (Severity::Hint, "more_examples"),
        _ => return,
    };
    let message = format!("the agent has {count} example{}", if count == 1 { "" } else { "s" });
    let fix = "Add messages as people write them below a heading `## Examples`; aim for 60, or 150 \
        for a broad agent.";
    findings.push(finding(severity, code, &agent.path, 0, message, fix));
}

/// Words roughly as the router sees them: lower case, letters and digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Keywords that occur nowhere else in the agent's texts.
fn unused_keywords(agent: &Document, findings: &mut Vec<Finding>) {
    let texts = agent
        .claims
        .examples
        .iter()
        .map(|(text, _)| text.as_str())
        .chain(agent.claims.bullets.iter().map(String::as_str));
    let said: HashSet<String> =
        texts.chain([agent.description.as_str(), agent.title.as_str()]).flat_map(words).collect();
    if agent.claims.examples.is_empty() {
        return;
    }
    // Inflected forms count too: `deployed` for `deploy`, `audit` for `audits`.
    let root = |word: &str| {
        word.chars().take(word.chars().count().saturating_sub(2).max(4)).collect::<String>()
    };
    let is_said = |word: &str| {
        said.contains(word)
            || said.iter().any(|other| word.chars().count() > 3 && other.starts_with(&root(word)))
    };
    let unused: Vec<&String> = agent
        .keywords
        .iter()
        .filter(|keyword| !words(keyword).any(|word| is_said(&word)))
        .collect();
    if let Some(first) = unused.first() {
        let names: Vec<&str> = unused.iter().map(|keyword| keyword.as_str()).collect();
        let message = format!("no example uses {}", names.join(", "));
        let line = agent.front.line_of("keywords", first);
        findings.push(finding(
            Severity::Hint,
            "unused_keyword",
            &agent.path,
            line,
            message,
            "Add an example that uses it, or remove the keyword.",
        ));
    }
}

fn normal(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// One message claimed by two agents teaches the router nothing.
fn shared_examples(agents: &[&Document], findings: &mut Vec<Finding>) {
    let mut owner: HashMap<String, (&str, u32)> = HashMap::new();
    for agent in agents {
        let mut told = 0;
        for (text, line) in &agent.claims.examples {
            match owner.get(&normal(text)) {
                Some((path, other_line)) if *path != agent.path => {
                    told += 1;
                    if told > FINDINGS_A_FILE_MAX {
                        break;
                    }
                    let message =
                        format!("`{text}` is also an example in {path}, line {other_line}");
                    findings.push(finding(
                        Severity::Warning,
                        "shared_example",
                        &agent.path,
                        *line,
                        message,
                        "Keep it with the agent that should get the message.",
                    ));
                }
                Some(_) => {}
                None => drop(owner.insert(normal(text), (&agent.path, *line))),
            }
        }
    }
}

/// Agents that share most of their keywords.
fn overlaps(agents: &[&Document], findings: &mut Vec<Finding>) {
    let keywords: Vec<HashSet<String>> = agents
        .iter()
        .map(|agent| agent.keywords.iter().map(|word| word.to_lowercase()).collect())
        .collect();
    for (at, (agent, own)) in agents.iter().zip(&keywords).enumerate() {
        for (other, theirs) in agents.iter().zip(&keywords).take(at) {
            let shared = own.intersection(theirs).count();
            if shared >= SHARED_KEYWORDS_MIN && shared * 2 >= own.len().min(theirs.len()) {
                let message = format!("shares {shared} keywords with {}", other.path);
                let line = agent.front.line("keywords");
                findings.push(finding(
                    Severity::Hint,
                    "overlapping_agents",
                    &agent.path,
                    line,
                    message,
                    "Separate them with keywords and `NOT for …`, or merge the two.",
                ));
            }
        }
    }
}

fn several_fallbacks(agents: &[&Document], findings: &mut Vec<Finding>) {
    for agent in agents.iter().filter(|agent| agent.front.flag("fallback")).skip(1) {
        let line = agent.front.line("fallback");
        findings.push(finding(
            Severity::Warning,
            "several_fallbacks",
            &agent.path,
            line,
            "another agent is already the fallback",
            "Keep `fallback: true` on one agent only.",
        ));
    }
}
