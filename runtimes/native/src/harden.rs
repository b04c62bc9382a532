//! Protects this process from other programs, agents above all: its memory, its environment and the
//! files it writes. And takes the descriptors that a server needs.

use crate::supervise;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Maximum descriptors to ask for; more would only cost the programs that close them one by one.
const DESCRIPTORS_MAX: u64 = 8192;

/// Prepares the process of a supervisor: new files are the owner's alone, no memory is written to
/// disk, and no program gets a descriptor that this process was given. Its memory stays readable,
/// because it must map itself into namespaces.
pub fn supervisor() {
    supervise::keep_descriptors();
    // Databases, tokens, archives.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // Only the soft limit, which a program may raise again for itself.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
    }
}

/// Prepares the process of a command. Other programs of the user can no longer read its memory and
/// its environment, which may have tokens. To be called before anything else.
///
/// # Errors
/// The system's refusal, for the log.
pub fn command() -> nix::Result<()> {
    supervisor();
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}

/// Raises the limit of open descriptors as far as is useful; returns it.
pub fn raise_descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 256 };
    let wanted = hard.min(DESCRIPTORS_MAX).max(soft);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        return soft;
    }
    wanted
}

/// The walls between agents and this machine that the owner took away, one sentence each.
pub fn open_doors(agents: &agency_gateway::Config) -> Vec<String> {
    let mut doors = Vec::new();
    let unconfined = agents.unconfined();
    if !unconfined.is_empty() {
        doors.push(format!(
            "sandbox = \"off\" lets these agents reach everything that you can: {}",
            unconfined.join(", ")
        ));
    }
    let trusted = agents.trusted();
    if !trusted.is_empty() {
        doors.push(format!(
            "tool_approvals = \"trust\" lets these agents use every tool unasked: {}",
            trusted.join(", ")
        ));
    }
    if nix::unistd::geteuid().is_root() && agents.programs().next().is_some() {
        doors.push("Quintet runs as root, and so do the programs of its agents".to_owned());
    }
    doors
}
