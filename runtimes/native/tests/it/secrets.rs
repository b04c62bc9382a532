//! Keys that an agent uses through the relay and never holds.

use crate::bed::{Done, Home, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const KEY: &str = "real-key-0123456789";
/// With every way to share a network or not.
const REACHES: [&str; 4] = [
    "network = \"none\"\n",
    "network = \"internet\"\n",
    "network = \"all\"\n",
    "sandbox = \"off\"\n",
];

/// The host of the key: notes every request, and repeats its key in a header.
#[derive(Clone, Default)]
struct Host {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn start() -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (host, port) = (Self::default(), listener.local_addr().unwrap().port());
        let taking = host.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let host = taking.clone();
                std::thread::spawn(move || host.answer(stream));
            }
        });
        (host, port)
    }
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        self.seen.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(&body)));
        let said = if head.contains(" /v1/stream ") {
            let first = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: one\n\n";
            stream.write_all(first.as_bytes()).unwrap();
            // The agent answers the first event before the second is sent.
            until("the agent has read the first event", || {
                self.seen().iter().any(|head| head.contains(" /v1/ack ")).then_some(())
            });
            "data: two\n\n".to_owned()
        } else {
            format!(
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nx-echo: {KEY}\r\ncontent-length: 8\r\n\r\nanswered"
            )
        };
        let _ = stream.write_all(said.as_bytes());
    }
}

/// A bash agent with a function that sends one request to the relay.
fn home(port: u16, script: &str, more: &str) -> Home {
    let home = Home::with_config("").and("ANTHROPIC_API_KEY", KEY);
    let text = format!(
        r#"if [ -z "$BASH_VERSION" ]; then exec bash "$0"; fi
url=${{ANTHROPIC_BASE_URL#http://127.0.0.1:}}
ask() {{
  exec 3<>"/dev/tcp/127.0.0.1/${{url%%/*}}"
  printf '%s HTTP/1.1\r\nhost: evil.example\r\nx-api-key: %s\r\ncontent-length: %s\r\n\r\n%s' "$1" "$2" "${{3-2}}" "${{4-hi}}" >&3
}}
first() {{ ask "$@"; echo "$1 -> $(head -1 <&3 | tr -d '\r')"; exec 3>&-; }}
{script}
"#
    );
    let path = home.script("agent.sh", &text);
    let config = format!(
        "[secrets.ANTHROPIC_API_KEY]\nhost = \"http://127.0.0.1:{port}/v1\"\n[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nsecrets = [\"ANTHROPIC_API_KEY\"]\ncommand = [\"{}\"]\n{more}",
        path.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    home
}

fn sent(home: &Home, message: &str) -> Done {
    let done = home.run(&["send", "telegram", &format!("@codegen {message}")]);
    assert_eq!(done.code, 0, "{done:?}");
    done
}

#[test]
fn agent_uses_a_key_through_the_relay_and_never_holds_it() {
    for more in REACHES {
        let (host, port) = Host::start();
        let script = format!(
            r#"cat >/dev/null
env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -a real
ask "POST /v1/messages?a=b" "$ANTHROPIC_API_KEY"; cat <&3; exec 3>&-
echo
first "POST /v1/messages" wrong
first "POST /other" "$ANTHROPIC_API_KEY"
first "POST /v1/../other" "$ANTHROPIC_API_KEY"
first "POST /v1/%2e%2e/other" "$ANTHROPIC_API_KEY"
first "POST /v1evil" "$ANTHROPIC_API_KEY"
first "POST http://127.0.0.1:{port}/v1/x" "$ANTHROPIC_API_KEY"
first "TRACE /v1/messages" "$ANTHROPIC_API_KEY"
first "POST /v1/big" "$ANTHROPIC_API_KEY" 40000000
(exec 4<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo direct || echo "not direct"
"#
        );
        let home = home(port, &script, more);
        let server = home.up();
        let done = sent(&home, "go");
        let said = done.out.as_str();
        assert!(said.contains("ANTHROPIC_API_KEY=sk-quintet-"), "{said}");
        assert!(said.contains("HTTP/1.1 302") && said.contains("answered"), "{said}");
        for (request, status) in [
            ("POST /v1/messages", 401),
            ("POST /other", 403),
            ("POST /v1/../other", 403),
            ("POST /v1/%2e%2e/other", 403),
            ("POST /v1evil", 403),
            (&format!("POST http://127.0.0.1:{port}/v1/x"), 403),
            ("TRACE /v1/messages", 405),
            ("POST /v1/big", 413),
        ] {
            assert!(said.contains(&format!("{request} -> HTTP/1.1 {status}")), "{request}: {said}");
        }
        let own_network = more.contains("none") || more.contains("internet");
        assert_eq!(said.contains("not direct"), own_network, "{more}: {said}");
        let seen = host.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].starts_with("POST /v1/messages?a=b HTTP/1.1\r\n"), "{seen:?}");
        assert!(seen[0].contains(&format!("x-api-key: {KEY}\r\n")) && seen[0].ends_with("hi"));
        assert!(!seen[0].contains("sk-quintet-") && !seen[0].contains("evil"), "{seen:?}");
        assert_eq!(server.stop(), Some(0));
        for text in [said, &done.err, &home.log("err.log"), &home.log("out.log")] {
            assert!(!text.contains(KEY), "{more}: {text}");
        }
    }
}

#[test]
fn relay_of_a_key_passes_events_on_as_they_come() {
    let (_host, port) = Host::start();
    let script = r#"cat >/dev/null
ask "POST /v1/stream" "$ANTHROPIC_API_KEY"
while read -r line <&3; do
  case "$line" in
    "data: one"*) echo "$line"; (ask "POST /v1/ack" "$ANTHROPIC_API_KEY"; cat <&3 >/dev/null) ;;
    "data: two"*) echo "$line"; break ;;
  esac
done
"#;
    let home = home(port, script, "network = \"none\"\n");
    let _server = home.up();
    assert_eq!(sent(&home, "go").out.trim(), "data: one\ndata: two");
}

