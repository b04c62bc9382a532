//! Orders about worktrees, as `quintet work` carries them out too.

use super::{tree_lock::TreeLock, worktree::Tree};
use contracts::task::{WorkAction, WorkOrder};
use sandbox::folder::WorkRoot;
use std::io::{Error, ErrorKind, Result};

/// Maximum bytes of a diff.
const DIFF_BYTES_MAX: usize = 8 << 20;

/// Carries it out; the text for the person.
///
/// # Errors
/// Git's, or the file system's, or while a run works there; then nothing is removed.
pub(super) fn carry_out(root: &WorkRoot, order: &WorkOrder) -> Result<String> {
    let gone = "This work was kept or discarded before; there is nothing left to do.";
    let Some(tree) = Tree::named(root, &order.worktree) else { return Ok(gone.to_owned()) };
    let _used = TreeLock::of_order(root, &tree.id)?;
    let branch = &tree.branch;
    match order.action {
        WorkAction::Diff => {
            let diff = tree.comparison(root).text(DIFF_BYTES_MAX).map_err(|error| {
                let id = &tree.id;
                let text = format!("the diff is too long; run `quintet work diff {id}`");
                let is_long = error.kind() == ErrorKind::FileTooLarge;
                if is_long { Error::other(text) } else { error }
            })?;
            Ok(String::from_utf8_lossy(&diff).into_owned())
        }
        WorkAction::Keep => {
            tree.keep(root)?;
            let repository = tree.repository.display();
            Ok(format!(
                "Kept on the branch {branch}. Merge it with:\n```\ngit -C {repository} merge {branch}\n```"
            ))
        }
        WorkAction::Discard => {
            tree.discard(root)?;
            Ok(format!("Discarded, with the branch {branch}."))
        }
    }
}
