//! The Debian package, made by Debian's own `dpkg-deb`.

use super::archive::MTIME;
use super::build::{Build, File, SUMMARY, make_folder, read, write};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The message without `dpkg-deb`.
pub const MISSING: &str = "dpkg-deb is missing. It is part of Debian and Ubuntu; elsewhere install \
                           the package dpkg.";

/// Whether `dpkg-deb` is installed.
pub fn has_tool() -> bool {
    Command::new("dpkg-deb").arg("--version").output().is_ok()
}

/// The package with its name.
///
/// # Errors
/// When the target has no Debian package, or `dpkg-deb` fails.
pub fn make(build: &Build) -> Result<File, String> {
    let architecture = build.target.deb.ok_or("Debian does not have this target")?;
    let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let tree = folder.path().join("tree");
    let version = version(&build.version);
    fill(build, &tree)?;
    let size = build.binary.len().div_ceil(1024);
    place(&tree, "DEBIAN/control", control(build, &version, architecture, size).as_bytes(), 0o644)?;
    let name = format!("quintet_{version}_{architecture}.deb");
    let file = folder.path().join(&name);
    let out = Command::new("dpkg-deb")
        // Gzip, because xz gives other bytes with another number of processors.
        .args(["--root-owner-group", "-Zgzip", "-z6", "--build"])
        .args([&tree, &file])
        .env("SOURCE_DATE_EPOCH", MTIME.to_string())
        .output()
        .map_err(|error| format!("cannot run dpkg-deb: {error}"))?;
    if !out.status.success() {
        return Err(format!("dpkg-deb: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    Ok((name, read(&file)?))
}

/// The files of the package. The unit is written by `quintet service install`, with the paths of
/// its owner.
fn fill(build: &Build, tree: &Path) -> Result<(), String> {
    place(tree, "usr/bin/quintet", &build.binary, 0o755)?;
    let mut copyright = build.file("packaging/debian/copyright")?;
    for line in String::from_utf8_lossy(&build.file("LICENSE-MIT")?).lines().skip(2) {
        let line = if line.is_empty() { "." } else { line };
        copyright.extend(format!(" {line}\n").into_bytes());
    }
    place(tree, "usr/share/doc/quintet/copyright", &copyright, 0o644)
}

fn control(build: &Build, version: &str, architecture: &str, size: usize) -> String {
    let depends = build.glibc.map_or_else(String::new, |(major, minor)| {
        format!("Depends: libc6 (>= {major}.{minor}), libgcc-s1\n")
    });
    format!(
        "Package: quintet\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The \
         Quintet authors\nInstalled-Size: {size}\n{depends}Section: net\nPriority: optional\n\
         Description: {SUMMARY}\n Messages from Telegram, Slack, Discord, Matrix, WhatsApp, e-mail and a web \
         console go to\n your agents, within your rules and budget. Nothing starts by itself; run \
         quintet up.\n"
    )
}

/// A pre-release sorts before its release only behind a tilde.
fn version(version: &cargo_metadata::semver::Version) -> String {
    version.to_string().replacen('-', "~", 1)
}

/// Writes a file below `tree` with these permissions, and its folders as everyone may read them.
fn place(tree: &Path, path: &str, bytes: &[u8], mode: u32) -> Result<(), String> {
    let file = tree.join(path);
    let mode_of = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(folder) = file.parent() {
        make_folder(folder)?;
    }
    for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(tree)) {
        mode_of(folder, 0o755)?;
    }
    write(&file, bytes)?;
    mode_of(&file, mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_version_of_a_pre_release_sorts_before_the_release() {
        assert_eq!(version(&"1.2.0-rc.1".parse().unwrap()), "1.2.0~rc.1");
        assert_eq!(version(&"1.2.0".parse().unwrap()), "1.2.0");
    }
}
