//! Which folders lie above which, by device and inode: the check that no bind reaches a secret.

use crate::error::{Error, Result};
use crate::plan::{Access, Bind, Identity, Protected};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A bind's source, held by a descriptor.
pub(super) struct Opened {
    pub(super) descriptor: OwnedFd,
    /// Without symbolic links.
    pub(super) path: PathBuf,
    pub(super) is_directory: bool,
    /// Itself and every folder above it.
    above: Vec<Identity>,
}

impl Opened {
    /// None when it does not exist and need not.
    pub(super) fn of(bind: &Bind) -> Result<Option<Self>> {
        let refused =
            |error: std::io::Error| Error::refused(format!("open {}", bind.path.display()), error);
        let path = match bind.path.canonicalize() {
            Ok(path) => path,
            Err(_) if !bind.required => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        if bind.leads_to.as_ref().is_some_and(|expected| *expected != path) {
            return Err(Error::Moved(bind.path.clone()));
        }
        let descriptor = match open(&path) {
            Ok(descriptor) => descriptor,
            Err(_) if !bind.required => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let found = metadata(&descriptor).map_err(refused)?;
        if bind.identity.is_some_and(|expected| expected != Identity::from(&found)) {
            return Err(Error::Moved(bind.path.clone()));
        }
        let above = above(&descriptor, &path).map_err(refused)?;
        Ok(Some(Self { is_directory: found.is_dir(), descriptor, path, above }))
    }
    /// A file or folder that was found below a bind; none when it is gone.
    pub(super) fn below(path: PathBuf) -> Option<Self> {
        let descriptor = open(&path).ok()?;
        let is_directory = metadata(&descriptor).ok()?.is_dir();
        Some(Self { descriptor, path, is_directory, above: Vec::new() })
    }
    /// Itself.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.above.first().copied()
    }
}

/// A secret, and every folder above it.
pub(super) struct Line<'a> {
    pub(super) secret: &'a Protected,
    /// Itself and every folder above it.
    pub(super) above: Vec<Identity>,
    pub(super) is_directory: bool,
}

/// Looks at every secret; fails when one is not the file it was.
pub(super) fn of_protected(protected: &[Protected]) -> Result<Vec<Line<'_>>> {
    protected.iter().map(line).collect()
}

/// Opens a secret; fails when it is not the file it was.
pub(crate) fn opened(secret: &Protected) -> Result<OwnedFd> {
    let moved = |_| Error::Moved(secret.path.clone());
    let descriptor = open(&secret.path).map_err(moved)?;
    let found = metadata(&descriptor).map_err(moved)?;
    if Identity::from(&found) == secret.identity {
        Ok(descriptor)
    } else {
        Err(Error::Moved(secret.path.clone()))
    }
}

fn line(secret: &Protected) -> Result<Line<'_>> {
    let descriptor = opened(secret)?;
    let moved = |_| Error::Moved(secret.path.clone());
    let is_directory = metadata(&descriptor).map_err(moved)?.is_dir();
    let above = above(&descriptor, &secret.path).map_err(moved)?;
    Ok(Line { secret, above, is_directory })
}

/// Refuses a bind that lies in a secret, is writable and holds one, or holds one that cannot be
/// covered: a file, or a folder of another path. A folder that was made for the run is its own.
pub(super) fn check(bind: &Bind, opened: &Opened, lines: &[Line<'_>]) -> Result<()> {
    for line in lines.iter().filter(|_| !bind.of_run) {
        let inside = opened.above.contains(&line.secret.identity);
        let holds = opened.above.first().is_some_and(|own| line.above.contains(own));
        let coverable = line.is_directory && line.secret.path.starts_with(&opened.path);
        if inside || (holds && (bind.access == Access::Writable || !coverable)) {
            return Err(Error::HoldsSecret {
                path: bind.path.clone(),
                protected: line.secret.path.clone(),
            });
        }
    }
    Ok(())
}

/// Refuses a writable bind that holds one of these links: who may write it leads the server
/// elsewhere at its next start.
pub(super) fn check_links(bind: &Bind, opened: &Opened, links: &[PathBuf]) -> Result<()> {
    let Some(own) = opened.identity().filter(|_| bind.access == Access::Writable && !bind.of_run)
    else {
        return Ok(());
    };
    for link in links {
        let holds = || {
            let folder = link.parent().unwrap_or(Path::new("/"));
            Ok::<_, std::io::Error>(above(&open(folder)?, folder)?.contains(&own))
        };
        if holds().map_err(|_| Error::Moved(link.clone()))? {
            let (path, protected) = (bind.path.clone(), link.clone());
            return Err(Error::HoldsSecret { path, protected });
        }
    }
    Ok(())
}

/// Opens a path without following any symbolic link.
fn open(path: &Path) -> std::io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(nix::fcntl::AT_FDCWD, path, how)?)
}

fn metadata(descriptor: &OwnedFd) -> std::io::Result<std::fs::Metadata> {
    File::from(descriptor.try_clone()?).metadata()
}

/// The file itself, then each folder above it up to the root. The first step goes by the path,
/// which holds no link: `..` of a folder that this user may not enter cannot be opened.
fn above(descriptor: &OwnedFd, path: &Path) -> std::io::Result<Vec<Identity>> {
    let mut found = vec![Identity::from(&metadata(descriptor)?)];
    let Some(parent) = path.parent() else { return Ok(found) };
    let mut folder = open(parent)?;
    found.push(Identity::from(&metadata(&folder)?));
    loop {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mode = nix::sys::stat::Mode::empty();
        let parent = nix::fcntl::openat(folder.as_fd(), "..", flags, mode)?;
        let identity = Identity::from(&metadata(&parent)?);
        if found.last() == Some(&identity) {
            return Ok(found);
        }
        found.push(identity);
        folder = parent;
    }
}
