//! Writes an example into an agent's claim file as a person would: one more bullet at the end of
//! its examples, in a section or in its front matter. Every write is parsed again before it counts:
//! the agent must have this one new example, and nothing else in the folder may change.

mod place;
mod spelling;
mod write;

use contracts::AgentId;
use contracts::graph::{Agent, Finding, Graph, Severity, SourceFile};
use place::{Language, adds, claims, one_more, places};
use platform::text::{printable, short};
use skill_graph_loader::{Parsed, Reading, check_folder};
pub use spelling::plain;
use std::collections::BTreeMap;
pub use write::{Change, Changed, write_all};

/// Maximum characters of a message in an error.
const SHOWN_CHARS: usize = 80;

/// The reason an example was not written.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum NotWritten {
    #[error("there is no agent {0}. Name an agent of the folder.")]
    NoAgent(AgentId),
    #[error("{path} already has “{example}”. Leave it out.")]
    Known { path: String, example: String },
    #[error(
        "the loader would not read “{example}” back from {path} unchanged. Write it by hand, in \
         quotes below `examples:` in the front matter."
    )]
    ReadOtherwise { path: String, example: String },
    #[error(
        "“{example}” in {path} would cause a problem in {found_in}: {fault}. {fix} Or write it \
         into {path} by hand."
    )]
    Fault { path: String, example: String, found_in: String, fault: String, fix: String },
}

/// A folder of claim files in memory, with the graph that the loader parses from it.
pub struct ClaimFiles {
    files: Vec<SourceFile>,
    reading: Reading,
    parsed: Parsed,
    /// Original texts of the changed files, by path.
    originals: BTreeMap<String, String>,
}

impl ClaimFiles {
    /// Reads the files of a whole folder, because the kind of a file can depend on the others.
    pub fn new(files: Vec<SourceFile>, reading: Reading) -> Self {
        let parsed = check_folder(files.clone(), reading);
        Self { files, reading, parsed, originals: BTreeMap::new() }
    }

    /// The graph of the files in their current state.
    pub fn graph(&self) -> &Graph {
        &self.parsed.graph
    }

    /// The changed files.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.files.iter().filter_map(|file| {
            Some(Change {
                path: &file.path,
                before: self.originals.get(&file.path)?,
                after: &file.text,
            })
        })
    }

    /// Adds one example to an agent. Nothing else of its file changes; a file without a place for
    /// examples gets a section.
    ///
    /// # Errors
    /// When the agent is unknown, has the example already, or no spelling reads back unchanged
    /// without a new warning in the folder. Then nothing changes.
    pub fn add(&mut self, agent: &AgentId, example: &str) -> Result<(), NotWritten> {
        let no_agent = || NotWritten::NoAgent(agent.clone());
        let known = self.graph().agent(agent).ok_or_else(no_agent)?;
        let path = self
            .graph()
            .skill(&known.skill)
            .map(|skill| skill.path.clone())
            .ok_or_else(no_agent)?;
        let text = self
            .files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.clone())
            .ok_or_else(no_agent)?;
        let shown = short(&printable(example), SHOWN_CHARS);
        if known.examples.iter().any(|text| plain(text) == plain(example)) {
            return Err(NotWritten::Known { path, example: shown });
        }
        let mut fault = None;
        for candidate in candidates(&text, example) {
            let files: Vec<SourceFile> = self
                .files
                .iter()
                .map(
                    |file| {
                        if file.path == path { with_text(file, &candidate) } else { file.clone() }
                    },
                )
                .collect();
            let parsed = check_folder(files.clone(), self.reading);
            if !is_as_before(&self.parsed.graph, &parsed.graph, known, example) {
                continue;
            }
            match new_finding(&self.parsed.findings, &parsed.findings) {
                Some(found) => fault = fault.or_else(|| Some(found.clone())),
                None => {
                    self.originals.entry(path).or_insert_with(|| text.clone());
                    (self.files, self.parsed) = (files, parsed);
                    return Ok(());
                }
            }
        }
        Err(match fault {
            Some(Finding { path: found_in, message: fault, fix, .. }) => {
                NotWritten::Fault { path, example: shown, found_in, fault, fix }
            }
            None => NotWritten::ReadOtherwise { path, example: shown },
        })
    }
}

