//! The git directory of a program in a worktree: its own, with the owner's objects to read.
//!
//! ```text
//! HEAD, index, refs/, logs/, objects/   the program's
//! config, commondir, hooks/, info/      ours: they could name programs or other folders
//! packed-refs                           ours: the owner's branches and tags, anew for each run
//! objects/info/                         ours: names the owner's objects
//! ```

use super::git;
use platform::files::{FOLDER_IN, FOLDER_OUT};
use sandbox::Bind;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::process::Command;

/// Maximum bytes of the objects of one import.
const IMPORT_BYTES_MAX: u64 = 4 << 30;
/// Keys of the owner's configuration that the program gets too.
const SHARED_KEYS: &str = "^(core\\.(autocrlf|eol|safecrlf|filemode|ignorecase|symlinks|precomposeunicode)|\
                           remote\\..*\\.(url|fetch))$";
/// Parts that the program may not write.
const OURS: [&str; 6] = ["config", "commondir", "hooks", "info", "packed-refs", "objects/info"];

/// The git directory of a program.
pub(super) struct AgentGit<'a> {
    pub(super) folder: &'a Path,
    /// Its branch, without `refs/heads/`.
    pub(super) branch: &'a str,
    /// The owner's work tree.
    pub(super) repository: &'a Path,
    /// The owner's git directory.
    pub(super) common: &'a Path,
}

