//! Tool calls that an agent in its sandbox asks the owner for: a program that plays Claude Code
//! (`tests/agents/asks.py`) edits a file only if it is allowed.

use crate::bed::{Done, Home, Server, processes, until};
use crate::gateways::Joined;
use serde_json::Value;
use std::process::Stdio;
use std::thread::{JoinHandle, spawn};

const PROGRAM: &str = include_str!("../agents/asks.py");
/// Every way in which a program has the machine's network or not.
const REACHES: [&str; 4] =
    ["network = \"none\"", "network = \"internet\"", "network = \"all\"", "sandbox = \"off\""];

fn agent(home: &Home, more: &str) -> String {
    home.agent_table("claude-code", PROGRAM, 0.0, more)
}

fn with_agent(more: &str) -> Home {
    let home = Home::with_config("");
    std::fs::write(home.path("quintet.toml"), agent(&home, more)).unwrap();
    home
}

/// Has the agent edit a file, in the background.
fn send(home: &Home) -> JoinHandle<Done> {
    let text = format!("@codegen file={}", home.path("app/file.txt").display());
    let mut command = home.command(&["send", "telegram", &text]);
    spawn(move || {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Done { code, out: text(output.stdout), err: text(output.stderr) }
    })
}

fn file(home: &Home) -> Option<String> {
    std::fs::read_to_string(home.path("app/file.txt")).ok()
}

/// The question of the agent, once it waits for the owner.
fn asked(home: &Home) -> Value {
    until("the owner is asked", || {
        let list = home.run(&["approvals", "--json"]);
        let list = (list.code == 0).then(|| list.json())?;
        let found = list["approvals"].as_array()?.first().cloned();
        found.filter(|row| row["type"] == "tool-call")
    })
}

/// The program's answer names no token of ours, and its own opens nothing but its question.
fn holds_no_token(home: &Home, server: &Server, said: &str) {
    for scope in ["agent", "operator", "gateway", "viewer"] {
        assert!(!said.contains(&home.token(scope)), "{scope}: {said}");
    }
    assert!(said.contains("no token: 401") && said.contains("below: 403"), "{said}");
    assert!(said.contains("elsewhere: 403"), "{said}");
    let own = said.lines().find_map(|line| line.strip_prefix("QUINTET_MCP_TOKEN=")).unwrap();
    let arguments = said.lines().filter(|line| line.contains(own)).count();
    assert_eq!(arguments, 1, "the token of the run is in its environment alone: {said}");
    let bearer = format!("Bearer {own}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = server.ask("POST", "/personal-assistant/mcp", &headers, "{}");
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[test]
fn agent_in_its_sandbox_asks_and_edits_what_the_owner_allows() {
    for more in REACHES {
        let home = with_agent(more);
        let server = home.up();
        let sent = send(&home);
        let row = asked(&home);
        assert_eq!((&row["agentType"], &row["operation"]), (&"codegen".into(), &"Write".into()));
        assert!(row["description"].as_str().unwrap().contains("content: edited"), "{row}");
        assert_eq!(file(&home), None, "{more}");
        home.run(&["approve", row["id"].as_str().unwrap()]).ok();
        let said = sent.join().unwrap().ok();
        assert!(said.contains("behavior: allow"), "{more}: {said}");
        assert_eq!(file(&home).as_deref(), Some("edited"), "{more}");
        holds_no_token(&home, &server, &said);
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn agent_does_not_edit_what_the_owner_rejects() {
    let home = with_agent("");
    let _server = home.up();
    let sent = send(&home);
    home.run(&["reject", asked(&home)["id"].as_str().unwrap()]).ok();
    let said = sent.join().unwrap().ok();
    assert!(said.contains("behavior: deny Rejected by"), "{said}");
    assert_eq!(file(&home), None);
}

#[test]
fn time_of_an_open_question_does_not_count_and_a_halt_ends_it() {
    let home = with_agent("timeout_s = 2");
    let _server = home.up();
    let sent = send(&home);
    let row = asked(&home);
    let mark = home.path("agent-program");
    assert!(processes(&mark) > 0);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(processes(&mark) > 0, "it waits for the owner beyond its time limit");
    home.run(&["halt"]).ok();
    let done = sent.join().unwrap();
    assert_eq!(done.code, 1, "{done:?}");
    until("no process is left", || (processes(&mark) == 0).then_some(()));
    let late = home.run(&["approve", row["id"].as_str().unwrap()]);
    assert_ne!(late.code, 0, "{late:?}");
    assert_eq!(file(&home), None);
}

#[test]
fn question_of_a_joined_gateway_outlasts_a_restart_of_the_server() {
    let home = Home::with_config("");
    let server = home.up();
    std::fs::write(home.path("office.toml"), agent(&home, "network = \"none\"")).unwrap();
    let gateways = || home.run(&["gateways", "--json"]).json()["gateways"].clone();
    let first = until("the server's own gateway", || {
        gateways()[0]["gatewayId"].as_str().map(str::to_owned)
    });
    let join = |token: Option<String>| {
        let control = format!("http://{}", server.address);
        let mut command = home.command(&["gateway", "--control", &control]);
        command.arg("--config").arg(home.path("office.toml"));
        command.arg("--data").arg(home.path("office"));
        command.env("QUINTET_GATEWAY_TOKEN", home.token("gateway"));
        command.envs(token.map(|token| ("QUINTET_AGENT_TOKEN", token)));
        command
    };
    for (token, code, words) in [
        (None, 2, "Set QUINTET_AGENT_TOKEN to the agent token"),
        (Some("wrong-token-0123456789".to_owned()), 1, "refused the token of QUINTET_AGENT_TOKEN"),
    ] {
        let output = join(token).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let mut command = join(Some(home.token("agent")));
    let _joined = Joined(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the other gateway", || gateways().as_array().filter(|all| all.len() == 2).map(|_| ()));
    home.run(&["gateways", "--drain", &first]).ok();

    let text = format!("@codegen file={}", home.path("app/file.txt").display());
    let event = server.say(&text);
    let row = asked(&home);
    assert_eq!(row["agentType"], "codegen");
    let listen = server.address.clone();
    server.kill();
    let server = home.up_at(&listen);
    home.run(&["approve", row["id"].as_str().unwrap()]).ok();
    server.event_in(&event, "done");
    assert_eq!(file(&home).as_deref(), Some("edited"));
}
