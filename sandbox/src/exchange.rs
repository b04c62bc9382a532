//! Files that a run is given and files that it leaves, by descriptor: a link or a pipe that an
//! agent has put in the way leads nowhere.

use crate::folder::names_up_to;
use crate::open::{FOLDER, open_file_in};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::OsStr;
use std::io::{Error, Read, Result, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Maximum depth of subfolders that are looked into.
const DEPTH_MAX: usize = 4;
/// Maximum entries of any kind that are looked at.
pub const ENTRIES_MAX: usize = 1_000;

/// Limits of the files that are taken.
#[derive(Clone, Copy, Debug)]
pub struct TakeLimits {
    /// Of one file, bytes.
    pub bytes_max: u64,
    /// Of all of them together, bytes.
    pub total_bytes_max: u64,
    pub files_max: usize,
}

/// A regular file that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Below the folder.
    pub path: PathBuf,
    pub bytes: u64,
    /// None where a limit leaves it out; then it stays in its place.
    pub content: Option<Vec<u8>>,
}

/// Everything that a run left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// By path.
    pub files: Vec<Left>,
    /// There are entries that were not looked at: too many, too deep, or in a folder that cannot be
    /// read.
    pub has_more: bool,
}

/// A regular file as it was found: its path below the folder, its length and the time of its last
/// change in seconds and nanoseconds.
pub type Found = (PathBuf, u64, (i64, i64));

/// Makes the folder where there is none.
///
/// # Errors
/// When something else has the name.
pub fn make_folder(parent: &OwnedFd, name: &str) -> Result<()> {
    open_in(parent, name, true).map(|_| ())
}

/// Whether there is something of this name that is no empty folder, as a run that was killed leaves
/// one.
pub fn has_content(parent: &OwnedFd, name: &str) -> bool {
    let found = fstatat(parent.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
    let is_empty = || {
        let folder = open_in(parent, name, false).ok()?;
        names_up_to(&folder, 1).ok().map(|names| names.is_empty())
    };
    found.is_ok() && is_empty() != Some(true)
}

/// Writes files into a folder of this name, which is made where there is none. A file that is there
/// with the same content stays. Returns the names of those that were made.
///
/// # Errors
/// When something else has one of the names; then the files that were made are removed again.
pub fn put_files<'a>(
    parent: &OwnedFd,
    name: &str,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Vec<String>> {
    let folder = open_in(parent, name, true)?;
    let mut made = Vec::new();
    for (file, content) in files {
        if let Err(error) = put_file(&folder, file, content, &mut made) {
            remove_files(parent, name, &made);
            return Err(error);
        }
    }
    Ok(made)
}

fn put_file(folder: &OwnedFd, name: &str, content: &[u8], made: &mut Vec<String>) -> Result<()> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(folder.as_fd(), name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(file) => {
            made.push(name.to_owned());
            std::fs::File::from(file).write_all(content)
        }
        Err(Errno::EEXIST) if is_same(folder, OsStr::new(name), content)? => Ok(()),
        Err(Errno::EEXIST) => Err(Error::other(format!("{name} is there already"))),
        Err(error) => Err(error.into()),
    }
}

fn is_same(folder: &OwnedFd, name: &OsStr, content: &[u8]) -> Result<bool> {
    let Ok(Some(file)) = open_file_in(folder, name) else { return Ok(false) };
    let mut found = Vec::new();
    file.take(content.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == content)
}

