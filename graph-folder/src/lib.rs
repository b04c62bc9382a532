//! Skill graphs as folders: the default one in the binary, others on disk.

pub mod claim_file;
mod codex;
pub mod import;
mod plain;

use anyhow::{Context, Result, anyhow, bail};
use contracts::graph::{Finding, Severity, SourceFile};
use include_dir::{Dir, include_dir};
use skill_graph_loader::parse::kind;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

static DEFAULT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../routing-knowledge");

/// Maximum bytes of a file. The loader reads only the start of files far below this.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 20_000;

/// The default graph, compiled into the binary.
pub fn default_graph() -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(&DEFAULT, &mut files);
    files
}

fn collect(folder: &Dir<'_>, files: &mut Vec<SourceFile>) {
    for file in
        folder.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "md"))
    {
        files.push(SourceFile {
            path: file.path().to_string_lossy().replace('\\', "/"),
            text: file.contents_utf8().unwrap_or_default().to_owned(),
        });
    }
    folder.dirs().for_each(|inner| collect(inner, files));
}

/// Reads all Markdown below a folder, without hidden names except those in which other programs
/// keep agents. Links out of the folder, unreadable
/// files and invalid UTF-8 become findings.
///
/// # Errors
/// When the folder cannot be read, has no Markdown, or too much of it.
pub fn read(folder: &Path) -> Result<(Vec<SourceFile>, Vec<Finding>)> {
    let (files, findings) = read_any(folder)?;
    if files.is_empty() {
        bail!("{} has no Markdown files", folder.display());
    }
    Ok((files, findings))
}

/// Reads a folder as [`read`] does, also one that has no Markdown yet.
///
/// # Errors
/// When the folder cannot be read, or has too much Markdown.
pub fn read_any(folder: &Path) -> Result<(Vec<SourceFile>, Vec<Finding>)> {
    let root = folder
        .canonicalize()
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if !root.is_dir() {
        bail!("{} is a file. Name its folder.", folder.display());
    }
    std::fs::read_dir(&root)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut findings = Vec::new();
    let mut report = |what: &Path, why: Odd| {
        findings.push(why.finding(what.strip_prefix(&root).unwrap_or(what)));
    };
    let found = walk(&root, &mut report);
    let too_many = || {
        anyhow!(
            "{} has more than {FILES_MAX} Markdown files. Name the folder with the agents.",
            folder.display()
        )
    };
    if found.iter().filter(|file| !file.is_toml()).count() > FILES_MAX {
        return Err(too_many());
    }
    let read = found.iter().filter_map(|file| one(&root, file, &mut report));
    let mut files: Vec<SourceFile> = read.take(FILES_MAX + 1).collect();
    if files.len() > FILES_MAX {
        return Err(too_many());
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, findings))
}

/// A problem with a file before it is parsed.
enum Odd {
    LeadsOut,
    LeadsNowhere,
    Unreadable(std::io::Error),
    TooLarge,
    NotUtf8,
}

impl Odd {
    fn finding(self, path: &Path) -> Finding {
        let (code, message, fix) = match self {
            Self::LeadsOut => (
                "leads_out",
                "the link leads out of the folder and was skipped".to_owned(),
                "Copy the file into the folder.",
            ),
            Self::LeadsNowhere => (
                "leads_nowhere",
                "the link is broken and was skipped".to_owned(),
                "Remove the link, or restore its target.",
            ),
            Self::Unreadable(error) => (
                "unreadable",
                format!("the file cannot be read and was skipped: {error}"),
                "Allow the user that runs quintet to read it.",
            ),
            Self::TooLarge => (
                "too_large",
                "the file is larger than 8 MB and was skipped".to_owned(),
                "Split it, or move it out of the folder.",
            ),
            Self::NotUtf8 => (
                "not_utf8",
                "the file is not UTF-8; invalid bytes became \u{fffd}".to_owned(),
                "Save it as UTF-8.",
            ),
        };
        let path = path.to_string_lossy().replace('\\', "/");
        Finding {
            severity: Severity::Warning,
            code: code.to_owned(),
            path,
            line: 0,
            message,
            fix: fix.to_owned(),
        }
    }
}

