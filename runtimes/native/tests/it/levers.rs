//! The owner's commands, with an agent of unknown price: each run waits for the owner.

use crate::bed::{Done, Home, Server};
use serde_json::Value;

/// codegen is a program that echoes the message and has no price. Its command, which the approval
/// shows, is written otherwise than its output: only a run says "done by hand".
fn unpriced() -> (Home, Server) {
    let home = Home::with_config(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"echo done by 'hand': $(cat)\"]\n",
    );
    let server = home.up();
    (home, server)
}

const WORK: &str = "Fix the TypeError in the login flow";

/// Sends work that parks; returns the approval's id.
fn parked(home: &Home, channel: &str) -> String {
    let done = home.run(&["send", channel, WORK]);
    assert_eq!(done.code, 1, "{done:?}");
    let id = done.out.trim().to_owned();
    assert!(
        id.starts_with("apr_") && done.out == format!("{id}\n"),
        "the id alone is on stdout: {done:?}"
    );
    assert!(done.err.contains(&format!("quintet approve {id}")), "{}", done.err);
    id
}

fn approval(home: &Home, id: &str) -> Value {
    let list = home.run(&["approvals", "--state", "all", "--json"]).json();
    list["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == id)
        .unwrap_or_else(|| panic!("{id} in {list}"))
        .clone()
}

fn first_event(home: &Home) -> Value {
    home.run(&["events", "--limit", "1", "--json"]).json()["events"][0].clone()
}

#[test]
fn run_of_unknown_price_starts_after_its_approval() {
    let (home, server) = unpriced();
    let id = parked(&home, "telegram");
    assert!(home.run(&["approvals"]).ok().contains(&id));
    let row = approval(&home, &id);
    assert_eq!(
        (row["state"].as_str(), row["agentType"].as_str(), row["operation"].as_str()),
        (Some("pending"), Some("codegen"), Some("run")),
        "{row}"
    );
    let event = first_event(&home);
    assert_eq!(
        (&event["state"], &event["approvalId"]),
        (&"parked".into(), &Value::from(id.as_str())),
        "{event}"
    );

    assert!(home.run(&["approve", &id, "--reason", "go"]).ok().contains("approved"));
    let done = server.event_in(event["id"].as_str().unwrap(), "done");
    let answer = done["replies"]
        .as_array()
        .unwrap()
        .iter()
        .find(|reply| reply["id"] == format!("re:{}", done["id"].as_str().unwrap()))
        .unwrap();
    let unknown = "Cost unknown: the program reported none and the agent has no price; the $10.00 set aside for it counts.";
    assert_eq!(answer["text"], format!("done by hand: {WORK}\n\n{unknown}"), "{done}");
    assert_eq!((&done["costMicros"], &done["costUnknown"]), (&10_000_000.into(), &true.into()));
    assert!(home.run(&["events"]).ok().contains("unknown ($10.00 counts)"));
    let row = approval(&home, &id);
    assert_eq!(
        (row["state"].as_str(), row["decidedBy"].as_str()),
        (Some("consumed"), Some("api")),
        "{row}"
    );
    let again = home.run(&["approve", &id]);
    assert_eq!((again.code, again.out.as_str()), (1, ""), "the first decision stands: {again:?}");
    assert_eq!(home.run(&["reject", &id]).code, 1);
}

#[test]
fn rejected_work_never_runs() {
    let (home, server) = unpriced();
    let id = parked(&home, "web");
    assert!(home.run(&["reject", &id, "--reason", "not today"]).ok().contains("rejected"));
    let event = server.event_in(first_event(&home)["id"].as_str().unwrap(), "refused");
    assert!(!event.to_string().contains("done by hand"), "{event}");
    assert!(
        event["stages"].as_array().unwrap().iter().all(|stage| stage["stage"] != "running"),
        "{event}"
    );
    assert_eq!(approval(&home, &id)["reason"], "not today");
}

#[test]
fn halt_blocks_new_runs_until_resume() {
    let home = Home::new();
    let _server = home.up();
    assert!(home.run(&["halt", "--reason", "fire drill"]).ok().contains("halted"));
    let refused = home.run(&["send", "telegram", WORK]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("halt"), "{}", refused.err);
    let again = home.run(&["halt", "--json"]);
    assert_eq!(again.code, 0, "halting twice is no mistake: {again:?}");
    assert_eq!(again.json()["success"], true);
    assert_eq!(home.run(&["resume", "--json"]).code, 0);
    assert_eq!(home.run(&["send", "telegram", WORK]).code, 0);
}

#[test]
fn approval_cannot_start_work_during_a_halt() {
    let (home, server) = unpriced();
    let id = parked(&home, "telegram");
    home.run(&["halt"]).ok();
    let approved = home.run(&["approve", &id]);
    let event = first_event(&home)["id"].as_str().unwrap().to_owned();
    if approved.code == 0 {
        server.event_in(&event, "refused");
    }
    assert!(!server.event(&event).to_string().contains("done by hand"), "{approved:?}");
}

#[test]
fn halt_stops_one_task_by_id() {
    let (home, server) = unpriced();
    let id = parked(&home, "telegram");
    let event = first_event(&home);
    let task = event["taskId"].as_str().unwrap();
    assert_eq!(home.run(&["halt", task]).code, 0);
    let refused = server.event_in(event["id"].as_str().unwrap(), "refused");
    assert_eq!(refused["reason"], "halted", "{refused}");
    assert_eq!(approval(&home, &id)["state"], "cancelled");
    parked(&home, "telegram");
}

#[test]
fn budget_command_shows_the_holds() {
    let home = Home::with_config(
        "[budget]\ndaily = 12.5\n[agents.codegen]\nrunner = \"command\"\ncommand = [\"/bin/echo\", \"hi\"]\nestimated_cost = 20.0\n",
    );
    let _server = home.up();
    let budget = home.run(&["budget", "--json"]).json();
    let day = budget["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|scope| scope["scope"] == "all" && scope["window"] == "day")
        .unwrap()
        .clone();
    assert_eq!(
        (day["limit"].as_f64(), day["remaining"].as_f64(), day["source"].as_str()),
        (Some(12.5), Some(12.5), Some("file")),
        "{budget}"
    );
    assert!(home.run(&["budget"]).ok().contains("12.5"));
    let done: Done = home.run(&["send", "web", WORK]);
    assert_eq!(done.code, 1, "twenty dollars do not fit: {done:?}");
    if done.out.starts_with("apr_") {
        assert_eq!(home.run(&["approve", done.out.trim()]).code, 1, "nor when the owner says so");
    }
}

#[test]
fn events_command_lists_and_replay_runs_again() {
    let (home, server) = unpriced();
    let first = parked(&home, "telegram");
    home.run(&["reject", &first]).ok();
    let event = first_event(&home)["id"].as_str().unwrap().to_owned();
    server.event_in(&event, "refused");
    assert!(home.run(&["events"]).ok().contains(&event));
    assert!(home.run(&["events", "--state", "refused"]).ok().contains(&event));
    assert!(!home.run(&["events", "--state", "done"]).ok().contains(&event));

    assert!(home.run(&["replay", &event]).ok().contains(&event));
    let again = server.event_in(&event, "parked");
    let second = again["approvalId"].as_str().unwrap();
    assert_ne!(second, first, "a replay asks anew");
    assert_eq!((again["replays"].as_u64(), again["id"].as_str()), (Some(1), Some(event.as_str())));
    let open = home.run(&["replay", &event]);
    assert_eq!(open.code, 1, "it has not ended: {open:?}");
    home.run(&["approve", second]).ok();
    server.event_in(&event, "done");
    let json = home.run(&["replay", &event, "--json"]).json();
    assert_eq!(json["replayed"][0], event.as_str(), "{json}");
}

#[test]
fn names_that_do_not_exist_are_refused_with_those_that_do() {
    let (home, server) = unpriced();
    let id = parked(&home, "telegram");
    let event = first_event(&home);
    let task = event["taskId"].as_str().unwrap();
    for args in [&["halt", "notask"][..], &["halt", &format!("{task}X")]] {
        let refused = home.run(args);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
        assert!(refused.err.contains(task) && refused.err.contains("codegen"), "{refused:?}");
    }
    assert_eq!(home.run(&["resume", "notask"]).code, 1);
    assert_eq!(server.get("/personal-assistant/api/halts")["halts"], Value::Array(Vec::new()));
    for lever in ["approve", "reject"] {
        let refused = home.run(&[lever, "apr_nosuch"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(&id), "{refused:?}");
    }
    assert_eq!(approval(&home, &id)["state"], "pending");
    assert_eq!(home.run(&["halt", "job-of-tomorrow", "--ahead"]).code, 0);
    home.run(&["approve", &id]).ok();
    server.event_in(event["id"].as_str().unwrap(), "done");
    home.run(&["halt", task]).ok();
    let resumed = home.run(&["resume", task]).ok();
    let how = format!("quintet replay {}", event["id"].as_str().unwrap());
    assert!(resumed.contains("has ended") && resumed.contains(&how), "{resumed}");

    let refused = home.run(&["send", "telegram", "@codgen fix the build"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(format!("{}{}", refused.out, refused.err).contains("@codegen"), "{refused:?}");
    let event = first_event(&home);
    assert_eq!(event["reason"], "unknown_agent", "{event}");
    assert!(event["taskId"].is_null(), "{event}");
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let home = Home::with_config("[budget]\ndaily = -1\n");
    let error = |args: &[&str]| {
        let done = home.run(&[args, &["--json"]].concat());
        assert_eq!(done.out, "", "{done:?}");
        let value: Value = serde_json::from_str(&done.err).unwrap();
        assert_eq!(value["exitCode"], done.code, "{value}");
        value
    };
    let config = home.path("quintet.toml");
    let wrong = error(&["up", "--config", config.to_str().unwrap()]);
    assert_eq!(
        (&wrong["exitCode"], &wrong["problems"][0]["key"]),
        (&2.into(), &"budget.daily".into())
    );
    let away = error(&["events", "--server", "http://127.0.0.1:9"]);
    assert_eq!(away["exitCode"], 3, "{away}");
    std::fs::write(config, "").unwrap();
    let _server = home.up();
    let refused = error(&["approve", "apr_01J0000000000000000000000"]);
    assert_eq!((&refused["exitCode"], &refused["code"]), (&1.into(), &"not_found".into()));
    assert!(refused["fix"].is_string() && refused["type"] == "urn:quintet:error:not_found");
}

#[test]
fn completions_of_every_shell_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = home.run(&["completions", shell]).ok();
        for word in ["approvals", "halt", "wait"] {
            assert!(out.contains(word), "{word} for {shell}");
        }
    }
    let done = home.run(&["completions", "tcsh"]);
    assert!(done.code == 2 && done.err.contains("possible values"), "{done:?}");
}
