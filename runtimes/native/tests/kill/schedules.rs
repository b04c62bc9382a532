//! Schedules under SIGKILL: at the due second, and over a night switched off.

use crate::bed::{Home, Server, telegram_config, within};
use crate::posters::OWNER;
use crate::recorder::Recorder;
use crate::{DRAIN, drain, now_ms, variable};
use fastrand::Rng;
use platform::time::rfc3339;
use rusqlite::Connection;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
const CHAT: &str = "telegram:main:700100200";
/// From the making of a schedule to its due time: the command itself takes a part of it.
const AHEAD_MS: i64 = 2_500;

fn home(recorder: &Recorder) -> Home {
    let home = Home::with_config(&telegram_config(&recorder.api_base, OWNER, &[OWNER]));
    // The first start publishes the graph, which these tests do not cover.
    home.up().kill();
    home
}

fn inbox(home: &Home) -> Connection {
    Connection::open(home.data().join("inbox.db")).unwrap()
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut read = connection.prepare(sql).unwrap();
    let rows = read.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn add(home: &Home, name: &str, when: [&str; 2], on_missed: &str) {
    let [key, value] = when;
    home.run(&[
        "schedules",
        "add",
        name,
        "How are you?",
        key,
        value,
        "--conversation",
        CHAT,
        "--on-missed",
        on_missed,
    ])
    .ok();
}

fn schedules(server: &Server) -> Vec<serde_json::Value> {
    let list = server.get("/webhook-aggregator/api/schedules");
    list["schedules"].as_array().unwrap().clone()
}

#[test]
fn schedule_killed_at_its_due_second_runs_exactly_once() {
    let kills = variable("QUINTET_SCHEDULE_KILLS").unwrap_or(10);
    let seed = variable("QUINTET_SEED").unwrap_or_else(|| u64::try_from(now_ms()).unwrap());
    eprintln!("QUINTET_SEED={seed} QUINTET_SCHEDULE_KILLS={kills}");
    let mut random = Rng::with_seed(seed);
    let recorder = Recorder::start();
    let home = home(&recorder);
    let mut expected = Vec::new();
    for round in 0..kills {
        let server = home.up();
        let due_ms = now_ms() + AHEAD_MS;
        let name = format!("once-{round}");
        add(&home, &name, ["--at", &rfc3339(due_ms)], "run");
        expected.push(format!("schedule:{name}:{due_ms}"));
        // Not a wait for anything: the moment of the kill.
        let until_ms = due_ms + random.i64(-40..160) - now_ms();
        std::thread::sleep(Duration::from_millis(until_ms.try_into().unwrap_or(0)));
        server.kill();
    }
    let server = home.up();
    within(DRAIN, "every schedule has run", || {
        let all = schedules(&server);
        assert_eq!(all.len(), expected.len());
        all.iter().all(|view| view["ended"] == true).then_some(())
    });
    drain(&server);
    assert_eq!(server.stop(), Some(0), "{}", home.log("err.log"));
    let inbox = inbox(&home);
    let keys = "SELECT dedupe_key FROM event WHERE dedupe_key LIKE 'schedule:%' ORDER BY seq";
    assert_eq!(texts(&inbox, keys), expected, "seed {seed}");
    let ends = texts(&inbox, "SELECT DISTINCT state FROM event WHERE dedupe_key LIKE 'schedule:%'");
    assert_eq!(ends, ["done"], "seed {seed}");
}

#[test]
fn schedule_over_a_night_switched_off_asks_or_runs_exactly_once() {
    let recorder = Recorder::start();
    let home = home(&recorder);
    let server = home.up();
    add(&home, "asks", ["--every", "4h"], "ask");
    add(&home, "runs", ["--every", "4h"], "run");
    add(&home, "skips", ["--every", "4h"], "skip");
    server.kill();
    // Ten hours pass: the times at four and at eight hours are missed, the last one by two hours.
    let moved =
        "UPDATE schedule SET made_ms = made_ms - ?1, due_ms = due_ms - ?1, look_ms = look_ms - ?1";
    inbox(&home).execute(moved, [10 * HOUR_MS]).unwrap();
    let asked = || {
        let messages = recorder.messages();
        let asks = |text: &String| {
            text.contains("Schedule “asks” was due") && text.contains("Run it now?")
        };
        messages.iter().filter(|message| message.texts.iter().any(asks)).count()
    };
    for _ in 0..3 {
        let server = home.up();
        within(DRAIN, "the question", || (asked() > 0).then_some(()));
        drain(&server);
        server.kill();
    }
    let server = home.up();
    let views = schedules(&server);
    assert!(views.iter().all(|view| view["nextDue"].is_string()), "{views:?}");
    assert_eq!(server.stop(), Some(0));
    assert_eq!(asked(), 1);
    let inbox = inbox(&home);
    let keys = texts(&inbox, "SELECT dedupe_key FROM event WHERE dedupe_key LIKE 'schedule:%'");
    assert!(keys.len() == 1 && keys[0].starts_with("schedule:runs:"), "{keys:?}");
    assert_eq!(texts(&inbox, "SELECT name FROM schedule_question"), ["asks"]);
    let due = texts(&inbox, "SELECT CAST((due_ms - made_ms) / 3600000 AS TEXT) FROM schedule");
    assert_eq!(due, ["12", "12", "12"], "no backlog");
}
