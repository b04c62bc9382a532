//! The folder that a container image is built from.

use super::{Build, make_folder, write};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes the `Containerfile`, the binary and an empty data directory for it to copy.
///
/// # Errors
/// When a file cannot be written.
pub fn context(build: &Build, folder: &Path) -> Result<(), String> {
    make_folder(&folder.join("data"))?;
    write(&folder.join("Containerfile"), &build.file("packaging/container/Containerfile")?)?;
    let binary = folder.join("quintet");
    write(&binary, &build.binary)?;
    fs::set_permissions(&binary, Permissions::from_mode(0o755))
        .map_err(|error| format!("{}: {error}", binary.display()))
}
