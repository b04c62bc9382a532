//! The size of a run's work folders and the memory of its processes, looked at while it runs.

use super::super::supervise::processes;
use nix::unistd::Pid;
use platform::ports::{Bounds, RunLimit};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Minimum time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A look may take this part of the time, at most: a workspace can have a million files.
const PART_OF_TIME: u32 = 20;

/// An entry of a folder counts as this at least: an inode and its name.
const ENTRY_BYTES: u64 = 4 << 10;

/// The folders and processes of a run, and their limits.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) bounds: Bounds,
    pub(super) folders: Vec<PathBuf>,
    /// Whether the folders had files of the owner at the start, which do not count.
    pub(super) is_owners: bool,
    /// All processes of the run are below this one.
    pub(super) supervisor: Option<Pid>,
}

impl Usage {
    /// Returns when the run has exceeded a limit.
    pub(super) async fn exceeded(self) -> RunLimit {
        let (mut before, mut hid_before) = (None, false);
        // The owner's own folders may hold some that nobody else can read.
        let mut may_hide = self.is_owners;
        loop {
            let begun = Instant::now();
            let (usage, known) = (self.clone(), before);
            let look = tokio::task::spawn_blocking(move || usage.look(known));
            // An end of the runtime is an end of the run.
            let Ok(Look { bytes, is_hidden, over }) = look.await else {
                return std::future::pending().await;
            };
            // A folder that cannot be read may hold anything. A test may make one for a moment.
            if let Some(limit) = over.or((is_hidden && hid_before).then_some(RunLimit::WorkFolder))
            {
                return limit;
            }
            // With the first look it is known whether the owner's do.
            may_hide &= before.is_some() || is_hidden;
            hid_before = is_hidden && !may_hide;
            before = before.or(Some(bytes));
            tokio::time::sleep((begun.elapsed() * PART_OF_TIME).max(LOOK_EVERY)).await;
        }
    }
    /// `before`: the bytes of the first look, if this is a later one.
    fn look(&self, before: Option<u64>) -> Look {
        let processes = self.supervisor.map(processes::below).unwrap_or_default();
        let (bytes, is_hidden) = stored(&self.folders, &processes);
        let not_counted = if self.is_owners { before.unwrap_or(bytes) } else { 0 };
        let over = if bytes.saturating_sub(not_counted) > self.bounds.work_bytes {
            Some(RunLimit::WorkFolder)
        } else {
            let unnamed = unnamed(&processes);
            let is_over = |memory: fn(Pid) -> u64| {
                let of_processes = processes.iter().map(|pid| memory(*pid)).sum::<u64>();
                of_processes.saturating_add(unnamed) > self.bounds.memory_bytes
            };
            // The first sum is cheap, and counts memory that processes share several times.
            (is_over(resident) && is_over(proportional)).then_some(RunLimit::Memory)
        };
        Look { bytes, is_hidden, over }
    }
}

struct Look {
    bytes: u64,
    /// A part of the folders cannot be read.
    is_hidden: bool,
    over: Option<RunLimit>,
}

/// Bytes on the disk of everything in these folders, and of removed files that are still open; and
/// whether a part cannot be read. A file with several names counts once; no link is followed.
fn stored(folders: &[PathBuf], processes: &BTreeSet<Pid>) -> (u64, bool) {
    let (mut bytes, mut is_hidden, mut seen) = (0_u64, false, BTreeSet::new());
    let mut count = |found: &std::fs::Metadata, is_removed: bool| {
        if (found.nlink() == 1 && !is_removed) || seen.insert((found.dev(), found.ino())) {
            let stored = found.blocks().saturating_mul(512).max(ENTRY_BYTES);
            bytes = bytes.saturating_add(stored);
        }
    };
    let mut waiting = folders.to_vec();
    while let Some(folder) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // It was removed meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(_) => {
                is_hidden = true;
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            count(&found, false);
            if found.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    let devices: BTreeSet<u64> = folders.iter().filter_map(|folder| device(folder)).collect();
    for pid in processes {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let files = open.filter_map(|entry| std::fs::metadata(entry.path()).ok());
        let removed = files.filter(|found| found.is_file() && found.nlink() == 0);
        removed
            .filter(|found| devices.contains(&found.dev()))
            .for_each(|found| count(&found, true));
    }
    (bytes, is_hidden)
}

