//! `quintet schedules`, and `[schedules]` of the configuration.

use crate::bed::{Home, Server, until};
use crate::status::signal;
use nix::sys::signal::Signal;
use platform::time::rfc3339;
use serde_json::Value;

fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn listed(server: &Server) -> Vec<Value> {
    let list = server.get("/webhook-aggregator/api/schedules");
    list["schedules"].as_array().unwrap().clone()
}

#[test]
fn schedules_are_made_listed_run_and_removed_by_commands() {
    let home = Home::new();
    let server = home.up();
    assert!(home.run(&["schedules"]).out.contains("No schedules"));
    let digest = [
        "schedules",
        "add",
        "digest",
        "How are you?",
        "--cron",
        "30 2 * * sun",
        "--time-zone",
        "Europe/Berlin",
        "--conversation",
        "web:console:daily",
        "--on-missed",
        "skip",
    ];
    let made = home.run(&digest).ok();
    assert!(
        made.contains("digest is due next at Sun ") && made.contains("Europe/Berlin"),
        "{made}"
    );
    let list = home.run(&["schedules", "list"]).ok();
    assert!(list.contains("cron 30 2 * * sun") && list.contains("How are you?"), "{list}");
    assert!(home.run(&["schedules", "next"]).ok().contains("digest"));
    let run = home.run(&["schedules", "run", "digest", "--json"]).json();
    let event = server.event_in(run["eventId"].as_str().unwrap(), "done");
    assert_eq!(event["conversation"], "web:console:daily");
    let said = server.get("/webhook-aggregator/api/conversations/web:console:daily/messages");
    let lines = said["messages"].as_array().unwrap();
    let answer = lines.last().unwrap()["text"].as_str().unwrap();
    assert!(answer.starts_with("Schedule “digest”:\n\n"), "{answer}");
    for (odd, why) in [
        (["--cron", "61 * * * *"], "minute"),
        (["--at", "2020-01-01T09:00"], "in the past"),
        (["--every", "30s"], "every"),
    ] {
        let add =
            ["schedules", "add", "odd", "x", odd[0], odd[1], "--conversation", "web:console:x"];
        let refused = home.run(&add);
        assert!(refused.code != 0 && refused.err.contains(why), "{refused:?}");
    }
    home.run(&["schedules", "remove", "digest"]).ok();
    assert_ne!(home.run(&["schedules", "remove", "digest"]).code, 0);
    assert!(listed(&server).is_empty());
}

#[test]
fn schedule_of_the_file_runs_once_over_a_restart_and_sighup_takes_up_another() {
    // The local time of UTC, without its offset.
    let at = rfc3339(now_ms() + 4_000).trim_end_matches('Z').to_owned();
    let once = format!(
        "[schedules.once]\nat = \"{at}\"\ntime_zone = \"UTC\"\nconversation = \"web:console:daily\"\nmessage = \"How are you?\"\n"
    );
    let home = Home::with_config(&once);
    let server = home.up();
    until("it has run", || listed(&server).first()?["lastEvent"].as_str().map(|_| ()));
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    let view = listed(&server).remove(0);
    assert_eq!((&view["ended"], &view["madeBy"]), (&Value::Bool(true), &Value::from("file")));
    let events = server.get("/webhook-aggregator/api/events?channel=web");
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    let more = format!(
        "{once}[schedules.more]\nevery = \"2h\"\nconversation = \"web:console:daily\"\nmessage = \"x\"\n"
    );
    std::fs::write(home.path("quintet.toml"), more).unwrap();
    signal(server.pid(), Signal::SIGHUP);
    until("it is planned", || {
        let all = listed(&server);
        all.iter().any(|view| view["name"] == "more" && view["nextDue"].is_string()).then_some(())
    });
    std::fs::write(home.path("quintet.toml"), "").unwrap();
    signal(server.pid(), Signal::SIGHUP);
    until("both are gone", || listed(&server).is_empty().then_some(()));
}

#[test]
fn schedule_that_is_never_due_stops_the_start_and_names_its_key() {
    for (key, value, why) in [
        ("cron", "0 0 30 2 *", "no month has"),
        ("cron", "* * *", "3 fields"),
        ("at", "tomorrow", "without a time"),
        ("every", "10s", "every"),
    ] {
        let home = Home::with_config(&format!(
            "[schedules.odd]\n{key} = \"{value}\"\nconversation = \"web:console:x\"\nmessage = \"x\"\n"
        ));
        let file = home.path("quintet.toml");
        let file = file.to_str().unwrap();
        let refused = home.run(&["up", "--listen", "127.0.0.1:0", "--config", file]);
        let place = format!("schedules.odd.{key}");
        assert!(refused.err.contains(&place) && refused.err.contains(why), "{refused:?}");
    }
}
