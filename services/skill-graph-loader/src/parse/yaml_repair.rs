//! Repairs YAML as people write it: tabs, colons in unquoted text, values that start with a
//! reserved character.

use crate::parse::yaml::{self, Document};

/// A problem of the front matter, for its author.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Line in the file, from 1.
    pub line: u32,
    pub message: String,
    /// Whether the front matter is unusable.
    pub fatal: bool,
}

/// Parses; on failure, retries once with bare texts quoted and the lines of lists, mappings and
/// quoted texts indented. The troubles name the quoted texts, or the reason for the failure.
pub fn parse(yaml: &str, first_line: u32) -> (Option<Document>, Vec<Trouble>) {
    // A byte order mark inside marks where two files were joined.
    let untabbed: String =
        yaml.lines().map(|line| format!("{}\n", untab(line).replace('\u{feff}', ""))).collect();
    let error = match yaml::read(&untabbed) {
        Ok(value) => return (Some(value), Vec::new()),
        Err(error) => error,
    };
    let mut troubles = Vec::new();
    let mut repaired = String::with_capacity(untabbed.len() + 64);
    let mut may_go_on = false;
    for (number, line) in (first_line..).zip(untabbed.lines()) {
        let quoted = quoted(line);
        if quoted.is_some() {
            troubles.push(Trouble {
                line: number,
                message: "this value needs quotes to be valid YAML; it was read as plain text"
                    .to_owned(),
                fatal: false,
            });
        }
        may_go_on = key_of(line).map_or(may_go_on, |_| opens(line));
        if may_go_on && key_of(line).is_none() {
            repaired.push_str("  ");
        }
        repaired.push_str(quoted.as_deref().unwrap_or(line));
        repaired.push('\n');
    }
    if let (true, Ok(value)) = (repaired != untabbed, yaml::read(&repaired)) {
        return (Some(value), troubles);
    }
    let line = first_line + u32::try_from(error.line.saturating_sub(1)).unwrap_or(0);
    (None, vec![Trouble { line, message: error.message, fatal: true }])
}

/// Whether a key's value opens a bracket or quote, so that unindented lines below may belong to it,
/// as in old YAML.
fn opens(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(_, value)| value.trim_start().starts_with(['[', '{', '"', '\'']))
}

/// The unindented key at the start of a YAML line.
pub(crate) fn key_of(line: &str) -> Option<&str> {
    if line.starts_with([' ', '\t', '-', '#']) {
        return None;
    }
    let (key, rest) = line.split_once(':')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = !key.is_empty()
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    (is_key && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some(key)
}

/// A key without case, dashes, underscores and spaces: `agent_id` equals `agentId`.
pub(crate) fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Replaces tabs, which YAML forbids: two spaces each in the indentation, one elsewhere.
fn untab(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (head, tail) = line.split_at_checked(indent).unwrap_or(("", line));
    format!("{}{}", head.replace('\t', "  "), tail.replace('\t', " "))
}

/// Quotes the value of `key: a: b` and `- @name`, if it is a bare text that YAML would reject.
fn quoted(line: &str) -> Option<String> {
    let indent = line.len() - line.trim_start().len();
    let (head, rest) = line.split_at_checked(indent)?;
    let (lead, value) = match rest.strip_prefix("- ") {
        Some(item) => ("- ".to_owned(), item),
        None => {
            key_of(rest)?;
            let (key, value) = rest.split_once(':')?;
            (format!("{key}: "), value)
        }
    };
    let value = value.trim();
    let is_structure = value.is_empty() || value.starts_with(['"', '\'', '[', '{', '|', '>', '#']);
    let stumbles = value.contains(": ")
        || value.ends_with(':')
        || value.starts_with(['@', '`', '%', '*', '!', '?', '-']);
    // An item such as `- text: hello` is a valid mapping; only a second colon breaks it.
    let is_mapping_item = lead == "- " && value.matches(": ").count() == 1;
    if is_structure || !stumbles || is_mapping_item {
        return None;
    }
    Some(format!("{head}{lead}\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn get(document: Option<Document>, key: &str) -> Value {
        let Some(Document::Keys(keys)) = document else { panic!("{document:?}") };
        keys.into_iter().find(|entry| entry.0 == key).unwrap().1
    }

    #[test]
    fn yaml_repair_quotes_a_colon_in_a_description_and_reports_it() {
        let (value, troubles) = parse("name: x\ndescription: Use when: the user asks\n", 2);
        assert_eq!(get(value, "description"), "Use when: the user asks");
        assert_eq!((troubles.len(), troubles[0].line, troubles[0].fatal), (1, 3, false));
    }

    #[test]
    fn yaml_repair_replaces_tabs() {
        let (value, troubles) = parse("keywords:\n\t- code\n\t- bug\ntitle:\tT\n", 2);
        assert_eq!(get(value, "keywords").as_array().unwrap().len(), 2);
        assert!(troubles.is_empty());
    }

    #[test]
    fn yaml_repair_indents_lines_in_brackets_and_quotes() {
        let (value, troubles) =
            parse("keywords: [\na,\nb\n]\ndescription: \"one\ntwo\"\ntitle: T\n", 2);
        assert_eq!(get(value.clone(), "keywords"), serde_json::json!(["a", "b"]));
        assert_eq!(
            (get(value.clone(), "description"), get(value, "title")),
            ("one two".into(), "T".into())
        );
        assert_eq!(troubles, []);
        assert!(parse("title: T\nstray\nkeywords: [a\n", 2).1[0].fatal);
    }

    #[test]
    fn yaml_repair_drops_an_inner_byte_order_mark() {
        assert_eq!(get(parse("title: a\u{feff}b\n", 2).0, "title"), "ab");
    }

    #[test]
    fn yaml_repair_names_the_line_of_an_error() {
        let (value, troubles) = parse("title: T\nkeywords: [a, b\n", 2);
        assert_eq!(value, None);
        assert!(troubles[0].fatal && troubles[0].line >= 3, "{troubles:?}");
    }

    #[test]
    fn yaml_repair_refuses_an_alias_bomb() {
        let mut yaml = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in ('a'..='h').zip('b'..='i') {
            yaml.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(",")));
        }
        assert!(parse(&yaml, 2).1.iter().any(|trouble| trouble.fatal));
    }
}
