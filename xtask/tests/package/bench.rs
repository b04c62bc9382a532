//! The parts that the tests share.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::package::Target;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Prints past the test harness, which hides the output of passing tests.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "\npackage: {text}");
}

/// Runs a program to its end and returns its standard output.
pub fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {}\n{text}\n{errors}", out.status);
    text
}

/// Whether a program answers `--version`.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
}

/// The head of a binary of this target. It cannot run, and is packaged in no time.
pub fn elf(target: &Target) -> Vec<u8> {
    let arm = target.triple.starts_with("aarch64");
    let mut bytes = vec![0; 128];
    if target.triple.ends_with("darwin") {
        bytes[..8].copy_from_slice(&[0xcf, 0xfa, 0xed, 0xfe, if arm { 12 } else { 7 }, 0, 0, 1]);
        return bytes;
    }
    bytes[..4].copy_from_slice(b"\x7fELF");
    bytes[18] = if arm { 183 } else { 62 };
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = if target.needs_glibc() { 3 } else { 1 };
    bytes.extend_from_slice(b"GLIBC_2.31\0");
    bytes
}
