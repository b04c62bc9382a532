//! Servers in a network of their own: name servers that never answer, addresses that look public.

use crate::bed::{Home, Server, until, within};
use std::process::Command;
use std::time::{Duration, Instant};

/// A network of the server's own, in which the name server hears everything and says nothing.
const WITH_A_SILENT_NAME_SERVER: &str = r#"
ip link set lo up || exit 9
echo nameserver 127.0.0.1 >silent.conf && mount --bind silent.conf /etc/resolv.conf || exit 9
perl -MIO::Socket::INET -e '
  $socket = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1:53") or die;
  open(F, ">hears") or die;
  alarm 300; for (1..8) { $socket->recv($query, 512) } open(F, ">asked"); sleep 300
' >/dev/null 2>&1 &
while [ ! -e hears ]; do sleep 0.02; done
exec "$0" "$@"
"#;

/// Asks for 140 names at once, and waits.
const ASKS: &str = r#"cat >/dev/null
exec bash -c 'for n in {1..140}; do
    exec {fd}<>/dev/tcp/127.0.0.1/3128; printf "CONNECT a$n.slow.example:443 HTTP/1.1\r\n\r\n" >&$fd
done; sleep 600'"#;

/// A machine with a public address, as rented ones have.
const WITH_A_PUBLIC_ADDRESS: &str = r#"
ip link set lo up && ip address add 198.51.101.7/32 dev lo || exit 9
exec "$0" "$@"
"#;

/// Asks the proxy for the server by its public address.
const CALLS_THE_SERVER: &str = r#"cat >/dev/null
exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 198.51.101.7:9 HTTP/1.1\r\n\r\n" >&3; head -1 <&3'"#;

/// Starts the server in a network that this script sets up.
fn up_in(home: &Home, script: &str) -> Server {
    let own = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c"];
    home.up_within(&own, script)
}

/// A command in the server's network.
fn inside(home: &Home, server: &Server, args: &[&str]) -> Command {
    let plain = home.command(args);
    let mut command = Command::new("nsenter");
    let pid = server.pid().to_string();
    command.args(["--target", &pid, "--user", "--net", "--preserve-credentials", "--"]);
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn halt_and_api_answer_while_an_agents_names_never_resolve() {
    let home = Home::with_config("");
    let script = home.script("agent.sh", ASKS);
    let agent = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\n",
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), agent).unwrap();
    let server = up_in(&home, WITH_A_SILENT_NAME_SERVER);
    let run = |args: &[&str]| {
        let began = Instant::now();
        let done = inside(&home, &server, args).output().unwrap();
        (String::from_utf8_lossy(&done.stdout).into_owned(), began.elapsed())
    };
    let mut asking =
        inside(&home, &server, &["send", "web", "@codegen look it up"]).spawn().unwrap();
    until("the agent has asked", || home.path("asked").exists().then_some(()));
    for _ in 0..3 {
        let (said, took) = run(&["budget", "--json"]);
        assert!(said.contains("scopes") && took < Duration::from_secs(5), "{took:?}: {said}");
    }
    let (said, took) = run(&["halt"]);
    assert!(said.contains("halted") && took < Duration::from_secs(5), "{took:?}: {said}");
    within(Duration::from_secs(20), "the run has ended", || asking.try_wait().unwrap());
}

#[test]
fn agent_with_internet_reaches_no_public_address_of_the_machine() {
    let home = Home::with_config("");
    let script = home.script("agent.sh", CALLS_THE_SERVER);
    let agent = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\n",
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), agent).unwrap();
    let server = up_in(&home, WITH_A_PUBLIC_ADDRESS);
    let done = inside(&home, &server, &["send", "web", "@codegen call home"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("HTTP/1.1 403"), "{said} {}", String::from_utf8_lossy(&done.stderr));
}
