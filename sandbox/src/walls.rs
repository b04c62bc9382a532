//! The walls behind the file system: limits, no capabilities, Landlock, seccomp. They count for
//! this thread and for everything it starts, and cannot be taken down again.

use crate::error::{Error, Result};
use crate::plan::{Access, Limits, Plan};
use crate::seccomp;
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    Scope, path_beneath_rules,
};
use nix::sys::resource::{Resource, setrlimit};
use std::path::Path;

/// Folders in memory and devices, which every program may write.
const SCRATCH: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/dev", "/proc"];

/// Closes all of them. In this order, since each takes the right to make the next but one.
pub(crate) fn close(plan: &Plan) -> Result<()> {
    limits(&plan.limits)?;
    nix::sys::prctl::set_no_new_privs()
        .map_err(|error| Error::refused("no_new_privs", error.desc()))?;
    capabilities()?;
    landlock(plan)?;
    seccomp::close()
}

fn limits(limits: &Limits) -> Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_DATA, limits.memory_bytes),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_NOFILE, limits.descriptors),
        (Resource::RLIMIT_MEMLOCK, 64 << 20),
        (Resource::RLIMIT_MSGQUEUE, 1 << 20),
    ] {
        let hard = nix::sys::resource::getrlimit(resource).map_or(limit, |(_, hard)| hard);
        let limit = limit.min(hard);
        setrlimit(resource, limit, limit)
            .map_err(|error| Error::refused(format!("{resource:?}"), error.desc()))?;
    }
    Ok(())
}

/// None is left, and none can be had again by running a program as root.
fn capabilities() -> Result<()> {
    use caps::CapSet;
    let refused = |error: caps::errors::CapsError| Error::refused("capabilities", error);
    for capability in caps::all() {
        // The kernel may know fewer than the library.
        if caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false) {
            caps::drop(None, CapSet::Bounding, capability).map_err(refused)?;
        }
    }
    // Kernels before 4.3 have no ambient set.
    let _ = caps::clear(None, CapSet::Ambient);
    [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted]
        .into_iter()
        .try_for_each(|set| caps::clear(None, set).map_err(refused))
}

/// Reading and running everywhere, writing where the plan says; nothing where the kernel has no
/// Landlock, since the mounts hold by themselves.
fn landlock(plan: &Plan) -> Result<()> {
    let refused = |error: &dyn std::fmt::Display| Error::refused("Landlock", error);
    let abi = ABI::V6;
    let binds = plan.binds.iter().filter(|bind| bind.access == Access::Writable);
    let writable = binds
        .map(|bind| bind.path.as_path())
        .chain(plan.home.as_deref())
        .chain(SCRATCH.iter().map(Path::new));
    let rules = |ruleset: landlock::RulesetCreated| {
        ruleset
            .add_rules(path_beneath_rules([Path::new("/")], AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(writable, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket))
        .and_then(Ruleset::create)
        .and_then(rules)
        .map(|_| ())
        .map_err(|error| refused(&error))
}
