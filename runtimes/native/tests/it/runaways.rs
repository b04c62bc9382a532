//! Fifty programs that spend without end, on a day with a limit: each is ended within one renewal,
//! and together they exceed the limit by one report each at most.

use crate::bed::{
    Home, PATIENCE, Server, TELEGRAM_SECRET, telegram_config, telegram_update, until,
};
use crate::fake::Fake;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

const OWNER: u64 = 700_100_200;
const RUNS: u64 = 50;
/// Dollars.
const DAILY: f64 = 20.0;
const TICK: f64 = 0.5;

/// Spends $0.50 each quarter of a second, and says so each time.
const REPORTS: &str = r#"
cat > /dev/null; tenths=0
while [ $tenths -lt 300 ]; do
  tenths=$((tenths + 5))
  printf '{"type":"progress","text":"at %d","costUsd":%d.%d}\n' $tenths $((tenths / 10)) $((tenths % 10))
  sleep 0.25
done
"#;

/// Spends the same, and says so at its end alone: as if there were no reports on the way.
const CONFESSES: &str = r#"
cat > /dev/null; sleep 4
echo '{"type":"result","text":"Done.","costUsd":8.0}'
"#;

fn telegram() -> Fake {
    Fake::start(|_, _| {
        let message = json!({ "message_id": 1, "chat": { "id": 1, "type": "private" }, "date": 1 });
        (200, "", json!({ "ok": true, "result": message }))
    })
}

fn spent(home: &Home) -> f64 {
    let day = home.today();
    assert_eq!(day["held"], 0.0, "{day}");
    day["spent"].as_f64().unwrap()
}

fn events(server: &Server) -> Vec<Value> {
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=100");
    list["events"].as_array().unwrap().clone()
}

/// The states of the processes that were started from this file, as `/proc` has them.
fn states(program: &Path) -> Vec<char> {
    let mark = program.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let of_program = entries.filter(|path| {
        let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).starts_with(&format!("/bin/sh\0{mark}"))
    });
    let state = |path: std::path::PathBuf| {
        let about = std::fs::read_to_string(path.join("stat")).ok()?;
        about.rsplit_once(") ")?.1.chars().next()
    };
    of_program.filter_map(state).collect()
}

/// Starts fifty runs of this program at once; returns what they have spent, and their events.
fn spend(script: &str) -> (f64, Vec<Value>) {
    let telegram = telegram();
    let home = Home::with_config("");
    let program = home.script("spender.sh", script);
    let people: Vec<u64> = (1..=RUNS).map(|number| OWNER + number).collect();
    let config = format!(
        "[budget]\ndaily = {DAILY}\n[gateway]\ncapacity = {RUNS}\n\
         [agents.codegen]\nrunner = \"command\"\ncommand = [\"{}\"]\noutput = \"json-lines\"\n\
         estimated_cost = 0.2\n{}",
        program.display(),
        telegram_config(&telegram.api_base, OWNER, &people)
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let server = home.up();
    let bearer = format!("Bearer {}", home.token("operator"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    // So that the budget alone bounds them.
    let rules = json!({ "riskTolerance": "aggressive", "costThreshold": 100 }).to_string();
    let answer = server.ask("PUT", "/personal-assistant/api/context", &headers, &rules);
    assert_eq!(answer.status, 200, "{answer:?}");
    for (number, person) in (1_u64..).zip(&people) {
        let headers = [TELEGRAM_SECRET, ("content-type", "application/json")];
        let update = telegram_update(number, *person, "@codegen spend");
        let answer = server.ask("POST", "/webhook-aggregator/telegram/main", &headers, &update);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let start = Instant::now();
    loop {
        let all = events(&server);
        let open = all.iter().filter(|event| {
            ["received", "routed", "approved", "running", "answered"]
                .contains(&event["state"].as_str().unwrap())
        });
        if all.len() == people.len() && open.count() == 0 {
            assert_eq!(states(&program), [' '; 0]);
            return (spent(&home), all);
        }
        assert!(start.elapsed() < 2 * PATIENCE, "{all:#?}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn fifty_runaway_programs_exceed_the_days_limit_by_one_report_each() {
    let (spent, events) = spend(REPORTS);
    let most = DAILY + RUNS as f64 * TICK;
    assert!(spent > DAILY - TICK && spent <= most, "{spent}");
    let costs: f64 = events.iter().map(|event| event["costMicros"].as_f64().unwrap_or(0.0)).sum();
    assert_eq!((costs / 1e6 * 100.0).round(), (spent * 100.0).round(), "the events add up");
}

#[test]
fn programs_that_report_nothing_on_the_way_are_what_the_reports_prevent() {
    let (spent, _) = spend(CONFESSES);
    assert!(spent > DAILY + RUNS as f64 * TICK, "{spent}");
}

#[test]
fn run_that_is_frozen_while_its_owner_is_asked_for_money_is_halted_without_a_trace() {
    let home = Home::with_config("");
    let program = home.script("spender.sh", REPORTS);
    let config = format!(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"{}\"]\noutput = \"json-lines\"\nestimated_cost = 0.2\n",
        program.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let server = home.up();
    let event = server.say("@codegen spend");
    until("it is frozen", || {
        let states = states(&program);
        (!states.is_empty() && states.iter().all(|state| *state == 'T')).then_some(())
    });
    assert_eq!(home.run(&["approvals", "--json"]).json()["approvals"][0]["type"], "more-money");
    home.run(&["halt"]).ok();
    until("no process is left", || states(&program).is_empty().then_some(()));
    let event = server.event_in(&event, "halted");
    assert!(event["costMicros"].as_u64().unwrap() > 0, "{event}");
}
