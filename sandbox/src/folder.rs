//! Work folders, made and removed by descriptor: a name that an agent has put in the way leads
//! nowhere.

use crate::open::{FOLDER, open_file_in, open_folder_in};
use crate::plan::{Identity, Protected};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins the names of folders that wait to be emptied.
const DOOMED: &str = ".removing-";

/// Maximum depth of subfolders that are copied.
const COPY_DEPTH_MAX: usize = 4;

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// The folder that work folders are made in, held open for good.
pub struct WorkRoot {
    descriptor: OwnedFd,
    path: PathBuf,
    identity: Identity,
}

impl WorkRoot {
    /// Opens it; made when missing, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be made, or is no folder.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path)?;
        let path = path.canonicalize()?;
        let descriptor = nix::fcntl::open(&path, FOLDER, Mode::empty())?;
        let identity = Identity::of_open(&descriptor)?;
        Ok(Self { descriptor, path, identity })
    }
    /// Without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// As a folder that no program reaches, except for its own part.
    pub fn protected(&self) -> Protected {
        Protected { path: self.path.clone(), identity: self.identity }
    }
    /// The same root by another descriptor.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn share(&self) -> std::io::Result<Self> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(Self { descriptor, path: self.path.clone(), identity: self.identity })
    }
    /// Makes a folder of this name for its owner alone; its identity.
    ///
    /// # Errors
    /// When there is one already, or the root's path leads to another folder by now.
    pub fn make(&self, name: &OsStr) -> std::io::Result<Identity> {
        if Identity::of(&self.path)? != self.identity {
            return Err(std::io::Error::other(format!(
                "{} is another folder than when the server started; restart it",
                self.path.display()
            )));
        }
        mkdirat(self.descriptor.as_fd(), name, Mode::S_IRWXU)?;
        let made = openat(self.descriptor.as_fd(), name, FOLDER, Mode::empty())?;
        Ok(Identity::from(&std::fs::File::from(made).metadata()?))
    }
    /// The folder of this name, made where there is none yet, and marked as used just now.
    ///
    /// # Errors
    /// When something else has the name, or the root's path leads to another folder by now.
    pub fn keep(&self, name: &OsStr) -> std::io::Result<Identity> {
        match self.make(name) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let kept = openat(self.descriptor.as_fd(), name, FOLDER, Mode::empty())?;
        futimens(kept.as_fd(), &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW)?;
        Ok(Identity::from(&std::fs::File::from(kept).metadata()?))
    }
    /// Removes a folder with everything in it, however deep, with a bounded number of descriptors.
    /// Symbolic links are removed and never followed.
    ///
    /// # Errors
    /// The first one; as much as possible is removed all the same.
    pub fn remove(&self, name: &OsStr) -> std::io::Result<()> {
        match unlinkat(self.descriptor.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(error) => return Err(error.into()),
        }
        let doomed = fresh();
        match renameat(self.descriptor.as_fd(), name, self.descriptor.as_fd(), doomed.as_os_str()) {
            Ok(()) => self.empty(doomed),
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
    /// Opens a folder below it; no link on the way is followed.
    ///
    /// # Errors
    /// As [`crate::open::open_folder`].
    pub fn open_below(&self, below: &Path) -> std::io::Result<OwnedFd> {
        open_folder_in(&self.descriptor, below)
    }
    /// Removes a file or folder of this name from an open folder on the same file system.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub fn remove_from(&self, folder: &OwnedFd, name: &OsStr) -> std::io::Result<()> {
        match unlinkat(folder.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(error) => return Err(error.into()),
        }
        opened_up(folder.as_fd(), name)?;
        let doomed = fresh();
        renameat(folder.as_fd(), name, self.descriptor.as_fd(), doomed.as_os_str())?;
        self.empty(doomed)
    }
    /// Removes what earlier processes left here: everything whose name `is_left` says yes to.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn sweep(&self, is_left: impl Fn(&OsStr) -> bool) -> std::io::Result<()> {
        let left: Vec<OsString> = names(&self.descriptor)?
            .into_iter()
            .map(|name| OsStr::from_bytes(name.as_bytes()).to_owned())
            .filter(|name| name.as_bytes().starts_with(DOOMED.as_bytes()) || is_left(name))
            .collect();
        left.iter().try_for_each(|name| self.remove(name))
    }

    /// Subfolders are moved up beside it before they are emptied, so that no path and no stack
    /// grows with the depth.
    fn empty(&self, doomed: OsString) -> std::io::Result<()> {
        let root = self.descriptor.as_fd();
        let mut waiting = vec![doomed];
        let mut first_error = Ok(());
        while let Some(name) = waiting.pop() {
            let kept = self
                .empty_one(&name, &mut waiting)
                .and_then(|()| Ok(unlinkat(root, name.as_os_str(), UnlinkatFlags::RemoveDir)?));
            first_error = first_error.and(kept);
        }
        first_error
    }

    fn empty_one(&self, name: &OsStr, waiting: &mut Vec<OsString>) -> std::io::Result<()> {
        let root = self.descriptor.as_fd();
        opened_up(root, name)?;
        let folder = openat(root, name, FOLDER, Mode::empty())?;
        for entry in names(&folder)? {
            let entry = OsStr::from_bytes(entry.as_bytes());
            match unlinkat(folder.as_fd(), entry, UnlinkatFlags::NoRemoveDir) {
                Ok(()) => continue,
                Err(Errno::EISDIR | Errno::EPERM) => {}
                Err(error) => return Err(error.into()),
            }
            // Moving a folder writes its "..", which its own mode may forbid.
            opened_up(folder.as_fd(), entry)?;
            let up = fresh();
            renameat(folder.as_fd(), entry, root, up.as_os_str())?;
            waiting.push(up);
        }
        Ok(())
    }
}

