//! A sandbox for one program on Linux, without root and without another program's help.
//!
//! The program gets a file system built from the paths its [`Plan`] names and nothing else; its own
//! user, mount, PID, IPC and UTS namespaces; no capabilities; Landlock as a second wall; a seccomp
//! filter; resource limits. Three processes stand in a row:
//!
//! 1. the supervisor, outside, enters a new user and PID namespace with [`outer::enter`] and starts
//! 2. init, process 1 of that PID namespace, which builds the file system and closes the walls with
//!    [`inner::enter`], and starts
//! 3. the program, which sees and signals nothing but what it started itself.
//!
//! When init ends, the kernel kills everything in its PID namespace, and the supervisor's `waitpid`
//! for init returns only after the last process is gone: an end that is reported is an end in the
//! process table.
//!
//! Every mount goes by a descriptor that was opened without following a symbolic link and whose
//! device and inode were compared, never by a path that another process may rename in between.

mod error;
pub mod exchange;
pub mod folder;
mod followed;
pub mod open;
mod plan;

#[cfg(target_os = "linux")]
pub mod inner;
#[cfg(target_os = "linux")]
mod loopback;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
pub mod outer;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod walls;

/// Where init listens inside for the relay to the internet.
pub const RELAY_PORT: u16 = 3128;
/// Where init listens inside for the relay that puts keys into requests.
pub const SECRETS_PORT: u16 = 3129;

pub use error::{Error, Result};
pub use followed::{Followed, follow};
pub use plan::{Access, Bind, Identity, LeavesOut, Limits, Network, Plan, Protected};

/// Opens a protected file or folder without reading it.
///
/// # Errors
/// When its path leads to another file than it did.
#[cfg(target_os = "linux")]
pub fn opened(secret: &Protected) -> Result<std::os::fd::OwnedFd> {
    mounts::lineage::opened(secret)
}
