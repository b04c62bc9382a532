//! Who uses a worktree: any number of runs, or one order that keeps, discards or shows it. The lock
//! holds between processes too, since `quintet work` is one of its own.

use sandbox::{Identity, folder::WorkRoot};
use std::fs::{File, TryLockError};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// Maximum attempts to lock a file that others remove.
const ATTEMPTS_MAX: usize = 100;

/// A use of a worktree; it ends with this value.
#[derive(Debug)]
pub struct TreeLock {
    path: PathBuf,
    file: File,
}

impl TreeLock {
    /// For a run. Waits for an order that is carried out.
    ///
    /// # Errors
    /// When the file of the lock cannot be made.
    pub(super) fn of_run(root: &WorkRoot, id: &str) -> Result<Self> {
        Self::of(root, id, File::lock_shared)
    }
    /// For an order.
    ///
    /// # Errors
    /// As [`Self::of_run`], and while a run or another order uses the worktree.
    pub fn of_order(root: &WorkRoot, id: &str) -> Result<Self> {
        Self::of(root, id, |file| {
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => {
                    Error::other("the agent is working there now. Try again when it has answered")
                }
                TryLockError::Error(error) => error,
            })
        })
    }
    fn of(root: &WorkRoot, id: &str, lock: impl Fn(&File) -> Result<()>) -> Result<Self> {
        let path = root.path().join(format!("tree-{id}.lock"));
        for _ in 0..ATTEMPTS_MAX {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            lock(&file)?;
            if is_at(&path, &file) {
                return Ok(Self { path, file });
            }
            // The last one before has just removed it.
        }
        Err(Error::other(format!("{} cannot be locked", path.display())))
    }
}

fn is_at(path: &Path, file: &File) -> bool {
    let own = file.metadata().map(|found| Identity::from(&found)).ok();
    own.is_some() && Identity::of(path).ok() == own
}

impl Drop for TreeLock {
    fn drop(&mut self) {
        if self.file.try_lock().is_ok() {
            let _ = std::fs::remove_file(&self.path);
        }
        // A process that is just being started may have the file open for a moment longer.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn order_is_refused_during_a_run_and_a_run_waits_for_an_order() {
        let place = tempfile::tempdir().unwrap();
        let root = WorkRoot::open(place.path()).unwrap();
        let (one, two) =
            (TreeLock::of_run(&root, "a").unwrap(), TreeLock::of_run(&root, "a").unwrap());
        let other = TreeLock::of_order(&root, "b").unwrap();
        drop(one);
        let refused = TreeLock::of_order(&root, "a").unwrap_err().to_string();
        assert!(refused.contains("working there now"), "{refused}");
        drop(two);
        let order = TreeLock::of_order(&root, "a").unwrap();
        TreeLock::of_order(&root, "a").unwrap_err();
        let (begun, begins) = std::sync::mpsc::channel();
        let waiting = root.share().unwrap();
        let run = std::thread::spawn(move || {
            let lock = TreeLock::of_run(&waiting, "a").unwrap();
            begun.send(()).unwrap();
            lock
        });
        assert!(begins.recv_timeout(std::time::Duration::from_millis(200)).is_err());
        drop(order);
        begins.recv().unwrap();
        drop((run.join().unwrap(), other));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
