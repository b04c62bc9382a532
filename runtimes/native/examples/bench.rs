//! Measures the release binary from outside: start-up, memory, accept and answer latency, each
//! beside a baseline of the same run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring tool: it stops where it cannot measure"
)]

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 300;

fn main() {
    let data = std::env::temp_dir().join(format!("quintet-bench-{}", std::process::id()));
    let (first_ms, server) = start(&data, None);
    drop(server);
    let warm: Vec<f64> = (0..5).map(|_| start(&data, None).0).collect();
    let (_, server) = start(&data, None);
    std::thread::sleep(Duration::from_secs(2));
    println!(
        "start to ready      first {first_ms:.0} ms, later {:.0} ms (median of 5)",
        median(warm)
    );
    println!("resident memory     {:.1} MB idle", server.rss_mb());
    let health = server.timed(|server| server.get("/webhook-aggregator/health"));
    let accept = server.timed(Server::telegram);
    let route = server.timed(Server::route);
    let line = |name: &str, times: &(f64, f64)| {
        println!(
            "{name:<19} p50 {:.2} ms  p99 {:.2} ms  ({:.1} × /health)",
            times.0,
            times.1,
            times.0 / health.0
        );
    };
    line("GET /health", &health);
    line("accept a webhook", &accept);
    line("POST /api/route", &route);
    let mut answers: Vec<f64> = (0..20).map(|_| server.answer_ms()).collect();
    answers.sort_by(f64::total_cmp);
    println!(
        "webhook to answer   p50 {:.0} ms  max {:.0} ms (knowledge runner, reply sent)",
        answers[10], answers[19]
    );
    println!("resident memory     {:.1} MB after {} messages", server.rss_mb(), ROUNDS + 20);
    drop(server);
    let _ = std::fs::remove_dir_all(&data);
    let [strict, off] = ["strict", "off"].map(program_ms);
    println!(
        "program to answer   {strict:.0} ms in the sandbox, {off:.0} ms outside: {:.0} ms for it ({:.1} ×, median of 25)",
        strict - off,
        strict / off
    );
}

/// Milliseconds from the webhook to the answer of `/bin/true`, run as the agent.
fn program_ms(sandbox: &str) -> f64 {
    let data = std::env::temp_dir().join(format!("quintet-bench-{sandbox}-{}", std::process::id()));
    std::fs::create_dir_all(&data).unwrap();
    let config = data.with_extension("toml");
    let agent = format!(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"/bin/true\"]\nsandbox = \"{sandbox}\"\nestimated_cost = 0.0\n"
    );
    std::fs::write(&config, agent).unwrap();
    let server = start(&data, Some(&config)).1;
    let times = (0..26).map(|_| server.answer_ms()).skip(1).collect();
    drop(server);
    let _ = std::fs::remove_dir_all(&data);
    let _ = std::fs::remove_file(&config);
    median(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Server {
    child: Child,
    address: String,
    operator: String,
    secret: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    here.parent().and_then(Path::parent).unwrap().join("quintet")
}

fn start(data: &Path, config: Option<&Path>) -> (f64, Server) {
    let _ = std::fs::remove_file(data.join("server.json"));
    let begun = Instant::now();
    let mut command = Command::new(binary());
    let child = command
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(config.into_iter().flat_map(|path| [Path::new("--config"), path]))
        .env("QUINTET_LIMITS__SENDER_PER_MINUTE", "0")
        .env("QUINTET_LIMITS__ENDPOINT_PER_MINUTE", "0");
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let address = loop {
        if let Ok(text) = std::fs::read_to_string(data.join("server.json"))
            && let Ok(file) = serde_json::from_str::<Value>(&text)
        {
            let address =
                file["address"].as_str().unwrap().trim_start_matches("http://").to_owned();
            if exchange(&address, "GET", "/webhook-aggregator/health", &[], "")
                .is_some_and(|(status, _)| status == 200)
            {
                break address;
            }
        }
        assert!(child.try_wait().unwrap().is_none(), "the server has ended");
        assert!(begun.elapsed() < Duration::from_mins(1), "the server does not start");
        std::thread::sleep(Duration::from_millis(2));
    };
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let local: Value = serde_json::from_str(&read("local.json")).unwrap();
    let secret = local["telegram"]["secret_token"].as_str().unwrap().to_owned();
    (ms, Server { child, address, operator: read("tokens/operator"), secret })
}

/// Sends one request on its own connection; returns status and body.
fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_nodelay(true).ok()?;
    let extra: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{extra}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.get(9..12)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

impl Server {
    fn get(&self, path: &str) -> String {
        let token = format!("Bearer {}", self.operator);
        let (status, body) =
            exchange(&self.address, "GET", path, &[("authorization", &token)], "").unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }
    fn telegram(&self) -> String {
        self.send().to_string()
    }
    fn send(&self) -> u128 {
        let id =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
                >> 8;
        let body = format!(
            r#"{{"update_id":{id},"message":{{"message_id":1,"from":{{"id":700000001}},"chat":{{"id":700000001,"type":"private"}},"date":1,"text":"Fix the TypeError in the login flow"}}}}"#
        );
        let (status, text) = exchange(
            &self.address,
            "POST",
            "/telegram/local",
            &[("x-telegram-bot-api-secret-token", &self.secret)],
            &body,
        )
        .unwrap();
        assert_eq!(status, 200, "{text}");
        id
    }
    fn route(&self) -> String {
        let token = format!("Bearer {}", self.operator);
        let body = r#"{"message":"is the login form open to injection?"}"#;
        exchange(
            &self.address,
            "POST",
            "/agency-router/api/route",
            &[("authorization", &token)],
            body,
        )
        .unwrap()
        .1
    }
    /// Milliseconds from the webhook to the event's Done.
    fn answer_ms(&self) -> f64 {
        // A conversation runs in order, so wait for the earlier messages.
        let open = |state: &str| {
            !self
                .get(&format!("/webhook-aggregator/api/events?state={state}&limit=1"))
                .contains("\"events\":[]")
        };
        while ["received", "routed", "approved", "running", "answered"].into_iter().any(open) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = Instant::now();
        let id = self.send();
        loop {
            let list: Value =
                serde_json::from_str(&self.get("/webhook-aggregator/api/events?limit=5")).unwrap();
            let done =
                |event: &Value| event["dedupeKey"] == id.to_string() && event["state"] == "done";
            if list["events"].as_array().unwrap().iter().any(done) {
                return begun.elapsed().as_secs_f64() * 1000.0;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no answer");
        }
    }
    fn timed(&self, request: impl Fn(&Self) -> String) -> (f64, f64) {
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                request(self);
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (times[ROUNDS / 2], times[ROUNDS * 99 / 100])
    }
    fn rss_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        let kb: f64 = line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0.0);
        kb / 1024.0
    }
}
