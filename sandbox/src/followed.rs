//! Follows a path through symbolic links.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};

/// Maximum links of one path, as in the kernel.
const LINKS_MAX: usize = 40;

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Followed {
    /// Without symbolic links.
    pub path: PathBuf,
    /// The links that were followed, each below a folder without links. Who may write such a folder
    /// may lead the path elsewhere.
    pub links: Vec<PathBuf>,
}

/// Follows a path to what stands there now.
///
/// # Errors
/// When nothing stands there, or a folder cannot be looked into.
pub fn follow(path: &Path) -> Result<Followed> {
    let mut left: VecDeque<OsString> = names(&std::path::absolute(path)?);
    let (mut done, mut links) = (PathBuf::from("/"), Vec::new());
    while let Some(name) = left.pop_front() {
        if name == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&name);
        if !std::fs::symlink_metadata(&next)?.is_symlink() {
            done = next;
            continue;
        }
        let to = std::fs::read_link(&next)?;
        if to.is_absolute() {
            done = PathBuf::from("/");
        }
        for name in names(&to).into_iter().rev() {
            left.push_front(name);
        }
        links.push(next);
        if links.len() > LINKS_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "too many symbolic links"));
        }
    }
    Ok(Followed { path: done, links })
}

fn names(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn followed_path_names_every_link_that_was_followed() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        symlink("real", root.join("a")).unwrap();
        symlink(root.join("a/deep"), root.join("b")).unwrap();
        symlink("../../b", root.join("real/deep/c")).unwrap();
        let followed = follow(&root.join("a/deep/../deep/c")).unwrap();
        assert_eq!(followed.path, root.join("real/deep"));
        assert_eq!(followed.links, ["a", "real/deep/c", "b", "a"].map(|name| root.join(name)));
        assert_eq!(followed.path, root.join("a/deep/../deep/c").canonicalize().unwrap());
        symlink("loop", root.join("loop")).unwrap();
        assert!(follow(&root.join("loop")).is_err());
        assert_eq!(follow(&root.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
