//! Where a run works instead of a folder of its own: a workspace of the owner, or a worktree of it.

use super::comparison::{Changed, Comparison};
use super::git::{Head, Repository};
use super::git_entries::{self, GitEntries};
use super::{tree_lock::TreeLock, worktree::Tree};
use platform::ports::{Changes, Confinement, ProgramSpec};
use sandbox::{Bind, folder::WorkRoot};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Maximum names of files in a summary.
const NAMES_MAX: usize = 5;
/// Maximum characters of a name in a summary.
const NAME_CHARS_MAX: usize = 60;

/// A workspace as it was when the server started.
#[derive(Clone, Debug)]
pub(super) struct KnownWorkspace {
    /// Without symbolic links.
    pub(super) folder: PathBuf,
    /// Its repository, or why it has none.
    pub(super) repository: Result<Repository, String>,
}

/// The workspace of a run.
pub(super) struct WorkFolder {
    /// Where the program starts.
    pub(super) directory: PathBuf,
    /// Paths of the sandbox.
    pub(super) binds: Vec<Bind>,
    /// Variables of the program.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Folders whose size counts for the limit of a run.
    pub(super) measured: Vec<PathBuf>,
    /// Whether they had files of the owner before the run, which do not count.
    pub(super) is_owners: bool,
    entries: GitEntries,
    tree: Option<Tree>,
    _used: Option<TreeLock>,
    count: Option<Count>,
}

/// Everything needed to count the changes of a run.
struct Count {
    comparison: Comparison,
    branch: Option<String>,
    /// The worktree's id.
    id: Option<String>,
    before: Vec<Changed>,
    /// A folder of the work root that ends with the run.
    scratch: Option<OsString>,
}

impl WorkFolder {
    /// The workspace that the specification names, if it does; `known` is what it was when the
    /// server started.
    ///
    /// # Errors
    /// The reason that the program cannot work there.
    pub(super) fn of(
        root: &WorkRoot,
        spec: &ProgramSpec,
        known: &KnownWorkspace,
        name: &OsStr,
    ) -> std::io::Result<Option<Self>> {
        let Some(workspace) = &spec.workspace else { return Ok(None) };
        let Some(worktree) = &workspace.worktree else {
            return Self::in_folder(root, spec, known, name).map(Some);
        };
        let found = known.repository.as_ref().map_err(|why| {
            let folder = known.folder.display();
            std::io::Error::other(format!(
                "{folder} cannot have worktrees, because {why}. Run `git init` and commit once \
                 there, then restart the server"
            ))
        })?;
        // Before it is looked for: an order may be about to remove it.
        let used = TreeLock::of_run(root, &Tree::id(found, worktree))?;
        let tree = Tree::ready(root, found, worktree)?;
        Ok(Some(Self {
            directory: tree.directory(),
            binds: tree.binds(),
            variables: settings(&tree.settings()),
            measured: tree.folders(),
            is_owners: false,
            entries: GitEntries::default(),
            count: Some(Count {
                // A branch may have changes of earlier runs, and all of them are to be reviewed.
                before: Vec::new(),
                comparison: tree.comparison(root),
                branch: Some(tree.branch.clone()),
                id: Some(tree.id.clone()),
                scratch: None,
            }),
            tree: Some(tree),
            _used: Some(used),
        }))
    }
    fn in_folder(
        root: &WorkRoot,
        spec: &ProgramSpec,
        known: &KnownWorkspace,
        name: &OsStr,
    ) -> std::io::Result<Self> {
        let folder = known.folder.as_path();
        let found = known.repository.as_ref().ok();
        if found.is_none() && git_entries::is_there(&folder.join(".git")) {
            tracing::warn!(
                folder = %folder.display(),
                "the git repository of a workspace was not there when the server started, so the changes of its runs \
                 are not counted; restart the server"
            );
        }
        let entries = match spec.reach.confinement {
            Confinement::Strict => GitEntries::of(folder, found)?,
            Confinement::Off => GitEntries::default(),
        };
        let leads_to = Some(folder.to_path_buf());
        let mut binds = vec![Bind { leads_to, ..Bind::writable(folder) }];
        binds.extend(entries.binds.iter().cloned());
        binds.extend(found.filter(|found| !found.common.starts_with(folder)).map(|found| Bind {
            identity: Some(found.identity),
            leads_to: Some(found.common.clone()),
            ..Bind::read_only(found.common.clone())
        }));
        let locks = [("GIT_OPTIONAL_LOCKS", "0")];
        Ok(Self {
            directory: folder.to_path_buf(),
            binds,
            variables: locks.map(|(name, value)| (name.into(), value.into())).to_vec(),
            measured: vec![folder.to_path_buf()],
            is_owners: true,
            entries,
            tree: None,
            _used: None,
            count: found.and_then(|found| Count::begin(root, found, name)),
        })
    }
    /// Empty folders to cover in the sandbox.
    pub(super) fn covered(&self) -> Vec<PathBuf> {
        self.entries.covered().map(Path::to_path_buf).collect()
    }
    /// Whether the repository of a worktree has a file or folder of this name where it works.
    pub(super) fn tracks(&self, name: &str) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.tracks(name))
    }
    /// Copies the commits of the run into the owner's repository, and removes the folder for
    /// counting. Returns the run's changes.
    pub(super) fn end(self, root: &WorkRoot) -> Option<Changes> {
        if let Some(Err(error)) = self.tree.as_ref().map(|tree| tree.import(root)) {
            tracing::warn!(%error, "the commits of a run were not copied into the repository");
        }
        let count = self.count.as_ref()?;
        let changes = count.changes();
        if let Some(scratch) = &count.scratch {
            let _ = root.remove(scratch);
        }
        changes
    }
}