/// Bytes of the files in memory that have no name (`memfd_create`): written and not mapped, they
/// are in no process's memory. Where they are mapped they count twice.
fn unnamed(processes: &BTreeSet<Pid>) -> u64 {
    let (mut bytes, mut seen) = (0_u64, BTreeSet::new());
    for pid in processes {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let is_memory = |entry: &std::fs::DirEntry| {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:")
        };
        let files = open.filter(is_memory).filter_map(|entry| std::fs::metadata(entry.path()).ok());
        for found in files.filter(|found| seen.insert((found.dev(), found.ino()))) {
            bytes = bytes.saturating_add(found.blocks().saturating_mul(512));
        }
    }
    bytes
}

fn device(folder: &Path) -> Option<u64> {
    std::fs::metadata(folder).ok().map(|found| found.dev())
}

/// Bytes of a process that are not a file's.
fn resident(pid: Pid) -> u64 {
    sum_of(&format!("/proc/{pid}/status"), &["RssAnon:", "RssShmem:", "VmSwap:"]).unwrap_or(0)
}

/// The same, with the bytes that several processes share divided among them. A process whose shares
/// cannot be read counts in full.
fn proportional(pid: Pid) -> u64 {
    let file = format!("/proc/{pid}/smaps_rollup");
    sum_of(&file, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]).unwrap_or_else(|| resident(pid))
}

/// The sum of these lines, which are in kB.
fn sum_of(file: &str, names: &[&str]) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let of_line = |line: &str| {
        let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let found: Vec<u64> = text.lines().filter_map(of_line).collect();
    (!found.is_empty()).then(|| found.iter().sum::<u64>().saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::io::Write;

    #[test]
    #[cfg(target_os = "linux")]
    fn size_counts_each_file_once_and_removed_files_while_they_are_open() {
        let place = tempfile::tempdir().unwrap();
        let file = vec![1; 1 << 20];
        std::fs::write(place.path().join("one"), &file).unwrap();
        std::fs::hard_link(place.path().join("one"), place.path().join("two")).unwrap();
        std::os::unix::fs::symlink("/usr", place.path().join("link")).unwrap();
        let folders = [place.path().to_path_buf()];
        let own = BTreeSet::from([Pid::this()]);
        let megabytes = || stored(&folders, &own).0 >> 20;
        assert_eq!(megabytes(), 1);
        let mut removed = std::fs::File::create(place.path().join("removed")).unwrap();
        removed.write_all(&file).unwrap();
        std::fs::remove_file(place.path().join("removed")).unwrap();
        assert_eq!(megabytes(), 2);
        drop(removed);
        assert_eq!(megabytes(), 1);
        for number in 0..256 {
            std::fs::create_dir(place.path().join(format!("folder{number}"))).unwrap();
        }
        assert_eq!(megabytes(), 2, "empty folders count too");
        assert!(!stored(&folders, &own).1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn file_in_memory_without_a_name_counts_as_memory() {
        use nix::sys::memfd::{MFdFlags, memfd_create};
        let own = BTreeSet::from([Pid::this()]);
        let before = unnamed(&own);
        let file = memfd_create("big", MFdFlags::empty()).unwrap();
        std::fs::File::from(file.try_clone().unwrap()).write_all(&vec![1; 1 << 20]).unwrap();
        assert_eq!(unnamed(&own) - before, 1 << 20, "once, though it is open twice");
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn folder_that_cannot_be_read_counts_as_over_the_limit() {
        use nix::fcntl::{OFlag, open, openat};
        use nix::sys::stat::{Mode, mkdirat};
        let place = tempfile::tempdir().unwrap();
        // Longer than a path may be.
        let mut folder = open(place.path(), OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(250);
        for _ in 0..20 {
            mkdirat(&folder, name.as_str(), Mode::S_IRWXU).unwrap();
            folder = openat(&folder, name.as_str(), OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        let folders = vec![place.path().to_path_buf()];
        let bounds = Bounds::default();
        let usage = Usage { bounds, folders, is_owners: false, supervisor: None };
        assert_eq!(usage.exceeded().await, RunLimit::WorkFolder);
    }
}
