//! `cargo xtask package`: from one built binary, all packages of its target.
//!
//! The same binary gives the same bytes on every machine: times, owners, order and compression are
//! fixed. Nothing here builds, downloads or publishes.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

mod archive;
mod binary;
mod deb;
mod npm;
mod target;
mod wheel;

pub use target::{TARGETS, Target};

use archive::Entry;
use cargo_metadata::semver::Version;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// One line for every registry.
const SUMMARY: &str = "The control plane between your chats and your AI agents, in one binary";

/// The built binary with everything that a package takes from the repository.
pub struct Build {
    root: PathBuf,
    version: Version,
    target: &'static Target,
    binary: Vec<u8>,
    /// Oldest glibc, as `(2, minor)`; none for a static binary and for macOS.
    glibc: Option<(u32, u32)>,
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
    fn name(&self) -> String {
        format!("quintet-{}-{}", self.version, self.target.triple)
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        read(&self.root.join(path))
    }

    fn licences(&self, folder: &str) -> Result<Vec<Entry>, String> {
        ["LICENSE-APACHE", "LICENSE-MIT"]
            .into_iter()
            .map(|name| Ok(Entry::file(format!("{folder}{name}"), self.file(name)?)))
            .collect()
    }

    /// The binary, the licences and the README in one folder; beside a static binary the recipe of
    /// an image with it.
    fn tarball(&self) -> Result<(String, Vec<u8>), String> {
        let folder = format!("{}/", self.name());
        let mut entries = self.licences(&folder)?;
        entries.push(Entry::file(format!("{folder}README.md"), self.file("README.md")?));
        entries.push(Entry::program(format!("{folder}quintet"), self.binary.clone()));
        if self.target.is_static() {
            let recipe = self.file("packaging/Containerfile")?;
            entries.push(Entry::file(format!("{folder}Containerfile"), recipe));
        }
        Ok((format!("{}.tar.gz", self.name()), archive::tar_gz(entries)?))
    }
}

/// Writes all packages of the binary into `out`, each with its `.sha256`.
///
/// # Errors
/// When the binary does not fit the target, a tool is missing, or a file cannot be written.
pub fn run(root: &Path, binary: &Path, triple: &str, out: &Path) -> Result<(), String> {
    let build = Build::read(root, binary, triple)?;
    make_folder(out)?;
    if build.target.deb.is_some() && !deb::has_tool() {
        println!("SKIPPED the Debian package: {}", deb::MISSING);
    }
    let files = files(&build)?;
    for (name, bytes) in &files {
        write(&out.join(name), bytes)?;
        let sum = format!("{}  {name}\n", hex::encode(Sha256::digest(bytes)));
        write(&out.join(format!("{name}.sha256")), sum.as_bytes())?;
        println!("{:>9} KB  {name}", bytes.len().div_ceil(1000));
    }
    Ok(())
}

type File = (String, Vec<u8>);

/// All packages. Each compresses the binary, so they are made at the same time.
fn files(build: &Build) -> Result<Vec<File>, String> {
    let mut makers: Vec<fn(&Build) -> Result<File, String>> =
        vec![Build::tarball, npm::launcher, npm::platform, wheel::make];
    if build.target.deb.is_some() && deb::has_tool() {
        makers.push(deb::make);
    }
    thread::scope(|scope| {
        let threads: Vec<_> =
            makers.into_iter().map(|make| scope.spawn(move || make(build))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a package could not be made")?)
            .collect()
    })
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

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn make_folder(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))
}
