//! Valid paths, kinds and names of files.

use crate::parse::front_matter::FrontMatter;
use contracts::graph::SkillKind;
use platform::text::composed;

/// The judgement of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathVerdict {
    /// Read it under this name (forward slashes, no `./`).
    Read(String),
    /// Hidden, `.git` or `.obsidian`: skipped without a finding.
    Ignored,
    /// Not Markdown.
    NotMarkdown,
    /// Leads out of the folder, or is not a path.
    Refused,
    /// Longer than [`PATH_BYTES_MAX`].
    TooLong,
}

/// Maximum bytes of a path.
pub const PATH_BYTES_MAX: usize = 1024;

/// Hidden folders in which other programs keep agents and skills, with the folders of theirs that
/// are read. Everything else in them is settings, caches and copies.
const HOMES: &[(&str, &[&str])] = &[
    (".claude", &["agents", "skills"]),
    (".opencode", &["agent", "agents", "skill", "skills"]),
    (".codex", &["agents", "skills"]),
    (".agents", &["agents", "skills"]),
    (".gemini", &["agents", "skills"]),
    (".cursor", &["agents", "skills"]),
    (".github", &["agents", "skills"]),
];

/// Folders of installed packages: thousands of files that no reader of the graph wants.
const PACKAGES: &[&str] = &["node_modules"];

/// Judges a path.
pub fn judge_path(path: &str) -> PathVerdict {
    let path = path.replace('\\', "/");
    let is_drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/')
        || is_drive
        || path.contains('\0')
        || path.split('/').any(|part| part == "..")
    {
        return PathVerdict::Refused;
    }
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if is_passed_over(&parts) {
        return PathVerdict::Ignored;
    }
    let name = parts.last().copied().unwrap_or_default();
    match without_extension(name).or_else(|| without_toml(name)) {
        Some(_) if path.len() > PATH_BYTES_MAX => PathVerdict::TooLong,
        Some(stem) if !stem.is_empty() => PathVerdict::Read(parts.join("/")),
        _ => PathVerdict::NotMarkdown,
    }
}

/// Whether a file or folder of these path parts is skipped without a finding: hidden, except where
/// other programs keep their agents, or part of an installed package.
pub fn is_passed_over(parts: &[&str]) -> bool {
    parts.iter().enumerate().any(|(at, part)| {
        let inner = parts.get(at + 1);
        let is_home = |(home, read): &(&str, &[&str])| {
            home == part && inner.is_none_or(|inner| read.contains(inner))
        };
        PACKAGES.contains(part) || part.starts_with('.') && !HOMES.iter().any(is_home)
    })
}

/// Whether the file lies where another program keeps its agents, such as `.claude/agents/`.
pub fn is_in_a_home(path: &str) -> bool {
    path.split('/').any(|part| HOMES.iter().any(|(home, _)| *home == part))
}

/// The name without `.md` or `.markdown`, in any case.
pub fn without_extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    (extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown"))
        .then_some(stem)
}

/// The name without `.toml`, in any case: the ending of Codex's agents, whose text the reader of
/// the folder turns into Markdown.
pub fn without_toml(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    extension.eq_ignore_ascii_case("toml").then_some(stem)
}

/// The last part of a path, without extension.
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    without_extension(name).or_else(|| without_toml(name)).unwrap_or(name)
}

/// Whether this is the `SOUL.md` of an agent's workspace, which is named after its folder.
pub fn is_soul_file(path: &str) -> bool {
    stem(path) == "SOUL"
}

/// Whether this is the `SKILL.md` of a skill folder.
pub fn is_skill_file(path: &str) -> bool {
    stem(path).eq_ignore_ascii_case("skill")
}

/// The candidate parts of a file's id: folders, then the stem; a `SKILL.md` is named after its
/// folder.
pub fn id_parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    if !(is_skill_file(path) || is_soul_file(path)) || parts.is_empty() {
        parts.push(stem(path));
    }
    parts
}

/// Signs of a file's kind in the text below the front matter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signs {
    /// It has a heading about examples or about when to use it.
    pub examples: bool,
    /// It has a heading for the prompt of an agent.
    pub prompt: bool,
    /// It takes the arguments of a slash command.
    pub arguments: bool,
}

/// Keys that an agent's file has and a document about agents has not.
const KEYS_OF_AGENTS: &[&str] = &[
    "keywords",
    "examples",
    "triggers",
    "utterances",
    "complexity",
    "relatedAgents",
    "model",
    "tools",
    "color",
    "mode",
    "permission",
];

