//! Takes rights away from bound mounts: a bind copies what lies below it with its own flags.

use crate::error::{Error, Result};
use crate::plan::Access;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Remounts every mount below `base`: without set-user-id and devices, and read-only unless the
/// bind that it belongs to is writable.
pub(super) fn restrict(base: &Path, binds: &[(&Path, Access)]) -> Result<()> {
    let table = std::fs::read("/proc/self/mountinfo")
        .map_err(|error| Error::refused("/proc/self/mountinfo", error))?;
    for (point, flags) in table.split(|byte| *byte == b'\n').filter_map(mount_of) {
        let Ok(inside) = point.strip_prefix(base) else { continue };
        let Some(access) = access(binds, &Path::new("/").join(inside)) else { continue };
        let read_only = match access {
            Access::ReadOnly => MsFlags::MS_RDONLY,
            Access::Writable => MsFlags::empty(),
        };
        let wanted = flags | read_only | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let how = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | wanted;
        match mount(None::<&str>, &point, None::<&str>, how, None::<&str>) {
            // A mount that is covered by another, or that this user cannot reach, the program
            // cannot reach either.
            Ok(()) | Err(Errno::EACCES | Errno::ENOENT) => {}
            Err(error) => {
                return Err(Error::refused(format!("restrict {}", point.display()), error.desc()));
            }
        }
    }
    Ok(())
}

/// Of the nearest bind at or above this path.
fn access(binds: &[(&Path, Access)], path: &Path) -> Option<Access> {
    let holding = binds.iter().filter(|(bind, _)| path.starts_with(bind));
    holding.max_by_key(|(bind, _)| bind.components().count()).map(|(_, access)| *access)
}

/// Mount point and flags of a line of mountinfo (proc(5)).
fn mount_of(line: &[u8]) -> Option<(PathBuf, MsFlags)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = fields.nth(4)?;
    let options = std::str::from_utf8(fields.next()?).ok()?;
    let flags = options.split(',').filter_map(flag).collect();
    Some((PathBuf::from(OsString::from_vec(unescaped(point))), flags))
}

/// Flags that a remount would otherwise clear, which a user namespace does not allow.
fn flag(option: &str) -> Option<MsFlags> {
    Some(match option {
        "ro" => MsFlags::MS_RDONLY,
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        _ => return None,
    })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped.filter(|_| *first == b'\\') {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn mountinfo_line_gives_its_point_and_flags() {
        let line = b"36 35 98:0 /m /mnt/a\\040b rw,noatime,nodev master:1 - ext3 /dev/root rw";
        let (point, flags) = mount_of(line).unwrap();
        assert_eq!(point, Path::new("/mnt/a b"));
        assert_eq!(flags, MsFlags::MS_NOATIME | MsFlags::MS_NODEV);
        assert_eq!(mount_of(b"36 35"), None);
    }

    #[test]
    fn mount_takes_the_access_of_its_nearest_bind() {
        let binds =
            [(Path::new("/usr"), Access::ReadOnly), (Path::new("/usr/w"), Access::Writable)];
        assert_eq!(access(&binds, Path::new("/usr/lib")), Some(Access::ReadOnly));
        assert_eq!(access(&binds, Path::new("/usr/w/x")), Some(Access::Writable));
        assert_eq!(access(&binds, Path::new("/usrx")), None);
    }
}
