//! The git worktree of a conversation: a folder below the work root, on a branch of its own in the
//! owner's repository. What we know of it lies beside the folder, out of the agent's reach.

use super::git::{self, Comparison, Repository};
use platform::ports::Worktree;
use sandbox::{Bind, folder::WorkRoot};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Begins the names of worktrees below the work root.
const TREE: &str = "tree-";
/// Ends the name of the folder with what we know of one.
const ABOUT: &str = ".about";
/// Begins the names of their branches.
const BRANCHES: &str = "quintet";

static MAKING: Mutex<()> = Mutex::new(());

/// A worktree, as it is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// `<agent>-<short id>`.
    pub id: String,
    pub agent: String,
    pub repository: PathBuf,
    /// The repository's git directory.
    pub common: PathBuf,
    /// This worktree's part of it.
    pub git_dir: PathBuf,
    pub path: PathBuf,
    /// The workspace below it.
    pub below: PathBuf,
    pub branch: String,
    /// The commit that its branch began at.
    pub base: String,
}

/// A bind that must be there.
fn read_only(path: PathBuf) -> Bind {
    Bind { required: true, ..Bind::read_only(path) }
}

impl Tree {
    /// The worktree of this conversation, made where there is none.
    ///
    /// # Errors
    /// Git's, or the file system's.
    pub fn ready(root: &WorkRoot, found: &Repository, name: &Worktree) -> std::io::Result<Self> {
        // Git has no lock of its own for two of them at once.
        let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id_of(found, name);
        if let Some(tree) = Self::named(root, &id).filter(Self::is_whole) {
            return Ok(tree);
        }
        let path = root.path().join(format!("{TREE}{id}"));
        let branch = format!("{BRANCHES}/{id}");
        root.remove(&OsString::from(format!("{TREE}{id}")))?;
        let mut add = found.git();
        add.args(["-c", "core.logAllRefUpdates=false", "worktree", "add", "--quiet", "--force"]);
        let reference = format!("refs/heads/{branch}");
        let mut known = found.git();
        known.args(["rev-parse", "--verify", "--quiet", &reference]);
        let base = match git::word(known.output()) {
            Some(_) => {
                add.arg(&path).arg(&branch);
                let mut base = found.git();
                base.args(["merge-base", &found.commit, &reference]);
                git::word(base.output()).unwrap_or_else(|| found.commit.clone())
            }
            None => {
                add.args(["--no-track", "-b", &branch]).arg(&path).arg(&found.commit);
                found.commit.clone()
            }
        };
        git::run(add)?;
        let pointer = std::fs::read_to_string(path.join(".git"))?;
        let git_dir = pointer.trim().strip_prefix("gitdir: ").map(PathBuf::from);
        let git_dir = git_dir.filter(|path| path.starts_with(&found.common));
        let tree = Self {
            agent: name.agent.clone(),
            repository: found.top.clone(),
            common: found.common.clone(),
            git_dir: git_dir.ok_or_else(|| std::io::Error::other("git made no worktree"))?,
            below: found.below.clone(),
            path,
            branch,
            base,
            id,
        };
        tree.prepare(root)?;
        Ok(tree)
    }
    /// Makes the folders and files that the sandbox binds, and keeps what we know.
    fn prepare(&self, root: &WorkRoot) -> std::io::Result<()> {
        let about = self.about(root);
        let _ = root.make(&OsString::from(format!("{TREE}{}{ABOUT}", self.id)));
        std::fs::write(self.git_dir.join("config.worktree"), "")?;
        for folder in ["objects/pack", "objects/info"] {
            std::fs::create_dir_all(self.common.join(folder))?;
        }
        std::fs::create_dir_all(self.common.join("refs/heads").join(BRANCHES))?;
        std::fs::write(about.join("about.json"), serde_json::to_vec_pretty(self)?)
    }
    fn about(&self, root: &WorkRoot) -> PathBuf {
        root.path().join(format!("{TREE}{}{ABOUT}", self.id))
    }
    fn is_whole(&self) -> bool {
        self.path.join(".git").is_file() && self.git_dir.join("config.worktree").is_file()
    }
    /// The worktree of this id.
    pub fn named(root: &WorkRoot, id: &str) -> Option<Self> {
        let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let file = root.path().join(format!("{TREE}{id}{ABOUT}/about.json"));
        let known = Some(file).filter(|_| id.chars().all(harmless))?;
        serde_json::from_slice(&std::fs::read(known).ok()?).ok()
    }
    /// All of them, by id.
    ///
    /// # Errors
    /// When the work root cannot be read.
    pub fn all(root: &WorkRoot) -> std::io::Result<Vec<Self>> {
        let names = std::fs::read_dir(root.path())?.flatten().map(|entry| entry.file_name());
        let id = |name: OsString| {
            let name = name.to_string_lossy().into_owned();
            Some(name.strip_prefix(TREE)?.strip_suffix(ABOUT)?.to_owned())
        };
        let mut all: Vec<Self> =
            names.filter_map(id).filter_map(|id| Self::named(root, &id)).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }
    /// The reach of a program in the repository: everything to read; to write, its own part without
    /// the files that lead elsewhere, new objects, and the branches of agents.
    pub fn binds(&self) -> Vec<Bind> {
        let own = |name: &str| read_only(self.git_dir.join(name));
        let shared = |name: &str| self.common.join(name);
        vec![
            Bind::writable(&self.path).of_run(),
            read_only(self.path.join(".git")).of_run(),
            read_only(self.common.clone()),
            Bind::writable(&self.git_dir),
            own("commondir"),
            own("gitdir"),
            own("config.worktree"),
            Bind::writable(shared("objects")),
            read_only(shared("objects/pack")),
            read_only(shared("objects/info")),
            Bind::writable(shared("refs/heads").join(BRANCHES)),
        ]
    }
    /// Git's settings for the program, which sees no configuration of the owner's home.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let owner = |key| self.found().setting(key);
        let agent = self.agent.clone();
        vec![
            ("core.logAllRefUpdates", "false".to_owned()),
            ("gc.auto", "0".to_owned()),
            ("maintenance.auto", "false".to_owned()),
            ("user.name", owner("user.name").unwrap_or(agent)),
            ("user.email", owner("user.email").unwrap_or_else(|| "agent@localhost".to_owned())),
        ]
    }
    fn found(&self) -> Repository {
        Repository {
            top: self.repository.clone(),
            common: self.common.clone(),
            below: self.below.clone(),
            commit: self.base.clone(),
            branch: Some(self.branch.clone()),
        }
    }
    /// Its comparison with the commit that it began at, by the owner's own git directory.
    pub fn comparison(&self, root: &WorkRoot) -> Comparison {
        Comparison {
            git_dir: self.common.clone(),
            objects: None,
            index: self.about(root).join("index"),
            tree: self.path.clone(),
            folder: self.path.clone(),
            exclude: self.common.join("info/exclude"),
            commit: self.base.clone(),
        }
    }
    /// Commits what is not committed yet, and removes the worktree. Its branch stays.
    ///
    /// # Errors
    /// Git's, or the file system's; then nothing is removed.
    pub fn keep(&self, root: &WorkRoot) -> std::io::Result<()> {
        let reference = format!("refs/heads/{}", self.branch);
        let ask = |args: &[&str]| {
            let mut git = self.found().git();
            git.args(args);
            git
        };
        let tip = git::word(ask(&["rev-parse", "--verify", "--quiet", &reference]).output())
            .ok_or_else(|| std::io::Error::other(format!("{} is gone", self.branch)))?;
        let tree = self.comparison(root).tree_of(&tip)?;
        let before = git::word(ask(&["rev-parse", &format!("{tip}^{{tree}}")]).output());
        if before.as_deref() != Some(tree.as_str()) {
            let message = format!("Work of {}", self.agent);
            let mut commit = ask(&["commit-tree", &tree, "-p", &tip, "-m", &message]);
            for (key, value) in self.settings() {
                let names = match key {
                    "user.name" => ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"],
                    "user.email" => ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"],
                    _ => continue,
                };
                commit.envs(names.map(|name| (name, value.clone())));
            }
            let made = String::from_utf8_lossy(&git::run(commit)?).trim().to_owned();
            git::run(ask(&["update-ref", &reference, &made, &tip]))?;
        }
        self.remove(root)
    }
    /// Removes the worktree and its branch.
    ///
    /// # Errors
    /// Git's, or the file system's.
    pub fn discard(&self, root: &WorkRoot) -> std::io::Result<()> {
        self.remove(root)?;
        let mut delete = self.found().git();
        delete.args(["update-ref", "-d", &format!("refs/heads/{}", self.branch)]);
        git::run(delete).map(|_| ())
    }
    /// Without git, which would read files of the agent.
    fn remove(&self, root: &WorkRoot) -> std::io::Result<()> {
        let name = format!("{TREE}{}", self.id);
        root.remove(&OsString::from(&name))?;
        if self.git_dir.parent() == Some(self.common.join("worktrees").as_path()) {
            match std::fs::remove_dir_all(&self.git_dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        root.remove(&OsString::from(format!("{name}{ABOUT}")))
    }
    /// Where the program starts.
    pub fn directory(&self) -> PathBuf {
        self.path.join(&self.below)
    }
}

/// The agent's name and a short digest of conversation and repository.
fn id_of(found: &Repository, name: &Worktree) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let agent: String = name.agent.chars().map(harmless).take(40).collect();
    let mut digest = Sha256::new();
    digest.update(name.conversation.as_bytes());
    digest.update([0]);
    digest.update(Path::as_os_str(&found.common).as_encoded_bytes());
    let short: String = digest.finalize().iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("{agent}-{short}")
}
