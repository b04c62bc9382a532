//! Protections of the processes: what other programs of the user can read of them.

use crate::bed::{Home, telegram_config, until};
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
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

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn directory_of_others_is_refused_and_unchanged() {
    let home = Home::new();
    std::fs::create_dir(home.data()).unwrap();
    std::fs::write(home.data().join("foreign"), "").unwrap();
    std::fs::set_permissions(home.data(), Permissions::from_mode(0o755)).unwrap();
    let done = home.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("--data"), "{}", done.err);
    assert_eq!(mode(&home.data()), 0o755);
    assert_eq!(std::fs::read_dir(home.data()).unwrap().count(), 1);
}

#[test]
fn token_is_not_sent_to_another_program_on_the_port_of_a_dead_server() {
    let home = Home::new();
    let server = home.up();
    let address = server.address.clone();
    server.kill();
    let thief = std::net::TcpListener::bind(&address).unwrap();
    let token = home.token("operator");
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = thief.accept().unwrap();
        let mut head = [0; 4096];
        let count = stream.read(&mut head).unwrap();
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{}", "a".repeat(64));
        stream.write_all(said.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    let port = address.rsplit(':').next().unwrap().to_owned();
    let done = home.run(&["budget", "--server", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("the server is not running"), "{}", done.err);
    let heard = heard.join().unwrap();
    assert!(heard.contains("/local/proof") && !heard.contains(&token), "{heard}");
    let other = home.run(&["budget", "--server", "http://127.0.0.1:9"]);
    assert!(other.err.contains("QUINTET_OPERATOR_TOKEN"), "{}", other.err);
}

#[test]
fn server_named_by_localhost_is_reached_at_its_own_address() {
    let home = Home::new();
    let server = home.up();
    let port = server.address.rsplit(':').next().unwrap();
    home.run(&["budget", "--server", &format!("http://localhost:{port}")]).ok();
}

#[test]
fn secrets_that_others_can_read_are_closed_at_the_start() {
    let config = telegram_config("http://127.0.0.1:9", 700, &[700]);
    let home = Home::with_config(&config);
    home.up().kill();
    let (token, file) = (home.data().join("tokens/operator"), home.path("quintet.toml"));
    for path in [&token, &file] {
        std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }
    let seen = home.run(&["doctor", "--config", "quintet.toml"]);
    assert!(seen.out.contains("chmod 600 quintet.toml"), "{}", seen.out);
    let _server = home.up();
    assert_eq!((mode(&token), mode(&file)), (0o600, 0o600));
}

#[test]
fn weak_and_repeated_tokens_are_refused() {
    let short = Home::new().and("QUINTET_OPERATOR_TOKEN", "x");
    let done = short.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("QUINTET_OPERATOR_TOKEN"), "{}", done.err);
    let same = "one-token-for-two-scopes";
    let twice = Home::new().and("QUINTET_OPERATOR_TOKEN", same).and("QUINTET_AGENT_TOKEN", same);
    let done = twice.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(!done.err.contains(same) && done.err.contains("same"), "{}", done.err);
}

#[test]
fn server_that_listens_on_all_addresses_warns_and_answers_this_machine() {
    let home = Home::new();
    let server = home.up_at("0.0.0.0:0");
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    assert!(home.log("err.log").contains("is open to other machines"), "{}", home.log("err.log"));
    let done = home.run(&["send", "telegram", "Fix the TypeError in the login flow"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn words_of_a_request_make_no_line_of_the_log() {
    let home = Home::new();
    let server = home.up();
    let forged = "x%0A{\"level\":\"ERROR\",\"forged\":1}";
    server.ask("GET", &format!("/webhook-aggregator/api/events/{forged}"), &[], "");
    server.ask("GET", "/health", &[("user-agent", "a\tb{\"forged\":1}")], "");
    home.run(&["send", "telegram", "one\n{\"level\":\"ERROR\",\"forged\":1}"]);
    assert_eq!(server.stop(), Some(0));
    let log = home.log("err.log");
    let lines = log.lines().filter(|line| line.starts_with('{'));
    for line in lines {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(read.get("forged").is_none(), "{line}");
    }
}
