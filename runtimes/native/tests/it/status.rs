//! `quintet status`: one screen, with an exit code for scripts.

use crate::bed::{Done, Home, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Signals a process of a test.
pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// The state once it is as expected: a server that just started still joins its gateway.
fn settled(home: &Home, code: i32) -> (Done, Value) {
    until("the state settles", || {
        let done = home.run(&["status", "--json"]);
        (done.code == code).then(|| {
            let state = done.json();
            (done, state)
        })
    })
}

#[test]
fn status_of_a_healthy_server_shows_every_part_and_exits_0() {
    let home = Home::new();
    let server = home.up();
    let (_, state) = settled(&home, 0);
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(state["dataDirectory"], home.data().to_str().unwrap());
    assert_eq!(state["server"]["running"], "yes");
    assert_eq!(state["server"]["pid"], server.pid());
    assert_eq!(state["server"]["address"], format!("http://{}", server.address));
    assert!(state["server"]["since"].as_str().unwrap().starts_with("20"), "{state}");
    let services = state["services"].as_array().unwrap();
    assert_eq!(services.len(), 5);
    assert!(services.iter().all(|service| service["health"] == "ok"), "{state}");
    assert!(state["agents"].as_u64().unwrap() > 0);
    assert_eq!(state["gateways"][0]["gatewayId"], "local");
    assert_eq!(state["endpoints"], json!([]), "those of this machine are left out");
    assert_eq!(state["budget"]["window"], "day");
    assert_eq!(
        state["waiting"],
        json!({"approvals": 0, "undelivered": 0, "running": 0, "deadLetters": 0})
    );
    assert_eq!(state["halt"], json!({"all": false, "tasks": [], "inForce": []}));
    assert_eq!(state["needs"], json!([]));
    let screen = home.run(&["status"]).ok();
    for part in
        ["all 5 are ok", "in the graph", "quintet setup", "of $", "approvals 0", "All is well."]
    {
        assert!(screen.contains(part), "{part} in {screen}");
    }
}

/// Not everything is well while an agent or an endpoint is halted; the screen says how it ends.
#[test]
fn status_names_each_halt_with_its_level_and_its_resume() {
    let home = Home::new();
    let _server = home.up();
    settled(&home, 0);
    home.run(&["halt", "--agent", "codegen"]).ok();
    home.run(&["halt", "--endpoint", "Telegram.Local"]).ok();
    let (_, state) = settled(&home, 1);
    let targets = state["halt"]["inForce"].as_array().unwrap();
    assert!(targets.iter().any(|halt| halt["target"] == "endpoint:telegram.local"), "{state}");
    let done = home.run(&["status"]);
    assert_eq!(done.code, 1, "{done:?}");
    for part in [
        "agent codegen (",
        "endpoint telegram.local (",
        "quintet resume --agent codegen",
        "quintet resume --endpoint telegram.local",
    ] {
        assert!(done.out.contains(part), "{part} in {}", done.out);
    }
    let nothing = home.run(&["resume"]);
    assert!(nothing.out.contains("agent codegen"), "{nothing:?}");
    home.run(&["resume", "--agent", "codegen"]).ok();
    home.run(&["resume", "--endpoint", "telegram.local"]).ok();
    settled(&home, 0);
}

#[test]
fn status_without_a_server_says_so_and_how_to_start_it() {
    let home = Home::new();
    let done = home.run(&["status"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.out.contains("not running; `quintet up` starts it"), "{}", done.out);
    assert!(!home.data().exists(), "nothing is made");
    // A server that was killed leaves its file behind.
    home.up().kill();
    let done = home.run(&["status", "--json"]);
    assert_eq!(done.code, 3, "{done:?}");
    let state = done.json();
    assert_eq!(
        (&state["server"]["running"], &state["server"]["pid"]),
        (&json!("no"), &Value::Null)
    );
    assert_eq!(state["services"][0]["health"], "unknown");
}

#[test]
fn status_without_a_server_names_the_mistakes_of_the_configuration() {
    let home = Home::new();
    std::fs::create_dir_all(home.data()).unwrap();
    std::fs::write(home.data().join("quintet.toml"), "[budget]\ndaily = \"much\"\n").unwrap();
    let done = home.run(&["status"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.out.contains("budget.daily"), "{}", done.out);
}

#[test]
fn status_tells_a_server_that_does_not_answer_from_none() {
    let home = Home::new();
    let server = home.up();
    signal(server.pid(), Signal::SIGSTOP);
    let done = home.run(&["status", "--json"]);
    signal(server.pid(), Signal::SIGCONT);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(done.json()["server"]["running"], "silent");
    assert!(done.err.contains("does not answer"), "{}", done.err);
}

#[test]
fn status_exits_1_with_the_fix_of_everything_that_is_not_well() {
    let home = Home::with_config(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"no-such-program\"]\nestimated_cost = 0.1\n",
    );
    let _server = home.up();
    home.run(&["halt"]).ok();
    let (done, _) = settled(&home, 1);
    until("the gateway tells of its agents", || {
        home.run(&["status"]).out.contains("codegen is not ready").then_some(())
    });
    let screen = home.run(&["status"]).out;
    for part in ["no-such-program", "everything is halted", "fix: quintet resume"] {
        assert!(screen.contains(part), "{part} in {screen}");
    }
    assert!(done.err.contains("to look at"), "{}", done.err);
}

#[test]
fn status_shows_parts_that_it_may_not_read_as_unknown() {
    let home = Home::new();
    let _server = home.up();
    let output = home
        .command(&["status"])
        .env("QUINTET_OPERATOR_TOKEN", "not-the-token-of-this-server")
        .output()
        .unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{screen}");
    for part in ["budget today    unknown", "halt            unknown", "these are unknown"] {
        assert!(screen.contains(part), "{part} in {screen}");
    }
}

#[test]
fn status_of_a_server_elsewhere_that_does_not_answer_exits_3() {
    let done = Home::new().and("QUINTET_OPERATOR_TOKEN", "a-token-of-the-server-there").run(&[
        "status",
        "--server",
        "http://127.0.0.1:1",
        "--json",
    ]);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(done.json()["server"]["running"], "unreachable");
}