/// The kind, from `type` and from the contents. Folders at the root of the graph, or of another
/// program (`agents/`, `channels/`), decide by their name; elsewhere they count as a sign.
pub fn kind_of(path: &str, front: &FrontMatter, signs: Signs) -> SkillKind {
    if let Some(kind) = front.text("type").and_then(|text| kind_named(&text)) {
        return kind;
    }
    let claims_agent = front.text("agentId").is_some();
    if is_skill_file(path) {
        return if front.has("agentId") { SkillKind::Agent } else { SkillKind::Skill };
    }
    let place = place_of(path);
    let is_channel = ["channelId", "platform", "latency", "contextRichness"];
    if place == Some((SkillKind::Channel, true))
        || place.is_some_and(|(kind, _)| kind == SkillKind::Channel)
            && is_channel.iter().any(|key| front.has(key))
    {
        return SkillKind::Channel;
    }
    if claims_agent {
        return SkillKind::Agent;
    }
    let describes = front.text("description").is_some();
    let is_named = describes && front.text("name").is_some();
    // The owner put it there, so only what every folder has is not meant.
    let is_put_there = place == Some((SkillKind::Agent, true)) && !is_in_a_home(path);
    if is_put_there && !is_readme_or_licence(path) && (is_named || signs.examples) {
        return SkillKind::Agent;
    }
    if is_about_the_folder(path) || signs.arguments || front.has("argument-hint") {
        return SkillKind::Guide;
    }
    if is_soul_file(path) {
        return SkillKind::Agent;
    }
    if is_named || describes && is_of_another_program(path, front) {
        return SkillKind::Agent;
    }
    let has_keys = KEYS_OF_AGENTS.iter().any(|key| front.has(key));
    match place {
        Some((SkillKind::Agent, true)) if !is_index(path) => SkillKind::Agent,
        Some((SkillKind::Agent, false)) if has_keys || signs.examples => SkillKind::Agent,
        _ if signs.prompt && signs.examples => SkillKind::Agent,
        _ => SkillKind::Guide,
    }
}

/// The kind that the nearest telling folder implies, and whether that folder is at the root of the
/// graph or of another program's agents.
fn place_of(path: &str) -> Option<(SkillKind, bool)> {
    let folders: Vec<&str> = path.split('/').collect();
    let folders = folders.split_last().map_or(&[][..], |(_, folders)| folders);
    folders.iter().enumerate().rev().find_map(|(at, folder)| {
        let kind = match folder.to_lowercase().as_str() {
            "agents" | "agent" => SkillKind::Agent,
            "channels" | "channel" => SkillKind::Channel,
            "guides" | "guide" | "skills" => SkillKind::Guide,
            _ => return None,
        };
        let is_root = at == 0 || at == 1 && folders.first().is_some_and(|part| is_in_a_home(part));
        Some((kind, is_root))
    })
}

/// An agent of `OpenCode` has a mode, and one of Copilot the ending `.agent.md`.
fn is_of_another_program(path: &str, front: &FrontMatter) -> bool {
    let mode = front.text("mode").unwrap_or_default();
    matches!(mode.as_str(), "primary" | "subagent" | "all")
        || stem(path).to_lowercase().ends_with(".agent")
}

/// Files about a folder or a repository, whatever their front matter says.
fn is_about_the_folder(path: &str) -> bool {
    let stem = stem(path);
    // `security.md` may well be an agent, `SECURITY.md` is a policy.
    let is_shouted = matches!(
        stem,
        "SECURITY" | "SUPPORT" | "AUTHORS" | "GOVERNANCE" | "MAINTAINERS" | "NOTICE" | "TODO"
    );
    is_shouted
        || is_readme_or_licence(path)
        || matches!(
            first_word(path).as_str(),
            "contributing"
                | "changelog"
                | "release_notes"
                | "code_of_conduct"
                | "third_party_notices"
                | "agents"
                | "claude"
                | "gemini"
        )
}

fn is_readme_or_licence(path: &str) -> bool {
    matches!(first_word(path).as_str(), "readme" | "license" | "licence" | "copying")
}

/// The stem in lower case, up to its first dot (`readme` of `README.zh.md`).
fn first_word(path: &str) -> String {
    let lower = stem(path).to_lowercase().replace(['-', ' '], "_");
    lower.split('.').next().unwrap_or_default().to_owned()
}

fn is_index(path: &str) -> bool {
    matches!(stem(path).to_lowercase().as_str(), "index" | "_index")
}

fn kind_named(text: &str) -> Option<SkillKind> {
    match text.to_lowercase().trim_end_matches('s') {
        "agent" => Some(SkillKind::Agent),
        "channel" => Some(SkillKind::Channel),
        "skill" => Some(SkillKind::Skill),
        "guide" => Some(SkillKind::Guide),
        _ => None,
    }
}

