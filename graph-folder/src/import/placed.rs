//! Writes the files of an import below one new folder of a graph. They are written beside it under
//! a hidden name, which no reader of the graph sees, and then renamed.

use contracts::graph::SourceFile;
use std::fs::DirBuilder;
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// The reason that an import was not written. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error(
        "{} exists already. Run it with --replace to import it anew, or with --as NAME.", .0.display()
    )]
    Exists(PathBuf),
    #[error("cannot write {}: {error}", path.display())]
    Io { path: PathBuf, error: Error },
}

/// Writes the files, whose paths begin with `name`, as the folder `name` of the graph `into`.
///
/// # Errors
/// When the folder exists and is not to be replaced, or cannot be written.
pub fn place(
    into: &Path,
    name: &str,
    files: &[SourceFile],
    replace: bool,
) -> Result<PathBuf, PlaceError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| PlaceError::Io { path, error }
    };
    restore(into, name)?;
    let target = into.join(name);
    let exists = target.symlink_metadata().is_ok();
    if exists && !replace {
        return Err(PlaceError::Exists(target));
    }
    private().recursive(true).create(into).map_err(io(into))?;
    let made = into.join(format!(".importing-{name}"));
    let old = old_of(into, name);
    remove(&made).map_err(io(&made))?;
    if let Err(error) = write_all(&made, name, files) {
        let _ = remove(&made);
        return Err(io(&made)(error));
    }
    if exists {
        remove(&old).map_err(io(&old))?;
        std::fs::rename(&target, &old).map_err(io(&target))?;
    }
    if let Err(error) = std::fs::rename(&made, &target) {
        if exists {
            let _ = std::fs::rename(&old, &target);
        }
        let _ = remove(&made);
        return Err(io(&target)(error));
    }
    let _ = remove(&old);
    Ok(target)
}

/// Gives a folder its name back that an import had moved aside when it was stopped.
///
/// # Errors
/// When it cannot be renamed.
pub fn restore(into: &Path, name: &str) -> Result<(), PlaceError> {
    let (old, target) = (old_of(into, name), into.join(name));
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    if exists(&old) && !exists(&target) {
        std::fs::rename(&old, &target).map_err(|error| PlaceError::Io { path: old, error })?;
    }
    Ok(())
}

/// The place of the earlier copy while the new one gets its name.
fn old_of(into: &Path, name: &str) -> PathBuf {
    into.join(format!(".imported-before-{name}"))
}

/// Folders of the owner alone, as the data directory is.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn write_all(made: &Path, name: &str, files: &[SourceFile]) -> std::io::Result<()> {
    private().create(made)?;
    for file in files {
        let below = Path::new(&file.path).strip_prefix(name).map_err(Error::other)?;
        // The paths were judged when they were read; a second look costs nothing.
        if below.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the path {}", file.path)));
        }
        let path = made.join(below);
        if let Some(folder) = path.parent() {
            private().recursive(true).create(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(&path)?;
        out.write_all(file.text.as_bytes())?;
        out.sync_all()?;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(about) if about.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_appears_whole_or_not_at_all() {
        let into = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let first = [file("x/agents/a.md", "one"), file("x/b.md", "two")];
        let placed = place(into.path(), "x", &first, false).unwrap();
        assert_eq!(std::fs::read_to_string(placed.join("agents/a.md")).unwrap(), "one");
        let again = place(into.path(), "x", &first, false).unwrap_err();
        assert!(matches!(again, PlaceError::Exists(_)), "{again}");
        // Out of the folder, or twice the same file: nothing of it is written, the old one stays.
        for bad in [file("x/../y.md", "no"), file("y/a.md", "no"), file("x/c.md", "no")] {
            let all = [file("x/c.md", "new"), bad];
            assert!(place(into.path(), "x", &all, true).is_err());
        }
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(into.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into()).collect()
        };
        assert_eq!(names(), ["x"]);
        assert!(placed.join("b.md").exists() && !placed.join("c.md").exists());
        // Stopped between the two renames: the next one finds the old copy, also when it fails.
        std::fs::rename(&placed, into.path().join(".imported-before-x")).unwrap();
        assert!(place(into.path(), "x", &[file("y/a.md", "no")], true).is_err());
        assert!(placed.join("b.md").exists(), "{:?}", names());
        place(into.path(), "x", &[file("x/c.md", "new")], true).unwrap();
        assert!(!placed.join("b.md").exists() && placed.join("c.md").exists());
        assert_eq!(names(), ["x"]);
    }
}
