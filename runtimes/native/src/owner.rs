//! Root at another user's data directory. That user may have put links there, so that whatever is
//! read and written in it is read and written with that user's rights.

use crate::data_dir::DataDir;
use crate::exit::Usage;
use crate::terminal::shell_word;
use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, User, getegid, geteuid, getuid, setegid, seteuid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The way that is left where root cannot act as another user.
const NEXT: &str = if cfg!(target_os = "macos") {
    "Run backup and restore as that user; to upgrade, make a backup as that user, then put the new \
     program in its place with `sudo install`"
} else {
    "Run this as that user"
};

/// The user whose data directory it is, with that user's own groups.
#[derive(Clone, Debug)]
pub struct Owner {
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl Owner {
    /// The owner, if this process is root's and the directory is another user's. One that does not
    /// exist yet is of the user in whose folder it will be.
    ///
    /// # Errors
    /// [`Usage`] where a folder of root's is reached through a folder of another user, or others
    /// may write in it: nobody can tell whose it is.
    pub fn of(data: &DataDir) -> Result<Option<Self>> {
        if !getuid().is_root() {
            return Ok(None);
        }
        let refused = |why: &str| {
            Usage(format!(
                "{} {why}, so nothing was changed. Name the folder that really holds the data, or \
                 give it to the user who runs Quintet.",
                data.path().display()
            ))
        };
        let others = another_on_the_way(data.path());
        let Ok(about) = std::fs::metadata(data.path()) else {
            return others.map(Self::with_groups).transpose();
        };
        match Uid::from_raw(about.uid()) {
            user if !user.is_root() => Self::with_groups(user).map(Some),
            _ if others.is_some() => {
                Err(refused("is root's, and its path leads through a folder of another user")
                    .into())
            }
            _ if about.mode() & 0o022 != 0 => {
                Err(refused("is root's, and others may write in it").into())
            }
            _ => Ok(None),
        }
    }
    /// With the groups of the system's list of users: those of the directory prove nothing, and a
    /// user without a name has none.
    fn with_groups(user: Uid) -> Result<Self> {
        let named = User::from_uid(user)?;
        let group = named.as_ref().map_or(Gid::from_raw(user.as_raw()), |named| named.gid);
        let groups = named.map_or_else(|| vec![group], |named| groups::of(&named.name, group));
        Ok(Self { user, group, groups })
    }
    /// Gives the whole process this owner's rights, all threads included; [`root`] takes root's
    /// back for a while.
    ///
    /// # Errors
    /// Those of the system.
    pub fn become_it(&self) -> Result<()> {
        let failed = || {
            format!(
                "cannot take the rights of user {}, who owns the data directory. {NEXT}",
                self.user
            )
        };
        groups::set(&self.groups).with_context(failed)?;
        setegid(self.group).with_context(failed)?;
        seteuid(self.user).with_context(failed)
    }
    /// `1000:1000`, for `chown`.
    pub fn ids(&self) -> String {
        format!("{}:{}", self.user, self.group)
    }
    /// A command that root types, to be run as the owner.
    pub fn types(&self, command: &str) -> String {
        format!("sudo -u '#{}' {command}", self.user)
    }
    /// Has a program run as the owner, with no way back.
    pub fn runs(&self, command: &mut std::process::Command) {
        use std::os::unix::process::CommandExt;
        command.gid(self.group.as_raw()).uid(self.user.as_raw());
    }
}

/// The user, other than root, of the last folder or link on the way to a path.
fn another_on_the_way(path: &Path) -> Option<Uid> {
    let real = std::fs::canonicalize(path).ok();
    let ways = [Some(path), real.as_deref()];
    let above = ways.into_iter().flatten().flat_map(Path::ancestors);
    let users = above.filter_map(|part| Some(Uid::from_raw(part.symlink_metadata().ok()?.uid())));
    users.into_iter().find(|user| !user.is_root())
}

/// Acts as the owner of the data directory, if root runs this and the directory is another user's.
///
/// # Errors
/// Those of [`Owner::of`] and [`Owner::become_it`]; [`Usage`] for a database that is root's.
pub fn act_as_owner(data: &DataDir) -> Result<Option<Owner>> {
    let owner = Owner::of(data)?;
    let database = data.join("quintet.db");
    let is_roots = database.symlink_metadata().is_ok_and(|about| about.uid() == 0);
    if let Some(owner) = owner.as_ref().filter(|_| is_roots) {
        // A server that root started once; that user could not read it.
        return Err(Usage(format!(
            "{} is root's in a directory of user {}, so nothing was changed. Stop the server and \
             give everything to that user: chown -R {} {}",
            database.display(),
            owner.user,
            owner.ids(),
            shell_word(&data.path().display().to_string())
        ))
        .into());
    }
    owner.as_ref().map(Owner::become_it).transpose()?;
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
    use nix::unistd::{Gid, getgrouplist, getgroups, setgroups};
    use std::ffi::CString;

    pub(super) fn of(user: &str, group: Gid) -> Vec<Gid> {
        let name = CString::new(user).unwrap_or_default();
        getgrouplist(&name, group).unwrap_or_else(|_| vec![group])
    }
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

    pub(super) fn of(_: &str, group: Gid) -> Vec<Gid> {
        vec![group]
    }
    pub(super) fn get() -> Vec<Gid> {
        Vec::new()
    }
    pub(super) fn set(_: &[Gid]) -> nix::Result<()> {
        Err(nix::Error::ENOTSUP)
    }
}
