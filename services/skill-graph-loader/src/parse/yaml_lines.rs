//! Front matter that is no YAML, read key by key: a key begins a line, and its value goes on to the
//! next key. Claude Code loads such files, so its subagents are full of them.

use crate::parse::yaml::Document;
use crate::parse::yaml_repair::{self, Trouble, key_of, plain};
use serde_json::Value;
use std::collections::HashSet;

/// Keys of front matter whose values may be any text, without case, dashes and underscores. Another
/// word before a colon is a key too, unless it is in the middle of an example.
const KEYS: &[&str] = &[
    "description",
    "tools",
    "model",
    "color",
    "mode",
    "title",
    "type",
    "license",
    "metadata",
    "version",
    "allowedtools",
    "disallowedtools",
    "argumenthint",
    "permissionmode",
    "skills",
    "hooks",
    "memory",
    "temperature",
    "permission",
    "author",
    "category",
];
/// Words that begin a line of a conversation.
const SPEAKERS: &[&str] = &[
    "user",
    "assistant",
    "human",
    "context",
    "commentary",
    "system",
    "response",
    "example",
    "note",
];
/// The other keys: their values must be YAML, because their structure counts.
const STRUCTURED: &[&str] = &[
    "keywords",
    "aliases",
    "alias",
    "tags",
    "tag",
    "examples",
    "triggers",
    "utterances",
    "complexity",
    "relatedagents",
    "relatedchannels",
    "fallback",
    "public",
    "agentid",
    "name",
];

/// One key with the lines of its value.
struct Chunk<'a> {
    key: &'a str,
    line: u32,
    lines: Vec<&'a str>,
}

/// The keys and values, with a trouble for each value that was read as plain text. `None` when a
/// line belongs to no key, or a value whose structure counts is not valid.
pub fn read(text: &str, first_line: u32) -> Option<(Document, Vec<Trouble>)> {
    let mut keys: Vec<(Value, Value)> = Vec::new();
    let mut troubles = Vec::new();
    let mut seen = HashSet::new();
    for chunk in chunks(text, first_line)? {
        let (own, repairs) = yaml_repair::parse(&chunk.lines.join("\n"), chunk.line);
        let value = match own {
            Some(Document::Keys(mut one)) if one.len() == 1 => {
                troubles.extend(repairs);
                one.pop()?.1
            }
            _ if chunk.is_structured() => return None,
            _ => {
                troubles.push(Trouble {
                    line: chunk.line,
                    message: format!(
                        "`{}` is not valid YAML; it was read as plain text up to the next key",
                        chunk.key
                    ),
                    fatal: false,
                });
                Value::String(chunk.text())
            }
        };
        if !seen.insert(chunk.key) {
            return None;
        }
        keys.push((Value::String(chunk.key.to_owned()), value));
    }
    (!keys.is_empty()).then_some((Document::Keys(keys), troubles))
}

fn chunks(text: &str, first_line: u32) -> Option<Vec<Chunk<'_>>> {
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    let mut open_examples = 0_usize;
    for (number, line) in (first_line..).zip(text.lines()) {
        let key = key_of(line).filter(|key| begins_chunk(key, open_examples > 0));
        match (key, chunks.last_mut()) {
            (Some(key), _) => {
                open_examples = 0;
                chunks.push(Chunk { key, line: number, lines: vec![line] });
            }
            (None, Some(chunk)) => chunk.lines.push(line),
            (None, None) if line.trim().is_empty() || line.starts_with('#') => {}
            (None, None) => return None,
        }
        open_examples += line.matches("<example>").count();
        open_examples = open_examples.saturating_sub(line.matches("</example>").count());
    }
    Some(chunks)
}

fn begins_chunk(key: &str, in_example: bool) -> bool {
    let name = plain(key);
    [KEYS, STRUCTURED].iter().any(|keys| keys.contains(&name.as_str()))
        || !in_example && !key.contains(' ') && !SPEAKERS.contains(&name.as_str())
}

impl Chunk<'_> {
    /// Whether a text would be the wrong value: a list that is never closed, or nested too deep.
    fn is_structured(&self) -> bool {
        let key = plain(self.key);
        // `argument-hint: [file] [--deep]` is how commands write it.
        STRUCTURED.contains(&key.as_str())
            || key != "argumenthint" && self.text().starts_with(['[', '{'])
    }
    /// The value as written, without the quotes or the block mark round it.
    fn text(&self) -> String {
        let mut lines = self.lines.iter();
        let first = lines.next().and_then(|line| line.split_once(':')).map_or("", |(_, rest)| rest);
        let first = first.trim();
        let is_mark = first.starts_with(['|', '>']) && first.chars().count() <= 3;
        let text = std::iter::once(if is_mark { "" } else { first })
            .chain(lines.map(|line| line.trim()))
            .collect::<Vec<_>>()
            .join("\n");
        let text = text.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| {
            text.strip_prefix(*quote)?.strip_suffix(*quote).filter(|inner| !inner.contains(*quote))
        });
        quoted.unwrap_or(text).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str, key: &str) -> Option<Value> {
        let (Document::Keys(keys), _) = read(text, 2)? else { return None };
        keys.into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    #[test]
    fn yaml_lines_go_on_to_the_next_key() {
        let text = "name: brand\ndescription: Brand work. Examples:\\n<example>\nuser: \"We need: a logo\"\nfree: speech\n\nlicence to draw\ncolor: blue\ntools: [Read, Write]\n";
        assert_eq!(get(text, "name"), Some("brand".into()));
        let description = get(text, "description").unwrap();
        let description = description.as_str().unwrap();
        assert!(description.starts_with("Brand work. Examples:"), "{description}");
        assert!(description.ends_with("free: speech\n\nlicence to draw"), "{description}");
        assert_eq!(get(text, "color"), Some("blue".into()));
        assert_eq!(get(text, "tools"), Some(serde_json::json!(["Read", "Write"])));
        assert_eq!(read(text, 2).unwrap().1[0].line, 3);
    }

    #[test]
    fn yaml_lines_keep_the_structure_that_counts() {
        assert_eq!(read("name: a\nother: [a, b\n", 1), None);
        assert_eq!(read("description: a: b\nkeywords: [a, b\n", 1), None);
        assert_eq!(read("description: a: b\npublic: [a\n", 1), None);
        assert_eq!(read("prose\ndescription: a: b\n", 1), None);
        assert_eq!(read("name: a\nname: b\ndescription: c: d\n", 1), None);
        assert_eq!(
            get("name: a\nargument-hint: [x] [--y]\n", "argument-hint"),
            Some("[x] [--y]".into())
        );
        assert_eq!(
            get("name: a\ndescription: |\nuse it: now\n", "description"),
            Some("use it: now".into())
        );
    }
}