impl Count {
    fn begin(root: &WorkRoot, found: &Repository, name: &OsStr) -> Option<Self> {
        let begun = found.head().map_err(std::io::Error::other).and_then(|head| {
            let comparison = Comparison::apart(root, name, found, &head)?;
            let (before, Head { branch, .. }) = (comparison.changes()?, head);
            let scratch = Some(name.to_owned());
            Ok(Self { comparison, branch, id: None, before, scratch })
        });
        if let Err(error) = &begun {
            tracing::warn!(%error, "the changes of a run in a workspace are not counted");
            let _ = root.remove(name);
        }
        begun.ok()
    }
    fn changes(&self) -> Option<Changes> {
        let now = match self.comparison.changes() {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(%error, "the changes of a run in a workspace are not counted");
                return None;
            }
        };
        let undone = self.before.iter().filter(|old| now.iter().all(|new| new.path != old.path));
        let of_run = now.iter().filter(|changed| !self.before.contains(changed)).chain(undone);
        let of_run: Vec<&Changed> = of_run.collect();
        let sum = |part: fn(&Changed) -> u64| of_run.iter().map(|changed| part(changed)).sum();
        Some(Changes {
            files: of_run.len(),
            names: of_run.iter().take(NAMES_MAX).map(|changed| shown(&changed.path)).collect(),
            added: sum(|changed| changed.added),
            removed: sum(|changed| changed.removed),
            branch: self.branch.clone(),
            worktree: self.id.clone(),
        })
    }
}

/// A name that cannot look like more than a name.
pub fn shown(path: &Path) -> String {
    let name = path.to_string_lossy();
    let plain = |c: char| if c.is_control() || c.is_whitespace() { '_' } else { c };
    let mut shown: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
    if name.chars().count() > NAME_CHARS_MAX {
        shown.push('…');
    }
    shown
}

/// Settings for git by variables (git-config(1), `GIT_CONFIG_COUNT`).
fn settings(settings: &[(&str, String)]) -> Vec<(OsString, OsString)> {
    let count = ("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string());
    let each = settings.iter().enumerate().flat_map(|(number, (key, value))| {
        [
            (format!("GIT_CONFIG_KEY_{number}"), (*key).to_owned()),
            (format!("GIT_CONFIG_VALUE_{number}"), value.clone()),
        ]
    });
    std::iter::once(count).chain(each).map(|(k, v)| (k.into(), v.into())).collect()
}
