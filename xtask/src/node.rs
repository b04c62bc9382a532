//! Node for Cloudflare's tools: they need a newer one than many machines have, so it comes as a
//! package.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Minimum version on PATH, which installs the packages.
pub const INSTALLER_MIN: u32 = 20;

/// The major version of the Node on PATH.
pub fn major() -> Option<u32> {
    let out =
        Command::new("node").arg("--version").output().ok().filter(|out| out.status.success())?;
    String::from_utf8_lossy(&out.stdout)
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// The packaged Node, after [`install`] returned true.
pub fn binary(root: &Path) -> PathBuf {
    root.join("workers/node_modules/node/bin/node")
}

/// Installs Cloudflare's runtime and tools into `workers/node_modules`, as locked. Returns false,
/// with a message, without Node on PATH.
///
/// # Errors
/// When the packages cannot be installed.
pub fn install(root: &Path) -> Result<bool, String> {
    if major().is_none_or(|major| major < INSTALLER_MIN) {
        println!(
            "SKIPPED the Workers on Cloudflare's runtime: Node {INSTALLER_MIN} or newer is missing."
        );
        return Ok(false);
    }
    let folder = root.join("workers");
    let age = |path: &str| folder.join(path).metadata().and_then(|meta| meta.modified()).ok();
    let fresh = age("node_modules/.package-lock.json")
        .zip(age("package-lock.json"))
        .is_some_and(|(installed, lock)| installed >= lock);
    if fresh && binary(root).is_file() {
        return Ok(true);
    }
    println!("$ npm ci (workers/)");
    let done =
        Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).status();
    match done {
        Ok(status) if status.success() && binary(root).is_file() => Ok(true),
        Ok(_) => Err("cannot install the packages of workers/. Check the network and `npm config \
            get registry`, then run `npm ci` there."
            .to_owned()),
        Err(error) => Err(format!("cannot run npm ({error}); it comes with Node")),
    }
}
