//! Findings about agents: too few examples, two agents with the same message, useless keywords.

use crate::finding::{HINTS_MAX, finding, listed};
use crate::parse::document::Document;
use contracts::graph::{Finding, Severity, SkillKind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Below this the router rarely finds the agent (two out of three messages at 20).
const EXAMPLES_FEW: usize = 20;
/// Below this more examples help (about 82 % at 50).
const EXAMPLES_SOME: usize = 60;
const FEW: &str = "few_examples";
const MORE: &str = "more_examples";
const OVERLAP: &str = "overlapping_agents";
/// Shared examples of two agents from which they are copies of each other rather than neighbours.
const SHARED_MIN: usize = 5;
/// Minimum shared keywords of two agents that share half of the shorter list.
const SHARED_KEYWORDS_MIN: usize = 3;
/// Maximum agents that one keyword is compared with: the work grows with their number.
const SHARERS_MAX: usize = 100;

pub(super) fn check(documents: &[Document], findings: &mut Vec<Finding>) {
    let agents: Vec<&Document> =
        documents.iter().filter(|document| document.kind == SkillKind::Agent).collect();
    for agent in &agents {
        missing_description(agent, findings);
        unused_keywords(agent, findings);
    }
    few_examples(&agents, findings);
    shared_examples(&agents, findings);
    overlaps(&agents, findings);
    several_fallbacks(&agents, findings);
}

fn missing_description(agent: &Document, findings: &mut Vec<Finding>) {
    if !is_described(agent) {
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

/// Whether it has a description, as a key or below a heading of that name.
fn is_described(agent: &Document) -> bool {
    let by_heading = |text: &str| text.eq_ignore_ascii_case("description");
    agent.front.text("description").is_some()
        || agent.outline.headings.iter().any(|heading| by_heading(&heading.text))
}

/// Agents with few examples. One with a description is found by it, so that is only a hint.
fn few_examples(agents: &[&Document], findings: &mut Vec<Finding>) {
    let fix = "Add messages as people write them below a heading `## Examples`; aim for 60, or 150 \
        for a broad agent.";
    let (mut few, mut some) = (Vec::new(), Vec::new());
    for agent in agents {
        let count = agent.claims.examples.len();
        let message = format!("the agent has {count} example{}", if count == 1 { "" } else { "s" });
        let found = |severity, code| finding(severity, code, &agent.path, 0, message, fix);
        match count {
            0..EXAMPLES_FEW if is_described(agent) => few.push(found(Severity::Hint, FEW)),
            0..EXAMPLES_FEW => findings.push(found(Severity::Warning, FEW)),
            EXAMPLES_FEW..EXAMPLES_SOME => some.push(found(Severity::Hint, MORE)),
            _ => {}
        }
    }
    for (hints, code, least) in [(few, FEW, EXAMPLES_FEW), (some, MORE, EXAMPLES_SOME)] {
        if hints.len() <= HINTS_MAX {
            findings.extend(hints);
            continue;
        }
        let paths: Vec<&str> = hints.iter().map(|hint| hint.path.as_str()).collect();
        let message = format!(
            "{} agents have fewer than {least} examples: {}",
            hints.len(),
            listed(&paths, HINTS_MAX)
        );
        findings.push(finding(Severity::Hint, code, "", 0, message, fix));
    }
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
    let said: BTreeSet<String> =
        texts.chain([agent.description.as_str(), agent.title.as_str()]).flat_map(words).collect();
    if agent.claims.examples.is_empty() {
        return;
    }
    // Inflected forms count too: `deployed` for `deploy`, `audit` for `audits`.
    let is_said = |word: &str| {
        let chars = word.chars().count();
        let root: String = word.chars().take(chars.saturating_sub(2).max(4)).collect();
        said.contains(word)
            || chars > 3 && said.range(root.clone()..).next().is_some_and(|w| w.starts_with(&root))
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
    let mut twins: Vec<(&str, String)> = Vec::new();
    for agent in agents {
        let mut shared: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
        for (text, line) in &agent.claims.examples {
            match owner.get(&normal(text)) {
                Some((path, other_line)) if *path != agent.path => {
                    let message =
                        format!("`{text}` is also an example in {path}, line {other_line}");
                    shared.entry(path).or_default().push(finding(
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
        for (path, found) in shared {
            if found.len() < SHARED_MIN {
                findings.extend(found);
            } else {
                let (count, all) = (found.len(), agent.claims.examples.len());
                let message = format!("{count} of its {all} examples are also in {path}");
                twins.push((&agent.path, message));
            }
        }
    }
    let mut add = |path: &str, message: String| {
        let fix = "Keep one of the two, or give each examples of its own: the router cannot \
            distinguish them.";
        findings.push(finding(Severity::Warning, "same_examples", path, 0, message, fix));
    };
    if twins.len() > HINTS_MAX {
        let paths: Vec<&str> = twins.iter().map(|(path, _)| *path).collect();
        let (count, shown) = (twins.len(), listed(&paths, HINTS_MAX));
        add("", format!("{count} agents have the examples of another: {shown}"));
    } else {
        twins.into_iter().for_each(|(path, message)| add(path, message));
    }
}

/// Agents that share most of their keywords with an earlier one.
fn overlaps(agents: &[&Document], findings: &mut Vec<Finding>) {
    let fix = "Separate them with keywords and `NOT for …`, or merge the two.";
    // For each keyword the first agents that have it.
    let mut sharers: HashMap<String, Vec<usize>> = HashMap::new();
    let mut counts: Vec<usize> = Vec::new();
    let (mut told, mut more) = (0, 0);
    for (at, agent) in agents.iter().enumerate() {
        let own: HashSet<String> = agent.keywords.iter().map(|word| word.to_lowercase()).collect();
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        counts.push(own.len());
        for word in own {
            let sharers = sharers.entry(word).or_default();
            sharers.iter().for_each(|other| *shared.entry(*other).or_default() += 1);
            if sharers.len() < SHARERS_MAX {
                sharers.push(at);
            }
        }
        let theirs = |other: usize| counts.get(other).copied().unwrap_or(0);
        let found = shared.into_iter().find_map(|(other, shared)| {
            let is_close = shared * 2 >= theirs(at).min(theirs(other));
            Some((agents.get(other)?, shared)).filter(|_| shared >= SHARED_KEYWORDS_MIN && is_close)
        });
        let Some((other, shared)) = found else { continue };
        if told == HINTS_MAX {
            more += 1;
            continue;
        }
        told += 1;
        let message = format!("shares {shared} keywords with {}", other.path);
        let line = agent.front.line("keywords");
        findings.push(finding(Severity::Hint, OVERLAP, &agent.path, line, message, fix));
    }
    if more > 0 {
        let message = format!("{more} more agents share most of their keywords with another");
        findings.push(finding(Severity::Hint, OVERLAP, "", 0, message, fix));
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

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::SourceFile;

    #[test]
    fn keyword_counts_as_used_in_an_inflected_form() {
        let text = "---\nname: x\ndescription: Runs.\nkeywords: [audits, deploying, ship, rust]\n\
            ---\n## Examples\n- audit the server\n- it was deployed\n- a shipment left\n";
        let path = "agents/x.md".to_owned();
        let agent = Document::read(&SourceFile { path, text: text.to_owned() }).0.unwrap();
        let mut findings = Vec::new();
        unused_keywords(&agent, &mut findings);
        let told: Vec<&str> = findings.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(told, ["no example uses deploying, rust"]);
    }
}
