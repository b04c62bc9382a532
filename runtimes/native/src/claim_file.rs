//! Writing an example into an agent's claim file as a person would: one more bullet at the end of its examples, in a section or in
//! its front matter.

mod place;

use place::{Language, places};

/// The file's text with the example in it. Nothing else of the file changes; a file without a place for examples gets a section.
pub fn with_example(text: &str, example: &str) -> String {
    let one_line: String = example.split_whitespace().collect::<Vec<_>>().join(" ");
    let written = |language: Language| match language {
        Language::Markdown => safe(&one_line),
        Language::Yaml => scalar(&one_line),
    };
    places(text).first().map_or_else(|| text.to_owned(), |place| place.with(text, &written(place.language)))
}

/// A text as it counts: case and spaces make no other example.
pub fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// An item of a YAML list: as it is where YAML reads it as that text, else in quotes.
fn scalar(example: &str) -> String {
    let is_word = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || "'.,?!()-/".contains(letter));
    let says_something_else = ["true", "false", "yes", "no", "on", "off", "null"].contains(&example.to_lowercase().as_str());
    let plain = example.starts_with(char::is_alphabetic) && example.split(' ').all(is_word) && !says_something_else;
    if plain { example.to_owned() } else { serde_json::Value::from(example).to_string() }
}

