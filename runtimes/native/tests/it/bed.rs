//! A home, a data directory and the binary for one test.
#![allow(dead_code, reason = "each test file uses its own part")]

use crate::http::{self, Answer};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Enough for a debug start on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Lines of a server's log that a failed test prints.
const LOG_LINES_SHOWN: usize = 60;

/// Says that a check was left out; the test still passes.
#[expect(clippy::print_stdout, reason = "for those who read the test's output")]
pub fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// Polls until `look` returns something; panics at the deadline.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// [`until`] with its own deadline.
pub fn within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that were started from this file.
pub fn processes(program: &Path) -> usize {
    let mark = program.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    arguments.filter(|text| String::from_utf8_lossy(text).contains(&mark)).count()
}

/// An empty home; its data directory does not exist yet.
pub struct Home {
    root: TempDir,
    variables: Vec<(String, String)>,
}

/// A finished command.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("not JSON alone: {self:?}"))
    }
    /// The output of a successful command.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

impl Home {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        Self { root, variables: Vec::new() }
    }
    /// With a configuration file for `up`.
    pub fn with_config(text: &str) -> Self {
        let home = Self::new();
        std::fs::write(home.config(), text).unwrap();
        home
    }
    /// With one more variable for every process.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }
    fn config(&self) -> PathBuf {
        self.path("quintet.toml")
    }
    /// Writes an executable script of the shell and returns its path.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        self.program(name, &format!("#!/bin/sh\n{text}\n"))
    }
    /// Writes an executable file and returns its path.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
    /// The configuration of an agent `codegen` with this program, which may write in `app`.
    pub fn agent_table(&self, runner: &str, program: &str, cost: f64, more: &str) -> String {
        let (path, app) = (self.program("agent-program", program), self.path("app"));
        std::fs::create_dir_all(&app).unwrap();
        format!(
            "[agents.codegen]\nrunner = \"{runner}\"\ncommand = [\"{}\"]\nestimated_cost = {cost:?}\nwritable = [\"{}\"]\n{more}\n",
            path.display(),
            app.display()
        )
    }
    /// The binary with this home's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quintet"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("QUINTET_DATA", self.data());
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.root.path());
        command.args(args).stdin(Stdio::null());
        command
    }
    /// Runs a command and waits for it.
    pub fn run(&self, args: &[&str]) -> Done {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
    /// Starts the server and waits until it answers.
    pub fn up(&self) -> Server {
        self.spawn().ready(self)
    }
    /// Starts the server at this address again, and waits until it answers.
    pub fn up_at(&self, address: &str) -> Server {
        let mut command = self.command(&["up", "--listen", address]);
        if self.config().exists() {
            command.arg("--config").arg(self.config());
        }
        self.logged(command).ready(self)
    }
    /// Starts the server with extra arguments and waits until it answers.
    pub fn up_with(&self, more: &[&str]) -> Server {
        self.spawn_with(more).ready(self)
    }
    /// Starts the server below a limit that the shell sets, and waits until it answers.
    pub fn up_limited(&self, limit: &str) -> Server {
        self.up_within(&["/bin/sh", "-c"], &format!("{limit}; exec \"$0\" \"$@\""))
    }
    /// Starts the server as `"$0" "$@"` of a script, and waits until it answers. The script ends in
    /// the server, so that the process id stays.
    pub fn up_within(&self, shell: &[&str], script: &str) -> Server {
        let plain = self.up_command(&[]);
        let (program, options) = shell.split_first().unwrap();
        let mut shell = Command::new(program);
        shell.args(options).arg(script);
        shell.arg(plain.get_program()).args(plain.get_args());
        shell.env_clear().current_dir(self.root.path()).stdin(Stdio::null());
        shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.logged(shell).ready(self)
    }
    /// Starts the server without waiting.
    pub fn spawn(&self) -> Starting {
        self.spawn_with(&[])
    }
    fn spawn_with(&self, more: &[&str]) -> Starting {
        self.logged(self.up_command(more))
    }
    fn up_command(&self, more: &[&str]) -> Command {
        let mut command = self.command(&["up", "--listen", "127.0.0.1:0"]);
        command.args(more);
        if self.config().exists() {
            command.arg("--config").arg(self.config());
        }
        command
    }
    fn logged(&self, mut command: Command) -> Starting {
        let log = |name| File::options().create(true).append(true).open(self.path(name)).unwrap();
        Starting(command.stdout(log("out.log")).stderr(log("err.log")).spawn().unwrap())
    }
    /// The row of today in the budget of everything.
    pub fn today(&self) -> Value {
        let budget = self.run(&["budget", "--json"]).json();
        let scopes = budget["scopes"].as_array().unwrap();
        let is_today = |row: &&Value| row["scope"] == "all" && row["window"] == "day";
        scopes.iter().find(is_today).unwrap().clone()
    }
    /// The stdout and stderr of this home's servers.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
    pub fn token(&self, scope: &str) -> String {
        std::fs::read_to_string(self.data().join("tokens").join(scope)).unwrap()
    }
}

