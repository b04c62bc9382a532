//! Init's part: builds the file system, closes the walls. Everything after [`enter`] is inside.

use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::{mounts, outer, walls};
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid};

/// Makes the present process, process 1 of a PID namespace entered by [`outer::enter`], and
/// everything it starts from now on a prisoner of the plan. To be called while the process has one
/// thread. `user` and `group` are the ids of the server.
///
/// # Errors
/// When a step is refused; the process must end then.
pub fn enter(plan: &Plan, user: Uid, group: Gid) -> Result<()> {
    mounts::build(plan)?;
    // A less privileged user namespace locks every mount (mount_namespaces(7)): not even root in
    // there uncovers one.
    outer::new_user(CloneFlags::CLONE_NEWNS, (user.as_raw(), group.as_raw()))?;
    std::env::set_current_dir(&plan.directory)
        .map_err(|error| Error::refused(format!("enter {}", plan.directory.display()), error))?;
    walls::close(plan)
}
