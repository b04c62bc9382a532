//! Mount points below the new root, made and found step by step without following a symbolic link.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, mkdirat};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

const FOLDER: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A folder at this absolute path of the new root; what is missing is made.
pub(super) fn directory(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let mut folder =
        root.try_clone_to_owned().map_err(|error| Error::refused("a descriptor", error))?;
    for name in names(path) {
        folder = step(folder.as_fd(), name)
            .map_err(|error| Error::refused(format!("make {}", path.display()), error.desc()))?;
    }
    Ok(folder)
}

/// An empty file to bind a file over; one that is there already serves.
pub(super) fn file(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let refused = |error: Errno| Error::refused(format!("make {}", path.display()), error.desc());
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused(Errno::EINVAL));
    };
    let parent = directory(root, parent)?;
    let make = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    match openat(parent.as_fd(), name, make, Mode::from_bits_truncate(0o600)) {
        Ok(_) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(refused(error)),
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent.as_fd(), name, flags, Mode::empty()).map_err(refused)
}

/// The file or folder that is there.
pub(super) fn existing(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let refused = |error: Errno| Error::refused(format!("find {}", path.display()), error.desc());
    let mut found =
        root.try_clone_to_owned().map_err(|error| Error::refused("a descriptor", error))?;
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    for name in names(path) {
        found = openat(found.as_fd(), name, flags, Mode::empty()).map_err(refused)?;
    }
    Ok(found)
}

/// A symbolic link at this path.
pub(super) fn link(root: BorrowedFd<'_>, path: &Path, to: &Path) -> Result<()> {
    let parent = directory(root, path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().unwrap_or_default();
    nix::unistd::symlinkat(to, parent.as_fd(), name)
        .map_err(|error| Error::refused(format!("link {}", path.display()), error.desc()))
}

fn step(folder: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    match openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::ENOENT) => {
            let mode = Mode::from_bits_truncate(0o755);
            mkdirat(folder, name, mode)?;
            // Whatever the umask of the server.
            fchmodat(folder, name, mode, FchmodatFlags::FollowSymlink)?;
            openat(folder, name, FOLDER, Mode::empty())
        }
        found => found,
    }
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}
