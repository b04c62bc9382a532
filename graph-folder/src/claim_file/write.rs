//! Writes changed claim files to disk: first all new files beside the old ones, then the renames.

use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

/// A changed file of the folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change<'a> {
    /// Path in the folder.
    pub path: &'a str,
    /// Text when it was read.
    pub before: &'a str,
    pub after: &'a str,
}

/// A file changed while the example was chosen; nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Changed(String);

/// A new file beside the old one. Drop removes it unless it has replaced the old one.
struct Beside {
    new: PathBuf,
    old: PathBuf,
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.new);
    }
}

/// Writes all changes, or none if one of them cannot be written.
///
/// # Errors
/// [`Changed`] when a file has changed since it was read; else when one cannot be written.
pub fn write_all<'a>(folder: &Path, changes: impl Iterator<Item = Change<'a>>) -> Result<()> {
    let staged: Vec<Beside> = (0..)
        .zip(changes)
        .map(|(number, change)| stage(folder, number, change))
        .collect::<Result<_>>()?;
    for file in &staged {
        std::fs::rename(&file.new, &file.old).with_context(|| {
            format!("cannot write {}; the files before it are already written", file.old.display())
        })?;
    }
    Ok(())
}

fn stage(folder: &Path, number: usize, change: Change<'_>) -> Result<Beside> {
    let old = folder.join(change.path);
    let cannot = || format!("cannot write {}; wrote nothing", old.display());
    // A file that we may not write must not be replaced either.
    let about = OpenOptions::new()
        .write(true)
        .open(&old)
        .and_then(|file| file.metadata())
        .with_context(cannot)?;
    if std::fs::read(&old).with_context(cannot)? != change.before.as_bytes() {
        let fix = "save it as UTF-8, or run the command again if it was just edited";
        return Err(Changed(format!(
            "{} has changed since it was read, so nothing was written; {fix}",
            old.display()
        ))
        .into());
    }
    // Hidden names are not part of a graph, so a watched folder is not published for them.
    let new = old.with_file_name(format!(".quintet-{}-{number}.new", std::process::id()));
    let file = OpenOptions::new().create_new(true).write(true).open(&new).with_context(cannot)?;
    let beside = Beside { new, old: old.clone() };
    fill(&file, &beside.new, change.after, &about).with_context(cannot)?;
    Ok(beside)
}

/// Writes the text with the owner and mode of the old file.
fn fill(mut file: &File, new: &Path, text: &str, old: &std::fs::Metadata) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    // Only root may change the owner; otherwise it stays the same.
    let _ = chown(new, Some(old.uid()), Some(old.gid()));
    file.set_permissions(old.permissions())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn all(folder: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut all: Vec<_> = entries
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    std::fs::read_to_string(entry.path()).unwrap(),
                )
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn claim_files_are_written_all_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.md"), "a").unwrap();
        std::fs::write(at("b.md"), "b").unwrap();
        std::fs::set_permissions(at("a.md"), std::fs::Permissions::from_mode(0o640)).unwrap();
        let change = |path, before, after| Change { path, before, after };
        let old = all(folder.path());
        for second in [
            change("b.md", "changed since", "new"),
            change("gone.md", "", "new"),
            change("no/folder.md", "", "new"),
        ] {
            let error = write_all(folder.path(), [change("a.md", "a", "new"), second].into_iter())
                .unwrap_err();
            assert!(format!("{error:#}").contains(second.path), "{error:#}");
            assert_eq!(
                all(folder.path()),
                old,
                "nothing is written, and nothing is left beside it"
            );
        }
        write_all(folder.path(), [change("a.md", "a", "A"), change("b.md", "b", "B")].into_iter())
            .unwrap();
        assert_eq!(
            all(folder.path()),
            [("a.md".to_owned(), "A".to_owned()), ("b.md".to_owned(), "B".to_owned())]
        );
        assert_eq!(std::fs::metadata(at("a.md")).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
