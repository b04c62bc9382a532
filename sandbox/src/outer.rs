//! The supervisor's part: new namespaces for the init it starts next.

use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Enters a user, PID, IPC and UTS namespace; the next child is process 1 of the PID namespace. To
/// be called while the process has one thread, and none may be started afterwards.
///
/// Inside, this user is root: only so does init keep its rights over `execve` until the walls
/// stand.
///
/// # Errors
/// When the kernel does not allow unprivileged user namespaces.
pub fn enter() -> Result<()> {
    let others = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    new_user(others, (0, 0))
}

/// A user namespace, and others owned by it, in which the present user and group have these ids.
pub(crate) fn new_user(others: CloneFlags, (user, group): (u32, u32)) -> Result<()> {
    let (outer_user, outer_group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | others)
        .map_err(|error| Error::refused("namespaces", error.desc()))?;
    // Without this an unprivileged process may not map its group (user_namespaces(7)).
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{user} {outer_user} 1"))?;
    write("/proc/self/gid_map", &format!("{group} {outer_group} 1"))
}

fn write(path: &str, text: &str) -> Result<()> {
    match std::fs::write(path, text) {
        // Kernels before 3.19 have no setgroups file.
        Err(error) if error.raw_os_error() != Some(Errno::ENOENT as i32) => {
            Err(Error::refused(path, error))
        }
        _ => Ok(()),
    }
}
