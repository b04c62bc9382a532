//! SIGHUP: the running server reads its configuration again; changes that wait are shown.

use crate::bed::{Home, skipped, until};
use crate::status::signal;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

const HOOK: &str = "[endpoints.hook.builds]\nscheme = \"github\"\nsecret = \"hush-hush-hush-hush\"\ntext = \"/message\"\n";

fn write(home: &Home, text: &str) {
    std::fs::write(home.path("quintet.toml"), text).unwrap();
}

fn pending(home: &Home) -> Value {
    home.run(&["status", "--json"]).json()["configuration"]["pending"].clone()
}

fn endpoints(home: &Home) -> Value {
    let state = home.run(&["status", "--json"]).json();
    state["endpoints"].as_array().unwrap().iter().map(|view| view["name"].clone()).collect()
}

#[test]
fn sighup_takes_up_endpoints_and_names_the_tables_that_take_a_restart() {
    let home = Home::with_config("[budget]\ndaily = 5\n");
    let server = home.up();
    assert_eq!(pending(&home), Value::Null);
    write(&home, &format!("[budget]\ndaily = 6\n{HOOK}"));
    let told = pending(&home);
    for table in ["[endpoints]", "[budget]"] {
        assert!(told.as_str().unwrap().contains(table), "{told}");
    }
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains("[budget], [endpoints] of"), "{doctor}");
    signal(server.pid(), Signal::SIGHUP);
    until("the log says it", || home.log("err.log").contains("was read again").then_some(()));
    assert_eq!(endpoints(&home), json!(["builds"]));
    until("the log names the rest", || {
        home.log("err.log").contains("\"tables\":\"budget\"").then_some(())
    });
    let told = pending(&home);
    assert!(told.as_str().unwrap().contains("[budget] of"), "{told}");
    let budget = home.run(&["budget", "--json"]).json();
    assert_eq!(budget["scopes"][0]["limit"], 5.0, "the budget waits for the restart: {budget}");
}

#[test]
fn changed_endpoints_are_shown_with_the_signal_that_takes_them_up() {
    let home = Home::with_config("");
    let server = home.up();
    write(&home, HOOK);
    let done = home.run(&["status"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains(&format!("fix: run `kill -HUP {}`", server.pid())), "{}", done.out);
}

#[test]
fn sighup_with_a_mistake_in_the_file_changes_nothing() {
    let home = Home::with_config(HOOK);
    let server = home.up();
    write(&home, "[endpoints.hook.other]\nscheme = \"nonsense\"\n");
    signal(server.pid(), Signal::SIGHUP);
    until("the log says it", || home.log("err.log").contains("was not read again").then_some(()));
    assert_eq!(endpoints(&home), json!(["builds"]));
    let told = pending(&home);
    assert!(told.as_str().unwrap().contains("endpoints.hook.other"), "{told}");
    assert!(!told.as_str().unwrap().contains("hush"), "{told}");
    assert!(home.run(&["doctor"]).out.contains("goes on with an older configuration"));
}

/// A terminal that closes sends SIGHUP too, and then nobody is left to stop the server.
#[test]
fn server_ends_cleanly_with_its_terminal() {
    if Command::new("script").arg("--version").output().is_err() {
        skipped("the program script is not here");
        return;
    }
    let home = Home::new();
    let up = home.command(&["up", "--listen", "127.0.0.1:0"]);
    let line = format!("exec {} up --listen 127.0.0.1:0", up.get_program().to_str().unwrap());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).env_clear().stdin(Stdio::piped());
    terminal.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut terminal = terminal.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let file = home.data().join("server.json");
    until("the server listens", || file.exists().then_some(()));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("the server has ended and left nothing of its run", || (!file.exists()).then_some(()));
}
