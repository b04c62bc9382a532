//! One parsed file: its keys, its outline, its kind and names, without knowledge of other files.

use crate::finding::finding;
use crate::parse::example_tags;
use crate::parse::examples::{Claims, announces_examples, claims, split_negatives};
use crate::parse::front_matter::{self, FrontMatter, unique};
use crate::parse::kind::{self, Signs, is_skill_file};
use crate::parse::markdown::{BlockKind, Outline, outline};
use contracts::graph::{Complexity, Finding, Severity, SkillKind, SourceFile};

/// Size above which only the title, headings and the first part of the text are indexed.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
const DESCRIPTION_CHARS_MAX: usize = 300;
/// Maximum characters of an id.
pub const ID_CHARS_MAX: usize = 100;

/// Keys of every kind of file.
const KEYS: &[&str] = &[
    "title",
    "name",
    "description",
    "keywords",
    "aliases",
    "alias",
    "tags",
    "tag",
    "type",
    "relatedAgents",
];
/// Additional keys of an agent.
const AGENT_KEYS: &[&str] = &[
    "agentId",
    "model",
    "complexity",
    "relatedChannels",
    "examples",
    "triggers",
    "utterances",
    "fallback",
    "public",
];
/// Additional keys of a channel.
const CHANNEL_KEYS: &[&str] = &["channelId", "platform", "contextRichness", "latency"];

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Document {
    pub path: String,
    pub front: FrontMatter,
    pub body: String,
    pub outline: Outline,
    pub kind: SkillKind,
    pub title: String,
    pub description: String,
    /// The front matter's `name`.
    pub name: Option<String>,
    pub aliases: Vec<String>,
    pub keywords: Vec<String>,
    pub agent_id: Option<String>,
    pub channel_id: Option<String>,
    pub claims: Claims,
    pub complexity: Vec<Complexity>,
}

impl Signs {
    fn of(body: &str, outline: &Outline) -> Self {
        let has = |test: &dyn Fn(&str) -> bool| {
            outline.headings.iter().any(|heading| test(&heading.text))
        };
        Self {
            examples: has(&announces_examples),
            prompt: has(&|text| text.eq_ignore_ascii_case("system prompt")),
            arguments: body.contains("$ARGUMENTS"),
        }
    }
}

impl Document {
    /// Parses a file with a valid path. `None` when it must be left out; the findings give the
    /// reason.
    #[expect(clippy::too_many_lines, reason = "one block for each kind of key")]
    pub fn read(file: &SourceFile) -> (Option<Self>, Vec<Finding>) {
        let text = normal(&file.text);
        let mut findings = Vec::new();
        if text.len() > FILE_BYTES_MAX {
            let message = format!(
                "the file has {} KB; its title, headings and first 64 KB are searchable",
                text.len() / 1024
            );
            findings.push(finding(
                Severity::Warning,
                "large_file",
                &file.path,
                0,
                message,
                "Split it into several files and link them.",
            ));
        }
        let cut = front_matter::cut(&text);
        if cut.unclosed {
            let fix = "Close the front matter with a line of three dashes.";
            findings.push(finding(
                Severity::Error,
                "bad_front_matter",
                &file.path,
                1,
                "the front matter is never closed",
                fix,
            ));
            return (None, findings);
        }
        let (front, troubles) =
            cut.yaml.map_or((Some(FrontMatter::default()), Vec::new()), |yaml| {
                front_matter::read(yaml, cut.yaml_line)
            });
        for trouble in &troubles {
            let (severity, code) = if trouble.fatal {
                (Severity::Error, "bad_front_matter")
            } else {
                // The text is read as its author meant it, so nothing has to change.
                (Severity::Hint, "repaired_front_matter")
            };
            findings.push(finding(
                severity,
                code,
                &file.path,
                trouble.line,
                &trouble.message,
                "Write `key: value`; quote texts with a colon or a special character.",
            ));
        }
        if troubles.iter().any(|trouble| trouble.fatal) {
            return (None, findings);
        }
        // Text between two rules is prose, not keys.
        let (front, body, body_line) = front
            .map_or((FrontMatter::default(), text.as_str(), 1), |front| {
                (front, cut.body, cut.body_line)
            });
        let document = Self::describe(&file.path, front, body, body_line);
        let bad_id = document
            .agent_id
            .as_deref()
            .or(document.channel_id.as_deref())
            .filter(|id| id.chars().count() > ID_CHARS_MAX || id.chars().any(char::is_control));
        if bad_id.is_some() {
            let message = format!(
                "the id is longer than {ID_CHARS_MAX} characters or contains control characters"
            );
            findings.push(finding(
                Severity::Error,
                "bad_id",
                &file.path,
                document.front.line("agentId"),
                message,
                "Give it a short id of one or two words.",
            ));
            return (None, findings);
        }
        (Some(document), findings)
    }

    fn describe(path: &str, front: FrontMatter, body: &str, body_line: u32) -> Self {
        let outline = outline(body, body_line);
        let signs = Signs::of(body, &outline);
        let kind = kind::kind_of(path, &front, signs);
        let name = front.text("name");
        let first_heading = || {
            outline
                .headings
                .iter()
                .find(|heading| heading.level == 1 || name.is_none())
                .map(|heading| heading.text.clone())
        };
        // Below its front matter a subagent has its prompt, whose headings are no title.
        let is_subagent = kind == SkillKind::Agent && !front.has("agentId");
        let title = front
            .text("title")
            .or_else(|| name.clone().filter(|_| is_subagent))
            .or_else(|| first_heading().filter(|text| !text.is_empty()))
            .or_else(|| name.clone());
        let title = title
            .unwrap_or_else(|| kind::id_parts(path).last().copied().unwrap_or(path).to_owned());
        let description = described(&front).unwrap_or_else(|| first_paragraph(&outline));
        let mut document = Self {
            path: path.to_owned(),
            kind,
            title,
            description,
            name,
            aliases: unique(front.list("aliases").into_iter().chain(front.list("alias"))),
            keywords: front.list("keywords"),
            agent_id: None,
            channel_id: (kind == SkillKind::Channel).then(|| kind::channel_id(path, &front)),
            claims: Claims::default(),
            complexity: complexities(&front),
            front,
            body: body.to_owned(),
            outline,
        };
        if kind == SkillKind::Agent {
            document.become_agent();
        }
        document
    }

