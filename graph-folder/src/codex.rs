//! Codex's agents, which are TOML: read as the Markdown that says the same.

use toml::{Table, Value};

/// Maximum bytes of such a file.
pub const BYTES_MAX: u64 = 256 << 10;

/// The Markdown of an agent. `None` for any other TOML.
pub fn as_markdown(text: &str) -> Option<String> {
    // Most TOML of a repository is something else, and is not worth parsing.
    if !text.contains("developer_instructions") {
        return None;
    }
    let table: Table = text.parse().ok()?;
    let of = |key: &str| table.get(key).and_then(Value::as_str);
    let body = of("developer_instructions")?;
    let mut markdown = String::from("---\n");
    for (key, value) in [
        ("name", Some(of("name")?)),
        ("description", Some(of("description")?)),
        ("model", of("model")),
    ] {
        if let Some(value) = value {
            // A JSON text is a YAML text.
            markdown.push_str(&format!("{key}: {}\n", serde_json::Value::from(value)));
        }
    }
    markdown.push_str(&format!("---\n{body}\n"));
    Some(markdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codex_agent_is_read_and_other_toml_is_not() {
        let agent = "name = \"api\"\ndescription = 'Designs \"APIs\": all'\nmodel = \"m\"\npublic = true\ndeveloper_instructions = \"\"\"\nYou design.\n---\n\"\"\"\n";
        assert_eq!(
            as_markdown(agent).unwrap(),
            "---\nname: \"api\"\ndescription: \"Designs \\\"APIs\\\": all\"\nmodel: \"m\"\n---\nYou design.\n---\n\n"
        );
        for other in [
            "[package]\nname = \"x\"\n",
            "developer_instructions = 1\n",
            "developer_instructions = \"x\"",
        ] {
            assert_eq!(as_markdown(other), None, "{other}");
        }
    }
}