/// Fingerprint that changes when a file is added, removed, resized or written: names, sizes and
/// times, not contents.
pub fn fingerprint(folder: &Path) -> u64 {
    let mut all: Vec<(PathBuf, u64, Option<SystemTime>)> = folder.canonicalize().map_or_else(
        |_| Vec::new(),
        |root| {
            walk(&root, &mut |_, _| {})
                .into_iter()
                .map(|file| (file.path, file.bytes, file.written))
                .collect()
        },
    );
    all.sort();
    let mut hasher = std::hash::DefaultHasher::new();
    all.hash(&mut hasher);
    hasher.finish()
}

/// A Markdown file on disk, or TOML that can be an agent, by its real path.
struct Found {
    path: PathBuf,
    bytes: u64,
    written: Option<SystemTime>,
}

impl Found {
    /// Whether it counts as Markdown only if it turns out to be an agent.
    fn is_toml(&self) -> bool {
        kind::without_toml(&self.path.to_string_lossy()).is_some()
    }
}

/// Every Markdown and TOML file below a real folder, once each, however many links point to it.
fn walk(root: &Path, report: &mut impl FnMut(&Path, Odd)) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut count = 0;
    let mut open = vec![root.to_owned()];
    let mut seen = HashSet::from([root.to_owned()]);
    while let Some(at) = open.pop() {
        let entries = match std::fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) => {
                report(&at, Odd::Unreadable(error));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if is_passed_over(path.strip_prefix(root).unwrap_or(&path)) {
                continue;
            }
            let Ok(real) = path.canonicalize() else {
                report(&path, Odd::LeadsNowhere);
                continue;
            };
            if !real.starts_with(root) {
                report(&path, Odd::LeadsOut);
                continue;
            }
            let Ok(about) = real.metadata() else { continue };
            let name = real.file_name().unwrap_or_default().to_string_lossy();
            let markdown = kind::without_extension(&name).is_some();
            let is_read = markdown || kind::without_toml(&name).is_some();
            if !(about.is_dir() || about.is_file() && is_read) || !seen.insert(real.clone()) {
                continue;
            }
            if about.is_dir() {
                open.push(real);
            } else {
                count += usize::from(markdown);
                found.push(Found {
                    path: real,
                    bytes: about.len(),
                    written: about.modified().ok(),
                });
            }
        }
        if count > FILES_MAX {
            break;
        }
    }
    found
}

