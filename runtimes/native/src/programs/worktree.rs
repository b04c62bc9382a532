//! The worktree of a conversation: a folder below the work root, on a branch of its own in the
//! owner's repository.
//!
//! The program commits into a git directory of its own (`agent_git.rs`) and writes nothing in the
//! owner's. After a run its branch is checked and copied there. Its description lies beside
//! its folder, out of the program's reach.

use super::agent_git::AgentGit;
use super::comparison::Comparison;
use super::digest::digest;
use super::git::{self, Repository, hash_in, word};
use platform::ports::Worktree;
use sandbox::{Bind, folder::WorkRoot};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Begins the names of worktrees below the work root.
const TREE: &str = "tree-";
/// Ends the name of the folder with what we know of one.
const ABOUT: &str = ".about";
/// Begins the names of their branches.
const BRANCHES: &str = "quintet";
/// The old value of a branch that must not exist yet.
const NONE: &str = "";

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
    /// The git directory of the program.
    pub git_dir: PathBuf,
    pub path: PathBuf,
    /// The workspace below it.
    pub below: PathBuf,
    pub branch: String,
    /// The commit that its branch began at.
    pub base: String,
}

impl Tree {
    /// The worktree of this conversation, made where there is none.
    ///
    /// # Errors
    /// Git's, or the file system's.
    pub fn ready(root: &WorkRoot, found: &Repository, name: &Worktree) -> Result<Self> {
        // Git has no lock of its own for two of them at once.
        let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let head = found.head().map_err(Error::other)?;
        let id = Self::id(found, name);
        if let Some(tree) = Self::named(root, &id) {
            if tree.is_whole() {
                tree.agent_git().show_branches()?;
                return Ok(tree);
            }
            // Its folder was removed by hand; its commits are kept as far as they are sound.
            if let Err(error) = tree.import(root) {
                tracing::warn!(%error, id, "the commits of a lost worktree are not kept");
            }
            tree.remove(root)?;
        }
        let mut tree = Self {
            agent: name.agent.clone(),
            repository: found.top.clone(),
            common: found.common.clone(),
            git_dir: root.path().join(format!("{TREE}{id}{ABOUT}")).join("git"),
            below: found.below.clone(),
            path: root.path().join(format!("{TREE}{id}")),
            branch: format!("{BRANCHES}/{id}"),
            base: head.commit,
            id,
        };
        for end in ["", ABOUT] {
            let name = OsString::from(format!("{TREE}{}{end}", tree.id));
            root.remove(&name)?;
            root.make(&name)?;
        }
        let tip = match tree.tip()? {
            Some(tip) => {
                let common =
                    word(git::output(tree.on_owner().args(["merge-base", &tree.base, &tip])));
                tree.base = common.unwrap_or(tree.base);
                tip
            }
            None => {
                tree.set_tip(&tree.base, NONE)?;
                tree.base.clone()
            }
        };
        tree.agent_git().make(&tip)?;
        tree.agent_git().check_out(&tree.path, &tip, &tree.base)?;
        tree.remember_import(root, &tip)?;
        std::fs::write(tree.about(root).join("about.json"), serde_json::to_vec_pretty(&tree)?)?;
        Ok(tree)
    }
    fn about(&self, root: &WorkRoot) -> PathBuf {
        root.path().join(format!("{TREE}{}{ABOUT}", self.id))
    }
    fn agent_git(&self) -> AgentGit<'_> {
        AgentGit {
            folder: &self.git_dir,
            branch: &self.branch,
            repository: &self.repository,
            common: &self.common,
        }
    }
    fn is_whole(&self) -> bool {
        self.path.join(".git").is_file() && self.git_dir.join("config").is_file()
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
    pub fn all(root: &WorkRoot) -> Result<Vec<Self>> {
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
    /// The reach of a program: its folder, its own git directory, and to read the objects of the
    /// owner's repository.
    pub fn binds(&self) -> Vec<Bind> {
        let pointer = Bind::read_only(self.path.join(".git")).of_run();
        let objects = Bind { required: true, ..Bind::read_only(self.common.join("objects")) };
        let own = [Bind::writable(&self.path).of_run(), pointer, objects];
        own.into_iter().chain(self.agent_git().binds()).collect()
    }
    /// Folders whose size counts for the limit of a run.
    pub fn folders(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.git_dir.clone()]
    }
    /// Git's settings for the program, which sees no configuration of the owner's home.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let owner = |key| word(git::output(self.on_owner().args(["config", "--get", key])));
        let agent = self.agent.clone();
        vec![
            ("gc.auto", "0".to_owned()),
            ("maintenance.auto", "false".to_owned()),
            ("user.name", owner("user.name").unwrap_or(agent)),
            ("user.email", owner("user.email").unwrap_or_else(|| "agent@localhost".to_owned())),
        ]
    }
    /// Git on the owner's repository.
    fn on_owner(&self) -> Command {
        git::on(&self.repository, &self.common)
    }
    fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }
    /// The commit of its branch in the owner's repository; none where the branch is gone.
    ///
    /// # Errors
    /// When the branch is another name for something else, which must not move in its place.
    fn tip(&self) -> Result<Option<String>> {
        let reference = self.reference();
        let file = self.common.join(&reference);
        if let Ok(found) = std::fs::symlink_metadata(&file) {
            let hash = Some(file).filter(|_| found.is_file()).and_then(|file| hash_in(&file));
            return hash.map(Some).ok_or_else(|| self.no_ordinary_branch());
        }
        // Packed, or in another format of references.
        let ask = |args: &[&str]| word(git::output(self.on_owner().args(args)));
        if ask(&["symbolic-ref", "--quiet", &reference]).is_some() {
            return Err(self.no_ordinary_branch());
        }
        Ok(ask(&["rev-parse", "--verify", "--quiet", &reference]))
    }
    fn no_ordinary_branch(&self) -> Error {
        Error::other(format!(
            "{} is no ordinary branch: it does not name one commit. Remove {} and try again",
            self.branch,
            self.common.join(self.reference()).display()
        ))
    }
    /// Refuses a branch that the owner works on: its files would not follow it.
    fn check_free(&self) -> Result<()> {
        let mut list = self.on_owner();
        list.args(["for-each-ref", "--format=%(worktreepath)", &self.reference()]);
        word(git::output(&mut list)).map_or(Ok(()), |path| {
            let branch = &self.branch;
            Err(Error::other(format!(
                "{branch} is checked out in {path}. Switch to another branch there and try again"
            )))
        })
    }
    fn set_tip(&self, new: &str, old: &str) -> Result<()> {
        self.check_free()?;
        let mut update = self.on_owner();
        update.args(["update-ref", "--no-deref", &self.reference(), new]);
        git::run(update.arg(old)).map(|_| ())
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
            attributes: self.base.clone(),
        }
    }
    /// Copies the commits of the program's branch into the owner's repository, after a check of
    /// every object, and sets the branch there.
    ///
    /// # Errors
    /// When they are not whole, or the owner has changed the branch; then nothing is changed.
    pub fn import(&self, root: &WorkRoot) -> Result<()> {
        let Some(new) = self.agent_git().tip()? else { return Ok(()) };
        let old = self.tip()?;
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        if old.is_some() && old != hash_in(&self.about(root).join("imported")) {
            return Err(Error::other(format!(
                "the branch {} was changed in {} meanwhile. Rename it there and try again",
                self.branch,
                self.repository.display()
            )));
        }
        let known: Vec<&str> = old.iter().chain([&self.base]).map(String::as_str).collect();
        self.agent_git().copy_objects(&new, &known)?;
        self.set_tip(&new, old.as_deref().unwrap_or(NONE))?;
        self.remember_import(root, &new)
    }
    fn remember_import(&self, root: &WorkRoot, tip: &str) -> Result<()> {
        std::fs::write(self.about(root).join("imported"), tip)
    }
    /// Commits what is not committed yet, and removes the worktree. Its branch stays.
    ///
    /// # Errors
    /// Git's, or the file system's; then nothing is removed.
    pub fn keep(&self, root: &WorkRoot) -> Result<()> {
        self.import(root)?;
        let tip = self.tip()?.ok_or_else(|| Error::other(format!("{} is gone", self.branch)))?;
        let tree = self.comparison(root).tree_of(&tip)?;
        let tree_of_tip = format!("{tip}^{{tree}}");
        let before = word(git::output(self.on_owner().args(["rev-parse", &tree_of_tip])));
        if before.as_deref() != Some(tree.as_str()) {
            let message = format!("Work of {}", self.agent);
            let mut commit = self.on_owner();
            commit.args(["commit-tree", &tree, "-p", &tip, "-m", &message]);
            for (key, value) in self.settings() {
                let names = match key {
                    "user.name" => ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"],
                    "user.email" => ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"],
                    _ => continue,
                };
                commit.envs(names.map(|name| (name, value.clone())));
            }
            let made = String::from_utf8_lossy(&git::run(&mut commit)?).trim().to_owned();
            self.set_tip(&made, &tip)?;
        }
        self.remove(root)
    }
    /// Removes the worktree and its branch.
    ///
    /// # Errors
    /// Git's, or the file system's.
    pub fn discard(&self, root: &WorkRoot) -> Result<()> {
        let tip = self.tip()?;
        self.check_free()?;
        self.remove(root)?;
        let Some(tip) = tip else { return Ok(()) };
        let mut delete = self.on_owner();
        delete.args(["update-ref", "--no-deref", "-d", &self.reference(), &tip]);
        git::run(&mut delete).map(|_| ())
    }
    /// Without git, which would read files of the agent.
    fn remove(&self, root: &WorkRoot) -> Result<()> {
        let name = format!("{TREE}{}", self.id);
        root.remove(&OsString::from(&name))?;
        root.remove(&OsString::from(format!("{name}{ABOUT}")))
    }
    /// Whether the commit of its branch has this name where the program starts. If git does not
    /// say so, it counts as the owner's.
    pub fn tracks(&self, name: &str) -> bool {
        let tip = self.tip().ok().flatten().unwrap_or_else(|| self.base.clone());
        let path = self.below.join(name);
        let mut list = self.on_owner();
        list.args(["ls-tree", "--name-only", "--full-tree", "-z", &tip, "--"]).arg(path);
        git::run(&mut list).map_or(true, |listed| !listed.is_empty())
    }
    /// Where the program starts.
    pub fn directory(&self) -> PathBuf {
        // Joining nothing would leave a slash at the end, and a program compares it with its own.
        if self.below.as_os_str().is_empty() {
            return self.path.clone();
        }
        self.path.join(&self.below)
    }
    /// The agent's name and a digest of agent, conversation and repository.
    pub(super) fn id(found: &Repository, name: &Worktree) -> String {
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let agent: String = name.agent.chars().map(harmless).take(40).collect();
        let common = Path::as_os_str(&found.common).as_encoded_bytes();
        format!(
            "{agent}-{}",
            digest(&[name.agent.as_bytes(), name.conversation.as_bytes(), common])
        )
    }
}
