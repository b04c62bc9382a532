//! The server that runs meanwhile: stopped and started as a service, or a reason to refuse.

use crate::cli::Kind;
use crate::client::Client;
use crate::commands::service::systemctl::Systemctl;
use crate::data_dir::DataDir;
use crate::exit::No;
use crate::live::{InForce, PATH};
use crate::service::systemd::UNIT;
use anyhow::Result;
use reqwest::Method;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Looks for the server that was started, and the time between them.
const LOOKS: u32 = 240;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The server of the data directory.
pub(super) enum Server {
    /// None runs.
    None,
    Service {
        manager: Box<Systemctl>,
        pid: u32,
        config: Option<PathBuf>,
    },
}

impl Server {
    /// Finds the server.
    ///
    /// # Errors
    /// [`No`] when one runs that may not or cannot be restarted.
    pub(super) async fn find(data: &DataDir, may_restart: bool, as_json: bool) -> Result<Self> {
        if !data.is_in_use() {
            return Ok(Self::None);
        }
        let refused = |why: &str| {
            No(format!(
                "a server runs on {}, so nothing was changed. Stop it first{why}.",
                data.path().display()
            ))
        };
        let Some(file) = data.server().filter(|_| may_restart) else {
            let why = if may_restart { "" } else { "; a service: add --restart-service" };
            return Err(refused(why).into());
        };
        for system in [false, true] {
            let manager = Systemctl::of(Kind { system }, as_json)?;
            if manager.main_pid() == Some(file.pid) {
                let config = config(data).await;
                return Ok(Self::Service { manager: Box::new(manager), pid: file.pid, config });
            }
        }
        Err(refused(": it is no service of systemd").into())
    }
    /// The configuration file that it reads.
    pub(super) fn config(&self) -> Option<PathBuf> {
        match self {
            Self::None => None,
            Self::Service { config, .. } => config.clone(),
        }
    }
    /// The command that starts it; none: it is no service.
    pub(super) fn start_command(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Service { manager, .. } => Some(manager.command(&["start", UNIT])),
        }
    }
    /// Stops it; then nothing else can use the data directory until the lock is dropped.
    ///
    /// # Errors
    /// When it does not stop, or another process is faster.
    pub(super) fn stop(&self, data: &DataDir) -> Result<Option<File>> {
        if let Self::Service { manager, .. } = self {
            manager.run(&["stop", UNIT])?;
        }
        if data.join("quintet.db").exists() { data.lock().map(Some) } else { Ok(None) }
    }
    /// Starts it again and waits until it answers.
    ///
    /// # Errors
    /// [`No`] when it does not within a minute.
    pub(super) async fn start(&self, data: &DataDir) -> Result<()> {
        let Self::Service { manager, pid, .. } = self else { return Ok(()) };
        manager.run(&["start", UNIT])?;
        for _ in 0..LOOKS {
            let is_new = data.server().is_some_and(|server| server.pid != *pid);
            if is_new && answers(data).await {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(No("the service does not answer; `quintet service logs` may say why".to_owned()).into())
    }
}

async fn answers(data: &DataDir) -> bool {
    let Ok(client) = Client::new(None, data) else { return false };
    client.url("").await.is_ok()
}

async fn config(data: &DataDir) -> Option<PathBuf> {
    let client = Client::new(None, data).ok()?;
    let in_force = client.ask_server::<InForce>(Method::GET, PATH).await.ok()?;
    Some(in_force.file).filter(|file| file.exists())
}
