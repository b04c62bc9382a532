//! Kills the process (SIGKILL) repeatedly under load, at seeded random points, and restarts it on
//! the same directory. Afterwards every acknowledged message is recorded once, done, and answered
//! once. One exception of ingress.md: a crash may repeat the placeholder of a running event.
//!
//! kill -9 does not prove durability against a power loss, because written data survives in the
//! page cache. `QUINTET_KILLS` is the number of kills (100), `QUINTET_SEED` the seed, which is
//! printed.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test equipment: whatever is odd must stop the test"
)]

#[path = "../it/bed.rs"]
mod bed;
#[path = "../it/exchange.rs"]
mod exchange;
#[path = "../it/http.rs"]
#[allow(dead_code, reason = "what only the other tests use")]
mod http;
#[path = "../it/recorder.rs"]
mod recorder;
#[path = "../it/shelf.rs"]
#[allow(dead_code, reason = "what only the other tests use")]
mod shelf;

mod books;
mod posters;
mod schedules;

use bed::{Home, Server, telegram_config, within};
use books::Books;
use fastrand::Rng;
use posters::Posters;
use recorder::Recorder;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A kill between these two times, milliseconds since the epoch.
pub struct Kill {
    pub before_ms: i64,
    pub after_ms: i64,
}

/// Maximum time from a finished start to the kill.
const UP_MS_MAX: u64 = 900;
/// One in this many kills hits the start itself.
const IN_START: u64 = 8;
const START_MS_MAX: u64 = 250;
/// Longer than any timer of the dispatcher, so that the books can name a lost one.
const DRAIN: Duration = Duration::from_secs(150);

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn inbox_loses_and_repeats_no_acknowledged_message_under_kill_9() {
    let kills = variable("QUINTET_KILLS").unwrap_or(100);
    let seed = variable("QUINTET_SEED").unwrap_or_else(|| u64::try_from(now_ms()).unwrap());
    eprintln!("QUINTET_SEED={seed} QUINTET_KILLS={kills}");
    let start = Instant::now();
    let recorder = Recorder::start();
    let limits = "[limits]\nsender_per_minute = 0\nendpoint_per_minute = 0\n";
    let home = Home::with_config(&format!(
        "{}{limits}",
        telegram_config(&recorder.api_base, posters::OWNER, &posters::chats())
    ));
    // The first start publishes the graph, which this test does not cover.
    home.up().kill();
    let posters = Posters::start(&recorder, seed);
    let killed = kill_again_and_again(&home, &posters, &mut Rng::with_seed(seed), kills);
    let killing = start.elapsed();
    let server = home.up();
    posters.open(Some(&server.address));
    let posted = posters.finish();
    drain(&server);
    replay_dead(&home, &server);
    assert_eq!(server.stop(), Some(0), "{}", home.log("err.log"));
    let books = Books::read(&home.data(), posted, recorder.messages(), killed);
    eprintln!(
        "{kills} kills in {killing:.1?}, drained after {:.1?}; {}",
        start.elapsed(),
        books.summary()
    );
    let wrong = books.wrong();
    assert!(wrong.is_empty(), "seed {seed}: {} violations\n{}", wrong.len(), wrong.join("\n"));
}

fn kill_again_and_again(home: &Home, posters: &Posters, random: &mut Rng, kills: u64) -> Vec<Kill> {
    let mut killed = Vec::new();
    for _ in 0..kills {
        let starting = home.spawn();
        let in_start = random.u64(0..IN_START) == 0;
        let server = if in_start { Err(starting) } else { Ok(starting.ready(home)) };
        if let Ok(server) = &server {
            posters.open(Some(&server.address));
        }
        // Not a wait for anything: the moment of the kill.
        std::thread::sleep(Duration::from_millis(
            random.u64(0..if in_start { START_MS_MAX } else { UP_MS_MAX }),
        ));
        let before_ms = now_ms();
        match server {
            Ok(server) => server.kill(),
            Err(starting) => starting.kill(),
        }
        killed.push(Kill { before_ms, after_ms: now_ms() });
        posters.open(None);
    }
    killed
}

/// Waits until every event has ended.
fn drain(server: &Server) {
    let open = ["received", "routed", "parked", "approved", "running", "answered"];
    within(DRAIN, "the queue is empty", || {
        let any = open.iter().any(|state| {
            let list = server.get(&format!(
                "/webhook-aggregator/api/events?channel=telegram&limit=1&state={state}"
            ));
            !list["events"].as_array().unwrap().is_empty()
        });
        (!any).then_some(())
    });
}

/// Replays dead letters: messages killed in each of their runs (G1).
fn replay_dead(home: &Home, server: &Server) {
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=500&state=dead");
    let ids: Vec<&str> = list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    if !ids.is_empty() {
        home.run(&[&["replay"], ids.as_slice()].concat()).ok();
        drain(server);
    }
}