/// Candidate texts of the file that read back with the new example, the simplest first. Parsing one
/// file is much cheaper than parsing the folder.
fn candidates(text: &str, example: &str) -> impl Iterator<Item = String> {
    let message: String = example.split_whitespace().collect::<Vec<_>>().join(" ");
    let before = claims(text).unwrap_or_default();
    let ways = move |language: Language| match language {
        Language::Markdown => spelling::in_markdown(&message),
        Language::Yaml => spelling::in_yaml(&message),
    };
    let written = places(text).into_iter().flat_map(move |place| {
        ways(place.language).into_iter().map(move |item| (place.clone(), item))
    });
    written
        .map(|(place, item)| place.with(text, &item))
        .filter(move |text| adds(&before, claims(text).as_ref(), example))
}

fn with_text(file: &SourceFile, text: &str) -> SourceFile {
    SourceFile { path: file.path.clone(), text: text.to_owned() }
}

/// Whether a graph is unchanged except for this agent's new example.
fn is_as_before(before: &Graph, after: &Graph, agent: &Agent, example: &str) -> bool {
    let Some(now) = after.agent(&agent.id) else { return false };
    let rest = Agent { examples: agent.examples.clone(), ..now.clone() };
    rest == *agent
        && one_more(&agent.examples, now.examples.clone(), example)
        && before.links == after.links
}

