//! `dev`: the five Workers on Cloudflare's own runtime and the gateway, locally, with one command.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use crate::secrets::{SCOPES, Secrets, write_private};
use crate::{node, workers};
use contracts::ServiceName;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::signal::unix::{SignalKind, signal};

const LISTEN: &str = "127.0.0.1:8787";
const DASHBOARD_PORT: u16 = 8788;
/// Folder of everything kept between runs; delete it to start over.
const FOLDER: &str = ".quintet-dev";

/// Grace for a process to end before it is killed.
const ENDING: Duration = Duration::from_secs(10);

/// A child process that ends with this one. `tie` is its standard input: the Workers stop when it
/// closes, even when this process is killed.
struct Running {
    child: Child,
    #[expect(dead_code, reason = "held: the child ends when it closes")]
    tie: Option<ChildStdin>,
}

impl Running {
    fn start(command: Command) -> std::io::Result<Self> {
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let tie = child.stdin.take();
        Ok(Self { child, tie })
    }
    /// Asks it to end and waits for it.
    async fn end(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = tokio::time::timeout(ENDING, self.child.wait()).await;
    }
}

/// Waits for Ctrl-C or a stop signal.
async fn wanted() -> std::io::Result<()> {
    let (mut interrupt, mut terminate, mut hangup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
    Ok(())
}

/// Each service's part of a configuration file, checked by the `quintet` binary.
///
/// # Errors
/// When it is invalid; the binary has printed the problems.
pub fn parts(root: &Path, config: Option<&Path>) -> Result<Map<String, Value>, String> {
    let Some(config) = config else { return Ok(Map::new()) };
    let out = Command::new(quintet(root))
        .args(["__parts", "--config"])
        .arg(config)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err("the configuration is invalid, so nothing was started".to_owned());
    }
    serde_json::from_slice(&out.stdout).map_err(|e| e.to_string())
}

fn quintet(root: &Path) -> PathBuf {
    root.join("target/debug/quintet")
}

/// Builds the `quintet` binary for other chores.
///
/// # Errors
/// When it does not compile.
pub fn build_quintet(root: &Path) -> Result<(), String> {
    let done =
        Command::new("cargo").args(["build", "--package", "quintet"]).current_dir(root).status();
    if done.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err("quintet does not compile".to_owned())
    }
}

/// Runs until Ctrl-C or a stop signal, or until the Workers or the gateway end.
///
/// # Errors
/// When something cannot be built or started, or ends by itself.
pub fn run(root: &Path, config: Option<&Path>) -> Result<(), String> {
    if !node::install(root)? {
        return Err(format!(
            "Cloudflare's runtime needs Node {} or newer. Install it: \
             https://nodejs.org/en/download",
            node::INSTALLER_MIN
        ));
    }
    workers::build(root, &workers::NAMES)?;
    build_quintet(root)?;
    let parts = parts(root, config)?;
    let folder = root.join(FOLDER);
    let secrets = Secrets::keep(&folder.join("secrets.json"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut up = Vec::new();
        let ended = tokio::select! {
            ended = keep_up(root, config, &folder, &secrets, &parts, &mut up) => ended,
            stopped = wanted() => stopped.map_err(|e| e.to_string()),
        };
        // The gateway first, so that it can still report.
        while let Some(running) = up.pop() {
            running.end().await;
        }
        ended
    })
}

/// Starts the Workers, then the gateway; returns when one of them ends. Both stay in `up`.
async fn keep_up(
    root: &Path,
    config: Option<&Path>,
    folder: &Path,
    secrets: &Secrets,
    parts: &Map<String, Value>,
    up: &mut Vec<Running>,
) -> Result<(), String> {
    let front = serve(root, folder, secrets, parts, up).await?;
    let quintet = |args: &[&str]| {
        let mut command = Command::new(quintet(root));
        command.args(args).arg("--data").arg(folder.join("gateway"));
        for scope in SCOPES {
            command
                .env(format!("QUINTET_{}_TOKEN", scope.to_ascii_uppercase()), secrets.token(scope));
        }
        command
    };
    let mut publish = quintet(&["--server", &front, "graph", "publish"]);
    publish.arg(root.join("routing-knowledge")).stdin(Stdio::null());
    let published = tokio::process::Command::from(publish).kill_on_drop(true).status().await;
    if !published.is_ok_and(|status| status.success()) {
        return Err("cannot publish the default graph".to_owned());
    }
    let token = folder.join("operator-token");
    write_private(&token, &secrets.token("operator")).map_err(|e| e.to_string())?;
    let mut gateway = quintet(&["gateway", "--control", &front]);
    if let Some(config) = config {
        gateway.arg("--config").arg(config);
    }
    up.push(Running::start(gateway).map_err(|e| e.to_string())?);
    println!(
        "\nThe five Workers are up.\n\n  Dashboard  http://127.0.0.1:{DASHBOARD_PORT}/dashboard\n             sign in with the token of {}",
        token.display()
    );
    println!(
        "  Services   {front}/<service>/…\n  Storage    {}\n  Stop       Ctrl-C\n",
        folder.display()
    );
    match up.as_mut_slice() {
        [serving, gateway] => tokio::select! {
            _ = serving.child.wait() => Err("the Workers have ended; their output is above".to_owned()),
            _ = gateway.child.wait() => Err("the gateway has ended; its output is above".to_owned()),
        },
        _ => Err("not everything was started".to_owned()),
    }
}

/// The address of the front door, once everything answers.
async fn serve(
    root: &Path,
    folder: &Path,
    secrets: &Secrets,
    parts: &Map<String, Value>,
    up: &mut Vec<Running>,
) -> Result<String, String> {
    let empty = Value::Object(Map::new());
    let mut bindings = Map::new();
    for service in
        ServiceName::ALL.into_iter().filter(|service| workers::NAMES.contains(&service.as_str()))
    {
        let mut own = secrets.of(service, parts.get(service.as_str()).unwrap_or(&empty));
        // Allows cookies over this machine's plain http.
        own.insert("QUINTET_PLAIN_HTTP".to_owned(), "1".into());
        bindings.insert(service.to_string(), Value::Object(own));
    }
    let ports = json!({ "monitoring-dashboard": DASHBOARD_PORT });
    let options = json!({ "listen": LISTEN, "state": folder.join("state"), "bindings": bindings, "ports": ports, "timers": true, "tied": true });
    let path = folder.join("options.json");
    write_private(&path, &options.to_string()).map_err(|e| e.to_string())?;
    let mut node = Command::new(node::binary(root));
    node.arg(root.join("workers/serve.mjs"))
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut running = Running::start(node).map_err(|e| format!("cannot run node: {e}"))?;
    let stdout = running.child.stdout.take().ok_or("no output")?;
    up.push(running);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await.map_err(|e| e.to_string())?;
    let ready: Value = serde_json::from_str(&line).map_err(|_| {
        format!(
            "the Workers did not start. Check whether {LISTEN} or port {DASHBOARD_PORT} is in use."
        )
    })?;
    ready
        .get("front")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| "the Workers did not report their address".to_owned())
}
