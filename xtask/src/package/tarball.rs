//! The archive for people without a package manager.

use super::archive::{self, Entry};
use super::build::{Build, File};

/// The binary, the licences and the README in one folder; beside a static binary the recipe of
/// an image with it.
///
/// # Errors
/// When a file of the repository is missing.
pub fn make(build: &Build) -> Result<File, String> {
    let folder = format!("{}/", build.name());
    let mut entries = build.licences(&folder)?;
    entries.push(Entry::file(format!("{folder}README.md"), build.file("README.md")?));
    entries.push(Entry::program(format!("{folder}quintet"), build.binary.clone()));
    if build.target.is_static() {
        let recipe = build.file("packaging/Containerfile")?;
        entries.push(Entry::file(format!("{folder}Containerfile"), recipe));
    }
    Ok((format!("{}.tar.gz", build.name()), archive::tar_gz(entries)?))
}
