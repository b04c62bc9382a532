//! Finds a program as a shell does, without a shell.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The absolute path of an executable file: a given path, or a bare name searched in `path`.
pub(super) fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.is_empty() || program.contains('\0') {
        return None;
    }
    if program.contains('/') {
        // Absolute, because the program runs in another directory.
        return std::path::absolute(program).ok().filter(|path| is_executable(path));
    }
    std::env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_accepts_only_executable_files() {
        let path = OsStr::new("relative:/bin:/usr/bin");
        assert!(find("sh", Some(path)).is_some_and(|path| path.is_absolute()));
        assert!(find("/bin/sh", None).is_some());
        for none in ["", "no-such-program-here", "/etc/passwd", "/tmp", "sh\0"] {
            assert_eq!(find(none, Some(path)), None, "{none}");
        }
        assert_eq!(find("sh", None), None);
    }
}
