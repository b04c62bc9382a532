//! The first start, sending on every channel, and the lock.

use crate::bed::{Home, until};
use crate::http;
use contracts::ChannelKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o777
}

/// The sign-in link of this start. `up` prints it to a terminal only, and here it has a file.
fn link(home: &Home) -> String {
    let file = home.data().join("sign-in");
    let link = until("the sign-in link", || std::fs::read_to_string(&file).ok());
    assert_eq!(mode(&file), 0o600);
    until("the greeting", || home.log("out.log").contains("Ctrl-C").then_some(()));
    link.trim().to_owned()
}

#[test]
fn log_holds_no_sign_in_link() {
    let home = Home::new();
    let server = home.up();
    let link = link(&home);
    let (_, code) = link.split_once("code=").unwrap();
    for name in ["out.log", "err.log"] {
        assert!(!home.log(name).contains(code), "{name}");
    }
    assert!(home.log("out.log").contains("quintet open"), "{}", home.log("out.log"));
    assert_eq!(server.stop(), Some(0));
    assert!(!home.data().join("sign-in").exists(), "a clean stop removes it");
}

#[test]
fn open_command_prints_a_link_that_signs_in_once() {
    let home = Home::new();
    let server = home.up();
    let out = home.run(&["open"]).ok();
    let link = out.split_whitespace().next().unwrap();
    let path = link.strip_prefix(&format!("http://{}", server.address)).expect(link);
    assert!(server.ask("GET", path, &[], "").header("set-cookie").is_some());
    assert_eq!(server.ask("GET", path, &[], "").status, 401, "used up");
    assert!(home.run(&["open", "--json"]).json()["link"].as_str().unwrap().contains("code="));
}

#[test]
fn first_start_creates_everything_for_the_owner_only() {
    let home = Home::new();
    let server = home.up();
    assert_eq!(mode(&home.data()), 0o700);
    for name in ["operator", "viewer", "agent", "gateway", "button-key"] {
        assert_eq!(mode(&home.data().join("tokens").join(name)), 0o600, "{name}");
    }
    for name in ["local.json", "server.json", "lock"] {
        assert_eq!(mode(&home.data().join(name)), 0o600, "{name}");
    }
    let graph = server.get("/skill-graph-loader/api/graph");
    let agents: Vec<_> = graph["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["id"].as_str().unwrap().to_owned())
        .collect();
    for agent in ["assistant", "codegen", "pm", "security"] {
        assert!(agents.iter().any(|id| id == agent), "{agents:?}");
    }
}

#[test]
fn kept_link_signs_in_once() {
    let home = Home::new();
    let server = home.up();
    let link = link(&home);
    let path = link
        .strip_prefix(&format!("http://{}", server.address))
        .expect("the link leads to this server");
    let first = server.ask("GET", path, &[], "");
    let cookie = first.header("set-cookie").unwrap_or_else(|| panic!("{first:?}"));
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
            && cookie.contains("Path=/monitoring-dashboard"),
        "{cookie}"
    );
    assert_eq!(server.ask("GET", path, &[], "").status, 401, "used up");
    let root = server.ask("GET", "/", &[], "");
    assert_eq!(root.header("location"), Some("/monitoring-dashboard/dashboard"), "{root:?}");
    assert_eq!(
        server
            .ask(
                "GET",
                "/monitoring-dashboard/dashboard",
                &[("cookie", cookie.split(';').next().unwrap())],
                ""
            )
            .status,
        200
    );
    assert_ne!(
        server
            .ask(
                "GET",
                "/personal-assistant/api/budget",
                &[("cookie", cookie.split(';').next().unwrap())],
                ""
            )
            .status,
        200,
        "a cookie opens no API"
    );
}

#[test]
fn token_from_a_variable_is_never_written_to_disk() {
    let home = Home::new().and("QUINTET_OPERATOR_TOKEN", "chosen-by-the-owner-1234567890");
    let server = home.up();
    assert!(!home.data().join("tokens/operator").exists());
    assert_eq!(home.run(&["budget", "--json"]).code, 0);
    let answer = server.ask(
        "GET",
        "/personal-assistant/api/budget",
        &[("authorization", "Bearer chosen-by-the-owner-1234567890")],
        "",
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn codegen_answers_on_every_channel() {
    let home = Home::new();
    let server = home.up();
    for channel in ChannelKind::ALL.iter().map(|channel| channel.as_str()) {
        let done = home.run(&["send", channel, "Fix the TypeError in the login flow"]);
        assert_eq!(done.code, 0, "{channel}: {done:?}");
        assert!(
            done.out.starts_with("codegen, answering from the skill graph"),
            "{channel}: {done:?}"
        );
        let events = server.get(&format!("/webhook-aggregator/api/events?channel={channel}"));
        let event = &events["events"][0];
        assert_eq!(
            (event["agent"].as_str(), event["state"].as_str()),
            (Some("codegen"), Some("done")),
            "{event}"
        );
        assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    }
    let detail =
        home.run(&["send", "telegram", "Fix the TypeError in the login flow", "--json"]).json();
    assert_eq!(detail["replies"][0]["state"], "sent", "{detail}");
}

#[test]
fn second_up_on_the_same_data_is_refused_and_changes_nothing() {
    let home = Home::new();
    let server = home.up();
    let second = home.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_ne!(second.code, 0);
    for part in
        ["another", "quintet up", &home.data().display().to_string(), &server.pid().to_string()]
    {
        assert!(second.err.contains(part), "{part}: {}", second.err);
    }
    assert_eq!(second.out, "");
    assert_eq!(home.run(&["events"]).code, 0, "the first goes on");
}

#[test]
fn lock_is_released_when_its_process_dies() {
    let home = Home::new();
    let first = home.up();
    let old = first.address.clone();
    let event = first.say("Fix the TypeError in the login flow");
    first.event_in(&event, "done");
    first.kill();
    assert!(
        http::ask(&old, "GET", "/webhook-aggregator/health", &[], "").is_err(),
        "nobody listens any more"
    );
    let second = home.up();
    assert_eq!(second.event(&event)["state"], "done");
}

#[test]
fn up_reports_an_address_in_use() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let done = home.run(&["up", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("--listen"), "{}", done.err);
}

#[test]
fn stop_is_clean_as_soon_as_the_address_is_written() {
    let home = Home::new();
    assert_eq!(home.up().stop(), Some(0), "{}", home.log("err.log"));
    assert!(!home.data().join("server.json").exists(), "a clean stop takes the address away");
}