/// A new warning or error. Line numbers and counts in messages shift, so findings are compared by
/// file and kind.
fn new_finding<'a>(before: &[Finding], after: &'a [Finding]) -> Option<&'a Finding> {
    let kind = |finding: &Finding| (finding.severity, finding.code.clone(), finding.path.clone());
    let mut left: BTreeMap<_, usize> = BTreeMap::new();
    for finding in before {
        *left.entry(kind(finding)).or_default() += 1;
    }
    let mut more = Vec::new();
    for finding in after.iter().filter(|finding| finding.severity != Severity::Hint) {
        match left.get_mut(&kind(finding)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => more.push(kind(finding)),
        }
    }
    // Among several of one kind, prefer one with a new message.
    let is_new = |finding: &&Finding| {
        more.contains(&kind(finding)) && !before.iter().any(|old| old.message == finding.message)
    };
    after.iter().find(is_new).or_else(|| after.iter().find(|finding| more.contains(&kind(finding))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> ClaimFiles {
        folder_as(files, Reading::default())
    }

    fn folder_as(files: &[(&str, &str)], reading: Reading) -> ClaimFiles {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        ClaimFiles::new(files.iter().map(file).collect(), reading)
    }

    /// The text after adding an example, for a folder of this one file.
    fn with_example(text: &str, example: &str) -> String {
        let mut files = folder(&[("agents/a.md", text)]);
        let agent = files.graph().agents[0].id.clone();
        files.add(&agent, example).unwrap();
        files.files.remove(0).text
    }

    #[test]
    fn claim_file_adds_the_example_as_the_last_bullet_of_its_section() {
        let file =
            "---\nagentId: a\n---\n# A\n\n## Examples\n\n- one\n- two\n\n## Limits\n\n- none\n";
        assert_eq!(
            with_example(file, "three\n more"),
            "---\nagentId: a\n---\n# A\n\n## Examples\n\n- one\n- two\n- three more\n\n## Limits\n\n- none\n"
        );
    }

    #[test]
    fn claim_file_without_examples_gets_a_section_and_keeps_its_line_ends() {
        assert_eq!(with_example("# A", "do it"), "# A\n\n## Examples\n\n- do it\n");
        assert_eq!(with_example("# A\r\n", "do it"), "# A\r\n\r\n## Examples\r\n\r\n- do it\r\n");
        assert_eq!(
            with_example("# A\n## Example messages\n", "do it"),
            "# A\n## Example messages\n- do it\n"
        );
        assert_eq!(
            with_example("# A\n## Examples\n  * one", "two"),
            "# A\n## Examples\n  * one\n  * two\n"
        );
    }

    #[test]
    fn claim_file_leaves_sections_alone_that_the_loader_reads_otherwise() {
        let head = "---\nname: a\n# examples are below\n---\n# A\n## Counter-examples\n- no\n## Example output\n- yes\n## When not to use: examples\n- no\n";
        assert_eq!(
            with_example(&format!("{head}## Examples\n- one\n"), "two"),
            format!("{head}## Examples\n- one\n- two\n")
        );
        assert_eq!(with_example(head, "two"), format!("{head}\n## Examples\n\n- two\n"));
    }

    #[test]
    fn claim_file_adds_an_item_to_examples_in_front_matter() {
        let file = "---\nagentId: a\nexamples:\n  - one\n  - two\nmodel: x\n---\n# A\n";
        assert_eq!(
            with_example(file, "is it three?"),
            "---\nagentId: a\nexamples:\n  - one\n  - two\n  - is it three?\nmodel: x\n---\n# A\n"
        );
        for text in ["say: \"no\" #1", "yes", "- a dash", "42", "[[x]]"] {
            let written = with_example(file, text);
            let parsed = skill_graph_loader::check_folder(
                vec![contracts::graph::SourceFile {
                    path: "agents/a.md".to_owned(),
                    text: written.clone(),
                }],
                Reading::default(),
            );
            assert_eq!(
                parsed.graph.agents[0].examples.last().map(String::as_str),
                Some(text),
                "{written}"
            );
        }
        // A section comes first; a list in brackets is left alone.
        let both = format!("{file}## Examples\n- three\n");
        assert_eq!(with_example(&both, "four"), format!("{both}- four\n"));
        let brackets = "---\nagentId: a\nexamples: [one, two]\n---\n# A\n";
        assert_eq!(
            with_example(brackets, "three"),
            format!("{brackets}\n## Examples\n\n- three\n")
        );
    }

    #[test]
    fn claim_file_keeps_the_section_text_above_the_new_example() {
        let examples = |text: &str| {
            place::claims(text)
                .unwrap()
                .examples
                .into_iter()
                .map(|(text, _)| text)
                .collect::<Vec<_>>()
        };
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
                assert_eq!(
                    with_example(&format!("{head}{end}"), "three"),
                    format!("{head}{above}- three\n{end}")
                );
                assert_eq!(
                    examples(&format!("{head}{above}- three\n{end}")),
                    ["do it", "go on", "three"]
                );
            }
        }
        assert_eq!(
            with_example("## Examples\n## Limits\n- no\n", "one"),
            "## Examples\n- one\n\n## Limits\n- no\n"
        );
        assert_eq!(
            with_example("Examples\n---\nSay \"a b\".\n# Limits\n", "one"),
            "Examples\n---\nSay \"a b\".\n\n- one\n\n# Limits\n"
        );
    }

    #[test]
    fn claim_file_counts_subheadings_with_examples_to_the_section() {
        let nested = "## Examples\n- a\n### More\n- b\n### Output\n- c\n#### Its form\n- d\n\n## Limits\n- e\n";
        assert_eq!(with_example(nested, "x"), nested.replace("- b\n", "- b\n- x\n"));
        let titled = "# Example agent\n\n- a\n\n## Examples\n- b\n\n## Rules\n- c\n";
        assert_eq!(
            with_example(titled, "x"),
            titled.replace("- b\n", "- b\n- x\n"),
            "a title is no place while there is a better one"
        );
    }

    #[test]
    fn claim_file_prefers_an_examples_section_then_the_list_then_when_to_use() {
        let when = "# A\n\n## When to use\n\n- small talk\n";
        let list = format!("---\nagentId: a\nexamples:\n  - one\n---\n{when}");
        let all = format!("{list}\n### Utterances\n\n- two\n");
        assert_eq!(with_example(&all, "x"), format!("{all}- x\n"));
        assert_eq!(with_example(&list, "x"), list.replace("  - one\n", "  - one\n  - x\n"));
        assert_eq!(with_example(when, "x"), format!("{when}- x\n"));
        let shipped =
            crate::default_graph().into_iter().filter(|file| file.path.starts_with("agents/"));
        for file in shipped {
            let (head, _) = file.text.split_once("## Examples").unwrap();
            assert!(
                head.contains("## When to use")
                    && with_example(&file.text, "x y").starts_with(head),
                "{}",
                file.path
            );
        }
    }

    #[test]
    fn claim_file_ignores_headings_in_code_and_keeps_markup_as_text() {
        let file = "# A\n```\n## Examples\n```\n## Triggers\n- go\n";
        assert_eq!(
            with_example(file, "fix `x` in *y*"),
            "# A\n```\n## Examples\n```\n## Triggers\n- go\n- fix \\`x\\` in \\*y\\*\n"
        );
    }

    const FEW: &str = "---\ndescription: Does it.\n---\n# A\n\nNOT for lawns: never.\n\n## Examples\n\n- one\n- user says \"two\"\n";
    const LIST: &str = "---\ndescription: Does it.\nexamples:\n  - one\n---\n# A\n";

    #[test]
    fn claim_file_reads_a_message_back_unchanged() {
        for (message, written) in [
            (
                "why is user_id null for 50% of our C# clients",
                "why is user_id null for 50% of our C# clients",
            ),
            ("# is what the file begins with", "\"# is what the file begins with\""),
            ("1. open it 2. close it", "\"1. open it 2. close it\""),
            ("[ ] is a box that is not ticked", "\"[ ] is a box that is not ticked\""),
            ("user says \"ship it\" and nothing else", "“user says \"ship it\" and nothing else”"),
            ("rename `x` to *y* in <b>z</b>", "rename \\`x\\` to \\*y\\* in \\<b\\>z\\</b\\>"),
            ("what is %%this%% and &amp; there", "what is \\%\\%this\\%\\% and \\&amp; there"),
            (
                "see [the page](https://example.org/a_b) | or | not",
                "see \\[the page\\](https://example.org/a\\_b) \\| or \\| not",
            ),
            ("delete C:\\*.tmp __now__", "delete C:\\\\\\*.tmp \\_\\_now\\_\\_"),
            ("asks: \"a *b* c\" or so", "“asks: \"a \\*b\\* c\" or so”"),
        ] {
            assert_eq!(with_example(FEW, message), format!("{FEW}- {written}\n"), "{message}");
        }
        for (message, written) in [
            (
                "NOT for roses: that is pm stuff really",
                "\"NOT for roses: that is pm stuff really\"",
            ),
            ("who wrote [[x]] and why", "\"who wrote \\u005b\\u005bx]] and why\""),
            ("\"quoted from end to end\"", "\"“\\\"quoted from end to end\\\"”\""),
            ("- a dash: # and {braces}", "\"- a dash: # and {braces}\""),
        ] {
            assert_eq!(
                with_example(LIST, message),
                LIST.replace("- one\n", &format!("- one\n  - {written}\n")),
                "{message}"
            );
        }
    }

    #[test]
    fn claim_file_falls_back_to_the_list_or_changes_nothing() {
        let both = format!("{LIST}\n## Examples\n\n- two\n");
        let not_for = "NOT for roses: that is pm stuff really";
        assert_eq!(
            with_example(&both, not_for),
            both.replace("- one\n", &format!("- one\n  - \"{not_for}\"\n"))
        );
        for message in [not_for, "who wrote [[x]] and why", "!? … !!"] {
            let mut files = folder(&[("agents/a.md", FEW), ("x.md", "# x\n[[a]]\n")]);
            let told = files.add(&"a".into(), message).unwrap_err().to_string();
            assert!(
                told.contains("agents/a.md") && told.contains("by hand") && told.contains(message),
                "{told}"
            );
            assert!(files.changes().next().is_none() && files.files[0].text == FEW);
        }
        let open = format!("{FEW}\n```\nnever closed\n");
        assert!(folder(&[("agents/a.md", &open)]).add(&"a".into(), "a b c").is_err());
    }

    #[test]
    fn claim_file_never_turns_brackets_into_a_link() {
        let mut files = folder(&[("agents/a.md", LIST), ("guides/x.md", "# x\n")]);
        files.add(&"a".into(), "who wrote [[x]] and why").unwrap();
        assert_eq!(files.parsed.graph.links, []);
        assert_eq!(files.graph().agents[0].examples, ["one", "who wrote [[x]] and why"]);
    }

    #[test]
    fn claim_file_refuses_an_example_of_another_agent_with_the_reason() {
        let mut files = folder(&[
            ("agents/a.md", FEW),
            ("agents/b.md", "---\ndescription: B.\n---\n# B\n## Examples\n- prune it\n"),
        ]);
        let told = files.add(&"a".into(), "Prune it!").unwrap_err().to_string();
        assert!(
            told.contains("agents/b.md")
                && told.contains("`prune it` is also an example in agents/a.md"),
            "{told}"
        );
        assert_eq!(
            files.add(&"a".into(), "ONE"),
            Err(NotWritten::Known { path: "agents/a.md".into(), example: "ONE".into() })
        );
        assert_eq!(files.add(&"c".into(), "prune"), Err(NotWritten::NoAgent("c".into())));
    }

    #[test]
    fn claim_file_of_a_skill_gets_examples_where_skills_are_agents() {
        let skill = "---\nname: pdf\ndescription: Reads PDF files.\n---\n# PDF\n";
        let files = [("agents/a.md", "# A\n"), ("pdf/SKILL.md", skill)];
        let pdf = AgentId::from("pdf");
        let mut knowledge = folder(&files);
        assert_eq!(knowledge.add(&pdf, "read it"), Err(NotWritten::NoAgent(pdf.clone())));
        let mut agents = folder_as(&files, Reading { skills_as_agents: true });
        agents.add(&pdf, "read it").unwrap();
        assert_eq!(agents.graph().agent(&pdf).unwrap().examples, ["read it"]);
    }

    #[test]
    fn claim_file_reads_a_file_by_its_kind_in_the_folder() {
        // Without agent files a SKILL.md is an agent; a guide is one if it has an agentId.
        let mut skills = folder(&[
            ("skills/csv/SKILL.md", "# CSV\n"),
            ("skills/pdf/SKILL.md", "---\nname: pdf\n---\n# PDF\n"),
        ]);
        skills.add(&"pdf".into(), "merge a_b and c_d").unwrap();
        skills.add(&"pdf".into(), "split it").unwrap();
        skills.add(&"csv".into(), "add them up").unwrap();
        let changed: Vec<_> = skills.changes().map(|change| (change.path, change.after)).collect();
        assert_eq!(changed[0], ("skills/csv/SKILL.md", "# CSV\n\n## Examples\n\n- add them up\n"));
        assert_eq!(skills.changes().nth(1).unwrap().before, "---\nname: pdf\n---\n# PDF\n");
        assert_eq!(
            changed[1].1,
            "---\nname: pdf\n---\n# PDF\n\n## Examples\n\n- merge a_b and c_d\n- split it\n"
        );
        let mut guides = folder(&[
            ("guides/g.md", "---\nagentId: g\n---\n# G\n"),
            ("skills/pdf/SKILL.md", "# PDF\n"),
        ]);
        guides.add(&"g".into(), "do it").unwrap();
        assert_eq!(guides.add(&"pdf".into(), "do it"), Err(NotWritten::NoAgent("pdf".into())));
    }
}
