//! Skill graphs as folders: the default one in the binary, others on disk.

pub mod claim_file;

use anyhow::{Context, Result, bail};
use contracts::graph::{Finding, Severity, SourceFile};
use include_dir::{Dir, include_dir};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

static DEFAULT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../routing-knowledge");

/// Maximum bytes of a file. The loader reads only the start of files far below this.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 20_000;
const ENDINGS: [&str; 2] = ["md", "markdown"];

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

/// Reads all Markdown below a folder, without hidden names. Links out of the folder, unreadable
/// files and invalid UTF-8 become findings.
///
/// # Errors
/// When the folder cannot be read, has no Markdown, or too much of it.
pub fn read(folder: &Path) -> Result<(Vec<SourceFile>, Vec<Finding>)> {
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
    if found.len() > FILES_MAX {
        bail!(
            "{} has more than {FILES_MAX} Markdown files. Name the folder with the agents.",
            folder.display()
        );
    }
    let mut files: Vec<SourceFile> =
        found.iter().filter_map(|file| one(&root, file, &mut report)).collect();
    if files.is_empty() {
        bail!("{} has no Markdown files", folder.display());
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

/// A Markdown file on disk, by its real path.
struct Found {
    path: PathBuf,
    bytes: u64,
    written: Option<SystemTime>,
}

/// Every Markdown file below a real folder, once each, however many links point to it.
fn walk(root: &Path, report: &mut impl FnMut(&Path, Odd)) -> Vec<Found> {
    let mut found = Vec::new();
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
        for entry in
            entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        {
            let path = entry.path();
            let Ok(real) = path.canonicalize() else {
                report(&path, Odd::LeadsNowhere);
                continue;
            };
            if !real.starts_with(root) {
                report(&path, Odd::LeadsOut);
                continue;
            }
            let Ok(about) = real.metadata() else { continue };
            let markdown = real.extension().is_some_and(|ending| {
                ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
            });
            if !(about.is_dir() || about.is_file() && markdown) || !seen.insert(real.clone()) {
                continue;
            }
            if about.is_dir() {
                open.push(real);
            } else {
                found.push(Found {
                    path: real,
                    bytes: about.len(),
                    written: about.modified().ok(),
                });
            }
        }
        if found.len() > FILES_MAX {
            break;
        }
    }
    found
}

fn one(root: &Path, file: &Found, report: &mut impl FnMut(&Path, Odd)) -> Option<SourceFile> {
    let path = file.path.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
    if file.bytes > FILE_BYTES_MAX {
        report(&file.path, Odd::TooLarge);
        return None;
    }
    match std::fs::read(&file.path) {
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
        std::fs::write(at(".git/hidden.md"), "no").unwrap();
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
                "agents/deep/Übersicht.MARKDOWN",
                "agents/empty.md",
                "agents/latin.md",
                "agents/编码.md"
            ]
        );
        assert_eq!(files[2].text, "# caf\u{fffd}");
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
