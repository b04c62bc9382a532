//! An agent that speaks the Agent Client Protocol (`tests/agents/acp.py`) in its sandbox: its
//! sessions, the tools that it asks for, its money, and its end.

use crate::bed::{Done, Home, Server, processes, until};
use crate::gateways::Joined;
use serde_json::Value;
use std::process::Stdio;
use std::thread::{JoinHandle, spawn};

const PROGRAM: &str = include_str!("../agents/acp.py");

fn agent(home: &Home, more: &str) -> String {
    home.agent_table("acp", PROGRAM, 0.05, more)
}

fn with_agent(more: &str) -> Home {
    let home = Home::with_config("");
    std::fs::write(home.path("quintet.toml"), agent(&home, more)).unwrap();
    home
}

/// The folder that the agent's program has as its home.
fn state(home: &Home) -> std::path::PathBuf {
    home.path("home/.local/state/quintet/codegen/acp")
}

fn ask(home: &Home, text: &str) -> String {
    let done = home.run(&["send", "telegram", &format!("@codegen {text}")]);
    assert_eq!(done.code, 0, "{done:?}");
    done.out.trim().to_owned()
}

/// Sends in the background.
fn send(home: &Home, text: &str) -> JoinHandle<Done> {
    let mut command = home.command(&["send", "telegram", &format!("@codegen {text}")]);
    spawn(move || {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Done { code, out: text(output.stdout), err: text(output.stderr) }
    })
}