/// Removes these files from a folder, and the folder itself where nothing else is in it.
pub fn remove_files(parent: &OwnedFd, name: &str, files: &[String]) {
    let Ok(folder) = open_in(parent, name, false) else { return };
    for file in files {
        let _ = unlinkat(folder.as_fd(), file.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    remove_empty(parent, name);
}

/// The regular files of a folder and of its subfolders; none where it cannot be read.
pub fn files_of(parent: &OwnedFd, name: &str) -> Vec<Found> {
    let mut walk = Walk::new();
    if let Ok(top) = open_in(parent, name, false) {
        walk.look(&Rc::new(top), Path::new(""), 0);
    }
    walk.found.into_iter().map(|(_, found)| found).collect()
}

/// Takes the regular files out of a folder and of its subfolders, by path. Folders that are empty
/// then are removed. Everything else stays and is not followed.
///
/// # Errors
/// When the folder is there and cannot be opened.
pub fn take_files(parent: &OwnedFd, name: &str, limits: TakeLimits) -> Result<Taken> {
    let top = match open_in(parent, name, false) {
        Ok(top) => Rc::new(top),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Taken::default()),
        Err(error) => return Err(error),
    };
    let mut walk = Walk::new();
    walk.look(&top, Path::new(""), 0);
    walk.found.sort_by(|(_, (a, ..)), (_, (b, ..))| a.cmp(b));
    let (mut files, mut count, mut room) = (Vec::new(), 0, limits.total_bytes_max);
    for (folder, (path, bytes, _)) in walk.found {
        let bytes_max = limits.bytes_max.min(room);
        let fits = count < limits.files_max && bytes <= bytes_max;
        let content = if fits { read(&folder, &path, bytes_max) } else { None };
        if let Some(content) = &content {
            room = room.saturating_sub(content.len() as u64);
            count += 1;
            remove_file(&folder, path.file_name().unwrap_or_default());
        }
        let bytes = content.as_ref().map_or(bytes, |content| content.len() as u64);
        files.push(Left { path, bytes, content });
    }
    let mut room = ENTRIES_MAX;
    remove_empty_below(&top, 0, &mut room);
    remove_empty(parent, name);
    Ok(Taken { files, has_more: walk.has_more })
}

/// A look at the files of a folder.
struct Walk {
    found: Vec<(Rc<OwnedFd>, Found)>,
    /// Entries that may still be looked at.
    room: usize,
    has_more: bool,
}

impl Walk {
    fn new() -> Self {
        Self { found: Vec::new(), room: ENTRIES_MAX, has_more: false }
    }
    fn look(&mut self, folder: &Rc<OwnedFd>, path: &Path, depth: usize) {
        let Ok(names) = names_up_to(folder, self.room + 1) else {
            self.has_more = true;
            return;
        };
        for name in names {
            let name = OsStr::from_bytes(name.as_bytes());
            let Some(room) = self.room.checked_sub(1) else {
                self.has_more = true;
                return;
            };
            self.room = room;
            let found = fstatat(folder.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
            match found.map(|found| (kind(&found), found)) {
                Ok((SFlag::S_IFDIR, _)) => self.look_below(folder, name, path, depth),
                Ok((SFlag::S_IFREG, found)) => {
                    let bytes = u64::try_from(found.st_size).unwrap_or(u64::MAX);
                    let changed = (found.st_mtime, found.st_mtime_nsec);
                    self.found.push((folder.clone(), (path.join(name), bytes, changed)));
                }
                _ => {}
            }
        }
    }
    fn look_below(&mut self, folder: &Rc<OwnedFd>, name: &OsStr, path: &Path, depth: usize) {
        match openat(folder.as_fd(), name, FOLDER, Mode::empty()) {
            Ok(below) if depth < DEPTH_MAX => {
                self.look(&Rc::new(below), &path.join(name), depth + 1);
            }
            _ => self.has_more = true,
        }
    }
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

/// None where it is no regular file any more, has grown, or cannot be read.
fn read(folder: &OwnedFd, path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let file = open_file_in(folder, path.file_name().unwrap_or_default()).ok()??;
    let mut content = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut content).ok()?;
    Some(content).filter(|content| content.len() as u64 <= bytes_max)
}

/// A file that cannot be removed stays: it is taken all the same.
fn remove_file(folder: &OwnedFd, name: &OsStr) {
    let remove = || unlinkat(folder.as_fd(), name, UnlinkatFlags::NoRemoveDir);
    if remove().is_err() && fchmod(folder.as_fd(), Mode::S_IRWXU).is_ok() {
        let _ = remove();
    }
}

fn remove_empty_below(folder: &OwnedFd, depth: usize, room: &mut usize) {
    for name in names_up_to(folder, *room).unwrap_or_default() {
        *room = room.saturating_sub(1);
        let name = OsStr::from_bytes(name.as_bytes());
        let below = openat(folder.as_fd(), name, FOLDER, Mode::empty());
        if let Some(below) = below.ok().filter(|_| depth < DEPTH_MAX) {
            remove_empty_below(&below, depth + 1, room);
            // Fails where something is left in it.
            let _ = unlinkat(folder.as_fd(), name, UnlinkatFlags::RemoveDir);
        }
    }
}

fn remove_empty(parent: &OwnedFd, name: &str) {
    // Fails where something is left in it.
    let _ = unlinkat(parent.as_fd(), name, UnlinkatFlags::RemoveDir);
}

fn open_in(parent: &OwnedFd, name: &str, make: bool) -> Result<OwnedFd> {
    if make {
        match mkdirat(parent.as_fd(), name, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(openat(parent.as_fd(), name, FOLDER, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LIMITS: TakeLimits = TakeLimits { bytes_max: 4, total_bytes_max: 6, files_max: 2 };

    fn opened(path: &Path) -> OwnedFd {
        nix::fcntl::open(path, FOLDER, Mode::empty()).unwrap()
    }

    #[test]
    fn put_follows_no_link_and_replaces_no_file() {
        let place = tempfile::tempdir().unwrap();
        let parent = opened(place.path());
        let put = |file: &str, text: &str| {
            put_files(&parent, "in", [(file, text.as_bytes())].into_iter())
        };
        assert_eq!(put("a.txt", "one").unwrap(), ["a.txt"]);
        assert_eq!(put("a.txt", "one").unwrap(), [""; 0], "it was there");
        put("a.txt", "two").unwrap_err();
        let outside = place.path().join("outside");
        std::os::unix::fs::symlink(&outside, place.path().join("in/b.txt")).unwrap();
        put("b.txt", "two").unwrap_err();
        assert!(!outside.exists());
        let two = [("c.txt", &b"x"[..]), ("a.txt", &b"two"[..])];
        put_files(&parent, "in", two.into_iter()).unwrap_err();
        assert!(!place.path().join("in/c.txt").exists(), "nothing is left of a failed start");
        remove_files(&parent, "in", &["a.txt".to_owned(), "b.txt".to_owned()]);
        assert!(!place.path().join("in").exists());
        std::os::unix::fs::symlink("/tmp", place.path().join("in")).unwrap();
        put("c.txt", "two").unwrap_err();
    }

    #[test]
    fn take_reads_regular_files_alone_within_its_limits() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        std::fs::create_dir_all(out.join("below")).unwrap();
        std::fs::write(out.join("a"), "four").unwrap();
        std::fs::write(out.join("below/b"), "xx").unwrap();
        std::fs::write(out.join("c"), "more than four").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", out.join("link")).unwrap();
        nix::unistd::mkfifo(&out.join("pipe"), Mode::S_IRWXU).unwrap();
        let parent = opened(place.path());
        let taken = take_files(&parent, "out", LIMITS).unwrap();
        assert!(!taken.has_more);
        let shown: Vec<_> = taken
            .files
            .iter()
            .map(|left| (left.path.to_str().unwrap(), left.bytes, left.content.is_some()))
            .collect();
        assert_eq!(shown, [("a", 4, true), ("below/b", 2, true), ("c", 14, false)]);
        assert!(out.join("c").exists() && !out.join("below").exists());
        assert_eq!(take_files(&parent, "none", LIMITS).unwrap(), Taken::default());
        std::os::unix::fs::symlink("/etc", place.path().join("linked")).unwrap();
        assert!(take_files(&parent, "linked", LIMITS).is_err());
    }

    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn take_looks_at_a_thousand_entries_with_few_descriptors() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        std::fs::create_dir(&out).unwrap();
        for number in 0..10_000 {
            std::fs::write(out.join(number.to_string()), "x").unwrap();
        }
        let parent = opened(place.path());
        let before = descriptors();
        let mut walk = Walk::new();
        walk.look(&Rc::new(opened(&out)), Path::new(""), 0);
        assert!(descriptors() < before + 100, "other tests open some too");
        assert_eq!((walk.found.len(), walk.has_more), (ENTRIES_MAX, true));
        let limits = TakeLimits { bytes_max: 4, total_bytes_max: 6, files_max: 2 };
        let taken = take_files(&parent, "out", limits).unwrap();
        assert_eq!((taken.files.len(), taken.has_more), (ENTRIES_MAX, true));
        assert_eq!(taken.files.iter().filter(|left| left.content.is_some()).count(), 2);
    }

    #[test]
    fn take_goes_on_past_a_folder_that_is_locked() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let sub = place.path().join("out/sub");
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::write(sub.join("a"), "one").unwrap();
        std::fs::write(place.path().join("out/z"), "two").unwrap();
        std::fs::set_permissions(&sub, PermissionsExt::from_mode(0o500)).unwrap();
        let taken = take_files(&opened(place.path()), "out", LIMITS).unwrap();
        assert!(taken.files.iter().all(|left| left.content.is_some()), "{taken:?}");
        assert_eq!(taken.files.len(), 2);
        assert!(!place.path().join("out").exists());
    }
}
