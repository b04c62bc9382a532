//! Finds the position of a new example in an agent's file: after its other examples, and only where
//! the loader reads it as an example.

use super::spelling::plain;
use contracts::graph::SourceFile;
use skill_graph_loader::parse::document::Document;
use skill_graph_loader::parse::examples::{Claims, announces_examples};
use skill_graph_loader::parse::front_matter;
use skill_graph_loader::parse::markdown::BlockKind;

/// Front matter keys that the loader reads examples from.
const KEYS: [&str; 3] = ["examples", "triggers", "utterances"];
/// Words in headings of sections with messages. "When to use" is not one: it often has prose.
const NAMES: [&str; 6] = ["example", "examples", "trigger", "triggers", "utterance", "utterances"];
/// Test item for a position: no agent has it, and it contains no markup.
const PROBE: &str = "xq one more example of this agent qx";

/// Syntax at the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Markdown,
    Yaml,
}

/// A position for one new item.
#[derive(Clone, Debug, PartialEq)]
pub struct InsertionPoint {
    /// Number of lines before it.
    at: usize,
    /// Text between these lines and the item; empty when it continues a list.
    above: String,
    /// Prefix of the item.
    bullet: String,
    /// Text between the item and the next line.
    below: &'static str,
    pub language: Language,
}

impl InsertionPoint {
    fn new(at: usize, bullet: &str, language: Language) -> Self {
        Self { at, above: String::new(), bullet: bullet.to_owned(), below: "", language }
    }

    /// The text with the item inserted. Nothing else changes.
    pub fn with(&self, text: &str, item: &str) -> String {
        let newline = newline_of(text);
        let mut lines = text.split_inclusive('\n');
        let mut out: String = lines.by_ref().take(self.at).collect();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push_str(newline);
        }
        out.push_str(&self.above);
        out.push_str(&self.bullet);
        out.push_str(item);
        out.push_str(newline);
        out.push_str(self.below);
        out.extend(lines);
        out
    }
}

/// Positions in a file, best first: an examples section, an examples list in the front matter, a
/// section that says when to use the agent. A file without any of these gets a section.
pub fn places(text: &str) -> Vec<InsertionPoint> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let newline = newline_of(text);
    let document = document(text);
    let sections = document.as_ref().map(sections).unwrap_or_default();
    let is_read = |place: &InsertionPoint| {
        document.as_ref().is_some_and(|document| {
            adds(&document.claims, claims(&place.with(text, PROBE)).as_ref(), PROBE)
        })
    };
    let section = |named: bool| {
        let fitting = sections.iter().filter(|section| section.named == named);
        fitting
            .flat_map(|section| &section.ends)
            .map(|(from, to)| behind(&lines, document.as_ref(), *from, *to, newline))
            .find(&is_read)
    };
    let list = end_of_list(text, &lines).filter(&is_read);
    let found: Vec<InsertionPoint> =
        section(true).into_iter().chain(list).chain(section(false)).collect();
    if found.is_empty() { vec![new_section(text, lines.len(), newline)] } else { found }
}

/// Whether the claims after are those before plus this one example.
pub fn adds(before: &Claims, after: Option<&Claims>, example: &str) -> bool {
    let Some(after) = after else { return false };
    let texts =
        |claims: &Claims| claims.examples.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    one_more(&texts(before), texts(after), example)
        && before.negatives == after.negatives
        && before.bullets == after.bullets
}

/// Whether a list has this example in addition to its unchanged earlier ones.
pub fn one_more(before: &[String], mut after: Vec<String>, example: &str) -> bool {
    let Some(at) = after.iter().position(|text| plain(text) == plain(example)) else {
        return false;
    };
    after.remove(at);
    after == before
}

/// The claims that the loader reads from an agent's file.
pub fn claims(text: &str) -> Option<Claims> {
    document(text).map(|document| document.claims)
}

fn document(text: &str) -> Option<Document> {
    // The name does not decide: an agent may also be a SKILL.md or a guide.
    let (document, _) =
        Document::read(&SourceFile { path: "agents/agent.md".to_owned(), text: text.to_owned() });
    let mut document = document?;
    document.become_agent();
    Some(document)
}

fn newline_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A section that announces examples.
struct Section {
    /// Whether its heading says that it has examples.
    named: bool,
    /// Line ranges below its headings, last one first: a heading in between may announce something
    /// else.
    ends: Vec<(usize, usize)>,
}

