//! The launcher of the npm package passes everything through. The binary is a shell script here.

use crate::bench::{elf, has, remark, root, run};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use xtask::package::{self, TARGETS};

/// `node_modules` with the launcher, and this script as the binary.
fn installed(folder: &Path, script: &str) {
    let fake = folder.join("quintet");
    fs::write(&fake, elf(&TARGETS[0])).unwrap();
    package::run(&root(), &fake, TARGETS[0].triple, folder).unwrap();
    let launcher = folder.join("node_modules/quintet");
    fs::create_dir_all(&launcher).unwrap();
    let file = folder.join(format!("quintet-{}.tgz", env!("CARGO_PKG_VERSION")));
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&file)
        .args(["--strip-components", "1", "-C"])
        .arg(&launcher));
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let binary = folder.join(format!("node_modules/quintet-{os}-{cpu}/bin/quintet"));
    fs::create_dir_all(binary.parent().unwrap()).unwrap();
    fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new("node")
        .arg(folder.join("node_modules/quintet/bin/quintet.js"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn node() -> bool {
    let found = has("node");
    if !found {
        remark("SKIPPED the npm launcher: node is missing");
    }
    found
}

#[test]
fn npm_launcher_passes_arguments_and_the_exit_code() {
    if !node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    installed(folder.path(), "printf '<%s>' \"$@\"; exit 7");
    let out = start(folder.path(), &["send", "two words", "--json"]).wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "<send><two words><--json>");
    assert_eq!(out.status.code(), Some(7));
}

#[test]
fn npm_launcher_passes_signals_and_waits_for_the_end() {
    if !node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // It ends by itself when no signal comes, so that the test fails instead of hanging.
    let script = "trap 'echo stopping; exit 9' TERM INT; echo ready; \
                  for i in $(seq 400); do sleep 0.05; done; echo none";
    installed(folder.path(), script);
    for signal in ["-TERM", "-INT"] {
        let mut child = start(folder.path(), &["up"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        run(Command::new("kill").args([signal, &child.id().to_string()]));
        assert_eq!(lines.next().unwrap().unwrap(), "stopping");
        assert_eq!(child.wait().unwrap().code(), Some(9), "{signal}");
    }
}

#[test]
fn npm_launcher_ends_by_the_signal_that_ended_the_binary() {
    if !node() {
        return;
    }
    for (signal, number) in [("TERM", 15), ("KILL", 9)] {
        let folder = tempfile::tempdir().unwrap();
        installed(folder.path(), &format!("kill -{signal} $$"));
        let status = start(folder.path(), &[]).wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{signal}: {status}");
    }
}

#[test]
fn npm_launcher_names_the_package_that_is_missing() {
    if !node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    installed(folder.path(), "exit 0");
    let modules = folder.path().join("node_modules");
    for entry in fs::read_dir(&modules).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "quintet" {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let out = start(folder.path(), &[]).wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("is missing. Install again without --omit=optional."), "{said}");
}
