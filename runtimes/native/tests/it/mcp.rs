//! `quintet mcp` as an agent starts it: on standard input, across a restart of the server.

use crate::bed::{Home, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

struct Mcp {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
}

impl Drop for Mcp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mcp {
    fn start(home: &Home) -> Self {
        let mut command = home.command(&["mcp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message = serde_json::from_str(&line).expect("each line is one message");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { input: child.stdin.take().unwrap(), child, output }
    }
    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
    }
    /// The answer to the request with this id.
    fn answer(&self, id: u64) -> Value {
        loop {
            let message = self.output.recv_timeout(Duration::from_mins(1)).expect("an answer");
            if message["id"] == id {
                return message;
            }
        }
    }
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

#[test]
fn tool_call_is_approved_across_a_restart_of_the_server() {
    let home = Home::new();
    let server = home.up();
    let mut mcp = Mcp::start(&home);
    mcp.send(&request(1, "initialize", &json!({ "protocolVersion": "2025-06-18" })));
    assert_eq!(mcp.answer(1)["result"]["serverInfo"]["name"], "quintet");
    mcp.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    mcp.send(&request(2, "tools/list", &json!({})));
    assert!(mcp.answer(2)["result"]["tools"].as_array().unwrap().len() >= 5);

    let call = json!({ "name": "request_approval", "arguments": {
        "tool": "Bash", "arguments": { "command": "rm -rf build" }, "reason": "to start afresh" } });
    mcp.send(&request(3, "tools/call", &call));
    let pending = || {
        let list = home.run(&["approvals", "--json"]);
        let list = (list.code == 0).then(|| list.json())?;
        list["approvals"].as_array()?.first().cloned()
    };
    let asked = until("the owner is asked", pending);
    assert!(asked["description"].as_str().unwrap().contains("command: rm -rf build"), "{asked}");

    let listen = server.address.clone();
    server.kill();
    let server = home.up_at(&listen);
    let id = asked["id"].as_str().unwrap();
    home.run(&["approve", id]).ok();
    let said = mcp.answer(3)["result"]["structuredContent"].clone();
    assert_eq!((&said["approved"], &said["approvalId"]), (&json!(true), &asked["id"]), "{said}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn mcp_without_a_server_says_so() {
    let home = Home::new();
    let done = home.run(&["mcp"]);
    assert_eq!((done.code, done.out.as_str()), (3, ""), "{done:?}");
    assert!(done.err.contains("no server is running"), "{done:?}");
}

#[test]
fn questions_that_wait_leave_the_server_its_connections() {
    let home = Home::new();
    let server = home.up();
    let call = json!({ "name": "ask_owner", "arguments": { "question": "Which?" } });
    let body = request(1, "tools/call", &call).to_string();
    let head = format!(
        "POST /personal-assistant/mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        server.address,
        home.token("agent"),
        body.len()
    );
    // More than the server takes at once in all, yet never so many that it is full of new ones.
    let mut open: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..10 {
        open.extend((0..52).map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            (stream, Vec::new())
        }));
        // One question, and two calls that wait for its answer.
        until("all others have an answer", || {
            open.retain_mut(|(stream, answer)| {
                let waits = stream
                    .read_to_end(answer)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
                if !waits {
                    refused.push(String::from_utf8_lossy(answer).into_owned());
                }
                waits
            });
            (open.len() <= 2).then_some(())
        });
    }
    let told = "/personal-assistant/api/approvals/apr_";
    let untold: Vec<_> = refused.iter().filter(|answer| !answer.contains(told)).collect();
    assert!(untold.is_empty(), "{untold:?}");
    let asked = home.run(&["approvals", "--json"]).json()["approvals"].clone();
    assert_eq!(asked.as_array().unwrap().len(), 1, "{asked}");
    home.run(&["approve", asked[0]["id"].as_str().unwrap()]).ok();
}
