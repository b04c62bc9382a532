//! The two processes: `workers/serve.mjs` with the runtime, and the gateway.

use super::Secrets;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const START: Duration = Duration::from_secs(90);
/// Log lines of each process in a failure.
const LOG_LINES: usize = 15;
const BUILT: [&str; 5] = [
    "personal-assistant",
    "agency-router",
    "skill-graph-loader",
    "monitoring-dashboard",
    "webhook-aggregator",
];

/// The files this host needs.
#[derive(Clone, Debug)]
pub struct Parts {
    node: PathBuf,
    quintet: PathBuf,
}

/// The files, or the missing one with its fix.
///
/// # Errors
/// The first missing file.
#[expect(clippy::disallowed_methods, reason = "which Node is used may come from outside")]
pub fn parts() -> Result<Parts, String> {
    let workers = crate::folder().join("../workers");
    let own = workers.join("node_modules/node/bin/node");
    let node = std::env::var("QUINTET_NODE")
        .map(PathBuf::from)
        .ok()
        .or_else(|| own.is_file().then_some(own));
    let node = node.ok_or("workers/node_modules is missing. Run `npm ci` in workers/.")?;
    if let Some(name) =
        BUILT.iter().find(|name| !workers.join(name).join("dist/index_bg.wasm").is_file())
    {
        return Err(format!("the Worker {name} is not built. Run `cargo xtask build`."));
    }
    let quintet = crate::native::binary()
        .ok_or("target/debug/quintet is missing. Build it, or set QUINTET_BIN.")?;
    Ok(Parts { node, quintet })
}

fn log(root: &Path, name: &str) -> Result<std::fs::File, String> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(root.join(name))
        .map_err(|error| error.to_string())
}

/// The ends of the logs.
pub(super) fn tail(root: &Path) -> String {
    let last = |name: &str| {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("{name}:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
    };
    format!("{}\n{}", last("workerd.log"), last("gateway.log"))
}

/// Kills a process with all its children.
async fn kill_group(child: &mut Child) {
    if let Some(pid) = child.id() {
        // The id of a process group is that of its leader.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).status().await;
    }
    let _ = child.kill().await;
}

/// The runtime with the five Workers.
pub(super) struct Launcher {
    pub front: String,
    pub control: String,
    child: Child,
}

impl Launcher {
    pub(super) async fn start(
        parts: &Parts,
        root: &Path,
        bindings: &Value,
    ) -> Result<Self, String> {
        let options = json!({ "state": root.join("state"), "bindings": bindings, "control": true });
        let path = root.join("options.json");
        std::fs::write(&path, options.to_string()).map_err(|error| error.to_string())?;
        let mut command = Command::new(&parts.node);
        command
            .arg(crate::folder().join("../workers/serve.mjs"))
            .arg(&path)
            .process_group(0)
            .kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log(root, "workerd.log")?);
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", parts.node.display()))?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(START, lines.next_line())
            .await
            .ok()
            .and_then(Result::ok)
            .flatten();
        let Some(ready) = first.and_then(|line| serde_json::from_str::<Value>(&line).ok()) else {
            kill_group(&mut child).await;
            return Err(format!("the Workers did not start:\n{}", tail(root)));
        };
        // Later output is drained, so that the pipe never fills up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        Ok(Self { front: text("front"), control: text("control"), child })
    }
    pub(super) async fn kill(&mut self) {
        kill_group(&mut self.child).await;
    }
}

/// `quintet gateway --control`, with its own API.
pub(super) struct Gateway {
    pub address: String,
    child: Child,
}

impl Gateway {
    pub(super) fn start(
        parts: &Parts,
        root: &Path,
        front: &str,
        secrets: &Secrets,
    ) -> Result<Self, String> {
        let listen = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .map_err(|error| error.to_string())?;
        let mut command = Command::new(&parts.quintet);
        command
            .args(["gateway", "--control", front, "--listen", &listen.to_string(), "--data"])
            .arg(root.join("data"));
        command.process_group(0).kill_on_drop(true);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", root.join("home"));
        for scope in ["operator", "viewer", "agent", "gateway"] {
            command
                .env(format!("QUINTET_{}_TOKEN", scope.to_ascii_uppercase()), secrets.token(scope));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(root, "gateway.log")?);
        let child =
            command.spawn().map_err(|error| format!("{}: {error}", parts.quintet.display()))?;
        Ok(Self { address: format!("http://{listen}"), child })
    }
    pub(super) async fn kill(&mut self) {
        kill_group(&mut self.child).await;
    }
}
