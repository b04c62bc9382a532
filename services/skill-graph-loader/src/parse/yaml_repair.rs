//! YAML as people write it: tabs, colons in unquoted text, values that open with a sign YAML keeps for itself.

use crate::parse::front_matter::{Trouble, key_of};
use crate::parse::yaml::{self, Document};

/// Parses, and where that fails tries once more with lone texts quoted and the lines of a list, mapping or quoted text indented. The
/// troubles say which texts were quoted, or why nothing came out.
pub fn parse(yaml: &str, first_line: u32) -> (Option<Document>, Vec<Trouble>) {
    // A byte order mark is where two files were joined: no part of a text.
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
                message: "this value is not valid YAML without quotes; it was read as plain text"
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

/// Whether the value of a key begins with a bracket or quote, so that lines below it without indentation may belong to it: YAML of old
/// took them.
fn opens(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(_, value)| value.trim_start().starts_with(['[', '{', '"', '\'']))
}

/// Tabs in the indentation become two spaces each, others one: YAML has no use for tabs.
fn untab(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (head, tail) = line.split_at_checked(indent).unwrap_or(("", line));
    format!("{}{}", head.replace('\t', "  "), tail.replace('\t', " "))
}

/// `key: a: b` and `- @name` with the value in quotes, when the value is a lone text that YAML would stumble over.
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
    // An item such as `- text: hello` is a mapping and parses as one; only a second colon makes it a stumbling block.
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
    fn a_colon_in_a_description_is_read_and_reported() {
        let (value, troubles) = parse("name: x\ndescription: Use when: the user asks\n", 2);
        assert_eq!(get(value, "description"), "Use when: the user asks");
        assert_eq!((troubles.len(), troubles[0].line, troubles[0].fatal), (1, 3, false));
    }

    #[test]
    fn tabs_are_spaces() {
        let (value, troubles) = parse("keywords:\n\t- code\n\t- bug\ntitle:\tT\n", 2);
        assert_eq!(get(value, "keywords").as_array().unwrap().len(), 2);
        assert!(troubles.is_empty());
    }

    #[test]
    fn lines_in_brackets_and_quotes_need_no_indentation() {
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
    fn a_byte_order_mark_within_is_no_text() {
        assert_eq!(get(parse("title: a\u{feff}b\n", 2).0, "title"), "ab");
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let (value, troubles) = parse("title: T\nkeywords: [a, b\n", 2);
        assert_eq!(value, None);
        assert!(troubles[0].fatal && troubles[0].line >= 3, "{troubles:?}");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut yaml = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in ('a'..='h').zip('b'..='i') {
            yaml.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(",")));
        }
        assert!(parse(&yaml, 2).1.iter().any(|trouble| trouble.fatal));
    }
}