/// Markup in a message is text: quoted, it is read as it stands.
fn safe(example: &str) -> String {
    let plain = example.chars().all(|letter| !matches!(letter, '*' | '_' | '`' | '[' | ']' | '<' | '>' | '|' | '#' | '\\' | '~' | '%' | '"'));
    if plain {
        example.to_owned()
    } else {
        format!(
            "\"{}\"",
            example
                .replace('"', "'")
                .replace(['*', '_', '`', '[', ']', '<', '>', '|', '#', '\\', '~', '%'], " ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_the_last_bullet_of_its_section() {
        let file = "---\nagentId: a\n---\n# A\n\n## Examples\n\n- one\n- two\n\n## Limits\n\n- none\n";
        assert_eq!(with_example(file, "three\n more"), "---\nagentId: a\n---\n# A\n\n## Examples\n\n- one\n- two\n- three more\n\n## Limits\n\n- none\n");
    }

    #[test]
    fn a_file_without_examples_gets_a_section_and_keeps_its_line_ends() {
        assert_eq!(with_example("# A", "do it"), "# A\n\n## Examples\n\n- do it\n");
        assert_eq!(with_example("# A\r\n", "do it"), "# A\r\n\r\n## Examples\r\n\r\n- do it\r\n");
        assert_eq!(with_example("# A\n## Example messages\n", "do it"), "# A\n## Example messages\n- do it\n");
        assert_eq!(with_example("# A\n## Examples\n  * one", "two"), "# A\n## Examples\n  * one\n  * two\n");
    }

    #[test]
    fn sections_that_the_loader_reads_otherwise_are_left_alone() {
        let head = "---\nname: a\n# examples are below\n---\n# A\n## Counter-examples\n- no\n## Example output\n- yes\n## When not to use: examples\n- no\n";
        assert_eq!(with_example(&format!("{head}## Examples\n- one\n"), "two"), format!("{head}## Examples\n- one\n- two\n"));
        assert_eq!(with_example(head, "two"), format!("{head}\n## Examples\n\n- two\n"));
    }

    #[test]
    fn examples_in_front_matter_get_one_more_item() {
        let file = "---\nagentId: a\nexamples:\n  - one\n  - two\nmodel: x\n---\n# A\n";
        assert_eq!(with_example(file, "is it three?"), "---\nagentId: a\nexamples:\n  - one\n  - two\n  - is it three?\nmodel: x\n---\n# A\n");
        for text in ["say: \"no\" #1", "yes", "- a dash", "42", "[[x]]"] {
            let written = with_example(file, text);
            let parsed = skill_graph_loader::check_folder(vec![contracts::graph::SourceFile { path: "agents/a.md".to_owned(), text: written.clone() }]);
            assert_eq!(parsed.graph.agents[0].examples.last().map(String::as_str), Some(text), "{written}");
        }
        // A section comes first; a list in brackets is left alone.
        let both = format!("{file}## Examples\n- three\n");
        assert_eq!(with_example(&both, "four"), format!("{both}- four\n"));
        let brackets = "---\nagentId: a\nexamples: [one, two]\n---\n# A\n";
        assert_eq!(with_example(brackets, "three"), format!("{brackets}\n## Examples\n\n- three\n"));
    }

    #[test]
    fn what_stands_in_the_section_keeps_its_place_above_the_example() {
        let examples = |text: &str| place::claims(text).unwrap().examples.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        for (content, above) in [
            ("\n| Message | Why |\n|---|---|\n| do it | now |\n| \"go on\" | then |\n", "\n"),
            ("People write \"do it\" or \"go on\".\n", "\n"),
            ("1. do it\n2. go on\n", "\n"),
            ("- do it\n- go on\n\nThat is all.\n", "\n"),
            ("- do it\n- go on\n\n```sh\nls\n```\n", "\n"),
            ("> - do it\n> - go on\n", "\n"),
            ("- do it\n  - go on\n", ""),
            ("- do it\n\n- go\n  on\n", ""),
            ("- do it\n- go\non\n", ""),
        ] {
            for end in ["", "\n## Limits\n\n- none\n", "\n# Limits\n", "\nLimits\n------\n"] {
                let head = format!("# A\n\n## Examples\n{content}");
                assert_eq!(with_example(&format!("{head}{end}"), "three"), format!("{head}{above}- three\n{end}"));
                assert_eq!(examples(&format!("{head}{above}- three\n{end}")), ["do it", "go on", "three"]);
            }
        }
        assert_eq!(with_example("## Examples\n## Limits\n- no\n", "one"), "## Examples\n- one\n\n## Limits\n- no\n");
        assert_eq!(with_example("Examples\n---\nSay \"a b\".\n# Limits\n", "one"), "Examples\n---\nSay \"a b\".\n\n- one\n\n# Limits\n");
    }

    #[test]
    fn headings_below_belong_to_the_section_as_far_as_they_hold_examples() {
        let nested = "## Examples\n- a\n### More\n- b\n### Output\n- c\n#### Its form\n- d\n\n## Limits\n- e\n";
        assert_eq!(with_example(nested, "x"), nested.replace("- b\n", "- b\n- x\n"));
        let titled = "# Example agent\n\n- a\n\n## Examples\n- b\n\n## Rules\n- c\n";
        assert_eq!(with_example(titled, "x"), titled.replace("- b\n", "- b\n- x\n"), "a title is no place while there is a better one");
    }

    #[test]
    fn examples_come_before_the_list_and_the_list_before_when_to_use() {
        let when = "# A\n\n## When to use\n\n- small talk\n";
        let list = format!("---\nagentId: a\nexamples:\n  - one\n---\n{when}");
        let all = format!("{list}\n### Utterances\n\n- two\n");
        assert_eq!(with_example(&all, "x"), format!("{all}- x\n"));
        assert_eq!(with_example(&list, "x"), list.replace("  - one\n", "  - one\n  - x\n"));
        assert_eq!(with_example(when, "x"), format!("{when}- x\n"));
        let shipped = crate::graph_folder::default_graph().into_iter().filter(|file| file.path.starts_with("agents/"));
        for file in shipped {
            let (head, _) = file.text.split_once("## Examples").unwrap();
            assert!(head.contains("## When to use") && with_example(&file.text, "x y").starts_with(head), "{}", file.path);
        }
    }

    #[test]
    fn headings_in_code_are_no_sections_and_markup_becomes_text() {
        let file = "# A\n```\n## Examples\n```\n## Triggers\n- go\n";
        assert_eq!(with_example(file, "fix `x` in *y*"), "# A\n```\n## Examples\n```\n## Triggers\n- go\n- \"fix x in y\"\n");
    }
}
