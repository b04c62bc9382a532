//! The packages of the binary: `docs/install.md` as written, and what each package promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests panic; the functions that they share do, too"
)]

#[path = "package/bench.rs"]
mod bench;
#[path = "package/guide.rs"]
mod guide;
#[path = "package/launcher.rs"]
mod launcher;
#[path = "package/release.rs"]
mod release;

use bench::{elf, remark, root, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use xtask::package::{self, TARGETS};

/// Names and bytes of all files of a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().display().to_string(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn packages_of_one_binary_have_the_same_bytes_each_time() {
    for target in TARGETS {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("quintet");
        fs::write(&binary, elf(target)).unwrap();
        let make = |out: &str| {
            let out = folder.path().join(out);
            package::run(&root(), &binary, target.triple, &out).unwrap();
            files(&out)
        };
        let (first, second) = (make("first"), make("second"));
        let names: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert!(first == second, "{}: {names:?} differ", target.triple);
        let debian =
            target.deb.is_some() && Command::new("dpkg-deb").arg("--version").output().is_ok();
        assert_eq!(names.len(), 2 * (4 + usize::from(debian)), "{names:?}");
    }
}

#[test]
fn checksum_beside_each_package_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("quintet");
    fs::write(&binary, elf(&TARGETS[0])).unwrap();
    let out = folder.path().join("out");
    package::run(&root(), &binary, TARGETS[0].triple, &out).unwrap();
    run(Command::new("sh").args(["-ec", "sha256sum --check *.sha256"]).current_dir(&out));
}

#[test]
fn archive_has_the_binary_to_execute_and_the_licences() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("quintet");
    fs::write(&binary, elf(&TARGETS[0])).unwrap();
    package::run(&root(), &binary, TARGETS[0].triple, folder.path()).unwrap();
    let name = format!("quintet-{}-{}", env!("CARGO_PKG_VERSION"), TARGETS[0].triple);
    let file = folder.path().join(format!("{name}.tar.gz"));
    let listing = run(Command::new("tar").arg("-tzf").arg(&file));
    let expected = ["Containerfile", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "quintet"]
        .map(|file| format!("{name}/{file}"));
    assert_eq!(listing.lines().collect::<Vec<_>>(), expected);
    run(Command::new("tar").arg("-xzf").arg(&file).current_dir(folder.path()));
    let mode = |file: &str| {
        folder.path().join(&name).join(file).metadata().unwrap().permissions().mode() & 0o111
    };
    assert_eq!((mode("quintet"), mode("README.md")), (0o111, 0));
}

#[test]
fn package_refuses_a_binary_of_another_target() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("quintet");
    fs::write(&binary, elf(&TARGETS[0])).unwrap();
    let out = folder.path().join("out");
    let why = package::run(&root(), &binary, "x86_64-unknown-linux-gnu", &out).unwrap_err();
    assert!(why.contains("statically linked"), "{why}");
    assert!(!out.exists());
}

#[test]
fn debian_package_is_owned_by_root_and_has_no_scripts() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        return remark("SKIPPED the Debian package: dpkg-deb is missing (apt-get install dpkg)");
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("quintet");
    fs::write(&binary, elf(&TARGETS[0])).unwrap();
    package::run(&root(), &binary, TARGETS[0].triple, folder.path()).unwrap();
    let file = folder.path().join(format!("quintet_{}_amd64.deb", env!("CARGO_PKG_VERSION")));
    let ask = |option: &str| run(Command::new("dpkg-deb").arg(option).arg(&file));
    let listing = ask("--contents");
    for line in listing.lines() {
        assert!(line.contains(" root/root "), "{line}");
        assert!(!line.starts_with("-rwxrwx"), "{line}");
    }
    for path in ["./usr/bin/quintet", "./usr/share/doc/quintet/copyright"] {
        assert!(listing.lines().any(|line| line.ends_with(path)), "{path} in\n{listing}");
    }
    let control = folder.path().join("control");
    run(Command::new("dpkg-deb").arg("--control").args([&file, &control]));
    let names: Vec<_> = files(&control).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["control"], "a script would run at installation");
    let fields = ask("--field");
    assert!(fields.contains("Architecture: amd64") && !fields.contains("Depends"), "{fields}");
}
