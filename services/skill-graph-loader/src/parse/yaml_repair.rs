//! YAML as people write it: tabs, colons in unquoted text, values that open with a sign YAML keeps for itself.

use crate::parse::front_matter::{Trouble, key_of};
use yaml_serde::Value;

/// Parses, and where that fails tries once more with tabs turned to spaces and lone texts quoted. The troubles say what was repaired, or why nothing came out.
pub fn parse(yaml: &str, first_line: u32) -> (Option<Value>, Vec<Trouble>) {
    let untabbed: String = yaml.lines().map(|line| format!("{}\n", untab(line))).collect();
    let error = match yaml_serde::from_str::<Value>(&untabbed) {
        Ok(value) => return (Some(value), Vec::new()),
        Err(error) => error,
    };
    let mut troubles = Vec::new();
    let lines: Vec<&str> = untabbed.lines().collect();
    let mut repaired = String::with_capacity(untabbed.len() + 64);
    for (number, line) in (first_line..).zip(&lines) {
        let quoted = quoted(line);
        if quoted.is_some() {
            troubles.push(Trouble { line: number, message: "this value is not valid YAML without quotes; it was read as plain text".to_owned(), fatal: false });
        }
        repaired.push_str(quoted.as_deref().unwrap_or(line));
        repaired.push('\n');
    }
    if let (false, Ok(value)) = (troubles.is_empty(), yaml_serde::from_str::<Value>(&repaired)) {
        return (Some(value), troubles);
    }
    let line = error.location().and_then(|place| u32::try_from(place.line()).ok()).unwrap_or(1);
    (None, vec![Trouble { line: first_line + line.saturating_sub(1), message: error.to_string(), fatal: true }])
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
    let stumbles = value.contains(": ") || value.ends_with(':') || value.starts_with(['@', '`', '%', '*', '!', '?', '-']);
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

    #[test]
    fn a_colon_in_a_description_is_read_and_reported() {
        let (value, troubles) = parse("name: x\ndescription: Use when: the user asks\n", 2);
        assert_eq!(value.unwrap().get("description").unwrap().as_str(), Some("Use when: the user asks"));
        assert_eq!((troubles.len(), troubles[0].line, troubles[0].fatal), (1, 3, false));
    }

    #[test]
    fn tabs_are_spaces() {
        let (value, troubles) = parse("keywords:\n\t- code\n\t- bug\ntitle:\tT\n", 2);
        assert_eq!(value.unwrap().get("keywords").unwrap().as_sequence().unwrap().len(), 2);
        assert!(troubles.is_empty());
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
