//! Where a run works: a folder of its own, a workspace of the owner, or a git worktree of it.

use super::git::{Changed, Comparison, Repository};
use super::worktree::Tree;
use platform::ports::{Changes, ProgramSpec};
use sandbox::{Bind, folder::WorkRoot};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Maximum names of files in a summary.
const NAMES_MAX: usize = 5;
/// Maximum characters of a name in a summary.
const NAME_CHARS_MAX: usize = 60;

/// The workspace of a run.
pub(super) struct Place {
    /// Where the program starts.
    pub(super) directory: PathBuf,
    /// Paths of the sandbox.
    pub(super) binds: Vec<Bind>,
    /// Variables of the program.
    pub(super) variables: Vec<(OsString, OsString)>,
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

impl Place {
    /// The workspace that the specification names, if it does; `folder` is where it led at its
    /// first use.
    ///
    /// # Errors
    /// The reason that the program cannot work there.
    pub(super) fn of(
        root: &WorkRoot,
        spec: &ProgramSpec,
        folder: &Path,
        name: &OsStr,
    ) -> std::io::Result<Option<Self>> {
        let Some(workspace) = &spec.workspace else { return Ok(None) };
        let found = Repository::of(folder);
        let Some(worktree) = &workspace.worktree else {
            return Ok(Some(Self::in_folder(root, folder, found.ok(), name)));
        };
        let tree = Tree::ready(root, &found.map_err(std::io::Error::other)?, worktree)?;
        let comparison = tree.comparison(root);
        Ok(Some(Self {
            directory: tree.directory(),
            binds: tree.binds(),
            variables: settings(&tree.settings()),
            count: Some(Count {
                // A branch may have changes of earlier runs, and all of them are to be reviewed.
                before: Vec::new(),
                comparison,
                branch: Some(tree.branch),
                id: Some(tree.id),
                scratch: None,
            }),
        }))
    }
    fn in_folder(root: &WorkRoot, folder: &Path, found: Option<Repository>, name: &OsStr) -> Self {
        let leads_to = Some(folder.to_path_buf());
        let mut binds = vec![Bind { leads_to, ..Bind::writable(folder) }];
        // The owner's own git runs what these files name.
        binds.push(Bind::read_only(folder.join(".git")));
        let shared = found.as_ref().map(|found| found.common.clone());
        binds.extend(shared.filter(|path| !path.starts_with(folder)).map(Bind::read_only));
        let count = found.and_then(|found| Count::begin(root, &found, name));
        let locks = [("GIT_OPTIONAL_LOCKS", "0")];
        let variables = locks.map(|(name, value)| (name.into(), value.into())).to_vec();
        Self { directory: folder.to_path_buf(), binds, variables, count }
    }
    /// The changes of the run; removes the folder for counting them.
    pub(super) fn end(self, root: &WorkRoot) -> Option<Changes> {
        let count = self.count?;
        let changes = count.changes();
        if let Some(scratch) = &count.scratch {
            let _ = root.remove(scratch);
        }
        changes
    }
}

impl Count {
    fn begin(root: &WorkRoot, found: &Repository, name: &OsStr) -> Option<Self> {
        let begun = Comparison::apart(root, name, found).and_then(|comparison| {
            let before = comparison.changes()?;
            let branch = found.branch.clone();
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
