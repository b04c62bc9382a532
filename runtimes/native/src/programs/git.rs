//! Git outside the sandbox, on folders that an agent has written.
//!
//! An agent may write any file of its work tree, so no command here runs a program that such a file
//! could name: hooks, external diffs, text conversions and file system monitors are off, attributes
//! come from the commit that the work began at, and a submodule is never entered.

use sandbox::folder::WorkRoot;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A repository of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its work tree.
    pub top: PathBuf,
    /// Its git directory, which all its worktrees share.
    pub common: PathBuf,
    /// The workspace below `top`.
    pub below: PathBuf,
    /// The commit that its work tree is at.
    pub commit: String,
    pub branch: Option<String>,
}

impl Repository {
    /// The repository that this folder, given without symbolic links, lies in.
    ///
    /// # Errors
    /// The reason as words that go on from "because": it is no work tree, or has no commit.
    pub fn of(folder: &Path) -> Result<Self, String> {
        let ask = |args: &[&str]| plain(folder).args(args).output();
        let found =
            ask(&["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir"])
                .map_err(|error| format!("git could not be started ({error})"))?;
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        let (true, Some((top, common))) =
            (found.status.success(), text.trim_end().split_once('\n'))
        else {
            let said = String::from_utf8_lossy(&found.stderr).into_owned();
            return Err(match said.lines().find(|line| line.contains("dubious ownership")) {
                Some(_) => "git refuses it, because another user owns it".to_owned(),
                None => "it is not in a git repository".to_owned(),
            });
        };
        let commit = word(ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]))
            .ok_or("its git repository has no commit yet")?;
        let below =
            folder.strip_prefix(top).map_err(|_| "its git repository names another work tree")?;
        Ok(Self {
            below: below.to_path_buf(),
            branch: word(ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])),
            top: PathBuf::from(top),
            common: PathBuf::from(common),
            commit,
        })
    }
    /// Git on this repository itself, which no agent in the sandbox can configure.
    pub fn git(&self) -> Command {
        let mut git = plain(&self.top);
        git.env("GIT_DIR", &self.common);
        git
    }
    /// A key of the owner's configuration.
    pub fn setting(&self, key: &str) -> Option<String> {
        word(self.git().args(["config", "--get", key]).output())
    }
}

/// Git in this folder, with everything off that runs other programs.
fn plain(folder: &Path) -> Command {
    let mut git = Command::new("git");
    let kept = ["PATH", "HOME", "LANG", "XDG_CONFIG_HOME"];
    let kept = std::env::vars_os().filter(|(name, _)| kept.iter().any(|known| name == *known));
    git.env_clear().envs(kept).current_dir(folder).stdin(Stdio::null());
    git.envs([
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_PAGER", "cat"),
    ]);
    for setting in [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.untrackedCache=false",
        "core.quotePath=false",
        "diff.ignoreSubmodules=all",
        "submodule.recurse=false",
        "gc.auto=0",
        "maintenance.auto=false",
    ] {
        git.arg("-c").arg(setting);
    }
    git
}

/// The output of a command that succeeded, where there is one.
pub fn word(output: std::io::Result<std::process::Output>) -> Option<String> {
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// Runs a command to its end.
///
/// # Errors
/// With the last line of its own error.
pub fn run(mut command: Command) -> std::io::Result<Vec<u8>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("git failed");
    Err(std::io::Error::other(last.to_owned()))
}

/// Compares a work tree with the commit that the work began at.
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

/// Maximum bytes of a new file whose lines are counted.
const COUNTED_BYTES_MAX: u64 = 8 << 20;

