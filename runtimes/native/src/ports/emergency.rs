//! The levers of a halt when the disk is full: the gateway of this process, and a file whose
//! space it releases.

use crate::ports::clock::SystemClock;
use crate::storage::free_bytes;
use agency_gateway::Board;
use contracts::TaskId;
use nix::fcntl::posix_fallocate;
use platform::ports::{Clock, Emergency};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Enough for some hundred halts in both databases.
const BYTES: i64 = 1 << 20;
/// Free bytes of the disk below which nothing is reserved: others need them more.
const FREE_MIN: u64 = 16 << 20;

/// The levers of this process and its disk.
pub struct HostEmergency {
    file: PathBuf,
    board: Board,
}

impl HostEmergency {
    /// Reserves space in `file`; stops runs on `board`.
    pub fn new(file: PathBuf, board: Board) -> Self {
        let levers = Self { file, board };
        levers.keep_space();
        levers
    }
}

impl Emergency for HostEmergency {
    fn stop(&self, task: Option<&TaskId>) {
        self.board.halt(task, SystemClock.now_ms());
    }
    fn free_space(&self) -> bool {
        std::fs::remove_file(&self.file).is_ok()
    }
    fn keep_space(&self) {
        let has_room = || free_bytes(&self.file).is_none_or(|free| free >= FREE_MIN);
        if self.file.exists() || !has_room() {
            return;
        }
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.file);
        let kept = made.map(|file| posix_fallocate(&file, 0, BYTES));
        if !matches!(kept, Ok(Ok(()))) {
            let _ = std::fs::remove_file(&self.file);
            tracing::warn!(?kept, "no disk space could be reserved for a halt");
        }
    }
}