/// A server that may not listen yet.
pub struct Starting(Child);

impl Starting {
    /// Sends SIGKILL, at any point of the start.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
    pub fn ready(mut self, home: &Home) -> Server {
        let address = until("server.json of this process", || {
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("the server ended ({status}): {}", home.log("err.log"));
            }
            address_of(&home.data(), self.0.id())
        });
        Server {
            child: self.0,
            token: std::fs::read_to_string(home.data().join("tokens/operator")).unwrap_or_default(),
            address,
            log: home.path("err.log"),
        }
    }
}

/// The address recorded by this process.
fn address_of(data: &Path, pid: u32) -> Option<String> {
    let file: Value =
        serde_json::from_slice(&std::fs::read(data.join("server.json")).ok()?).ok()?;
    (file["pid"] == pid)
        .then(|| file["address"].as_str().unwrap().trim_start_matches("http://").to_owned())
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    token: String,
    pub address: String,
    log: PathBuf,
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "the log of a failed test goes to its output")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("the server's last words:\n{}", last.join("\n"));
        }
    }
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// Sends SIGKILL and waits for the process.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Sends SIGTERM and returns the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        until("the server stops", || self.child.try_wait().unwrap()).code()
    }
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::ask(&self.address, method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
    /// A GET as the operator.
    pub fn get(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.token);
        let answer = self.ask("GET", path, &[("authorization", &bearer)], "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }
    /// Sends a message through the console's API, in a conversation of its own; returns its event's
    /// id.
    pub fn say(&self, text: &str) -> String {
        self.say_in(None, text)
    }
    /// [`Server::say`] in this conversation.
    pub fn say_in(&self, conversation: Option<&str>, text: &str) -> String {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = self.ask(
            "POST",
            "/webhook-aggregator/api/messages",
            &headers,
            &json!({ "text": text, "conversation": conversation }).to_string(),
        );
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["eventId"].as_str().unwrap().to_owned()
    }
    pub fn event(&self, id: &str) -> Value {
        self.get(&format!("/webhook-aggregator/api/events/{id}"))
    }
    /// Waits until the event has this state; otherwise panics with the event as it is.
    pub fn event_in(&self, id: &str, state: &str) -> Value {
        let start = Instant::now();
        loop {
            let event = self.event(id);
            if event["state"] == state {
                return event;
            }
            let waited = start.elapsed();
            assert!(waited < PATIENCE, "{id} is not {state} within {PATIENCE:?}: {event}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A private Telegram message from this user, as Telegram posts it. Message and update have the
/// same number.
pub fn telegram_update(update: u64, user: u64, text: &str) -> String {
    let person = json!({ "id": user, "is_bot": false, "first_name": "P" });
    let message = json!({ "message_id": update, "from": person, "chat": { "id": user, "type": "private" }, "date": now_s(), "text": text });
    json!({ "update_id": update, "message": message }).to_string()
}

/// The time of a message that is sent now, in seconds.
fn now_s() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The header that authenticates Telegram to the endpoint `main` of [`telegram_config`].
pub const TELEGRAM_SECRET: (&str, &str) =
    ("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789");

/// `[endpoints.telegram.main]` with this platform, owner and senders.
pub fn telegram_config(api_base: &str, owner: u64, senders: &[u64]) -> String {
    let senders: Vec<String> = senders.iter().map(|id| format!("\"{id}\"")).collect();
    format!(
        "[endpoints.telegram.main]\nsecret_token = \"{}\"\nbot_token = \"5550001:TEST\"\napi_base = \"{api_base}\"\napprovers = [\"{owner}\"]\nsenders = [{}]\n",
        TELEGRAM_SECRET.1,
        senders.join(", ")
    )
}
