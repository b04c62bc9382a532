//! Valid paths, kinds and names of files.

use crate::parse::front_matter::FrontMatter;
use contracts::graph::SkillKind;

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
    if parts.iter().any(|part| part.starts_with('.')) {
        return PathVerdict::Ignored;
    }
    let name = parts.last().copied().unwrap_or_default();
    match without_extension(name) {
        Some(_) if path.len() > PATH_BYTES_MAX => PathVerdict::TooLong,
        Some(stem) if !stem.is_empty() => PathVerdict::Read(parts.join("/")),
        _ => PathVerdict::NotMarkdown,
    }
}

/// The name without `.md` or `.markdown`, in any case.
pub fn without_extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    (extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown"))
        .then_some(stem)
}

/// The last part of a path, without extension.
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    without_extension(name).unwrap_or(name)
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
    if !is_skill_file(path) || parts.is_empty() {
        parts.push(stem(path));
    }
    parts
}

/// The kind from `type`, or from the nearest folder that implies one, or from `agentId`.
pub fn kind_of(path: &str, front: &FrontMatter) -> SkillKind {
    if let Some(kind) = front.text("type").and_then(|text| kind_named(&text)) {
        return kind;
    }
    if is_skill_file(path) {
        return if front.has("agentId") { SkillKind::Agent } else { SkillKind::Skill };
    }
    let is_cover = matches!(stem(path).to_lowercase().as_str(), "readme" | "index" | "_index");
    let claims_agent = front.text("agentId").is_some();
    let folders = path.rsplit('/').skip(1);
    let by_folder = folders.into_iter().find_map(|folder| match folder.to_lowercase().as_str() {
        "agents" | "agent" => Some(SkillKind::Agent),
        "channels" | "channel" => Some(SkillKind::Channel),
        "guides" | "guide" | "skills" => Some(SkillKind::Guide),
        _ => None,
    });
    match by_folder {
        Some(SkillKind::Guide) | None if claims_agent => SkillKind::Agent,
        Some(_) | None if is_cover && !claims_agent && front.text("name").is_none() => {
            SkillKind::Guide
        }
        Some(kind) => kind,
        None => SkillKind::Guide,
    }
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
    let stem = id_parts(path).last().copied().unwrap_or("agent").to_owned();
    front
        .text("agentId")
        .or_else(|| front.text("name"))
        .unwrap_or_else(|| without_prefix(&stem, "agent-").to_owned())
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
        kind_of(path, &read(yaml, 1).0.unwrap_or_default())
    }

    #[test]
    fn path_is_judged_before_the_file_is_read() {
        assert_eq!(judge_path("./agents/a.md"), PathVerdict::Read("agents/a.md".to_owned()));
        assert_eq!(judge_path("agents\\a.MD"), PathVerdict::Read("agents/a.MD".to_owned()));
        for hidden in [".obsidian/x.md", "a/.git/x.md", ".hidden.md"] {
            assert_eq!(judge_path(hidden), PathVerdict::Ignored, "{hidden}");
        }
        for out in ["../x.md", "a/../../x.md", "/etc/x.md", "C:/x.md", "..\\x.md", "a\0.md"] {
            assert_eq!(judge_path(out), PathVerdict::Refused, "{out}");
        }
        assert_eq!(judge_path("logo.png"), PathVerdict::NotMarkdown);
        assert_eq!(judge_path(""), PathVerdict::NotMarkdown);
    }

    #[test]
    fn kind_comes_from_type_then_folder_then_agent_id() {
        assert_eq!(kind("x.md", "type: Agents"), SkillKind::Agent);
        assert_eq!(kind("agents/x.md", "type: guide"), SkillKind::Guide);
        assert_eq!(kind("a/agents/x.md", ""), SkillKind::Agent);
        assert_eq!(kind("channels/slack.md", ""), SkillKind::Channel);
        assert_eq!(kind("skills/pdf/SKILL.md", "name: pdf"), SkillKind::Skill);
        assert_eq!(kind("skills/pdf/reference.md", ""), SkillKind::Guide);
        assert_eq!(kind("x.md", "agentId: x"), SkillKind::Agent);
        assert_eq!(kind("agents/README.md", ""), SkillKind::Guide);
        assert_eq!(kind("agent-runners.md", "type: moc"), SkillKind::Guide);
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
