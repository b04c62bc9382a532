//! Where programs are installed: the folders of PATH, and the folder of one program.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Maximum links from the name of a program to its file.
const LINKS_MAX: usize = 8;

/// Folders of PATH, and beside a `bin` its libraries; never the home itself or a folder at the top.
pub(super) fn on_path(path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    let folders: Vec<PathBuf> = path.map(std::env::split_paths).into_iter().flatten().collect();
    folders
        .into_iter()
        .filter(|folder| folder.is_absolute() && is_deep(folder))
        .flat_map(|folder| with_libraries(&folder))
}

/// The folders that a program is installed in: a `bin` with its libraries, a `node_modules`. Beside
/// any other program may lie anything, and it brings its file alone.
pub(super) fn install_trees(program: &Path) -> impl Iterator<Item = PathBuf> {
    files_of(program).into_iter().flat_map(|file| {
        let bin = file
            .parent()
            .filter(|folder| folder.ends_with("bin") && folder.parent().is_some_and(is_deep));
        let packages = Component::Normal(OsStr::new("node_modules"));
        let packages =
            file.ancestors().filter(|path| path.components().next_back() == Some(packages));
        let packages = packages.last().filter(|folder| is_deep(folder)).map(Path::to_path_buf);
        bin.map(with_libraries).into_iter().flatten().chain(packages).collect::<Vec<_>>()
    })
}

/// The name of a program, and the files that its links lead to one after the other.
pub(super) fn files_of(program: &Path) -> Vec<PathBuf> {
    let next = |file: &PathBuf| {
        let to = std::fs::read_link(file).ok()?;
        sandbox::follow(file.parent()?).ok().map(|followed| followed.path.join(to))
    };
    let mut files: Vec<PathBuf> =
        std::iter::successors(Some(program.to_path_buf()), next).take(LINKS_MAX).collect();
    files.extend(program.canonicalize().ok().filter(|file| !files.contains(file)));
    files
}

fn with_libraries(folder: &Path) -> Vec<PathBuf> {
    let prefix = folder.parent().filter(|_| folder.ends_with("bin"));
    let beside = ["lib", "lib64", "libexec", "pyvenv.cfg"];
    let beside = prefix.into_iter().flat_map(|prefix| beside.map(|name| prefix.join(name)));
    std::iter::once(folder.to_path_buf()).chain(beside).collect()
}

/// Deep enough to be a place for programs: `/home/ines/bin`, not `/home/ines` or `/srv`.
fn is_deep(folder: &Path) -> bool {
    folder.components().count() > 3
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn program_brings_its_install_tree_and_never_what_lies_beside_it() {
        let trees = |program: &str| install_trees(Path::new(program)).collect::<Vec<_>>();
        assert_eq!(trees("/home/ines/Documents/agent.sh"), Vec::<PathBuf>::new());
        assert_eq!(trees("/home/ines/bin/agent"), Vec::<PathBuf>::new(), "its prefix is the home");
        assert_eq!(
            trees("/home/ines/venv/bin/agent"),
            ["bin", "lib", "lib64", "libexec", "pyvenv.cfg"]
                .map(|n| Path::new("/home/ines/venv").join(n))
        );
        assert_eq!(
            trees("/home/ines/app/node_modules/x/node_modules/y/cli.js"),
            [Path::new("/home/ines/app/node_modules")]
        );
    }

    #[test]
    fn program_behind_links_brings_each_of_its_files() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("versions")).unwrap();
        std::fs::write(root.join("versions/2.1"), "").unwrap();
        symlink("2.1", root.join("versions/current")).unwrap();
        symlink("versions/current", root.join("agent")).unwrap();
        let files = ["agent", "versions/current", "versions/2.1"].map(|name| root.join(name));
        assert_eq!(files_of(&root.join("agent")), files);
    }
}