/// Copies the regular files of a folder and of its subfolders into a new folder. Everything else is
/// left out, above all links, which could lead to files that a program was not given.
///
/// # Errors
/// When a file cannot be copied, or all of them have more than `bytes_max` bytes.
pub fn copy_files(from: &Path, to: &Path, bytes_max: u64) -> std::io::Result<()> {
    let mut left = bytes_max;
    let from = nix::fcntl::open(from, FOLDER, Mode::empty())?;
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    let mut waiting = vec![(from, to.to_path_buf(), 0)];
    while let Some((folder, to, depth)) = waiting.pop() {
        for name in names(&folder)? {
            let (name, to) =
                (OsStr::from_bytes(name.as_bytes()), to.join(OsStr::from_bytes(name.as_bytes())));
            let kind = fstatat(folder.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode;
            match SFlag::from_bits_truncate(kind) & SFlag::S_IFMT {
                SFlag::S_IFDIR if depth < COPY_DEPTH_MAX => {
                    let below = openat(folder.as_fd(), name, FOLDER, Mode::empty())?;
                    std::fs::DirBuilder::new().mode(0o700).create(&to)?;
                    waiting.push((below, to, depth + 1));
                }
                SFlag::S_IFREG => left = left.saturating_sub(copy_file(&folder, name, &to, left)?),
                _ => {}
            }
        }
    }
    Ok(())
}

fn copy_file(folder: &OwnedFd, name: &OsStr, to: &Path, left: u64) -> std::io::Result<u64> {
    use std::io::Read;
    let Some(from) = open_file_in(folder, name)? else { return Ok(0) };
    let copied = std::io::copy(&mut from.take(left + 1), &mut std::fs::File::create_new(to)?)?;
    if copied > left {
        return Err(std::io::Error::other("there is more to copy than allowed"));
    }
    Ok(copied)
}

/// Gives a folder back to its owner; anything else is left alone.
fn opened_up(at: std::os::fd::BorrowedFd<'_>, name: &OsStr) -> std::io::Result<()> {
    let found = fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR && found.st_mode & 0o700 != 0o700 {
        fchmodat(at, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
    }
    Ok(())
}

fn fresh() -> OsString {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    OsString::from(format!("{DOOMED}{}-{number}", std::process::id()))
}

pub(crate) fn names(folder: &OwnedFd) -> std::io::Result<Vec<CString>> {
    names_up_to(folder, usize::MAX)
}

/// The first names of a folder, in no order.
pub(crate) fn names_up_to(folder: &OwnedFd, max: usize) -> std::io::Result<Vec<CString>> {
    let mut listing = Dir::from_fd(openat(folder.as_fd(), ".", FOLDER, Mode::empty())?)?;
    let mut found = Vec::new();
    for entry in listing.iter() {
        if found.len() >= max {
            break;
        }
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn work_folder_of_twenty_thousand_levels_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let root = WorkRoot::open(&place.path().join("work")).unwrap();
        root.make(OsStr::new("deep")).unwrap();
        let mut at = openat(root.descriptor.as_fd(), "deep", FOLDER, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            mkdirat(at.as_fd(), "d", Mode::S_IRWXU).unwrap();
            at = openat(at.as_fd(), "d", FOLDER, Mode::empty()).unwrap();
        }
        root.remove(OsStr::new("deep")).unwrap();
        assert_eq!(names(&root.descriptor).unwrap(), Vec::<CString>::new());
    }

    #[test]
    fn work_folder_removal_follows_no_link_and_no_renamed_root() {
        let place = tempfile::tempdir().unwrap();
        let precious = place.path().join("precious");
        std::fs::create_dir(&precious).unwrap();
        std::fs::write(precious.join("file"), "kept").unwrap();
        let work = place.path().join("work");
        let root = WorkRoot::open(&work).unwrap();
        root.make(OsStr::new("run")).unwrap();
        std::os::unix::fs::symlink(&precious, work.join("run/link")).unwrap();
        std::fs::create_dir(work.join("run/locked")).unwrap();
        std::fs::write(work.join("run/locked/file"), "x").unwrap();
        let none = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        std::fs::set_permissions(work.join("run/locked"), none).unwrap();
        // The agent puts another folder, with one of the same name in it, in the root's place.
        std::fs::rename(&work, place.path().join("moved")).unwrap();
        std::fs::rename(&precious, place.path().join("run")).unwrap();
        std::os::unix::fs::symlink(place.path(), &work).unwrap();
        root.remove(OsStr::new("run")).unwrap();
        assert!(place.path().join("run/file").exists());
        assert!(!place.path().join("moved/run").exists());
        assert!(root.make(OsStr::new("next")).is_err());
    }

    #[test]
    fn work_folder_that_is_kept_has_its_files_at_the_next_run() {
        let place = tempfile::tempdir().unwrap();
        let root = WorkRoot::open(place.path()).unwrap();
        let first = root.keep(OsStr::new("kept-a")).unwrap();
        std::fs::write(place.path().join("kept-a/file"), "x").unwrap();
        assert_eq!(root.keep(OsStr::new("kept-a")).unwrap(), first);
        assert!(place.path().join("kept-a/file").exists());
        std::os::unix::fs::symlink("/etc", place.path().join("kept-b")).unwrap();
        assert!(root.keep(OsStr::new("kept-b")).is_err(), "a link leads nowhere");
    }

    #[test]
    fn copy_leaves_out_links_and_pipes_and_has_a_bound() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        std::fs::create_dir_all(from.join("below")).unwrap();
        std::fs::write(from.join("below/file"), "four").unwrap();
        std::os::unix::fs::symlink("/etc", from.join("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("below/link")).unwrap();
        nix::unistd::mkfifo(&from.join("pipe"), Mode::S_IRWXU).unwrap();
        copy_files(&from, &place.path().join("to"), 4).unwrap();
        let listed = |name: &str| std::fs::read_dir(place.path().join(name)).unwrap().count();
        assert_eq!((listed("to"), listed("to/below")), (1, 1));
        assert_eq!(std::fs::read_to_string(place.path().join("to/below/file")).unwrap(), "four");
        assert!(copy_files(&from, &place.path().join("short"), 3).is_err());
    }

    #[test]
    fn work_root_sweep_removes_what_was_left() {
        let place = tempfile::tempdir().unwrap();
        let root = WorkRoot::open(place.path()).unwrap();
        for name in ["left.1", "mine.2", ".removing-1-1"] {
            root.make(OsStr::new(name)).unwrap();
        }
        root.sweep(|name| name == "left.1").unwrap();
        assert_eq!(names(&root.descriptor).unwrap(), [CString::from(c"mine.2")]);
    }
}
