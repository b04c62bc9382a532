//! The levers of a halt when storage refuses it.

use contracts::TaskId;

/// Levers that need no storage.
pub trait Emergency: Send + Sync {
    /// Stops the runs of this process: one task's, or all.
    fn stop(&self, task: Option<&TaskId>);
    /// Releases the disk space that is reserved for a halt. False if there was none.
    fn free_space(&self) -> bool;
    /// Reserves that space, if it is not reserved and the disk has room.
    fn keep_space(&self);
}

/// For a host without runs and without a disk of its own.
#[derive(Clone, Copy, Default)]
pub struct NoEmergency;

impl Emergency for NoEmergency {
    fn stop(&self, _task: Option<&TaskId>) {}
    fn free_space(&self) -> bool {
        false
    }
    fn keep_space(&self) {}
}
