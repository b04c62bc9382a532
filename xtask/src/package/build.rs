//! The binary of one build, and what the packages take from the repository.

use super::archive::Entry;
use super::binary;
use super::target::{self, Target};
use cargo_metadata::semver::Version;
use std::fs;
use std::path::{Path, PathBuf};

/// A package and its name.
pub type File = (String, Vec<u8>);

/// One line for every registry.
pub const SUMMARY: &str = "The control plane between your chats and your AI agents, in one binary";

/// The built binary with everything that a package takes from the repository.
pub struct Build {
    root: PathBuf,
    pub version: Version,
    pub target: &'static Target,
    pub binary: Vec<u8>,
    /// Oldest glibc, as `(2, minor)`; none for a static binary and for macOS.
    pub glibc: Option<(u32, u32)>,
}

impl Build {
    /// Reads the binary and checks that it was built for the target.
    ///
    /// # Errors
    /// When the target is unknown, or the binary is missing or of another system.
    pub fn read(root: &Path, binary: &Path, triple: &str) -> Result<Self, String> {
        let target = target::find(triple)?;
        let bytes = read(binary)?;
        binary::check(&bytes, target).map_err(|why| format!("{}: {why}", binary.display()))?;
        let glibc = if target.needs_glibc() { Some(binary::glibc(&bytes)?) } else { None };
        Ok(Self { root: root.to_owned(), version: version(root)?, target, binary: bytes, glibc })
    }

    /// The folder in the archive, and the archive's name without its suffix.
    pub fn name(&self) -> String {
        format!("quintet-{}-{}", self.version, self.target.triple)
    }

    pub fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        read(&self.root.join(path))
    }

    pub fn licences(&self, folder: &str) -> Result<Vec<Entry>, String> {
        ["LICENSE-APACHE", "LICENSE-MIT"]
            .into_iter()
            .map(|name| Ok(Entry::file(format!("{folder}{name}"), self.file(name)?)))
            .collect()
    }
}

/// The version of the workspace.
fn version(root: &Path) -> Result<Version, String> {
    let manifest = String::from_utf8(read(&root.join("Cargo.toml"))?)
        .map_err(|error| format!("Cargo.toml: {error}"))?;
    let tree: toml::Table = toml::from_str(&manifest).map_err(|e| format!("Cargo.toml: {e}"))?;
    tree.get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("version")?.as_str())
        .ok_or("Cargo.toml has no workspace.package.version")?
        .parse()
        .map_err(|error| format!("the version in Cargo.toml: {error}"))
}

pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

pub fn make_folder(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))
}
