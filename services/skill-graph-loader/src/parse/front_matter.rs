//! The YAML between two `---` lines at the top of a file, parsed leniently.

use crate::parse::yaml::{Document, scalar_text};
use crate::parse::yaml_lines;
use crate::parse::yaml_repair::{self, Trouble, key_of, plain};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Maximum bytes of front matter.
const YAML_BYTES_MAX: usize = 64 * 1024;
/// Items of a list that are searched in the lines without success, at most.
const MISSED_MAX: usize = 100;

/// A file split into front matter and body. Lines count from 1 in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut<'a> {
    pub yaml: Option<&'a str>,
    pub yaml_line: u32,
    pub body: &'a str,
    pub body_line: u32,
    /// Whether it opens with `---` and a key but never closes.
    pub unclosed: bool,
}

/// Splits a text with `\n` line ends and without byte order mark.
pub fn cut(text: &str) -> Cut<'_> {
    let whole = Cut { yaml: None, yaml_line: 1, body: text, body_line: 1, unclosed: false };
    let mut offset = 0;
    let mut line = 0_u32;
    let mut opened: Option<(usize, u32)> = None;
    for raw in text.split_inclusive('\n') {
        line += 1;
        let trimmed = raw.trim_end();
        let next = offset + raw.len();
        match opened {
            None if trimmed.is_empty() => {}
            None if trimmed == "---" => opened = Some((next, line + 1)),
            None => return whole,
            Some((start, yaml_line)) if trimmed == "---" || trimmed == "..." => {
                let yaml = text.get(start..offset);
                return Cut {
                    yaml,
                    yaml_line,
                    body: text.get(next..).unwrap_or_default(),
                    body_line: line + 1,
                    unclosed: false,
                };
            }
            Some(_) => {}
        }
        offset = next;
    }
    let opens_with_key = opened
        .and_then(|(start, _)| text.get(start..))
        .and_then(|rest| rest.lines().next())
        .is_some_and(|first| key_of(first).is_some());
    Cut { unclosed: opens_with_key, ..whole }
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: String,
    /// The normalised key, without case, dashes and underscores: `agent_id` equals `agentId`.
    plain: String,
    value: Value,
    line: u32,
}

/// The keys of a file, in written order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrontMatter {
    entries: Vec<Entry>,
    /// The lines as written, to find the line of a list item.
    lines: Vec<String>,
    first_line: u32,
}

/// Parses the YAML. `None` when the text between the dashes is prose, not keys.
pub fn read(yaml: &str, first_line: u32) -> (Option<FrontMatter>, Vec<Trouble>) {
    if yaml.len() > YAML_BYTES_MAX {
        let message =
            format!("the front matter has {} bytes; the maximum is {YAML_BYTES_MAX}", yaml.len());
        return (None, vec![Trouble { line: first_line, message, fatal: true }]);
    }
    // A byte order mark inside marks where two files were joined.
    let yaml = &*yaml.replace('\u{feff}', "");
    let (value, mut troubles) = match yaml_repair::parse(yaml, first_line) {
        (None, troubles) => yaml_lines::read(yaml, first_line)
            .map_or((None, troubles), |(document, troubles)| (Some(document), troubles)),
        read => read,
    };
    let lines: Vec<String> = yaml.lines().map(str::to_owned).collect();
    match value {
        None => (None, troubles),
        Some(Document::Other(Value::Null)) => {
            (Some(FrontMatter { entries: Vec::new(), lines, first_line }), troubles)
        }
        Some(Document::Keys(keys)) => {
            let mut line_of: HashMap<&str, u32> = HashMap::new();
            for (line, text) in (first_line..).zip(&lines) {
                if let Some(key) = key_of(text) {
                    line_of.entry(key).or_insert(line);
                }
            }
            let entries = keys
                .into_iter()
                .map(|(key, value)| {
                    let key = scalar_text(&key).unwrap_or_default();
                    let line = line_of.get(key.as_str()).copied().unwrap_or(first_line);
                    Entry { plain: plain(&key), key, value, line }
                })
                .filter(|entry| !entry.key.is_empty())
                .collect();
            (Some(FrontMatter { entries, lines, first_line }), troubles)
        }
        Some(Document::Other(Value::Array(_))) => {
            troubles.push(Trouble {
                line: first_line,
                message: "the front matter is a list, not keys with values".to_owned(),
                fatal: true,
            });
            (None, troubles)
        }
        Some(Document::Other(_)) => (None, Vec::new()),
    }
}

/// Every scalar in a nested value: for YAML an unquoted `[[T]]` is a list in a list.
fn flatten(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, into)),
        Value::Object(map) => map.values().for_each(|item| flatten(item, into)),
        scalar => into.extend(scalar_text(scalar)),
    }
}