impl Comparison {
    /// With a git directory made for it, so that no configuration of the repository counts: an
    /// agent may have made that repository itself.
    pub fn apart(root: &WorkRoot, name: &OsStr, found: &Repository) -> std::io::Result<Self> {
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
            commit: found.commit.clone(),
        })
    }
    /// Git on this work tree.
    pub fn git(&self) -> Command {
        let mut git = plain(&self.folder);
        git.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", &self.tree);
        git.env("GIT_INDEX_FILE", &self.index).env("GIT_ATTR_SOURCE", &self.commit);
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
    pub fn changes(&self) -> std::io::Result<Vec<Changed>> {
        self.begin()?;
        let mut diff = self.diff();
        diff.args(["--numstat", "-z", &self.commit, "--", "."]);
        let mut found: Vec<Changed> =
            run(diff)?.split(|byte| *byte == 0).filter_map(|entry| self.counted(entry)).collect();
        found.extend(self.new_files()?.into_iter().map(|path| self.new_file(path)));
        found.sort();
        Ok(found)
    }
    fn begin(&self) -> std::io::Result<()> {
        let mut read = self.git();
        read.args(["read-tree", &self.commit]);
        run(read).map(|_| ())
    }
    /// One entry of `--numstat`: added, removed (`-` for a binary file) and the path.
    fn counted(&self, entry: &[u8]) -> Option<Changed> {
        let text = String::from_utf8_lossy(entry).into_owned();
        let mut parts = text.splitn(3, '\t');
        let mut number = || parts.next().map(|number| number.parse().unwrap_or(0));
        let (added, removed) = (number()?, number()?);
        let path = PathBuf::from(parts.next()?);
        Some(Changed { stamp: self.stamp(&path), path, added, removed, is_new: false })
    }
    /// Files that are neither in the commit nor ignored, below `tree`.
    fn new_files(&self) -> std::io::Result<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStringExt;
        let mut list = self.git();
        list.args(["ls-files", "-z", "--full-name", "--others", "--exclude-standard"]);
        if self.exclude.is_file() {
            list.arg("--exclude-from").arg(&self.exclude);
        }
        let listed = run(list)?;
        // A name with a slash at its end is a repository of its own.
        let names = listed.split(|byte| *byte == 0).filter(|n| !n.is_empty() && !n.ends_with(b"/"));
        Ok(names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect())
    }
    fn new_file(&self, path: PathBuf) -> Changed {
        let added = lines(&self.tree.join(&path)).unwrap_or(0);
        Changed { stamp: self.stamp(&path), path, added, removed: 0, is_new: true }
    }
    fn stamp(&self, path: &Path) -> Option<(u64, std::time::SystemTime)> {
        let found = std::fs::symlink_metadata(self.tree.join(path)).ok()?;
        Some((found.len(), found.modified().ok()?))
    }
    /// All changes as text.
    ///
    /// # Errors
    /// Git's.
    pub fn text(&self) -> std::io::Result<Vec<u8>> {
        self.begin()?;
        let mut diff = self.diff();
        diff.args([&self.commit, "--", "."]);
        let mut text = run(diff)?;
        for path in self.new_files()? {
            let mut git = self.diff();
            git.current_dir(&self.tree).args(["--no-index", "--", "/dev/null"]).arg(&path);
            // Its exit code says that the two differ.
            text.extend(git.output()?.stdout);
        }
        Ok(text)
    }
    /// The tree with everything as it is now, on top of this commit.
    ///
    /// # Errors
    /// Git's.
    pub fn tree_of(&self, tip: &str) -> std::io::Result<String> {
        use std::io::Write;
        use std::os::unix::ffi::OsStrExt;
        let now = Self { commit: tip.to_owned(), folder: self.tree.clone(), ..self.clone() };
        let changed = now.changes()?;
        let mut update = self.git();
        update.current_dir(&self.tree).args(["update-index", "-z", "--add", "--remove", "--stdin"]);
        let mut running = update.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut input) = running.stdin.take() {
            for file in changed {
                input.write_all(file.path.as_os_str().as_bytes())?;
                input.write_all(&[0])?;
            }
        }
        if !running.wait()?.success() {
            return Err(std::io::Error::other("git could not record the files"));
        }
        let mut write = self.git();
        write.arg("write-tree");
        Ok(String::from_utf8_lossy(&run(write)?).trim().to_owned())
    }
}

/// The lines of a regular file.
fn lines(path: &Path) -> Option<u64> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits();
    let file = std::fs::File::options().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(COUNTED_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    if bytes.contains(&0) {
        return Some(0);
    }
    u64::try_from(String::from_utf8_lossy(&bytes).lines().count()).ok()
}
