//! Reads files below a folder whose content another program may change at the same time.

use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of a regular file below a real folder. No link on the way is followed, and no more
/// than `bytes_max` bytes are read, whatever the file was when it was listed.
///
/// # Errors
/// When it is no regular file any more, is larger, or cannot be read.
pub(crate) fn read(root: &Path, below: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let file = sandbox::open::open_file_below(root, below)?
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "it is a link, or no file"))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::new(ErrorKind::FileTooLarge, "it has grown while it was read"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn file_that_became_a_link_a_pipe_or_larger_is_not_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.md"), "# Secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("agents")).unwrap();
        std::fs::write(root.join("agents/a.md"), "# A").unwrap();
        symlink(outside.path().join("secret.md"), root.join("link.md")).unwrap();
        symlink(outside.path(), root.join("out")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe.md"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&root, Path::new("agents/a.md"), 3).unwrap(), b"# A");
        read(&root, Path::new("agents/a.md"), 2).unwrap_err();
        for path in ["link.md", "out/secret.md", "pipe.md", "agents", "../secret.md", "gone.md"] {
            read(&root, Path::new(path), 100).unwrap_err();
        }
    }
}
