//! `cargo xtask package`: from one built binary, all packages of its target.
//!
//! The same binary gives the same bytes on every machine: times, owners, order and compression are
//! fixed. Nothing here builds, downloads or publishes.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

mod archive;
mod binary;
mod build;
mod deb;
mod npm;
mod tarball;
mod target;
mod wheel;

pub use target::{TARGETS, Target};

use build::{Build, File, make_folder, write};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::thread;

/// Writes all packages of the binary into `out`, each with its `.sha256`.
///
/// # Errors
/// When the binary does not fit the target, or a file cannot be written.
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

type Maker = fn(&Build) -> Result<File, String>;

/// All packages. Each compresses the binary, so they are made at the same time.
fn files(build: &Build) -> Result<Vec<File>, String> {
    let mut makers: Vec<Maker> = vec![tarball::make, npm::launcher, npm::platform, wheel::make];
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