impl FrontMatter {
    fn entry(&self, key: &str) -> Option<&Entry> {
        let wanted = plain(key);
        self.entries.iter().find(|entry| entry.plain == wanted)
    }
    /// Whether the key exists, with any value.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }
    /// One text: the first of a list, with line breaks as spaces.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = self.raw_text(key)?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }
    /// One text with its line breaks.
    pub fn raw_text(&self, key: &str) -> Option<String> {
        let mut found = Vec::new();
        flatten(&self.entry(key)?.value, &mut found);
        (!found.is_empty()).then(|| found.swap_remove(0))
    }
    /// A list of short texts. A single scalar is split at commas and line breaks.
    pub fn list(&self, key: &str) -> Vec<String> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let mut found = Vec::new();
        match scalar_text(&entry.value) {
            Some(text) => found.extend(
                text.split([',', '\n', ';'])
                    .map(|part| part.trim().trim_start_matches("- ").trim().to_owned()),
            ),
            None => flatten(&entry.value, &mut found),
        }
        unique(found)
    }
    /// A list of sentences with their lines. A single scalar is split at line breaks only.
    pub fn sentences(&self, key: &str) -> Vec<(String, u32)> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let mut found = Vec::new();
        match scalar_text(&entry.value) {
            Some(text) => found.extend(
                text.lines()
                    .map(|part| part.trim().trim_start_matches(['-', '*']).trim().to_owned()),
            ),
            None => flatten(&entry.value, &mut found),
        }
        let (mut from, mut missed, key_line) = (0, 0, self.line(key));
        let place = |text: String| {
            // They stand in their order, so each search begins where the last one ended. Texts that
            // are spelled otherwise in the file are not searched for ever.
            let mut below = self.below(key).skip(from);
            let at = if missed < MISSED_MAX {
                below.position(|line| line.contains(&text))
            } else {
                None
            };
            missed += usize::from(at.is_none());
            from += at.unwrap_or_default();
            let line = at.map_or(key_line, |_| key_line + u32::try_from(from).unwrap_or(0));
            (text, line)
        };
        unique(found).into_iter().map(place).collect()
    }
    /// The lines of a key's value, the one of the key first.
    fn below(&self, key: &str) -> impl Iterator<Item = &String> {
        let skip = self.line(key).saturating_sub(self.first_line);
        let lines = self.lines.iter().skip(usize::try_from(skip).unwrap_or(0));
        let mut first = true;
        lines.take_while(move |line| std::mem::take(&mut first) || key_of(line).is_none())
    }
    /// True for `true`, `yes`, `on` and 1.
    pub fn flag(&self, key: &str) -> bool {
        self.text(key)
            .is_some_and(|text| matches!(text.to_lowercase().as_str(), "true" | "yes" | "on" | "1"))
    }
    /// The line of a key; the first line of the front matter if the key is missing.
    pub fn line(&self, key: &str) -> u32 {
        self.entry(key).map_or(self.first_line, |entry| entry.line)
    }
    /// The line of an item below a key, or the key's line.
    pub fn line_of(&self, key: &str, item: &str) -> u32 {
        let at = self.below(key).position(|line| line.contains(item));
        self.line(key) + at.and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
    }
    /// The raw lines with their numbers.
    pub fn raw_lines(&self) -> impl Iterator<Item = (u32, &str)> {
        (self.first_line..).zip(self.lines.iter().map(String::as_str))
    }
    /// The remaining keys without those named, spelled as written.
    pub fn extra(&self, used: &[&str]) -> BTreeMap<String, Value> {
        let used: Vec<String> = used.iter().map(|key| plain(key)).collect();
        let left = self.entries.iter().filter(|entry| !used.contains(&entry.plain));
        left.map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }
}

/// Texts in order, without empty ones and repetitions (case does not count).
pub fn unique(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().filter(|text| !text.is_empty() && seen.insert(text.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(yaml: &str) -> FrontMatter {
        let (front, troubles) = read(yaml, 2);
        assert!(troubles.iter().all(|trouble| !trouble.fatal), "{troubles:?}");
        front.unwrap()
    }

    #[test]
    fn front_matter_ends_at_the_second_dashes() {
        let cut = cut("---\ntitle: T\n---\nbody\n");
        assert_eq!(
            (cut.yaml, cut.body, cut.yaml_line, cut.body_line),
            (Some("title: T\n"), "body\n", 2, 4)
        );
    }

    #[test]
    fn front_matter_is_not_a_rule_in_the_text() {
        assert_eq!(cut("text\n---\nmore\n---\n").yaml, None);
        assert!(!cut("---\njust a rule above\n").unclosed);
        assert!(cut("---\ntitle: T\nbody\n").unclosed);
        assert_eq!(cut("").body, "");
    }

    #[test]
    fn front_matter_accepts_keywords_as_list_or_line() {
        assert_eq!(front("keywords: code, bug , fix\n").list("keywords"), ["code", "bug", "fix"]);
        assert_eq!(front("keywords:\n- code\n- 404\n- Code\n").list("keywords"), ["code", "404"]);
        assert_eq!(front("keywords:\n").list("keywords"), Vec::<String>::new());
        assert_eq!(front("relatedAgents: [[agent-pm]]\n").list("relatedAgents"), ["agent-pm"]);
    }

    #[test]
    fn front_matter_ignores_the_spelling_of_keys() {
        for key in ["agentId", "agent_id", "agent-id", "AgentID"] {
            assert_eq!(
                front(&format!("{key}: x\n")).text("agentId").as_deref(),
                Some("x"),
                "{key}"
            );
        }
    }

    #[test]
    fn front_matter_keeps_unknown_keys() {
        let extra = front("title: T\nmetadata:\n  openclaw: {emoji: x}\nbig: 9007199254740993\n")
            .extra(&["title"]);
        assert_eq!(
            serde_json::to_string(&extra).unwrap(),
            r#"{"big":"9007199254740993","metadata":{"openclaw":{"emoji":"x"}}}"#
        );
    }

    #[test]
    fn front_matter_knows_the_line_of_an_item() {
        let front =
            front("title: T\nexamples:\n  - first one\n  - second one\ntags: [second one]\n");
        assert_eq!(
            front.sentences("examples"),
            [("first one".to_owned(), 4), ("second one".to_owned(), 5)]
        );
    }

    #[test]
    fn front_matter_refuses_a_list_and_ignores_prose() {
        assert!(read("- a\n- b\n", 2).1.iter().any(|trouble| trouble.fatal));
        assert_eq!(read("just some words\n", 2), (None, Vec::new()));
    }
}
