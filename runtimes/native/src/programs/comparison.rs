//! Compares a work tree with the commit that the work began at.

use super::git::{self, Head, Repository};
use sandbox::folder::WorkRoot;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Result;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Maximum bytes of a new file whose lines are counted.
const COUNTED_BYTES_MAX: u64 = 8 << 20;

/// A work tree and the commit to compare it with.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The git directory to go by.
    pub git_dir: PathBuf,
    /// The objects, where they lie elsewhere.
    pub objects: Option<PathBuf>,
    /// An index of our own.
    pub index: PathBuf,
    pub tree: PathBuf,
    /// The part to look at.
    pub folder: PathBuf,
    /// Patterns of the owner for files that are no work.
    pub exclude: PathBuf,
    pub commit: String,
    /// The commit of the owner whose attributes count: they choose filters and diff drivers.
    pub attributes: String,
}

/// A file that differs from the commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    pub path: PathBuf,
    pub added: u64,
    pub removed: u64,
    /// Not in the commit.
    pub is_new: bool,
    /// Length and time of the last change, to tell an earlier change from one of this run.
    stamp: Option<(u64, std::time::SystemTime)>,
}

impl Comparison {
    /// With a git directory made for it, so that no configuration of the repository counts: an
    /// agent may have made that repository itself.
    pub fn apart(root: &WorkRoot, name: &OsStr, found: &Repository, head: &Head) -> Result<Self> {
        root.make(name)?;
        let git_dir = root.path().join(name);
        std::fs::create_dir(git_dir.join("refs"))?;
        std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/none\n")?;
        std::fs::write(git_dir.join("config"), "[core]\n\trepositoryformatversion = 0\n")?;
        Ok(Self {
            index: git_dir.join("index"),
            git_dir,
            objects: Some(found.common.join("objects")),
            tree: found.top.clone(),
            folder: found.top.join(&found.below),
            exclude: found.common.join("info/exclude"),
            commit: head.commit.clone(),
            attributes: head.commit.clone(),
        })
    }
    /// Git on this work tree.
    fn git(&self) -> Command {
        let mut git = git::plain(&self.folder);
        git.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", &self.tree);
        git.env("GIT_INDEX_FILE", &self.index);
        git.arg(format!("--attr-source={}", self.attributes));
        if let Some(objects) = &self.objects {
            git.env("GIT_OBJECT_DIRECTORY", objects);
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        }
        git
    }
    /// Git's comparison with the commit.
    fn diff(&self) -> Command {
        let mut git = self.git();
        git.args([
            "diff",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--no-color",
            "--no-relative",
        ]);
        git.arg("--ignore-submodules=all");
        git
    }
    /// Everything that differs, sorted by path.
    ///
    /// # Errors
    /// Git's.
    pub fn changes(&self) -> Result<Vec<Changed>> {
        self.begin()?;
        let mut diff = self.diff();
        diff.args(["--numstat", "-z", &self.commit, "--", "."]);
        let listed = git::run(&mut diff)?;
        let entries = listed.split(|byte| *byte == 0);
        let mut found: Vec<Changed> = entries.filter_map(|entry| self.counted(entry)).collect();
        found.extend(self.new_files()?.into_iter().map(|path| self.new_file(path)));
        found.sort();
        Ok(found)
    }
    fn begin(&self) -> Result<()> {
        // Another agent may have put a link in the place of a folder above it.
        sandbox::open::open_folder(&self.folder)?;
        git::run(self.git().args(["read-tree", &self.commit]))?;
        let mut list = self.git();
        let listed = git::run(list.args(["ls-files", "-z", "--full-name"]))?;
        let odd = listed.split(|byte| *byte == 0).map(|name| Path::new(OsStr::from_bytes(name)));
        let odd = odd.filter(|path| !self.is_storable(path)).map(Path::to_path_buf);
        // Git cannot compare a pipe in the place of a file: the file counts as removed.
        self.update_index("--force-remove", odd)
    }
    fn update_index(&self, how: &str, paths: impl Iterator<Item = PathBuf>) -> Result<()> {
        let ended = |path: PathBuf| [path.into_os_string().into_vec(), vec![0]].concat();
        let input: Vec<u8> = paths.flat_map(ended).collect();
        if input.is_empty() {
            return Ok(());
        }
        let mut update = self.git();
        update.current_dir(&self.tree).args(["update-index", "-z", "--add", "--remove"]);
        git::run_with(update.args([how, "--stdin"]), input).map(|_| ())
    }
    /// One entry of `--numstat`: added, removed (`-` for a binary file) and the path.
    fn counted(&self, entry: &[u8]) -> Option<Changed> {
        let mut parts = entry.splitn(3, |byte| *byte == b'\t');
        let mut number = || {
            let text = String::from_utf8_lossy(parts.next()?).into_owned();
            Some(text.parse().unwrap_or(0))
        };
        let (added, removed) = (number()?, number()?);
        let path = PathBuf::from(OsString::from_vec(parts.next()?.to_vec()));
        Some(Changed { stamp: self.stamp(&path), path, added, removed, is_new: false })
    }
    /// Files that are neither in the commit nor ignored, below `tree`.
    fn new_files(&self) -> Result<Vec<PathBuf>> {
        let mut list = self.git();
        list.args(["ls-files", "-z", "--full-name", "--others", "--exclude-standard"]);
        if self.exclude.is_file() {
            list.arg("--exclude-from").arg(&self.exclude);
        }
        let mut listed = git::run(&mut list)?;
        // The patterns are the agent's: a new list of them is never hidden by itself.
        let mut lists = self.git();
        lists.args(["ls-files", "-z", "--full-name", "--others", "--", ":(glob)**/.gitignore"]);
        listed.extend(git::run(&mut lists)?);
        // A name with a slash at its end is a repository of its own.
        let names = listed.split(|byte| *byte == 0).filter(|n| !n.is_empty() && !n.ends_with(b"/"));
        let names: BTreeSet<&[u8]> = names.collect();
        Ok(names.into_iter().map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect())
    }
    fn new_file(&self, path: PathBuf) -> Changed {
        let added = lines(&self.tree, &path).unwrap_or(0);
        Changed { stamp: self.stamp(&path), path, added, removed: 0, is_new: true }
    }
    fn stamp(&self, path: &Path) -> Option<(u64, std::time::SystemTime)> {
        let found = std::fs::symlink_metadata(self.tree.join(path)).ok()?;
        Some((found.len(), found.modified().ok()?))
    }
    /// All changes as text.
    ///
    /// # Errors
    /// Git's; of the kind `FileTooLarge` where the text has more than `bytes_max` bytes.
    pub fn text(&self, bytes_max: usize) -> Result<Vec<u8>> {
        self.begin()?;
        let mut text = git::run_up_to(self.diff().args([&self.commit, "--", "."]), bytes_max)?;
        let new = self.new_files()?;
        if new.len() > NEW_FILES_MAX {
            return Err(git::too_long(bytes_max));
        }
        for path in new {
            let room = bytes_max.checked_sub(text.len()).ok_or_else(|| git::too_long(bytes_max))?;
            let full = self.tree.join(&path);
            match std::fs::symlink_metadata(&full).map(|found| found.file_type()) {
                Ok(kind) if kind.is_file() => {
                    let mut git = self.diff();
                    git.current_dir(&self.tree).args(["--no-index", "--", "/dev/null"]).arg(&path);
                    // Its exit code says that the two differ.
                    text.extend(git::output_up_to(&mut git, room)?.stdout);
                }
                // Git would read the pipe that a link leads to.
                Ok(kind) if kind.is_symlink() => {
                    text.extend(link_text(&path, &std::fs::read_link(&full)?));
                }
                _ => {}
            }
        }
        if text.len() > bytes_max { Err(git::too_long(bytes_max)) } else { Ok(text) }
    }
    /// The tree with everything as it is now, on top of this commit.
    ///
    /// # Errors
    /// Git's.
    pub fn tree_of(&self, tip: &str) -> Result<String> {
        let now = Self { commit: tip.to_owned(), folder: self.tree.clone(), ..self.clone() };
        let (kept, gone): (Vec<Changed>, Vec<Changed>) =
            now.changes()?.into_iter().partition(|file| self.is_storable(&file.path));
        self.update_index("--force-remove", gone.into_iter().map(|file| file.path))?;
        self.update_index("--remove", kept.into_iter().map(|file| file.path))?;
        let written = git::run(self.git().arg("write-tree"))?;
        Ok(String::from_utf8_lossy(&written).trim().to_owned())
    }
    /// Whether git can record it: not a pipe or a socket in the place of a file.
    fn is_storable(&self, path: &Path) -> bool {
        let found = std::fs::symlink_metadata(self.tree.join(path));
        found.map_or(true, |found| found.is_file() || found.is_symlink() || found.is_dir())
    }
}