fn edit(home: &Home) -> String {
    format!("case=edit file={}", home.path("app/file.txt").display())
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

fn gone(home: &Home) {
    until("no process is left", || (processes(&home.path("agent-program")) == 0).then_some(()));
}

/// The cost of the newest message.
fn cost(server: &Server) -> Value {
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=1");
    let id = list["events"][0]["id"].as_str().unwrap().to_owned();
    server.event(&id)["costMicros"].clone()
}

#[test]
fn acp_agent_answers_and_resumes_its_session_over_a_restart() {
    let home = with_agent("");
    let server = home.up();
    assert_eq!(ask(&home, "My word is kangaroo."), "new: kangaroo");
    assert_eq!(cost(&server), 20_000);
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    assert_eq!(ask(&home, "Which word?"), "resumed: kangaroo");
    assert_eq!(cost(&server), 20_000, "the cost of the session's earlier run is not paid again");
    home.run(&["send", "telegram", "/new"]).ok();
    assert_eq!(ask(&home, "Which word?"), "new: none");
    assert_eq!(std::fs::read_dir(state(&home).join("sessions")).unwrap().count(), 2);
}

#[test]
fn acp_session_that_is_gone_is_told_and_begun_with_the_turns() {
    let home = with_agent("");
    let server = home.up();
    assert_eq!(ask(&home, "My word is kangaroo."), "new: kangaroo");
    std::fs::remove_dir_all(state(&home).join("sessions")).unwrap();
    let said = ask(&home, "Which word?");
    assert!(
        said.contains("The earlier session is gone") && said.ends_with("new: kangaroo"),
        "{said}"
    );
    assert_eq!(cost(&server), 20_000);
}

#[test]
fn acp_agent_in_its_sandbox_asks_and_edits_what_the_owner_allows() {
    for more in
        ["network = \"none\"", "network = \"internet\"", "network = \"all\"", "sandbox = \"off\""]
    {
        let home = with_agent(more);
        let _server = home.up();
        let sent = send(&home, &edit(&home));
        let row = asked(&home);
        assert_eq!((&row["agentType"], &row["operation"]), (&"codegen".into(), &"edit".into()));
        let description = row["description"].as_str().unwrap();
        assert!(description.contains(r#""content":"edited""#), "{row}");
        assert!(description.contains("title: Write /"), "{row}");
        assert_eq!(file(&home), None, "{more}");
        home.run(&["approve", row["id"].as_str().unwrap()]).ok();
        assert_eq!(sent.join().unwrap().ok().trim(), "chosen: o-allow_once", "{more}");
        assert_eq!(file(&home).as_deref(), Some("edited"), "{more}");
    }
}

#[test]
fn acp_agent_does_not_edit_what_the_owner_rejects_or_the_configuration_denies() {
    let home = with_agent("");
    let server = home.up();
    let sent = send(&home, &edit(&home));
    home.run(&["reject", asked(&home)["id"].as_str().unwrap()]).ok();
    let said = sent.join().unwrap().ok();
    assert!(
        said.contains("chosen: o-reject_once") && said.contains("Not allowed: Write /"),
        "{said}"
    );
    assert!(said.contains("Rejected by"), "{said}");
    assert_eq!(server.stop(), Some(0));
    std::fs::write(home.path("quintet.toml"), agent(&home, "tool_approvals = \"deny\"")).unwrap();
    let _server = home.up();
    let said = ask(&home, &edit(&home));
    assert!(
        said.contains("chosen: o-reject_once") && said.contains("Not allowed: Write /"),
        "{said}"
    );
    assert_eq!(file(&home), None);
}

#[test]
fn acp_time_of_an_open_question_does_not_count_and_a_halt_withdraws_it() {
    let home = with_agent("timeout_s = 3");
    let _server = home.up();
    let sent = send(&home, &edit(&home));
    let row = asked(&home);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(
        processes(&home.path("agent-program")) > 0,
        "it waits for the owner beyond its time limit"
    );
    home.run(&["halt"]).ok();
    assert_eq!(sent.join().unwrap().code, 1);
    gone(&home);
    let late = home.run(&["approve", row["id"].as_str().unwrap()]);
    assert_ne!(late.code, 0, "{late:?}");
    assert_eq!(file(&home), None);
}

#[test]
fn acp_halt_cancels_the_turn_and_leaves_no_process() {
    let home = with_agent(&format!("workspace = \"{}\"", "~/work"));
    std::fs::create_dir_all(home.path("home/work")).unwrap();
    let server = home.up();
    let event = server.say("@codegen case=hang");
    let work = home.path("home/work");
    until("it works", || work.join("begun").exists().then_some(()));
    home.run(&["halt"]).ok();
    gone(&home);
    let event = server.event_in(&event, "halted");
    assert_eq!(event["costMicros"], 300_000, "what it told after the cancel counts: {event}");
    assert_eq!(std::fs::read_to_string(work.join("cancelled")).unwrap(), "session/cancel\n");
}

#[test]
fn acp_agent_that_never_stops_talking_does_not_outlive_a_halt() {
    let home = with_agent(&format!("workspace = \"{}\"", "~/work"));
    std::fs::create_dir_all(home.path("home/work")).unwrap();
    let server = home.up();
    let event = server.say("@codegen case=flood");
    let work = home.path("home/work");
    until("it works", || work.join("begun").exists().then_some(()));
    home.run(&["halt"]).ok();
    gone(&home);
    server.event_in(&event, "halted");
}

#[test]
fn acp_run_that_costs_more_than_the_budget_is_stopped() {
    let home = with_agent("\n[budget]\ndaily = 1.0");
    let server = home.up();
    let done = home.run(&["send", "telegram", "@codegen case=runaway"]);
    assert!(done.out.contains("Half of it works."), "{done:?}");
    assert!(done.out.contains("was stopped after spending $5.00"), "{done:?}");
    gone(&home);
    assert_eq!(cost(&server), 5_000_000);
}

#[test]
fn acp_agent_that_breaks_off_is_named_with_its_last_words_and_its_cost() {
    let home = with_agent("output_bytes_max = 100000");
    let server = home.up();
    for (case, words, micros) in [
        (
            "malformed",
            vec!["broke the Agent Client Protocol", "session/upd", "Half of it works."],
            50_000,
        ),
        ("endless", vec!["broke the Agent Client Protocol", "xxxx"], 50_000),
        ("crash", vec!["exit code 3", "panic: out of memory", "Half of it works."], 250_000),
    ] {
        let done = home.run(&["send", "telegram", &format!("@codegen case={case}")]);
        assert_eq!(done.code, 1, "{done:?}");
        let said = format!("{}{}", done.out, done.err);
        assert!(words.iter().all(|words| said.contains(words)), "{case}: {said}");
        assert_eq!(cost(&server), micros, "{case}");
        gone(&home);
    }
}

#[test]
fn acp_agent_that_is_not_signed_in_says_how_in_the_chat_and_in_doctor() {
    let home = with_agent("");
    std::fs::create_dir_all(state(&home)).unwrap();
    std::fs::write(state(&home).join("signed-out"), "").unwrap();
    let server = home.up();
    let done = home.run(&["send", "telegram", "@codegen Which word?"]);
    let said = format!("{}{}", done.out, done.err);
    assert!(said.contains("is not signed in (Authentication required)"), "{said}");
    assert!(said.contains("HOME=~/.local/state/quintet/codegen/acp "), "{said}");
    assert!(matches!(cost(&server).as_i64(), None | Some(0)), "{}", cost(&server));
    let config = home.path("quintet.toml");
    let doctor = home.run(&["doctor", "--config", config.to_str().unwrap()]);
    assert!(doctor.out.contains("is there, version acp-agent 1.2.3"), "{doctor:?}");
    assert!(doctor.out.contains("HOME=~/.local/state/quintet/codegen/acp "), "{doctor:?}");
}

#[test]
fn acp_question_of_a_joined_gateway_outlasts_a_restart_of_the_server() {
    // The server has the agent for its price, and is drained.
    let home = with_agent("network = \"none\"");
    std::fs::copy(home.path("quintet.toml"), home.path("office.toml")).unwrap();
    let server = home.up();
    let gateways = || home.run(&["gateways", "--json"]).json()["gateways"].clone();
    let first = until("the server's own gateway", || {
        gateways()[0]["gatewayId"].as_str().map(str::to_owned)
    });
    let control = format!("http://{}", server.address);
    let mut command = home.command(&["gateway", "--control", &control]);
    command.arg("--config").arg(home.path("office.toml"));
    command.arg("--data").arg(home.path("office"));
    command.env("QUINTET_GATEWAY_TOKEN", home.token("gateway"));
    command.env("QUINTET_AGENT_TOKEN", home.token("agent"));
    let _joined = Joined(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the other gateway", || gateways().as_array().filter(|all| all.len() == 2).map(|_| ()));
    home.run(&["gateways", "--drain", &first]).ok();

    let event = server.say(&format!("@codegen {}", edit(&home)));
    let row = asked(&home);
    let listen = server.address.clone();
    server.kill();
    let server = home.up_at(&listen);
    home.run(&["approve", row["id"].as_str().unwrap()]).ok();
    server.event_in(&event, "done");
    assert_eq!(file(&home).as_deref(), Some("edited"));
}
