//! Root at another user's data directory. Its owner may have put links there, so that whatever is
//! read and written in it is read and written with that user's rights.

use crate::data_dir::DataDir;
use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, getegid, geteuid, getuid, setegid, seteuid};
use std::os::unix::fs::MetadataExt;

/// The user and the group of a data directory.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    user: Uid,
    group: Gid,
}

impl Owner {
    /// The owner, if this process is root's and the directory is another user's.
    pub fn of(data: &DataDir) -> Option<Self> {
        let about = std::fs::metadata(data.path()).ok()?;
        let owner = Self { user: Uid::from_raw(about.uid()), group: Gid::from_raw(about.gid()) };
        (getuid().is_root() && !owner.user.is_root()).then_some(owner)
    }
    /// Gives the whole process this owner's rights, all threads included; [`root`] takes root's
    /// back for a while.
    ///
    /// # Errors
    /// Those of the system.
    pub fn become_it(self) -> Result<()> {
        let failed = || {
            format!(
                "cannot take the rights of user {}, who owns the data directory: run this as that \
                 user",
                self.user
            )
        };
        groups::set(&[self.group]).with_context(failed)?;
        setegid(self.group).with_context(failed)?;
        seteuid(self.user).with_context(failed)
    }
    /// The options of `install` that give a file to this owner.
    pub fn options(self) -> String {
        format!("-o {} -g {}", self.user, self.group)
    }
    /// Has a program run as the owner, with no way back.
    pub fn runs(self, command: &mut std::process::Command) {
        use std::os::unix::process::CommandExt;
        command.gid(self.group.as_raw()).uid(self.user.as_raw());
    }
}

/// Acts as the owner of the data directory, if root runs this and the directory is another user's.
///
/// # Errors
/// Those of [`Owner::become_it`].
pub fn act_as_owner(data: &DataDir) -> Result<Option<Owner>> {
    let owner = Owner::of(data);
    owner.map(Owner::become_it).transpose()?;
    Ok(owner)
}

/// Whose rights a file is made with.
#[derive(Clone, Copy, Debug)]
pub enum Rights {
    /// Those that this process has at the moment.
    Present,
    /// Root's, if this is root's process.
    Root,
}

impl Rights {
    /// Takes them until the result is dropped.
    pub fn take(self) -> Root {
        match self {
            Self::Present => Root(None),
            Self::Root => root(),
        }
    }
}

/// Root's rights again, where this process gave them away, until this is dropped.
#[must_use = "the rights end when it is dropped"]
pub struct Root(Option<(Uid, Gid, Vec<Gid>)>);

/// Takes root's rights back for what lies outside the data directory.
pub fn root() -> Root {
    let is_given_away = getuid().is_root() && !geteuid().is_root();
    if !is_given_away {
        return Root(None);
    }
    let before = (geteuid(), getegid(), groups::get());
    // If it fails, what follows fails without root's rights, and says so.
    let _ = seteuid(Uid::from_raw(0)).and_then(|()| setegid(Gid::from_raw(0)));
    Root(Some(before))
}

impl Drop for Root {
    fn drop(&mut self) {
        let Some((user, group, groups)) = self.0.take() else { return };
        let given = groups::set(&groups).and_then(|()| setegid(group)).and_then(|()| seteuid(user));
        if given.is_err() {
            // With root's rights it would follow links of another user.
            std::process::abort();
        }
    }
}

/// The groups beside the process's own one.
#[cfg(not(target_os = "macos"))]
mod groups {
    use nix::unistd::{Gid, getgroups, setgroups};

    pub(super) fn get() -> Vec<Gid> {
        getgroups().unwrap_or_default()
    }
    pub(super) fn set(groups: &[Gid]) -> nix::Result<()> {
        setgroups(groups)
    }
}

/// macOS keeps its groups elsewhere, and a process that asks for others gets them back.
#[cfg(target_os = "macos")]
mod groups {
    use nix::unistd::Gid;

    pub(super) fn get() -> Vec<Gid> {
        Vec::new()
    }
    pub(super) fn set(_: &[Gid]) -> nix::Result<()> {
        Err(nix::Error::ENOTSUP)
    }
}