/// Maximum new files of a text: each takes a run of git.
const NEW_FILES_MAX: usize = 1_000;

/// A new symbolic link in the form of git's own comparison.
fn link_text(path: &Path, target: &Path) -> Vec<u8> {
    let [path, target] = [path, target].map(|name| shown_name(name.as_os_str().as_bytes()));
    let parts: [&[u8]; 9] = [
        b"diff --git a/",
        &path,
        b" b/",
        &path,
        b"\nnew file mode 120000\n--- /dev/null\n+++ b/",
        &path,
        b"\n@@ -0,0 +1 @@\n+",
        &target,
        b"\n\\ No newline at end of file\n",
    ];
    parts.concat()
}

/// A name on one line of a diff: control characters, which could forge lines or reach the terminal,
/// are written as escapes.
fn shown_name(name: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b'\\' => b"\\\\".to_vec(),
        byte if byte.is_ascii_control() => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    name.iter().flat_map(escaped).collect()
}

/// The lines of a regular file below a work tree.
fn lines(tree: &Path, path: &Path) -> Option<u64> {
    use std::io::Read;
    let file = sandbox::open::open_file_below(tree, path).ok().flatten()?;
    let mut bytes = Vec::new();
    file.take(COUNTED_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    if bytes.contains(&0) {
        return Some(0);
    }
    u64::try_from(String::from_utf8_lossy(&bytes).lines().count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_link_forges_no_line_of_the_diff() {
        let link = link_text(Path::new("a\n+++ b/forged"), Path::new("x\u{1b}[2J"));
        let text = String::from_utf8(link).unwrap();
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.contains("a\\012+++ b/forged") && !text.contains('\u{1b}'), "{text}");
    }
}
