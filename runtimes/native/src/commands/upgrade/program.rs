//! The program's own file, the one from before beside it, and a new one on trial.

use crate::exit::{No, Unreachable, Usage};
use crate::owner::{Owner, root};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Maximum time for a program to print its version.
pub(super) const VERSION_TIME: Duration = Duration::from_secs(10);
/// Maximum time for a restore and for the migration of a copy.
pub(super) const TRIAL_TIME: Duration = Duration::from_mins(10);

/// Where the programs lie.
pub(super) struct Place {
    /// This program.
    pub(super) own: PathBuf,
    /// The one from before the last upgrade.
    pub(super) previous: PathBuf,
    /// The new one, until it is in its place.
    pub(super) new: PathBuf,
    /// As whom programs run; none: as this one does.
    pub(super) owner: Option<Owner>,
}

impl Place {
    /// The place of this program.
    ///
    /// # Errors
    /// When it has no file of its own.
    pub(super) fn find() -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let name = own.file_name().unwrap_or(OsStr::new("quintet")).to_string_lossy().into_owned();
        let beside = |end: &str| own.with_file_name(format!("{name}.{end}"));
        Ok(Self { previous: beside("previous"), new: beside("new"), own, owner: None })
    }
    /// Copies a file beside this program, so that exactly these bytes are tried and installed.
    ///
    /// # Errors
    /// [`Unreachable`] when the file cannot be read, or nothing can be written here.
    pub(super) fn take(&self, file: &Path) -> Result<()> {
        let _root = root();
        let mut source = File::open(file)
            .map_err(|error| Unreachable(format!("cannot read {} ({error})", file.display())))?;
        if !source.metadata()?.is_file() {
            return Err(Usage(format!("{} is no file", file.display())).into());
        }
        let _ = std::fs::remove_file(&self.new);
        let out = OpenOptions::new().create_new(true).write(true).mode(0o700).open(&self.new);
        let mut out = out.map_err(|error| self.not_writable(&error))?;
        std::io::copy(&mut source, &mut out)?;
        let own = std::fs::metadata(&self.own)?;
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::fchown(&out, Some(own.uid()), Some(own.gid()))?;
        }
        out.set_permissions(std::fs::Permissions::from_mode(own.mode() & 0o777 | 0o500))?;
        out.sync_all()?;
        Ok(())
    }
    /// Whether the new program has the same bytes as this one.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn is_same(&self) -> Result<bool> {
        let _root = root();
        let length = |path: &Path| Ok::<_, std::io::Error>(std::fs::metadata(path)?.len());
        Ok(length(&self.own)? == length(&self.new)?
            && std::fs::read(&self.own)? == std::fs::read(&self.new)?)
    }
    /// Puts the new program in place and keeps the old one. At each moment there is one.
    ///
    /// # Errors
    /// Those of the file system; then the old one is in its place.
    pub(super) fn replace(&self) -> Result<()> {
        let _root = root();
        let kept = self.previous.with_extension("keep");
        let _ = std::fs::remove_file(&kept);
        // Some file systems have no hard links.
        if std::fs::hard_link(&self.own, &kept).is_err() {
            std::fs::copy(&self.own, &kept).map_err(|error| self.not_writable(&error))?;
        }
        std::fs::rename(&kept, &self.previous)?;
        std::fs::rename(&self.new, &self.own).map_err(|error| self.not_writable(&error))?;
        self.sync()
    }
    /// Puts the old program back.
    ///
    /// # Errors
    /// Those of the file system; then nothing has changed.
    pub(super) fn restore(&self) -> Result<()> {
        let _root = root();
        std::fs::rename(&self.previous, &self.own).map_err(|error| self.not_writable(&error))?;
        self.sync()
    }
    /// Whether an upgrade left a program from before.
    pub(super) fn has_previous(&self) -> bool {
        let _root = root();
        self.previous.exists()
    }
    /// Removes the new program that was not put in place.
    pub(super) fn clean(&self) {
        let _root = root();
        let _ = std::fs::remove_file(&self.new);
    }
    /// The version that a program prints.
    ///
    /// # Errors
    /// [`No`] when it is no Quintet that runs here.
    pub(super) async fn version(&self, program: &Path) -> Result<String> {
        let said = self.run(program, &[OsStr::new("--version")], VERSION_TIME).await?;
        let version = said.trim().strip_prefix("quintet ").filter(|text| parts(text).is_some());
        let refused =
            || No(format!("{} says it is not Quintet, so nothing was changed", program.display()));
        Ok(version.ok_or_else(refused)?.to_owned())
    }
    /// Runs a program to its end; returns its output.
    ///
    /// # Errors
    /// [`No`] when it does not start or fails, with its own words.
    pub(super) async fn run(
        &self,
        program: &Path,
        args: &[&OsStr],
        time: Duration,
    ) -> Result<String> {
        let shown = program.display();
        let failed = |error| No(format!("{shown} does not start here ({error})"));
        let mut command = std::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = {
            // Only root can become another user for good.
            let _root = root();
            if let Some(owner) = &self.owner {
                owner.runs(&mut command);
            }
            Command::from(command).kill_on_drop(true).spawn()
        };
        let output = started.map_err(failed)?.wait_with_output();
        let output = tokio::time::timeout(time, output)
            .await
            .map_err(|_| No(format!("{shown} did not end within {} s", time.as_secs())))?
            .map_err(failed)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let words = args.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Err(No(format!("`{shown} {words}` failed ({}): {}", output.status, said.trim())).into())
    }
    fn sync(&self) -> Result<()> {
        let folder = self.own.parent().unwrap_or(&self.own);
        Ok(File::open(folder)?.sync_all()?)
    }
    fn not_writable(&self, error: &std::io::Error) -> Unreachable {
        let folder = self.own.parent().unwrap_or(&self.own);
        Unreachable(format!(
            "cannot write in {} ({error}), so nothing was changed. Run this as the owner of the \
             program, such as: sudo quintet upgrade --data DIR --from FILE",
            folder.display()
        ))
    }
}

/// Whether a version is older than another one.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    parts(version) < parts(than)
}

fn parts(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+']).next()?;
    let numbers = plain.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(is_older("0.9.0", "0.10.0") && is_older("0.1.0", "1.0.0-rc.1"));
        assert!(!is_older("0.1.0", "0.1.0") && !is_older("0.2.0", "0.1.9"));
        assert_eq!(parts("one.two.three"), None);
    }
}
