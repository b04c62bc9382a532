//! Protections of the processes: what other programs of the user can read of them.

use crate::bed::{Home, until};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Kills the process when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A user without privileges.
const NOBODY: u32 = 65_534;

/// The same command as an ordinary user, since root may read every process.
fn ordinary(command: &mut Command) -> &mut Command {
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The binary where an ordinary user can start it, in a home that is theirs.
fn ordinary_gateway(home: &Home) -> Command {
    let binary = home.path("quintet");
    std::fs::copy(env!("CARGO_BIN_EXE_quintet"), &binary).unwrap();
    std::fs::create_dir(home.data()).unwrap();
    if nix::unistd::geteuid().is_root() {
        for path in [home.path(""), home.path("home"), home.data()] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let plain = home.command(&["gateway", "--control", "http://127.0.0.1:9"]);
    let mut command = Command::new(binary);
    command.args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// The environment of a process, as a program of the same user without privileges reads it.
fn environment_of(pid: u32) -> String {
    let path = format!("/proc/{pid}/environ");
    let read = ordinary(Command::new("/bin/cat").arg(path)).output().unwrap();
    String::from_utf8_lossy(&read.stdout).into_owned()
}

#[test]
fn gateway_shows_its_token_to_no_other_program() {
    let home = Home::new().and("QUINTET_GATEWAY_TOKEN", "a-token-that-leases-everything");
    let mut waiting = Command::new("/bin/sleep");
    let open = Running(ordinary(waiting.arg("60").env("SHOWN", "yes")).spawn().unwrap());
    until("the test can see a token", || {
        environment_of(open.0.id()).contains("SHOWN=yes").then_some(())
    });

    let mut gateway = ordinary_gateway(&home);
    ordinary(&mut gateway);
    let gateway = Running(gateway.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    until("the gateway runs", || home.data().join("lock").exists().then_some(()));
    let pid = gateway.0.id();
    assert_eq!(environment_of(pid), "");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Umask:\t0077"), "{status}");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}