/// Sections in file order, with the title last because everything is below it.
fn sections(document: &Document) -> Vec<Section> {
    let headings = &document.outline.headings;
    let line = |at: usize| {
        headings
            .get(at)
            .map_or(usize::MAX, |heading| usize::try_from(heading.line).unwrap_or(usize::MAX))
    };
    let announcing =
        headings.iter().enumerate().filter(|(_, heading)| announces_examples(&heading.text));
    let (titles, others): (Vec<_>, Vec<_>) =
        announcing.partition(|(_, heading)| heading.level == 1);
    let section = |(at, heading): (usize, &skill_graph_loader::parse::markdown::Heading)| {
        let nested =
            headings.iter().skip(at + 1).take_while(|inner| inner.level > heading.level).count();
        let words = heading.text.to_lowercase();
        let named =
            words.split(|letter: char| !letter.is_alphanumeric()).any(|word| NAMES.contains(&word));
        Section {
            named,
            ends: (at..=at + nested)
                .rev()
                .map(|at| (line(at), line(at + 1).saturating_sub(1)))
                .collect(),
        }
    };
    others.into_iter().chain(titles).map(section).collect()
}

/// The position after these lines: continues the last list, or starts a new one.
fn behind(
    lines: &[&str],
    document: Option<&Document>,
    from: usize,
    to: usize,
    newline: &'static str,
) -> InsertionPoint {
    let to = to.min(lines.len());
    let within = lines.get(from..to).unwrap_or_default();
    let Some(last) = within.iter().rposition(|line| !line.trim().is_empty()) else {
        // Keep the empty line after a heading, if there is one.
        let at = from + usize::from(!within.is_empty());
        return InsertionPoint {
            below: gap(lines, at, newline),
            ..InsertionPoint::new(at, "- ", Language::Markdown)
        };
    };
    let at = from + last + 1;
    let items = document
        .iter()
        .flat_map(|document| &document.outline.blocks)
        .filter(|block| block.kind == BlockKind::Item);
    let items = items
        .filter_map(|block| usize::try_from(block.line).ok()?.checked_sub(1))
        .filter(|line| (from..at).contains(line));
    let items: Vec<usize> = items.collect();
    let goes_on = items.last().is_some_and(|item| {
        let rest = lines.get(item + 1..at).unwrap_or_default();
        let is_bullet = lines.get(*item).is_some_and(|line| bullet_of(line).is_some());
        let indented =
            rest.iter().all(|line| line.trim().is_empty() || line.starts_with([' ', '\t']));
        is_bullet && (indented || rest.iter().all(|line| line.starts_with(char::is_alphanumeric)))
    });
    if !goes_on {
        return InsertionPoint {
            above: newline.to_owned(),
            below: gap(lines, at, newline),
            ..InsertionPoint::new(at, "- ", Language::Markdown)
        };
    }
    // Of nested bullets the outer one.
    let bullets = items.iter().rev().filter_map(|line| bullet_of(lines.get(*line)?));
    InsertionPoint::new(
        at,
        bullets.min_by_key(|bullet| bullet.len()).unwrap_or("- "),
        Language::Markdown,
    )
}

/// An empty line, if the next line has text.
fn gap(lines: &[&str], at: usize, newline: &'static str) -> &'static str {
    if lines.get(at).is_some_and(|line| !line.trim().is_empty()) { newline } else { "" }
}

/// The position after the last item of the first examples list in the front matter. Inline lists
/// and lists with multi-line items are left alone.
fn end_of_list(text: &str, lines: &[&str]) -> Option<InsertionPoint> {
    let cut = front_matter::cut(text.trim_start_matches('\u{feff}'));
    let first = usize::try_from(cut.yaml_line).ok()?.checked_sub(1)?;
    let yaml = lines.get(first..first + cut.yaml?.lines().count())?;
    let key = yaml.iter().position(|line| {
        line.split_once(':')
            .is_some_and(|(key, rest)| KEYS.contains(&key) && rest.trim().is_empty())
    })?;
    let items = yaml.iter().skip(key + 1).map_while(|line| bullet_of(line));
    let bullet = items.clone().last()?;
    let end = key + 1 + items.count();
    let ends_there = yaml.get(end).is_none_or(|line| !line.starts_with([' ', '\t']));
    ends_there.then(|| InsertionPoint::new(first + end, bullet, Language::Yaml))
}

/// A new section at the end of the file.
fn new_section(text: &str, at: usize, newline: &str) -> InsertionPoint {
    let gap = if text.is_empty() || text.ends_with(&format!("{newline}{newline}")) {
        ""
    } else {
        newline
    };
    InsertionPoint {
        above: format!("{gap}## Examples{newline}{newline}"),
        ..InsertionPoint::new(at, "- ", Language::Markdown)
    }
}

/// The bullet prefix `- `, `* ` or `+ ` with its indentation.
fn bullet_of(line: &str) -> Option<&str> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let rest = line.get(indent..)?;
    (rest.starts_with("- ") || rest.starts_with("* ") || rest.starts_with("+ "))
        .then(|| line.get(..indent + 2))
        .flatten()
}
