//! The five Workers on Cloudflare's own runtime, locally, with a gateway joined by `quintet gateway
//! --control`.
//!
//! Everything is in one temporary folder: `state` is the runtime's storage, `data` the gateway's
//! data directory, `agents` has the programs, `home` is the gateway's home directory, and the logs
//! are beside them.

mod launcher;
mod secrets;

use crate::agent::Agent;
use crate::configuration;
use crate::host::{Answer, Host, Request};
use crate::native::{
    ADVANCE_MS_MAX, ANSWER, BREATH, notes, program, put_program, recorder, starts, wall_ms,
};
use crate::story::Story;
use crate::telegram::Telegram;
use async_trait::async_trait;
use launcher::{Gateway, Launcher, tail};
pub use launcher::{Parts, parts};
use secrets::Secrets;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Interval of the timers; in production it is a minute.
const TIMER: Duration = Duration::from_secs(1);

/// The host.
pub struct Workerd {
    telegram: Telegram,
    /// Stopped with the host.
    _recorder: recorder::Recorder,
    folder: TempDir,
    parts: Parts,
    secrets: Secrets,
    tree: Value,
    launcher: Launcher,
    gateway: Gateway,
    timer: JoinHandle<()>,
    client: reqwest::Client,
}

impl Workerd {
    /// Starts runtime and gateway for a story, and publishes the default graph.
    ///
    /// # Errors
    /// When they do not start.
    pub async fn start(parts: &Parts, story: &Story) -> Result<Self, String> {
        let telegram = Telegram::default();
        let recorder = recorder::Recorder::start(telegram.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["data", "agents", "home", "state", "notes"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let agents = story.agents();
        agents.iter().try_for_each(|agent| put_program(root, agent))?;
        let tree = configuration::tree(&recorder.address, &agents, Some(&notes(root)), |name| {
            program(root, name).to_string_lossy().into_owned()
        });
        std::fs::write(
            root.join("data/quintet.toml"),
            toml::to_string(&json!({ "agents": tree["agents"] })).unwrap(),
        )
        .unwrap();
        let secrets = Secrets;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().unwrap();
        let launcher = Launcher::start(parts, root, &secrets.bindings(&tree)).await?;
        publish(&client, &launcher.front, &secrets).await?;
        let gateway = Gateway::start(parts, root, &launcher.front, &secrets)?;
        let timer = tokio::spawn(keep_time(client.clone(), launcher.control.clone()));
        let parts = parts.clone();
        Ok(Self {
            telegram,
            _recorder: recorder,
            folder,
            parts,
            secrets,
            tree,
            launcher,
            gateway,
            timer,
            client,
        })
    }
    /// Kills both processes, as a power cut does.
    async fn kill(&mut self) {
        self.timer.abort();
        self.gateway.kill().await;
        self.launcher.kill().await;
    }
}

/// Runs the timers, as production's cron does.
async fn keep_time(client: reqwest::Client, control: String) {
    loop {
        tokio::time::sleep(TIMER).await;
        for service in ["personal-assistant", "monitoring-dashboard"] {
            let _ = client
                .post(format!("{control}/cron?service={service}&cron=*+*+*+*+*"))
                .send()
                .await;
        }
    }
}

async fn publish(client: &reqwest::Client, front: &str, secrets: &Secrets) -> Result<(), String> {
    let root = crate::folder().join("../routing-knowledge");
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(json!({ "path": name, "text": std::fs::read_to_string(&path).map_err(|error| error.to_string())? }));
            }
        }
    }
    let request = client
        .post(format!("{front}/skill-graph-loader/api/publish"))
        .bearer_auth(secrets.token("operator"));
    let answer = request
        .header("content-type", "application/json")
        .body(json!({ "files": files }).to_string())
        .send()
        .await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!(
            "the graph was not published ({status}): {}",
            answer.text().await.unwrap_or_default()
        ))
    }
}

#[async_trait]
impl Host for Workerd {
    fn name(&self) -> &'static str {
        "workerd"
    }
    fn telegram(&self) -> &Telegram {
        &self.telegram
    }
    async fn send(&mut self, request: Request) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| error.to_string())?;
        // The gateway is not a Worker, so its requests go to its own API.
        let door = if request.path.starts_with("/agency-gateway/") {
            &self.gateway.address
        } else {
            &self.launcher.front
        };
        let mut built =
            self.client.request(method, format!("{door}{}", request.path)).body(request.body);
        if request.scope != "nobody" {
            built = built.bearer_auth(self.secrets.token(&request.scope));
        }
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        let answer = built.send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        Ok(Answer::new(status, &answer.bytes().await.map_err(|error| error.to_string())?))
    }
    fn set_agent(&mut self, agent: &Agent) -> Result<(), String> {
        put_program(self.folder.path(), agent)
    }
    fn runs(&self, agent: &str) -> usize {
        std::fs::read_to_string(starts(self.folder.path(), agent))
            .map_or(0, |text| text.lines().count())
    }
    fn now_ms(&self) -> i64 {
        wall_ms()
    }
    async fn breathe(&mut self) {
        tokio::time::sleep(BREATH).await;
    }
    async fn advance(&mut self, ms: i64) {
        tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await;
    }
    fn advance_max_ms(&self) -> Option<i64> {
        Some(ADVANCE_MS_MAX)
    }
    async fn restart(&mut self) -> Result<(), String> {
        self.kill().await;
        let root: &Path = self.folder.path();
        self.launcher =
            Launcher::start(&self.parts, root, &self.secrets.bindings(&self.tree)).await?;
        self.gateway = Gateway::start(&self.parts, root, &self.launcher.front, &self.secrets)?;
        self.timer = tokio::spawn(keep_time(self.client.clone(), self.launcher.control.clone()));
        Ok(())
    }
    fn notes(&self) -> String {
        tail(self.folder.path())
    }
    async fn close(&mut self) {
        self.kill().await;
    }
}