/// Whether a path below the root is hidden from the graph. Links can lead there all the same, and
/// then the loader passes over their target.
fn is_passed_over(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    kind::is_passed_over(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

fn one(root: &Path, file: &Found, report: &mut impl FnMut(&Path, Odd)) -> Option<SourceFile> {
    let below = file.path.strip_prefix(root).ok()?;
    let path = below.to_string_lossy().replace('\\', "/");
    if file.is_toml() {
        let text = String::from_utf8(plain::read(root, below, codex::BYTES_MAX).ok()?).ok()?;
        return codex::as_markdown(&text).map(|text| SourceFile { path, text });
    }
    if file.bytes > FILE_BYTES_MAX {
        report(&file.path, Odd::TooLarge);
        return None;
    }
    match plain::read(root, below, FILE_BYTES_MAX) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).unwrap_or_else(|error| {
                report(&file.path, Odd::NotUtf8);
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            });
            Some(SourceFile { path, text })
        }
        Err(error) => {
            report(&file.path, Odd::Unreadable(error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_folder_reads_a_messy_folder_without_failing() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.md"), "# Secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("agents/deep")).unwrap();
        std::fs::create_dir_all(at(".git")).unwrap();
        std::fs::create_dir_all(at("closed")).unwrap();
        std::fs::write(at("agents/编码.md"), "# 编码\n## Examples\n- 写代码\n").unwrap();
        std::fs::write(at("agents/deep/Übersicht.MARKDOWN"), "# Übersicht").unwrap();
        std::fs::write(at("agents/empty.md"), "").unwrap();
        std::fs::write(at("agents/latin.md"), b"# caf\xe9").unwrap();
        std::fs::write(at("agents/picture.png"), "no").unwrap();
        std::fs::write(at("Cargo.toml"), "[package]\n").unwrap();
        let codex = "name = \"api\"\ndescription = \"D\"\ndeveloper_instructions = \"I\"\n";
        std::fs::write(at("api.TOML"), codex).unwrap();
        std::fs::write(at(".git/hidden.md"), "no").unwrap();
        std::fs::create_dir_all(at(".claude/agents")).unwrap();
        std::fs::create_dir_all(at(".claude/worktrees")).unwrap();
        std::fs::write(at(".claude/agents/review.md"), "# Review").unwrap();
        std::fs::write(at(".claude/worktrees/copy.md"), "no").unwrap();
        std::fs::write(at("large.md"), vec![b'a'; (FILE_BYTES_MAX + 1) as usize]).unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink(outside.path().join("secret.md"), at("secret.md")).unwrap();
        symlink(at("agents"), at("again")).unwrap();
        symlink(folder.path(), at("agents/loop")).unwrap();
        symlink(at("gone.md"), at("dangling.md")).unwrap();
        std::fs::set_permissions(at("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let (files, findings) = read(folder.path()).unwrap();
        std::fs::set_permissions(at("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                ".claude/agents/review.md",
                "agents/deep/Übersicht.MARKDOWN",
                "agents/empty.md",
                "agents/latin.md",
                "agents/编码.md",
                "api.TOML"
            ]
        );
        let parsed =
            skill_graph_loader::check_folder(files.clone(), skill_graph_loader::Reading::default());
        assert!(parsed.graph.agents.iter().any(|agent| agent.id.as_str() == "api"));
        assert_eq!(files[3].text, "# caf\u{fffd}");
        let mut found: Vec<(&str, &str)> =
            findings.iter().map(|finding| (finding.path.as_str(), finding.code.as_str())).collect();
        found.sort_unstable();
        let odd = [
            ("agents/latin.md", "not_utf8"),
            ("dangling.md", "leads_nowhere"),
            ("large.md", "too_large"),
            ("out", "leads_out"),
            ("secret.md", "leads_out"),
        ];
        // Root can read folders without permission too.
        let expected = odd
            .into_iter()
            .chain((!nix::unistd::geteuid().is_root()).then_some(("closed", "unreadable")));
        let mut expected: Vec<_> = expected.collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn graph_folder_counts_no_toml_that_is_no_agent() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=FILES_MAX {
            std::fs::write(folder.path().join(format!("{number}.toml")), "").unwrap();
        }
        std::fs::write(folder.path().join("a.md"), "# A").unwrap();
        assert_eq!(read(folder.path()).unwrap().0.len(), 1);
        for number in 0..FILES_MAX {
            std::fs::write(folder.path().join(format!("{number}.md")), "").unwrap();
        }
        let refused = read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("more than 20000 Markdown files"), "{refused}");
    }

    #[test]
    fn graph_folder_fingerprint_follows_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.md");
        let empty = fingerprint(folder.path());
        std::fs::write(&file, "one").unwrap();
        let one = fingerprint(folder.path());
        std::fs::write(&file, "longer").unwrap();
        let longer = fingerprint(folder.path());
        std::fs::rename(&file, folder.path().join("b.md")).unwrap();
        let renamed = fingerprint(folder.path());
        std::fs::write(folder.path().join("c.txt"), "no Markdown").unwrap();
        assert_eq!(fingerprint(folder.path()), renamed);
        let all = HashSet::from([empty, one, longer, renamed]);
        assert_eq!(all.len(), 4);
    }
}
