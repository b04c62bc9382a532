//! The `.git` entries of a workspace. The owner's own git runs what they name, so a program that
//! writes in the workspace changes none of them, and makes none where it would count.

use super::git::Repository;
use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use sandbox::open::{open_folder, open_folder_in};
use sandbox::{Bind, Identity};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const GIT: &str = ".git";
/// Maximum files and folders that are looked at for repositories below a workspace.
const ENTRIES_MAX: usize = 4_000_000;
/// Maximum repositories below a workspace.
const NESTED_MAX: usize = 1_000;
/// Maximum attempts to hold a folder that other runs remove.
const ATTEMPTS_MAX: usize = 100;

/// The protection of the `.git` entries of a workspace during a run.
#[derive(Default)]
pub(super) struct GitEntries {
    /// Entries that are there, read-only, and the folders above them, which cannot be moved then.
    pub(super) binds: Vec<Bind>,
    /// For those that are not there.
    holders: Vec<Holder>,
}

impl GitEntries {
    /// Of this workspace; `found` is its repository. The error says why it cannot be protected.
    pub(super) fn of(folder: &Path, found: Option<&Repository>) -> Result<Self> {
        let mut entries = Self::default();
        entries.protect(folder)?;
        let mut nested = nested(folder)?;
        for submodule in found.map_or_else(|| Ok(Vec::new()), Repository::submodules)? {
            let is_folder = std::fs::symlink_metadata(&submodule).is_ok_and(|found| found.is_dir());
            let is_plain = submodule.canonicalize().is_ok_and(|path| path == submodule);
            if submodule.starts_with(folder) && submodule != folder && is_folder && is_plain {
                nested.insert(submodule);
            }
        }
        if nested.len() > NESTED_MAX {
            return Err(too_big(folder, &format!("more than {NESTED_MAX} git repositories")));
        }
        let mut above = BTreeSet::new();
        for repository in nested {
            let between = repository.ancestors().take_while(|path| *path != folder);
            above.extend(between.map(Path::to_path_buf));
            entries.protect(&repository)?;
        }
        // A folder that is a mount cannot be moved away with its `.git`.
        entries.binds.extend(above.into_iter().map(|path| unmoved(Bind::writable(path))));
        Ok(entries)
    }
    /// Empty folders to cover, so that nothing is made in their place.
    pub(super) fn covered(&self) -> impl Iterator<Item = &Path> {
        self.holders.iter().map(|holder| holder.path.as_path())
    }
    fn protect(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join(GIT);
        if is_there(&path) {
            self.binds.push(unmoved(Bind::read_only(path)));
        } else {
            match Holder::of(&path) {
                Ok(holder) => self.holders.push(holder),
                // Then the program makes nothing there either.
                Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn unmoved(bind: Bind) -> Bind {
    Bind { leads_to: Some(bind.path.clone()), ..bind }
}

fn too_big(folder: &Path, what: &str) -> Error {
    let folder = folder.display();
    Error::other(format!("the workspace {folder} has {what}. Name a smaller folder"))
}

/// Whether there is an entry other than an empty folder, which means nothing to git.
pub(super) fn is_there(path: &Path) -> bool {
    let is_empty = || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir() || !is_empty())
}

/// Folders below this one that have a `.git` of their own. No link is followed.
fn nested(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![folder.to_path_buf()]);
    let mut looked_at = 0;
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            looked_at += 1;
            let Ok(kind) = entry.file_type() else { continue };
            if entry.file_name() != GIT {
                waiting.extend(kind.is_dir().then(|| entry.path()));
            } else if at != folder && !kind.is_symlink() && is_there(&entry.path()) {
                found.insert(at.clone());
            }
        }
        if looked_at > ENTRIES_MAX {
            return Err(too_big(folder, &format!("more than {ENTRIES_MAX} files")));
        }
    }
    Ok(found)
}

/// An empty folder in the place of a `.git`, for as long as some run needs it: the sandbox covers
/// it. Runs hold it by a shared lock, and the last one removes it.
struct Holder {
    path: PathBuf,
    /// The folder that it is in.
    parent: OwnedFd,
    folder: File,
}

impl Holder {
    fn of(path: &Path) -> Result<Self> {
        let parent = open_folder(path.parent().unwrap_or(Path::new("/")))?;
        for _ in 0..ATTEMPTS_MAX {
            match mkdirat(&parent, GIT, Mode::S_IRWXU) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let folder = match open_folder_in(&parent, Path::new(GIT)) {
                // The last run before this one has just removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                folder => File::from(folder?),
            };
            folder.lock_shared()?;
            let now =
                open_folder_in(&parent, Path::new(GIT)).and_then(|now| Identity::of_open(&now));
            if now.ok() == Some(Identity::from(&folder.metadata()?)) {
                return Ok(Self { path: path.to_path_buf(), parent, folder });
            }
        }
        Err(Error::other(format!("{} cannot be held", path.display())))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Not when another run holds it; and a repository that the owner has made is not empty.
        if self.folder.try_lock().is_ok() {
            let _ = unlinkat(&self.parent, GIT, UnlinkatFlags::RemoveDir);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn empty_git_folder_stays_until_the_last_run_has_ended() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".git");
        let first = GitEntries::of(place.path(), None).unwrap();
        assert_eq!(first.covered().collect::<Vec<_>>(), [&path]);
        let second = GitEntries::of(place.path(), None).unwrap();
        drop(first);
        assert!(path.is_dir(), "another run needs it");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn repository_that_the_owner_makes_during_a_run_stays() {
        let place = tempfile::tempdir().unwrap();
        let entries = GitEntries::of(place.path(), None).unwrap();
        std::fs::write(place.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        drop(entries);
        assert!(place.path().join(".git/HEAD").exists());
    }
}
