//! Skill graphs as folders: the default one inside the program, others from the disk.

use anyhow::{Context, Result, bail};
use contracts::graph::SourceFile;
use include_dir::{Dir, include_dir};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

static DEFAULT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../routing-knowledge");

/// Files above this are read in part by the loader; far larger ones are left where they are.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 20_000;
const ENDINGS: [&str; 2] = ["md", "markdown"];

/// The graph that comes with the program.
pub fn default_graph() -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(&DEFAULT, &mut files);
    files
}

fn collect(folder: &Dir<'_>, files: &mut Vec<SourceFile>) {
    for file in folder.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "md")) {
        files.push(SourceFile { path: file.path().to_string_lossy().replace('\\', "/"), text: file.contents_utf8().unwrap_or_default().to_owned() });
    }
    folder.dirs().for_each(|inner| collect(inner, files));
}

/// All Markdown below a folder. Hidden names are left out; a link that leads out of the folder is refused, and what cannot be
/// read is left out: both with a remark.
///
/// # Errors
/// When the folder cannot be read or holds no Markdown, or too much of it.
pub fn read(folder: &Path) -> Result<Vec<SourceFile>> {
    let root = folder.canonicalize().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if !root.is_dir() {
        bail!("{} is a file; name the folder that it is in", folder.display());
    }
    std::fs::read_dir(&root).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut leave_out = |what: &Path, why: &str| crate::terminal::remark(&format!("left out: {} {why}", what.display()));
    let found = walk(&root, &mut leave_out);
    if found.len() > FILES_MAX {
        bail!("more than {FILES_MAX} Markdown files below {}; name the folder that holds the agents", folder.display());
    }
    let mut files: Vec<SourceFile> = found.iter().filter_map(|file| one(&root, file, &mut leave_out)).collect();
    if files.is_empty() {
        bail!("there is no Markdown file below {}", folder.display());
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Changes whenever a file of the folder comes, goes, grows or is written: names, sizes and times, not contents.
pub fn fingerprint(folder: &Path) -> u64 {
    let mut all: Vec<(PathBuf, u64, Option<SystemTime>)> = folder
        .canonicalize()
        .map_or_else(|_| Vec::new(), |root| walk(&root, &mut |_, _| {}).into_iter().map(|file| (file.path, file.bytes, file.written)).collect());
    all.sort();
    let mut hasher = std::hash::DefaultHasher::new();
    all.hash(&mut hasher);
    hasher.finish()
}

/// A Markdown file on the disk, by its real path.
struct Found {
    path: PathBuf,
    bytes: u64,
    written: Option<SystemTime>,
}

/// Every Markdown file below a real folder, each once, however many links lead to it.
fn walk(root: &Path, leave_out: &mut impl FnMut(&Path, &str)) -> Vec<Found> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    let mut seen = HashSet::new();
    while let Some(at) = open.pop() {
        let entries = match std::fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) => {
                leave_out(&at, &format!("cannot be read: {error}"));
                continue;
            }
        };
        for entry in entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
            let path = entry.path();
            let Ok(real) = path.canonicalize() else {
                leave_out(&path, "leads nowhere");
                continue;
            };
            if !real.starts_with(root) {
                leave_out(&path, "leads out of the folder");
                continue;
            }
            let Ok(about) = real.metadata() else { continue };
            let markdown = real.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
            if !(about.is_dir() || about.is_file() && markdown) || !seen.insert(real.clone()) {
                continue;
            }
            if about.is_dir() {
                open.push(real);
            } else {
                found.push(Found { path: real, bytes: about.len(), written: about.modified().ok() });
            }
        }
        if found.len() > FILES_MAX {
            break;
        }
    }
    found
}

fn one(root: &Path, file: &Found, leave_out: &mut impl FnMut(&Path, &str)) -> Option<SourceFile> {
    let path = file.path.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
    if file.bytes > FILE_BYTES_MAX {
        leave_out(&file.path, "is larger than 8 MB");
        return None;
    }
    match std::fs::read(&file.path) {
        Ok(bytes) => Some(SourceFile { path, text: String::from_utf8_lossy(&bytes).into_owned() }),
        Err(error) => {
            leave_out(&file.path, &format!("cannot be read: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_as_found_in_the_wild_is_read_without_failing() {
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
        let files = read(folder.path()).unwrap();
        std::fs::set_permissions(at("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["agents/deep/Übersicht.MARKDOWN", "agents/empty.md", "agents/latin.md", "agents/编码.md"]);
        assert_eq!(files[2].text, "# caf\u{fffd}");
    }

    #[test]
    fn the_fingerprint_follows_names_and_contents() {
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
