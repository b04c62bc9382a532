//! Disk, platform and clock.

use super::programs::Shelf;
use inbox::memory::MemoryInbox;
use platform::memory::{ManualClock, MemoryObjects, MemoryOutbound, MemorySql};
use std::sync::Arc;

/// Everything that survives a restart.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<ManualClock>,
    pub inbox: Arc<MemoryInbox>,
    pub sql: Arc<MemorySql>,
    pub objects: Arc<MemoryObjects>,
    pub programs: Arc<Shelf>,
    pub outbound: Arc<MemoryOutbound>,
}