#[test]
fn token_of_a_run_is_refused_after_it() {
    let (host, port) = Host::start();
    let script = r#"read -r given
echo "$url $ANTHROPIC_API_KEY"
first "POST /v1/messages" "$given"
"#;
    let home = home(port, script, "sandbox = \"off\"\n");
    let _server = home.up();
    let said = sent(&home, "none").out;
    let (address, token) = said.lines().next().unwrap().split_once(' ').unwrap();
    let own = address.split('/').next().unwrap();
    assert!(token.starts_with("sk-quintet-"), "{said}");
    assert!(TcpStream::connect(format!("127.0.0.1:{own}")).is_err(), "nobody listens any more");
    let next = sent(&home, token).out;
    assert!(next.contains("-> HTTP/1.1 401") && !next.contains(token), "{next}");
    assert_eq!(host.seen().len(), 0);
}

#[test]
fn server_does_not_start_without_a_key_or_its_host() {
    let home = home(9, "true", "");
    let mut command = home.command(&["up", "--listen", "127.0.0.1:0", "--config", "quintet.toml"]);
    let done = command.env_remove("ANTHROPIC_API_KEY").output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("agents.codegen.secrets") && said.contains("Set ANTHROPIC_API_KEY"),
        "{said}"
    );

    let agent = "[agents.codegen]\nrunner = \"command\"\ncommand = [\"/bin/cat\"]\nestimated_cost = 0.0\nsecrets = [\"GITHUB_TOKEN\"]\n";
    let home = Home::with_config(agent).and("GITHUB_TOKEN", KEY);
    let done = home.run(&["up", "--listen", "127.0.0.1:0", "--config", "quintet.toml"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("[secrets.GITHUB_TOKEN]"), "{}", done.err);
}
