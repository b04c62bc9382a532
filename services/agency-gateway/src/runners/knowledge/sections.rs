//! Splits files at their headings and ranks the sections by the words they share with a message.

use contracts::AgentId;
use contracts::graph::{SearchHit, Skill};
use std::collections::{BTreeMap, BTreeSet};

/// A passage under one heading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// The file's id.
    pub file: String,
    /// The heading; for the text above the first heading, the file's title.
    pub heading: String,
    pub text: String,
}

/// A section with its score.
pub(super) struct Scored {
    pub section: Section,
    pub score: f64,
}

/// Headings of sections without content for an answer: lists of examples, links elsewhere.
const PASSED_OVER: &[&str] =
    &["example", "examples", "see also", "boundaries", "further reading", "links"];
/// Weight of a word in the heading, relative to the text.
const HEADING_WEIGHT: f64 = 2.5;
/// Weight of a word in the file's title and keywords, which describe all of it.
const FILE_WEIGHT: f64 = 0.8;
/// Bonus for the passage that the search engine found.
const HIT_BONUS: f64 = 1.2;

/// Factor for a file that names other agents but not this one.
const OTHERS_WEIGHT: f64 = 0.5;

/// Stop words.
const STOP: &str = " a about after all am an and any are as at be been but by can could did do \
    does doing for from get got had has have he \
    her here hey hi him his how i if in into is it its just know let like make may me my need no not now of off on one or our out please pls \
    she should so some tell than that the their them then there these they thing this those to too up us use very want was way we were what \
    when where which who why will with would you your ";

/// The meaningful words of a text, in lower case, without plural endings.
pub(super) fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let parts = lower
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.chars().count() >= 2);
    parts.filter(|word| !STOP.contains(&format!(" {word} "))).map(stem).collect()
}

fn stem(word: &str) -> String {
    let long = word.len() > 4 && word.is_ascii();
    for ending in ["ing", "ies", "ed", "es", "s"] {
        if let Some(root) = word
            .strip_suffix(ending)
            .filter(|root| long && root.len() >= 3 && !word.ends_with("ss"))
        {
            return root.trim_end_matches(['e', 'i']).to_owned();
        }
    }
    word.trim_end_matches('e').to_owned()
}

/// The sections of a file, in order; a heading of examples includes all sections below it.
pub(super) fn cut(file: &Skill) -> Vec<Section> {
    let mut sections = Vec::new();
    let (mut heading, mut text, mut fenced) = (file.title.clone(), String::new(), false);
    let mut hidden: Option<usize> = None;
    for line in file.body.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let Some((level, title)) = heading_of(line).filter(|_| !fenced) else {
            if hidden.is_none() {
                text.push_str(line);
                text.push('\n');
            }
            continue;
        };
        push(&mut sections, file, &heading, &text);
        text.clear();
        title.clone_into(&mut heading);
        if hidden.is_none_or(|above| level <= above) {
            hidden = PASSED_OVER.contains(&title.to_lowercase().as_str()).then_some(level);
        }
    }
    push(&mut sections, file, &heading, &text);
    sections
}

fn heading_of(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    ((1..=6).contains(&level) && !title.is_empty()).then_some((level, title))
}

fn push(sections: &mut Vec<Section>, file: &Skill, heading: &str, text: &str) {
    if !text.trim().is_empty() {
        sections.push(Section {
            file: file.id.clone(),
            heading: heading.to_owned(),
            text: text.trim().to_owned(),
        });
    }
}

