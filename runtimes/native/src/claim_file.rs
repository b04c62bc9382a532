//! Writing an example into an agent's claim file as a person would: one more bullet at the end of its examples, in a section or in
//! its front matter.

use skill_graph_loader::parse::examples::announces_examples;

/// Keys of the front matter that the loader reads examples from.
const KEYS: [&str; 3] = ["examples", "triggers", "utterances"];

/// The file's text with the example in it. Nothing else of the file changes; a file without a place for examples gets a section.
pub fn with_example(text: &str, example: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let one_line: String = example.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(place) = end_of_examples(&lines) else {
        if let Some((place, bullet)) = end_of_list(&lines) {
            let item = format!("{bullet}{}{newline}", scalar(&one_line));
            return lines.iter().take(place).copied().chain([item.as_str()]).chain(lines.iter().skip(place).copied()).collect();
        }
        let gap = if text.is_empty() || text.ends_with(&format!("{newline}{newline}")) {
            String::new()
        } else if text.ends_with('\n') {
            newline.to_owned()
        } else {
            format!("{newline}{newline}")
        };
        return format!("{text}{gap}## Examples{newline}{newline}- {}{newline}", safe(&one_line));
    };
    let mut out: String = lines.iter().take(place).copied().collect();
    if !out.ends_with('\n') {
        out.push_str(newline);
    }
    let bullet = lines.get(place.saturating_sub(1)).and_then(|line| bullet_of(line)).unwrap_or("- ");
    out.push_str(&format!("{bullet}{}{newline}", safe(&one_line)));
    out.extend(lines.iter().skip(place).copied());
    out
}

/// Behind the last bullet of the first section that the loader reads examples from, else behind its heading.
fn end_of_examples(lines: &[&str]) -> Option<usize> {
    let mut in_code = false;
    let mut heading = None;
    let mut last = None;
    for (place, line) in lines.iter().enumerate().skip(front_matter(lines)) {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        if trimmed.starts_with('#') {
            if heading.is_some() {
                break;
            }
            heading = announces_examples(trimmed.trim_matches('#').trim()).then_some(place);
        } else if heading.is_some() && bullet_of(line).is_some() {
            last = Some(place);
        }
    }
    let heading = heading?;
    // Behind the heading there is an empty line, where somebody has left one.
    let below = heading + 1 + usize::from(lines.get(heading + 1).is_some_and(|line| line.trim().is_empty()));
    Some(last.map_or(below, |last| last + 1))
}

/// Behind the last item of the first list of examples in the front matter, and what its items begin with. A list in brackets is left
/// alone, and so is one whose items go over several lines.
fn end_of_list<'a>(lines: &[&'a str]) -> Option<(usize, &'a str)> {
    let yaml = lines.get(..front_matter(lines).checked_sub(1)?)?;
    let key = yaml.iter().position(|line| line.split_once(':').is_some_and(|(key, rest)| KEYS.contains(&key) && rest.trim().is_empty()))?;
    let items = yaml.iter().skip(key + 1).map_while(|line| bullet_of(line));
    let bullet = items.clone().last()?;
    let end = key + 1 + items.count();
    let ends_there = yaml.get(end).is_none_or(|line| !line.starts_with([' ', '\t']));
    ends_there.then_some((end, bullet))
}

/// An item of a YAML list: as it is where YAML reads it as that text, else in quotes.
fn scalar(example: &str) -> String {
    let is_word = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || "'.,?!()-/".contains(letter));
    let says_something_else = ["true", "false", "yes", "no", "on", "off", "null"].contains(&example.to_lowercase().as_str());
    let plain = example.starts_with(char::is_alphabetic) && example.split(' ').all(is_word) && !says_something_else;
    if plain { example.to_owned() } else { serde_json::Value::from(example).to_string() }
}

/// Lines of the YAML between `---` at the top.
fn front_matter(lines: &[&str]) -> usize {
    if lines.first().is_none_or(|line| line.trim_start_matches('\u{feff}').trim_end() != "---") {
        return 0;
    }
    lines.iter().skip(1).position(|line| line.trim_end() == "---").map_or(0, |end| end + 2)
}

/// `- `, `* ` or `+ ` with what stands before it.
fn bullet_of(line: &str) -> Option<&str> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let rest = line.get(indent..)?;
    (rest.starts_with("- ") || rest.starts_with("* ") || rest.starts_with("+ ")).then(|| line.get(..indent + 2)).flatten()
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
    fn headings_in_code_are_no_sections_and_markup_becomes_text() {
        let file = "# A\n```\n## Examples\n```\n## Triggers\n- go\n";
        assert_eq!(with_example(file, "fix `x` in *y*"), "# A\n```\n## Examples\n```\n## Triggers\n- go\n- \"fix x in y\"\n");
    }
}