    /// Turns it into an agent: for agent files, and for skills in a folder without agents.
    pub fn become_agent(&mut self) {
        self.kind = SkillKind::Agent;
        self.agent_id = Some(kind::agent_id(&self.path, &self.front));
        self.claims = claims(&self.front, &self.outline, &self.body);
    }
    /// Turns it into knowledge: for the files of a skill.
    pub fn become_guide(&mut self) {
        self.kind = SkillKind::Guide;
        (self.agent_id, self.channel_id, self.claims) = (None, None, Claims::default());
    }
    /// Whether its front matter says what it is, with an id or a type.
    pub fn is_explicit(&self) -> bool {
        ["agentId", "channelId", "type"].iter().any(|key| self.front.has(key))
    }
    /// Whether it is an empty form, such as the template of a collection.
    pub fn is_placeholder(&self) -> bool {
        let text = self.description.trim_start_matches(['[', '<', '{', ' ']).to_lowercase();
        ["replace with", "todo"].iter().any(|start| text.starts_with(start))
    }
    /// Whether this is a skill folder's `SKILL.md`.
    pub fn is_skill_file(&self) -> bool {
        is_skill_file(&self.path)
    }
    /// The description without its "NOT for …" clauses, which would teach the opposite.
    pub fn positive_description(&self) -> String {
        split_negatives(&self.description).0.replace('\n', " ")
    }
    /// Tags without their `#`.
    pub fn tags(&self) -> Vec<String> {
        let tags = self.front.list("tags").into_iter().chain(self.front.list("tag"));
        unique(tags.map(|tag| tag.trim_start_matches('#').to_owned()))
    }
    /// Front matter keys that this kind of file does not use.
    pub fn extra(&self) -> std::collections::BTreeMap<String, serde_json::Value> {
        let own = match self.kind {
            SkillKind::Agent => AGENT_KEYS,
            SkillKind::Channel => CHANNEL_KEYS,
            SkillKind::Skill | SkillKind::Guide => &[],
        };
        self.front.extra(&[KEYS, own].concat())
    }
}

/// The description on one line, without its `<example>` blocks.
fn described(front: &FrontMatter) -> Option<String> {
    let text = example_tags::split(&front.raw_text("description")?).rest;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// The text without byte order mark and NUL, with `\n` line ends.
pub fn normal(text: &str) -> String {
    text.trim_start_matches('\u{feff}')
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "\u{fffd}")
}

fn complexities(front: &FrontMatter) -> Vec<Complexity> {
    let known = [Complexity::Simple, Complexity::Moderate, Complexity::Complex];
    let named = front.list("complexity");
    known
        .into_iter()
        .filter(|known| named.iter().any(|name| name.eq_ignore_ascii_case(known.as_str())))
        .collect()
}

/// The first paragraph as one line, for files without a description.
fn first_paragraph(outline: &Outline) -> String {
    let paragraph = outline.blocks.iter().find(|block| block.kind == BlockKind::Paragraph);
    let text = paragraph.map(|block| block.text.replace('\n', " ")).unwrap_or_default();
    if text.chars().count() <= DESCRIPTION_CHARS_MAX {
        return text;
    }
    let head: String = text.chars().take(DESCRIPTION_CHARS_MAX - 1).collect();
    format!("{}…", head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> (Option<Document>, Vec<Finding>) {
        Document::read(&SourceFile { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn document_reads_windows_files_like_others() {
        let document = read(
            "agents/a.md",
            "\u{feff}---\r\ntitle: T\r\nkeywords: a, b\r\n---\r\n# H\r\ntext\r\n",
        )
        .0
        .unwrap();
        assert_eq!(
            (document.title.as_str(), document.keywords.len(), document.body.as_str()),
            ("T", 2, "# H\ntext\n")
        );
    }

    #[test]
    fn document_title_is_the_heading_or_the_file_name() {
        assert_eq!(read("a/x.md", "# Big *idea*\n").0.unwrap().title, "Big idea");
        assert_eq!(read("a/x.md", "").0.unwrap().title, "x");
        assert_eq!(
            read("skills/pdf/SKILL.md", "---\nname: pdf-tools\n---\n## Use\n").0.unwrap().title,
            "pdf-tools"
        );
    }

    #[test]
    fn document_reports_invalid_front_matter_with_its_line() {
        let (document, findings) = read("a.md", "---\ntitle: T\nkeywords: [a, b\n---\n");
        assert!(document.is_none());
        assert_eq!(
            (findings[0].code.as_str(), findings[0].severity),
            ("bad_front_matter", Severity::Error)
        );
        assert!(findings[0].line >= 3, "{findings:?}");
        assert_eq!(read("a.md", "---\ntitle: T\n").1[0].line, 1);
    }

    #[test]
    fn document_keeps_unused_keys() {
        let document = read("skills/w/SKILL.md", "---\nname: w\nlicense: MIT\nlatency: low\nmetadata: {openclaw: {requires: [curl]}}\n---\n").0.unwrap();
        assert_eq!(document.extra().keys().collect::<Vec<_>>(), ["latency", "license", "metadata"]);
    }
}
