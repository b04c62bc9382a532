//! Hides a directory from this process and its children, as an ordinary user, with Linux
//! namespaces.
//!
//! A new user namespace allows mounting, a new mount namespace keeps the mounts private, and an
//! empty read-only tmpfs covers the directory. A second pair of namespaces revokes the permission:
//! mounts inherited by a less privileged mount namespace are locked (`mount_namespaces(7)`), so not
//! even its root can uncover the directory. The other user namespace also closes
//! `/proc/PID/{root,cwd,environ,mem,fd}` of every outside process, including the server's
//! (ptrace(2), "access mode checking").
//!
//! It is not a jail: a program of this user can still have a process started outside, with a timer
//! or a file that a shell reads at log-in.

use sandbox::Protected;

/// Covers each folder and file for good, by its inode: a name that was put in its place is refused.
/// To be called while the process has one thread.
///
/// # Errors
/// The system's refusal as text; then nothing may start.
#[cfg(target_os = "linux")]
pub fn hide(secrets: &[Protected]) -> Result<(), String> {
    use nix::mount::{MsFlags, mount};
    if secrets.is_empty() {
        return Ok(());
    }
    own_namespaces().map_err(|error| format!("namespaces: {error}"))?;
    // No mount here may propagate to the rest of the machine.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .map_err(|error| format!("mount: {}", error.desc()))?;
    secrets.iter().try_for_each(cover)?;
    own_namespaces().map_err(|error| format!("namespaces: {error}"))?;
    // An open handle to the covered directory, or to one above it, would still lead below the
    // cover.
    let cwd = std::env::current_dir().map_err(|error| format!("work directory: {error}"))?;
    std::env::set_current_dir(cwd).map_err(|error| format!("work directory: {error}"))
}

/// An empty read-only folder over a folder, `/dev/null` over a file.
#[cfg(target_os = "linux")]
fn cover(secret: &Protected) -> Result<(), String> {
    use nix::mount::{MsFlags, mount};
    use std::os::fd::AsRawFd;
    let opened = sandbox::opened(secret).map_err(|error| error.to_string())?;
    let target = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let covered = if secret.path.is_dir() {
        let options = Some("size=4k,mode=0500");
        mount(Some("none"), target.as_str(), Some("tmpfs"), flags, options)
    } else {
        let null = Some("/dev/null");
        mount(null, target.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)
    };
    covered.map_err(|error| format!("mount: {}", error.desc()))
}

/// Creates a user and a mount namespace below the current ones, with this user and group mapped to
/// themselves.
#[cfg(target_os = "linux")]
fn own_namespaces() -> std::io::Result<()> {
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{getegid, geteuid};
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    // Without this an unprivileged process may not map its group (user_namespaces(7)).
    match std::fs::write("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Not supported on other systems.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn hide(_secrets: &[Protected]) -> Result<(), String> {
    Err("this system has no mount namespaces".to_owned())
}
