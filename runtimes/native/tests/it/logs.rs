//! The log of a run's program, for the owner who looks for a fault: kept with the event however the
//! run ends, without the keys of the relay.

use crate::bed::{Home, within};
use contracts::run_log::LOG_BYTES_MAX;
use std::time::Duration;

const KEY: &str = "real-key-0123456789";
const PATIENCE: Duration = Duration::from_mins(1);

/// A home whose agent runs this script, with a key that a relay holds.
fn home(script: &str, more: &str) -> Home {
    let home = Home::with_config("").and("ANTHROPIC_API_KEY", KEY);
    let path = home.script("agent.sh", &format!("cat >/dev/null\n{script}"));
    let config = format!(
        "[secrets.ANTHROPIC_API_KEY]\nhost = \"http://127.0.0.1:9/v1\"\n[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nsecrets = [\"ANTHROPIC_API_KEY\"]\ncommand = [\"{}\"]\n{more}",
        path.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    home
}

#[test]
fn log_of_a_failed_run_is_on_the_event_without_codes_and_keys() {
    let script = format!(
        r#"i=0
while [ $i -lt 5000 ]; do echo "step $i"; i=$((i + 1)); done >&2
printf '\033[31mwarning\033[0m: \007low disk\r\n' >&2
echo "refused: {KEY} and $ANTHROPIC_API_KEY" >&2
printf ' 10 %%\r100 %%' >&2
exit 3"#
    );
    let home = home(&script, "");
    let server = home.up();
    let id = server.say("@codegen go");
    let follow = home.run(&["events", "--follow", &id]);
    assert_eq!(follow.code, 1, "{follow:?}");
    assert!(follow.out.contains("The program's log:\n… "), "{follow:?}");

    let log = home.run(&["events", "--log", &id]).ok();
    let (first, text) = log.split_once('\n').unwrap();
    assert!(first.starts_with("… ") && first.ends_with(" bytes were left out"), "{first}");
    assert!(text.len() <= LOG_BYTES_MAX + 1 && text.starts_with("step "), "{}", text.len());
    let end = "\nstep 4999\nwarning: low disk\nrefused: *** and ***\n100 %\n";
    assert!(text.ends_with(end), "{text}");
    assert!(!text.contains(KEY) && !text.contains("sk-quintet"), "{text}");

    let viewer = format!("Bearer {}", home.token("viewer").trim());
    let path = format!("/webhook-aggregator/api/events/{id}/log");
    let answer = server.ask("GET", &path, &[("authorization", &viewer)], "");
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[test]
fn log_of_a_run_that_is_stopped_is_kept_whether_by_its_time_limit_or_by_a_halt() {
    let script = r#"echo 'waiting for a lock' >&2
echo '{"type":"progress","text":"begun"}'
sleep 600"#;
    for (more, halts, state) in [("timeout_s = 2\n", false, "failed"), ("", true, "halted")] {
        let home = home(script, &format!("output = \"json-lines\"\n{more}"));
        let server = home.up();
        let id = server.say("@codegen go");
        if halts {
            within(PATIENCE, "its program runs", || {
                (!server.event(&id)["progress"].as_array()?.is_empty()).then_some(())
            });
            home.run(&["halt"]).ok();
        }
        server.event_in(&id, state);
        let log = home.run(&["events", "--log", &id]).ok();
        let mut lines: Vec<_> = log.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["begun", "waiting for a lock"], "{more}");
    }
}

#[test]
fn event_without_a_log_says_so() {
    let home = home("echo fine", "");
    let server = home.up();
    let id = server.say("@codegen go");
    server.event_in(&id, "done");
    let none = home.run(&["events", "--log", &id]);
    assert!(none.code == 1 && none.err.contains("has no log"), "{none:?}");
    let json = home.run(&["events", "--log", &id, "--json"]).json();
    assert_eq!(json["log"], serde_json::Value::Null);
    assert_eq!(home.run(&["events", "--log", "no id"]).code, 2);
}
