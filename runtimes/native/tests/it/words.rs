//! The command line: help, JSON, exit codes, and commands without a server.

use crate::bed::Home;
use serde_json::Value;
use std::collections::BTreeSet;

const COMMANDS: [&[&str]; 23] = [
    &["up"],
    &["open"],
    &["send"],
    &["route"],
    &["eval"],
    &["graph", "check"],
    &["graph", "publish"],
    &["graph", "search"],
    &["approvals"],
    &["approve"],
    &["reject"],
    &["halt"],
    &["resume"],
    &["budget"],
    &["events"],
    &["replay"],
    &["gateway"],
    &["gateways"],
    &["work"],
    &["setup"],
    &["backup"],
    &["restore"],
    &["doctor"],
];

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"))
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn help_of_every_command_shows_an_example() {
    let home = Home::new();
    for command in COMMANDS {
        let help = home.run(&[command, &["--help"]].concat()).ok();
        assert!(
            help.contains("Example") && help.contains(&format!("quintet {}", command.join(" "))),
            "{command:?}: {help}"
        );
    }
    let all = home.run(&["--help"]).ok();
    for command in COMMANDS {
        assert!(all.contains(command[0]), "{command:?} is missing in: {all}");
    }
    assert!(!all.contains("__supervise"), "{all}");
    assert!(!home.data().exists(), "help makes nothing");
}

#[test]
fn commands_exit_3_without_a_server() {
    let home = Home::new();
    let id = "apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8";
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../routing-knowledge");
    let calls: [&[&str]; 13] = [
        &["open"],
        &["send", "telegram", "hello"],
        &["send", "web", "hello"],
        &["approvals"],
        &["approve", id],
        &["reject", id],
        &["halt"],
        &["resume"],
        &["budget"],
        &["events"],
        &["replay", "web.console.01J9Z5K2M8Q4R6T8V0X2Z4B6D8"],
        &["graph", "publish", folder],
        &["graph", "search", "token"],
    ];
    for call in calls {
        let done = home.run(call);
        assert_eq!((done.code, done.out.as_str()), (3, ""), "{call:?}: {done:?}");
        assert!(done.err.contains("quintet up"), "{call:?} says what to do: {}", done.err);
    }
    assert_eq!(home.run(&["backup", "x.tar.gz"]).code, 3);
    assert_eq!(home.run(&["restore", "x.tar.gz"]).code, 3);
    assert!(!home.data().exists(), "asking makes nothing");
}

#[test]
fn commands_exit_3_after_the_server_was_killed() {
    let home = Home::new();
    home.up().kill();
    let done = home.run(&["budget"]);
    assert_eq!((done.code, done.out.as_str()), (3, ""), "{done:?}");
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "doctor sees it too: {doctor:?}");
}

#[test]
fn invalid_usage_exits_2() {
    let home = Home::new();
    let _server = home.up();
    let calls: [&[&str]; 8] = [
        &[],
        &["fly"],
        &["send"],
        &["send", "fax", "hello"],
        &["approvals", "--state", "maybe"],
        &["events", "--state", "maybe"],
        &["approve", "../x"],
        &["replay"],
    ];
    for call in calls {
        let done = home.run(call);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{call:?}: {done:?}");
        assert!(!done.err.is_empty(), "{call:?}");
    }
}

#[test]
fn unknown_ids_exit_1() {
    let home = Home::new();
    let _server = home.up();
    for call in [
        ["approve", "apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8"],
        ["reject", "apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8"],
        ["replay", "web.console.01J9Z5K2M8Q4R6T8V0X2Z4B6D8"],
    ] {
        let done = home.run(&call);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{call:?}: {done:?}");
    }
}