/// The sections that share words with the message, best first. Expects files best first.
pub(super) fn rank(
    message: &str,
    agent: &AgentId,
    files: &[Skill],
    hits: &[SearchHit],
) -> Vec<Scored> {
    let asked: BTreeSet<String> = words(message).into_iter().collect();
    let sections: Vec<(usize, Section)> = files
        .iter()
        .enumerate()
        .flat_map(|(at, file)| cut(file).into_iter().map(move |section| (at, section)))
        .collect();
    let bags: Vec<BTreeSet<String>> = sections
        .iter()
        .map(|(_, s)| words(&format!("{} {}", s.heading, s.text)).into_iter().collect())
        .collect();
    let rarity: BTreeMap<&String, f64> =
        asked.iter().map(|word| (word, rarity(word, &bags))).collect();
    let mut scored: Vec<Scored> = Vec::new();
    for ((at, section), bag) in sections.into_iter().zip(&bags) {
        let Some(file) = files.get(at) else { continue };
        let heading: BTreeSet<String> = words(&section.heading).into_iter().collect();
        let about: BTreeSet<String> = words(&format!(
            "{} {} {}",
            file.title,
            file.keywords.join(" "),
            file.aliases.join(" ")
        ))
        .into_iter()
        .collect();
        let sum = |set: &BTreeSet<String>| {
            asked.intersection(set).filter_map(|word| rarity.get(word)).sum::<f64>()
        };
        let own = sum(bag) + HEADING_WEIGHT * sum(&heading);
        let hit = hits.iter().any(|hit| {
            hit.id == section.file && hit.heading.as_deref() == Some(section.heading.as_str())
        });
        if own > 0.0 {
            // Later files are slightly less relevant.
            let later = 0.93_f64.powi(i32::try_from(at).unwrap_or(i32::MAX));
            let score = (own + FILE_WEIGHT * sum(&about) + if hit { HIT_BONUS } else { 0.0 })
                * later
                * kinship(file, agent);
            scored.push(Scored { section, score });
        }
    }
    // A stable sort: equal scores keep the order of the files.
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    scored
}

/// Prefers files written for the answering agent over those for others.
fn kinship(file: &Skill, agent: &AgentId) -> f64 {
    if file.related_agents.is_empty() || file.related_agents.contains(agent) {
        1.0
    } else {
        OTHERS_WEIGHT
    }
}

/// Near 1 for a rare word, small for one that all sections have.
fn rarity(word: &String, bags: &[BTreeSet<String>]) -> f64 {
    let having = bags.iter().filter(|bag| bag.contains(word)).count();
    (1.0 + (bags.len() as f64 + 1.0) / (having as f64 + 1.0)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::SkillKind;

    fn guide(id: &str, body: &str) -> Skill {
        Skill {
            id: id.to_owned(),
            path: format!("guides/{id}.md"),
            kind: SkillKind::Guide,
            title: "Title".to_owned(),
            description: String::new(),
            keywords: vec![],
            aliases: vec![],
            tags: vec![],
            headings: vec![],
            related_agents: vec![],
            body: body.to_owned(),
            extra: BTreeMap::new(),
        }
    }

    #[test]
    fn sections_leave_out_examples_and_pointers_with_their_subsections() {
        let file = guide(
            "g",
            "Intro.\n\n## One\ntext\n```\n# no heading\n```\n## Examples\n- a\n### More\n- b\n## See also\n- x\n## Two\nend",
        );
        let headings: Vec<_> = cut(&file).into_iter().map(|s| s.heading).collect();
        assert_eq!(headings, ["Title", "One", "Two"]);
    }

    #[test]
    fn sections_rank_a_rare_heading_word_first() {
        let files = [guide(
            "g",
            "## Order\nread the login error\n## TypeError in a login flow\ncheck the login session\n## Rest\nnothing",
        )];
        let ranked = rank("fix the TypeErrors in login", &"codegen".into(), &files, &[]);
        assert_eq!(
            ranked.iter().map(|s| s.section.heading.as_str()).collect::<Vec<_>>(),
            ["TypeError in a login flow", "Order"]
        );
    }

    #[test]
    fn sections_match_words_despite_their_endings() {
        assert_eq!(
            words("approvals approval approved approve"),
            ["approval", "approval", "approv", "approv"]
        );
        assert_eq!(words("the is of"), Vec::<String>::new());
    }
}