/// Agent id: `agentId`, or `name`, or the stem (for `SKILL.md` the folder's) without `agent-`.
pub fn agent_id(path: &str, front: &FrontMatter) -> String {
    let stem = id_parts(path).last().copied().unwrap_or("agent");
    let stem = stem.strip_suffix(".agent").unwrap_or(stem);
    let stem = match stem {
        // The default workspace of OpenClaw is called so.
        "workspace" | "SOUL" if is_soul_file(path) => "openclaw",
        _ if is_soul_file(path) => without_prefix(stem, "workspace-"),
        _ => stem,
    };
    let id = front
        .text("agentId")
        .or_else(|| front.text("name"))
        .unwrap_or_else(|| without_prefix(stem, "agent-").to_owned());
    composed(&id)
}

/// Channel id: `channelId`, or `name`, or the stem without `channel-`.
pub fn channel_id(path: &str, front: &FrontMatter) -> String {
    let stem = stem(path);
    front
        .text("channelId")
        .or_else(|| front.text("name"))
        .unwrap_or_else(|| without_prefix(stem, "channel-").to_owned())
}

/// The text without a prefix, unless nothing would remain.
pub fn without_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    text.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::front_matter::read;

    fn kind(path: &str, yaml: &str) -> SkillKind {
        with_signs(path, yaml, Signs::default())
    }
    fn with_signs(path: &str, yaml: &str, signs: Signs) -> SkillKind {
        kind_of(path, &read(yaml, 1).0.unwrap_or_default(), signs)
    }

    #[test]
    fn path_is_judged_before_the_file_is_read() {
        assert_eq!(judge_path("./agents/a.md"), PathVerdict::Read("agents/a.md".to_owned()));
        assert_eq!(judge_path("agents\\a.MD"), PathVerdict::Read("agents/a.MD".to_owned()));
        for hidden in [
            ".obsidian/x.md",
            "a/.git/x.md",
            ".hidden.md",
            ".claude/settings.md",
            ".claude/worktrees/a/agents/x.md",
            ".github/ISSUE_TEMPLATE/bug.md",
            "a/node_modules/b/agents/x.md",
        ] {
            assert_eq!(judge_path(hidden), PathVerdict::Ignored, "{hidden}");
        }
        for out in ["../x.md", "a/../../x.md", "/etc/x.md", "C:/x.md", "..\\x.md", "a\0.md"] {
            assert_eq!(judge_path(out), PathVerdict::Refused, "{out}");
        }
        assert_eq!(judge_path("a.Toml"), PathVerdict::Read("a.Toml".to_owned()));
        assert_eq!(stem("x/a.Toml"), "a");
        assert_eq!(judge_path("logo.png"), PathVerdict::NotMarkdown);
        assert_eq!(judge_path("toml"), PathVerdict::NotMarkdown);
        assert_eq!(judge_path(""), PathVerdict::NotMarkdown);
    }

    #[test]
    fn path_of_another_programs_agents_is_read() {
        for path in [
            ".claude/agents/x.md",
            "app/.claude/skills/pdf/SKILL.md",
            ".opencode/agent/x.md",
            ".github/agents/x.agent.md",
        ] {
            assert_eq!(judge_path(path), PathVerdict::Read(path.to_owned()), "{path}");
        }
        assert!(!is_passed_over(&[".claude"]), "the folder itself is entered");
    }

    #[test]
    fn kind_comes_from_type_then_folder_then_agent_id() {
        assert_eq!(kind("x.md", "type: Agents"), SkillKind::Agent);
        assert_eq!(kind("agents/x.md", "type: guide"), SkillKind::Guide);
        assert_eq!(kind("agents/deep/x.md", ""), SkillKind::Agent);
        assert_eq!(kind("channels/slack.md", ""), SkillKind::Channel);
        assert_eq!(kind("skills/pdf/SKILL.md", "name: pdf"), SkillKind::Skill);
        assert_eq!(kind("skills/pdf/reference.md", ""), SkillKind::Guide);
        assert_eq!(kind("x.md", "agentId: x"), SkillKind::Agent);
        assert_eq!(kind("agents/README.md", ""), SkillKind::Guide);
        assert_eq!(kind("agent-runners.md", "type: moc"), SkillKind::Guide);
    }

    #[test]
    fn kind_is_decided_by_the_contents_anywhere() {
        let subagent = "name: x\ndescription: Does x.\ntools: Read\n";
        for path in
            ["x.md", "dev/x.md", "guides/x.md", "plugins/p/agents/x.md", "docs/channels/x.md"]
        {
            assert_eq!(kind(path, subagent), SkillKind::Agent, "{path}");
        }
        assert_eq!(kind("x.md", "name: x"), SkillKind::Guide, "a name alone is no agent");
        assert_eq!(kind("x.md", "description: X.\nmode: subagent"), SkillKind::Agent);
        assert_eq!(kind("x.md", "description: X.\nmode: dark"), SkillKind::Guide);
        assert_eq!(kind(".github/agents/x.agent.md", "description: X."), SkillKind::Agent);
        assert_eq!(kind(".claude/agents/x.md", ""), SkillKind::Agent);
    }

    #[test]
    fn kind_by_the_folder_is_that_of_the_nearest_telling_one() {
        for (path, yaml, expected) in [
            (".claude/agents/deep/x.md", "", SkillKind::Agent),
            ("agents/guides/x.md", "", SkillKind::Guide),
            ("agents/skills/x.md", "", SkillKind::Guide),
            ("skills/agents/x.md", "", SkillKind::Guide),
            ("skills/agents/x.md", "tools: Read", SkillKind::Agent),
            ("agents/deep/agents/x.md", "", SkillKind::Guide),
            ("app/.claude/agents/x.md", "", SkillKind::Guide),
            ("docs/channels/x.md", "", SkillKind::Guide),
            ("docs/channels/x.md", "latency: low", SkillKind::Channel),
            ("agents/channels/x.md", "latency: low", SkillKind::Channel),
        ] {
            assert_eq!(kind(path, yaml), expected, "{path} {yaml}");
        }
        let examples = Signs { examples: true, ..Signs::default() };
        assert_eq!(with_signs("docs/agents/x.md", "", examples), SkillKind::Agent);
        assert_eq!(with_signs("docs/x.md", "", examples), SkillKind::Guide);
    }

    #[test]
    fn kind_of_documents_about_agents_is_guide() {
        let subagent = "name: x\ndescription: Does x.\n";
        for path in [
            "README.md",
            "agents/readme.zh.md",
            "CONTRIBUTING.md",
            "LICENSE.md",
            "agents/LICENSE.md",
            "dev/SECURITY.md",
            "AGENTS.md",
            "CLAUDE.md",
        ] {
            assert_eq!(kind(path, subagent), SkillKind::Guide, "{path}");
        }
        assert_eq!(kind("agents/SECURITY.md", ""), SkillKind::Guide);
        assert_eq!(kind("agents/security.md", ""), SkillKind::Agent, "the agent of that name");
        assert_eq!(kind("README.md", "agentId: x"), SkillKind::Agent, "it says so itself");
        assert_eq!(kind("docs/agents/x.md", "title: X"), SkillKind::Guide);
        assert_eq!(kind("docs/agents/x.md", "model: opus"), SkillKind::Agent);
        let command = Signs { arguments: true, ..Signs::default() };
        assert_eq!(with_signs("tools/x.md", subagent, command), SkillKind::Guide);
        assert_eq!(kind("x.md", "name: x\ndescription: X.\nargument-hint: <y>"), SkillKind::Guide);
    }

    #[test]
    fn kind_of_a_described_file_in_the_agents_of_the_graph_is_agent() {
        let subagent = "name: x\ndescription: Does x.\n";
        let arguments = Signs { arguments: true, ..Signs::default() };
        let examples = Signs { examples: true, ..arguments };
        for stem in ["SECURITY", "SUPPORT", "changelog", "claude", "gemini", "index", "todo"] {
            let path = format!("agents/{stem}.md");
            assert_eq!(with_signs(&path, subagent, arguments), SkillKind::Agent, "{path}");
            assert_eq!(with_signs(&path, "", examples), SkillKind::Agent, "{path}");
        }
        assert_eq!(with_signs("them/agents/x.md", subagent, arguments), SkillKind::Guide);
        assert_eq!(with_signs("agents/README.md", subagent, examples), SkillKind::Guide);
    }

    #[test]
    fn agent_id_comes_from_agent_id_name_or_stem() {
        let id = |path: &str, yaml: &str| agent_id(path, &read(yaml, 1).0.unwrap_or_default());
        assert_eq!(id("agents/agent-x.md", "agentId: CodeGen\nname: n"), "CodeGen");
        assert_eq!(id("agents/agent-x.md", "name: n"), "n");
        assert_eq!(id("agents/agent-x.md", ""), "x");
        assert_eq!(id("skills/pdf/SKILL.md", ""), "pdf");
    }
}
