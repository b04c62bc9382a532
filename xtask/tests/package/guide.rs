//! `docs/install.md`: every block is run as written, or marked: it needs the release or a build.

use crate::bench::{has, remark, root, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::package::{self, TARGETS};

/// A block of shell commands.
struct Block {
    section: String,
    kind: String,
    script: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut section, mut open) = (String::new(), false);
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(info) if !open => {
                let kind = info.strip_prefix("sh ").unwrap_or_default().to_owned();
                found.push(Block { section: section.clone(), kind, script: String::new() });
                open = true;
            }
            Some(_) => open = false,
            None if open => {
                let script = &mut found.last_mut().unwrap().script;
                script.push_str(line);
                script.push('\n');
            }
            None => {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut section);
                }
            }
        }
    }
    found
}

/// The binary of the gate's build without its debug information, which is most of it.
fn binary(folder: &Path) -> Option<PathBuf> {
    let built = std::env::var_os("QUINTET_BIN")
        .map_or_else(|| root().join("target/debug/quintet"), PathBuf::from);
    if !built.is_file() {
        return None;
    }
    let small = folder.join("quintet");
    let strip = Command::new("strip").arg("-o").args([&small, &built]).output();
    Some(if strip.is_ok_and(|out| out.status.success()) { small } else { built })
}

/// A target without a published binary on Linux, because the gate's build is not static.
fn host() -> &'static str {
    let machine = format!("{}-", std::env::consts::ARCH);
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux-gnu" };
    TARGETS
        .iter()
        .map(|target| target.triple)
        .find(|triple| triple.starts_with(&machine) && triple.ends_with(system))
        .unwrap()
}

/// Folders of one section: nothing is installed into the machine.
struct Place {
    folder: PathBuf,
}

impl Place {
    /// Packages in `work`; the programs that need root, replaced, in `replaced`.
    fn new(folder: PathBuf, packages: &Path) -> Self {
        for name in ["home", "work", "prefix", "replaced", "root/var/lib/dpkg/info"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["updates", "triggers"] {
            fs::create_dir_all(folder.join("root/var/lib/dpkg").join(name)).unwrap();
        }
        for name in ["status", "available"] {
            fs::write(folder.join("root/var/lib/dpkg").join(name), "").unwrap();
        }
        for entry in fs::read_dir(packages).unwrap() {
            let path = entry.unwrap().path();
            std::os::unix::fs::symlink(&path, folder.join("work").join(path.file_name().unwrap()))
                .unwrap();
        }
        let place = Self { folder };
        place.replace("sudo", "exec \"$@\"");
        let real = "exec $FAKEROOT /usr/bin/dpkg --root=\"$ROOT\" --log=/dev/null --force-not-root \
                    --force-bad-path --force-depends \"$@\"";
        place.replace("dpkg", real);
        place
    }

    fn replace(&self, name: &str, script: &str) {
        let file = self.folder.join("replaced").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn sh(&self, script: &str) -> String {
        let of = |name: &str| self.folder.join(name);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = ["home/.local/bin", "root/usr/bin", "prefix/bin", "replaced"];
        let first: String = first.iter().map(|name| format!("{}:", of(name).display())).collect();
        let privileged = run(Command::new("id").arg("-u")).trim() == "0";
        run(Command::new("sh")
            .args(["-euc", script])
            .current_dir(of("work"))
            .env("PATH", first + &path.to_string_lossy())
            .env("HOME", of("home"))
            .env("ROOT", of("root"))
            .env("FAKEROOT", if privileged { "" } else { "fakeroot" })
            .env("VERSION", env!("CARGO_PKG_VERSION"))
            .env("TARGET", host())
            .env("npm_config_prefix", of("prefix"))
            .env("npm_config_cache", of("home/cache"))
            // Neither reaches a registry, so the files alone must do.
            .env("npm_config_offline", "true")
            .env("npm_config_update_notifier", "false")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1"))
    }
}

/// The missing tool of a section.
fn missing(section: &str) -> Option<&'static str> {
    match section {
        "Debian and Ubuntu" if !has("dpkg") => Some("dpkg is missing"),
        "Debian and Ubuntu" if run(Command::new("id").arg("-u")).trim() != "0" => {
            (!has("fakeroot")).then_some("neither root nor fakeroot (apt-get install fakeroot)")
        }
        "npm" if !has("npm") => Some("npm is missing; it comes with Node"),
        "Python" => {
            let venv = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
            (!venv.is_ok_and(|out| out.status.success()))
                .then_some("Python's venv is missing (apt-get install python3-venv)")
        }
        "Archive" if !has("sha256sum") => Some("sha256sum is missing"),
        _ => None,
    }
}

#[test]
fn install_guide_works_as_written() {
    let text = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(binary) = binary(folder.path()) else {
        return remark(
            "SKIPPED docs/install.md: target/debug/quintet is missing. Build it, or set QUINTET_BIN.",
        );
    };
    let packages = folder.path().join("dist");
    package::run(&root(), &binary, host(), &packages).unwrap();
    let mut sections: Vec<(String, Place, String)> = Vec::new();
    for block in blocks(&text).into_iter().filter(|block| block.kind == "try") {
        if let Some(why) = missing(&block.section) {
            remark(&format!("SKIPPED \"{}\" of docs/install.md: {why}", block.section));
            continue;
        }
        if sections.last().is_none_or(|(name, _, _)| *name != block.section) {
            let place = Place::new(folder.path().join(&block.section), &packages);
            sections.push((block.section.clone(), place, String::new()));
        }
        let (_, place, said) = sections.last_mut().unwrap();
        said.push_str(&place.sh(&block.script));
    }
    let version = format!("quintet {}", env!("CARGO_PKG_VERSION"));
    for (name, place, said) in &sections {
        assert!(said.contains(&version), "{name}: {said}");
        if name == "Debian and Ubuntu" {
            assert_eq!(left(&place.folder.join("root")), Vec::<PathBuf>::new(), "after removal");
        }
    }
}

/// Files below `usr`, `etc` and `opt` of this root.
fn left(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["usr", "etc", "opt"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn install_guide_says_of_each_block_whether_it_is_run() {
    let text = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let found = blocks(&text);
    for block in &found {
        let known = ["try", "release", "build", "variables"].contains(&block.kind.as_str());
        assert!(known, "in {}: ```sh {}\n{}", block.section, block.kind, block.script);
    }
    let tried = found.iter().filter(|block| block.kind == "try");
    assert!(tried.count() >= 6, "blocks that are run");
    let version = format!("VERSION={}\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "docs/install.md names another version");
}
