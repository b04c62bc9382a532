//! One process of the binary, from its start to its kill.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Maximum wait for the first start, which publishes the graph and trains the model.
const START: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(30);

/// A started process.
pub struct Process {
    pub binary: PathBuf,
    pub address: String,
    child: Child,
}

impl Process {
    /// Starts the binary on the folder's data directory and waits for its address.
    pub async fn start(binary: &Path, root: &Path) -> Result<Self, String> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(root.join("quintet.log"))
            .map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.arg("up").arg("--data").arg(root.join("data")).args(["--listen", "127.0.0.1:0"]);
        // Without the variables and home of the tester's own installation.
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", root.join("home"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let deadline = Instant::now() + START;
        loop {
            if let Some(address) = listening(root, child.id()) {
                return Ok(Self { binary: binary.to_owned(), address, child });
            }
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("`quintet up` ended at once ({status}):\n{}", self::log(root)));
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "`quintet up` was not up within {START:?}:\n{}",
                    self::log(root)
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    /// Sends SIGKILL and waits for the process.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}

/// The address recorded by this process.
fn listening(root: &Path, pid: Option<u32>) -> Option<String> {
    let text = std::fs::read(root.join("data/server.json")).ok()?;
    let file: serde_json::Value = serde_json::from_slice(&text).ok()?;
    (file["pid"].as_u64() == pid.map(u64::from))
        .then(|| file["address"].as_str().map(str::to_owned))?
}

/// The binary's standard error, over all its starts.
pub fn log(root: &Path) -> String {
    std::fs::read_to_string(root.join("quintet.log")).unwrap_or_default()
}
