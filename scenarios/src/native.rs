//! The real `quintet` binary with its files, sockets and processes, in real time.
//!
//! Everything is in one temporary folder: `data` is the data directory, `agents` has the programs,
//! `home` is the binary's home directory, `quintet.log` is its standard error.

mod process;
pub(crate) mod recorder;

use crate::agent::Agent;
use crate::configuration;
use crate::host::{Answer, Host, Request};
use crate::story::Story;
use crate::telegram::Telegram;
use async_trait::async_trait;
use process::Process;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Pause between two checks.
pub(crate) const BREATH: Duration = Duration::from_millis(40);
/// Request timeout, above any long poll.
pub(crate) const ANSWER: Duration = Duration::from_mins(1);
/// Maximum `advance` of a test in real time.
pub(crate) const ADVANCE_MS_MAX: i64 = 3_000;
/// Log lines in a failure.
const LOG_LINES: usize = 15;

/// The host.
pub struct Native {
    telegram: Telegram,
    /// Stopped with the host.
    _recorder: recorder::Recorder,
    folder: TempDir,
    process: Process,
    client: reqwest::Client,
}

/// The binary to test: `QUINTET_BIN`, or the newest build.
///
/// # Panics
/// When `QUINTET_BIN` names no file.
#[expect(clippy::disallowed_methods, reason = "which binary is tested comes from outside")]
pub fn binary() -> Option<PathBuf> {
    if let Ok(named) = std::env::var("QUINTET_BIN") {
        let path = PathBuf::from(named);
        assert!(
            path.is_file(),
            "QUINTET_BIN names {}, but that file does not exist",
            path.display()
        );
        return Some(path);
    }
    let built = ["debug", "release"]
        .map(|profile| crate::folder().join("../target").join(profile).join("quintet"));
    let age = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    built.into_iter().filter(|path| path.is_file()).max_by_key(age)
}

impl Native {
    /// Starts the binary for a story.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(binary: &Path, story: &Story) -> Result<Self, String> {
        let telegram = Telegram::default();
        let recorder = recorder::Recorder::start(telegram.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let (root, data) = (folder.path(), folder.path().join("data"));
        for name in ["data", "agents", "home", "notes"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let agents = story.agents();
        agents.iter().try_for_each(|agent| put_program(root, agent))?;
        let tree = configuration::tree(&recorder.address, &agents, Some(&notes(root)), |name| {
            program(root, name).to_string_lossy().into_owned()
        });
        std::fs::write(data.join("quintet.toml"), toml::to_string(&tree).unwrap()).unwrap();
        let process = Process::start(binary, root).await?;
        // Fails only if a provider is already installed, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().unwrap();
        Ok(Self { telegram, _recorder: recorder, folder, process, client })
    }
    fn token(&self, scope: &str) -> Result<String, String> {
        let path = self.folder.path().join("data/tokens").join(scope);
        std::fs::read_to_string(&path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The time that a platform writes into its messages.
#[expect(
    clippy::disallowed_methods,
    reason = "it plays the platform, which has a clock of its own"
)]
pub(crate) fn wall_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) fn program(root: &Path, agent: &str) -> PathBuf {
    root.join("agents").join(agent)
}

pub(crate) fn starts(root: &Path, agent: &str) -> PathBuf {
    notes(root).join(agent)
}

/// Where an agent's program notes its starts.
pub(crate) fn notes(root: &Path) -> PathBuf {
    root.join("notes")
}

/// Writes the script atomically, so that no start sees half of it.
pub(crate) fn put_program(root: &Path, agent: &Agent) -> Result<(), String> {
    let path = program(root, &agent.name);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    match agent.shell(&starts(root, &agent.name)) {
        Some(script) => {
            let beside = path.with_extension("new");
            std::fs::write(&beside, script).map_err(failed)?;
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755))
                .map_err(failed)?;
            std::fs::rename(&beside, &path).map_err(failed)
        }
        None if path.exists() => std::fs::remove_file(&path).map_err(failed),
        None => Ok(()),
    }
}

#[async_trait]
impl Host for Native {
    fn name(&self) -> &'static str {
        "native"
    }
    fn telegram(&self) -> &Telegram {
        &self.telegram
    }
    async fn send(&mut self, request: Request) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut built = self
            .client
            .request(method, format!("{}{}", self.process.address, request.path))
            .body(request.body);
        if request.scope != "nobody" {
            built =
                built.header("authorization", format!("Bearer {}", self.token(&request.scope)?));
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
        self.process.kill().await;
        let binary = self.process.binary.clone();
        self.process = Process::start(&binary, self.folder.path()).await?;
        Ok(())
    }
    fn notes(&self) -> String {
        let log = process::log(self.folder.path());
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
    async fn close(&mut self) {
        self.process.kill().await;
    }
}