impl AgentGit<'_> {
    /// Makes it, with the branch at this commit.
    pub(super) fn make(&self, tip: &str) -> Result<()> {
        let branches = Path::new("refs/heads").join(self.branch);
        let above = branches.parent().unwrap_or(&branches);
        let folders = ["objects/pack", "objects/info", "hooks", "info", "logs"].map(Path::new);
        for folder in folders.into_iter().chain([above]) {
            std::fs::create_dir_all(self.folder.join(folder))?;
        }
        let write = |name: &str, text: &str| std::fs::write(self.folder.join(name), text);
        write("HEAD", &format!("ref: refs/heads/{}\n", self.branch))?;
        write(&format!("refs/heads/{}", self.branch), &format!("{tip}\n"))?;
        // A file of the program's own would lead git elsewhere.
        write("commondir", ".\n")?;
        write("objects/info/alternates", &format!("{}\n", self.common.join("objects").display()))?;
        for name in ["info/exclude", "shallow"] {
            match std::fs::copy(self.common.join(name), self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.leave_out_files()?;
        self.configure(tip)?;
        self.show_branches()
    }
    /// Files of the chat are no part of the work, unless the program adds them by force.
    fn leave_out_files(&self) -> Result<()> {
        use std::io::Write;
        let exclude = self.folder.join("info/exclude");
        let mut file = std::fs::File::options().create(true).append(true).open(exclude)?;
        write!(file, "\n{FOLDER_IN}/\n{FOLDER_OUT}/\n")
    }
    fn on_owner(&self) -> Command {
        git::on(self.repository, self.common)
    }
    fn configure(&self, tip: &str) -> Result<()> {
        let listed =
            git::output(self.on_owner().args(["config", "-z", "--get-regexp", SHARED_KEYS]))?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let shared = listed.split('\0').filter_map(|entry| entry.split_once('\n'));
        let shared: Vec<(&str, &str)> = shared
            .filter(|(key, value)| !key.ends_with(".url") || !names_a_person(value))
            .collect();
        // The format of the repository: 64 digits of SHA-256, or 40 of SHA-1.
        let format: &[(&str, &str)] = match tip.len() {
            64 => &[("core.repositoryformatversion", "1"), ("extensions.objectFormat", "sha256")],
            _ => &[("core.repositoryformatversion", "0")],
        };
        let own = [("core.bare", "false"), ("core.logAllRefUpdates", "false")];
        let file = self.folder.join("config");
        for (key, value) in format.iter().chain(&own).chain(&shared) {
            let mut set = git::plain(self.folder);
            set.args(["config", "--file"]).arg(&file).args(["--add", key, value]);
            git::run(&mut set)?;
        }
        Ok(())
    }
    /// Shows the program the branches and tags that the owner has now.
    pub(super) fn show_branches(&self) -> Result<()> {
        let mut list = self.on_owner();
        list.args(["for-each-ref", "--format=%(objectname) %(refname)"]);
        list.args(["refs/heads", "refs/tags", "refs/remotes"]);
        let listed = git::run(&mut list)?;
        let own = format!(" refs/heads/{}", self.branch);
        let kept = listed.split_inclusive(|byte| *byte == b'\n').filter(|line| {
            line.strip_suffix(b"\n").unwrap_or(line).strip_suffix(own.as_bytes()).is_none()
        });
        let text: Vec<u8> = kept.flatten().copied().collect();
        let (file, fresh) =
            (self.folder.join("packed-refs"), self.folder.join("hooks/packed-refs"));
        // Renamed from a folder that the program cannot write.
        std::fs::write(&fresh, text)?;
        std::fs::rename(fresh, file)
    }
    /// Writes the files of this commit into the work tree. The attributes of another commit count:
    /// they choose filters of the owner.
    pub(super) fn check_out(&self, tree: &Path, tip: &str, attributes: &str) -> Result<()> {
        std::fs::write(tree.join(".git"), format!("gitdir: {}\n", self.folder.display()))?;
        let mut check_out = git::on(tree, self.folder);
        check_out.env("GIT_WORK_TREE", tree).arg(format!("--attr-source={attributes}"));
        check_out.args(["read-tree", "-u", "--reset", tip]);
        git::run(&mut check_out).map(|_| ())
    }
    /// The paths of the sandbox.
    pub(super) fn binds(&self) -> Vec<Bind> {
        let ours = OURS.map(|name| Bind::read_only(self.folder.join(name)).of_run());
        std::iter::once(Bind::writable(self.folder).of_run()).chain(ours).collect()
    }
    /// The commit of its branch; none where the program has removed it.
    pub(super) fn tip(&self) -> Result<Option<String>> {
        let file = self.folder.join("refs/heads").join(self.branch);
        if std::fs::symlink_metadata(&file).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return Ok(None);
        }
        let is_linked = file.parent().and_then(|above| above.canonicalize().ok())
            != file.parent().map(Path::to_path_buf);
        let hash = git::hash_in(&file).filter(|_| !is_linked);
        hash.map(Some).ok_or_else(|| {
            let text = format!(
                "{} of the agent does not name one commit, so its commits are not copied",
                self.branch
            );
            Error::other(text)
        })
    }
    /// Copies what this commit has and the known ones do not into the owner's repository. Git
    /// computes each hash anew and refuses objects that are not whole.
    pub(super) fn copy_objects(&self, new: &str, known: &[&str]) -> Result<()> {
        let staged = self.folder.with_file_name("import");
        let _ = std::fs::remove_dir_all(&staged);
        // A link in it could lead git to the objects of any other repository.
        sandbox::folder::copy_files(&self.folder.join("objects"), &staged, IMPORT_BYTES_MAX)?;
        let copied = self.copy_staged(&staged, new, known);
        let removed = std::fs::remove_dir_all(&staged);
        copied.and(removed)
    }
    fn copy_staged(&self, staged: &Path, new: &str, known: &[&str]) -> Result<()> {
        let mut pack = self.on_owner();
        pack.env("GIT_OBJECT_DIRECTORY", staged);
        pack.args([
            "pack-objects",
            "--revs",
            "--stdout",
            "--local",
            "--quiet",
            "--delta-base-offset",
        ]);
        let mut index = self.on_owner();
        index.args(["index-pack", "--strict", "--stdin"]);
        index.arg(format!("--max-input-size={IMPORT_BYTES_MAX}"));
        let known: String = known.iter().map(|commit| format!("^{commit}\n")).collect();
        git::run_both(&mut pack, format!("{new}\n{known}").into_bytes(), &mut index)?;
        let mut check = self.on_owner();
        check.args(["rev-list", "--objects", "--quiet", "--stdin"]);
        git::run_with(&mut check, format!("{new}\n{known}").into_bytes()).map(|_| ())
    }
}

/// Whether an address holds a name or password, as those with tokens do.
fn names_a_person(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.and_then(|rest| rest.split('/').next()).is_some_and(|host| host.contains('@'))
}
