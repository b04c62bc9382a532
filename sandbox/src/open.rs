//! Opens folders and files by paths that an agent may have changed: no symbolic link on the way is
//! followed.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

pub(crate) const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const FILE: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

/// Opens a regular file that an agent may have written. None for everything else: it follows no
/// link and waits for no pipe.
///
/// # Errors
/// When it cannot be opened.
pub fn open_file(path: &Path) -> std::io::Result<Option<std::fs::File>> {
    regular(nix::fcntl::open(path, FILE, Mode::empty()))
}

/// The same in an open folder.
pub(crate) fn open_file_in(
    folder: &OwnedFd,
    name: &OsStr,
) -> std::io::Result<Option<std::fs::File>> {
    regular(openat(folder.as_fd(), name, FILE, Mode::empty()))
}

fn regular(opened: nix::Result<OwnedFd>) -> std::io::Result<Option<std::fs::File>> {
    let file = match opened {
        // A link; a socket.
        Err(Errno::ELOOP | Errno::ENXIO) => return Ok(None),
        opened => std::fs::File::from(opened?),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// A folder on the way may be one that we cannot list.
#[cfg(target_os = "linux")]
const STEP: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
#[cfg(not(target_os = "linux"))]
const STEP: OFlag = FOLDER;

/// Opens the folder at an absolute path.
///
/// # Errors
/// When a part of it is a link or no folder, or cannot be opened.
pub fn open_folder(path: &Path) -> Result<OwnedFd> {
    let below = path.strip_prefix("/").map_err(|_| not_plain(path))?;
    open_folder_in(&nix::fcntl::open("/", STEP, Mode::empty())?, below)
}

/// Opens the folder at a path below an open one; the empty path is that folder itself.
///
/// # Errors
/// As [`open_folder`].
pub fn open_folder_in(top: &OwnedFd, below: &Path) -> Result<OwnedFd> {
    let mut at = None;
    for part in below.components() {
        let Component::Normal(name) = part else { return Err(not_plain(below)) };
        let next = openat(at.as_ref().unwrap_or(top), name, STEP, Mode::empty());
        at = Some(next.map_err(|error| match error {
            Errno::ELOOP | Errno::ENOTDIR => not_plain(Path::new(name)),
            error => Error::from(error),
        })?);
    }
    Ok(openat(at.as_ref().unwrap_or(top), ".", FOLDER, Mode::empty())?)
}

/// Opens a regular file at a path below a folder at an absolute path. None for anything else.
///
/// # Errors
/// As [`open_folder`].
pub fn open_file_below(top: &Path, below: &Path) -> Result<Option<File>> {
    let name = below.file_name().ok_or_else(|| not_plain(below))?;
    let above = below.parent().unwrap_or(Path::new(""));
    open_file_in(&open_folder_in(&open_folder(top)?, above)?, name)
}

fn not_plain(path: &Path) -> Error {
    let text = format!("{} is a symbolic link or no folder; it is not followed", path.display());
    Error::new(ErrorKind::NotADirectory, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folder_is_opened_through_no_link_at_any_depth() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::write(root.join("a/b/c/file"), "x").unwrap();
        symlink("a", root.join("link")).unwrap();
        let top = open_folder(&root).unwrap();
        for path in ["", "a", "a/b/c"] {
            open_folder_in(&top, Path::new(path)).unwrap();
        }
        for path in ["link", "link/b", "link/b/c", "a/../a", "a/b/c/file"] {
            open_folder_in(&top, Path::new(path)).unwrap_err();
            open_folder(&root.join(path)).unwrap_err();
        }
        assert!(open_file_below(&root, Path::new("a/b/c/file")).unwrap().is_some());
        assert!(open_file_below(&root, Path::new("link/b/c/file")).is_err());
        let missing = open_folder_in(&top, Path::new("a/none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
