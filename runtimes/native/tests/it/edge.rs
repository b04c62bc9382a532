//! The server's edge from outside: clients that are slow, silent or many.

use crate::bed::{Home, PATIENCE, TELEGRAM_SECRET, telegram_config, telegram_update, until};
use crate::http;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Most memory that the server may have had at any time while all of them are open.
const PEAK_KB_MAX: u64 = 120_000;
const HALF: &str = "POST /telegram/main HTTP/1.1\r\nHost: x\r\n";

/// Connections on which a request was begun and not finished.
fn half_open(address: &str, count: usize) -> Vec<TcpStream> {
    let open = || {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server may have closed it already, to make room.
        let _ = stream.write_all(HALF.as_bytes());
        stream
    };
    (0..count).map(|_| open()).collect()
}

/// Lets this process hold that many connections.
fn allow_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard).unwrap();
}

fn home() -> Home {
    Home::with_config(&telegram_config("http://127.0.0.1:9", 700, &[700]))
}

/// The most memory that a process has had so far, in kilobytes.
fn peak_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn webhook(address: &str, number: u64) -> http::Answer {
    let body = telegram_update(number, 700, "Fix the TypeError in the login flow");
    let headers = [TELEGRAM_SECRET, ("content-type", "application/json")];
    http::ask(address, "POST", "/telegram/main", &headers, &body).unwrap()
}

#[test]
fn webhook_is_answered_during_3000_requests_that_never_end() {
    allow_descriptors();
    let home = home();
    let server = home.up();
    let silent = half_open(&server.address, 3_000);
    let times: Vec<Duration> = (1..=20)
        .map(|number| {
            let start = Instant::now();
            let answer = webhook(&server.address, number);
            assert_eq!(answer.status, 200, "{answer:?}");
            start.elapsed()
        })
        .collect();
    assert!(times.iter().all(|time| *time < Duration::from_secs(2)), "{times:?}");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert!(descriptors < 700, "{descriptors}");
    let warnings = home.log("err.log").matches("connections, so").count();
    assert_eq!(warnings, 1, "{}", home.log("err.log"));
    let start = Instant::now();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)), "half a request has no answer");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "the slow ones are gone by themselves");
    let peak = peak_kb(server.pid());
    assert!(peak < PEAK_KB_MAX, "the server had {peak} kB");
}

#[test]
fn server_without_free_descriptors_goes_on() {
    allow_descriptors();
    let home = home();
    let server = home.up_limited("ulimit -n 96");
    let silent = half_open(&server.address, 300);
    let answer =
        until("an answer", || Some(webhook(&server.address, 1)).filter(|a| a.status == 200));
    assert_eq!(answer.status, 200);
    drop(silent);
    assert_eq!(server.stop(), Some(0));
}