#[test]
fn token_is_never_sent_to_a_remote_plain_http_server() {
    let home = Home::new();
    home.up().kill();
    let done = home.run(&["budget", "--server", "http://192.0.2.1:8787"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("https"), "{}", done.err);
}

#[test]
fn route_json_has_exactly_the_keys_of_the_contract() {
    let home = Home::new();
    let contract = [
        "agent",
        "confidence",
        "skillFilesUsed",
        "routingLatency",
        "complexity",
        "reason",
        "matchedKeywords",
        "alternatives",
        "fallback",
        "outOfScope",
        "needsChoice",
        "estimatedCost",
        "decisionId",
        "graphVersion",
        "cached",
        "timestamp",
    ];
    for text in [
        "Fix the TypeError in the login flow",
        "what is the weather like in Lisbon",
        "@security look at this",
        "🙂",
    ] {
        let done = home.run(&["route", text, "--json"]);
        assert_eq!(done.code, 0, "{done:?}");
        let answer = done.json();
        assert_eq!(keys(&answer), contract.into(), "{text}");
        assert!(
            answer["routingLatency"].is_f64()
                && (0.0..=1.0).contains(&answer["confidence"].as_f64().unwrap()),
            "{answer}"
        );
        for other in answer["alternatives"].as_array().unwrap() {
            assert_eq!(keys(other), ["agent", "confidence"].into());
        }
    }
    assert_eq!(
        home.run(&["route", "Fix the TypeError in the login flow", "--json"]).json()["agent"],
        "codegen"
    );
    assert!(home.run(&["route", "@security look at this"]).ok().starts_with("security"));
    assert!(!home.data().exists(), "a route needs no data directory");
}

#[test]
fn eval_json_has_the_documented_keys() {
    let home = Home::new();
    let line = |text: String, label: &str| {
        serde_json::json!({ "text": text, "domain": label }).to_string()
    };
    let lines = |from: usize| -> Vec<String> {
        let bugs = (from..from + 12)
            .map(|n| line(format!("fix the bug number {n} in the parser"), "code"));
        let plans =
            (from..from + 12).map(|n| line(format!("plan sprint {n} for the team"), "plan"));
        bugs.chain(plans).collect()
    };
    let strangers = (0..4).map(|n| line(format!("is it going to rain in town {n}"), "oos"));
    std::fs::write(home.path("train.jsonl"), lines(0).join("\n")).unwrap();
    std::fs::write(
        home.path("test.jsonl"),
        lines(50).into_iter().chain(strangers).collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    let report = home.run(&[
        "eval",
        "test.jsonl",
        "--train",
        "train.jsonl",
        "--label-field",
        "domain",
        "--json",
    ]);
    assert_eq!(report.code, 0, "{report:?}");
    let report = report.json();
    for key in [
        "accuracy",
        "macroF1",
        "oosRecall",
        "oosAuroc",
        "ece",
        "coverage",
        "routeMicros",
        "modelBytes",
        "trainSeconds",
    ] {
        assert!(keys(&report).contains(key), "{key} in {report}");
    }
    assert_eq!(keys(&report["routeMicros"]), ["p50", "p99"].into());
    for rate in ["accuracy", "macroF1", "oosRecall", "oosAuroc", "ece"] {
        assert!(
            report[rate].as_f64().is_some_and(|rate| (0.0..=1.0).contains(&rate)),
            "{rate}: {report}"
        );
    }
    let wrong = home.run(&["eval", "test.jsonl", "--train", "train.jsonl", "--json"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (3, ""), "no `label` in these lines: {wrong:?}");
}

#[test]
fn doctor_reports_no_errors_for_a_fresh_directory() {
    let home = Home::new();
    let fresh = home.run(&["doctor"]);
    assert_eq!(fresh.code, 0, "{fresh:?}");
    assert!(!home.data().exists(), "looking makes nothing");
    let server = home.up();
    let running = home.run(&["doctor", "--json"]);
    assert_eq!(running.code, 0, "{running:?}");
    let findings = running.json();
    for finding in findings.as_array().unwrap() {
        assert_eq!(keys(finding), ["fix", "verdict", "what"].into());
        assert!(finding["verdict"] == "ok" || finding["fix"] != "", "{finding}");
    }
    assert!(running.out.contains(&server.address), "{}", running.out);
    std::fs::set_permissions(home.data(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let open = home.run(&["doctor"]);
    assert_eq!(open.code, 1, "{open:?}");
    assert!(open.out.contains("chmod 700"), "{}", open.out);
}

#[test]
fn route_estimates_the_cost_with_the_configured_prices() {
    let home = Home::new();
    std::fs::create_dir_all(home.data()).unwrap();
    let agent = "[agents.codegen]\nrunner = \"command\"\ncommand = [\"x\"]\ninput_price = 3\noutput_price = 15\n";
    std::fs::write(home.data().join("quintet.toml"), agent).unwrap();
    let words = home.run(&["route", "@codegen fix the typo"]).ok();
    assert!(words.contains("simple, about 8006 input and 1000 output tokens, $0.03"), "{words}");
    assert_eq!(
        home.run(&["route", "@codegen fix the typo", "--json"]).json()["estimatedCost"],
        0.039_018
    );
    let free = home.run(&["route", "@pm plan the sprint"]).ok();
    assert!(!free.contains("tokens") && !free.contains('$'), "{free}");
}
