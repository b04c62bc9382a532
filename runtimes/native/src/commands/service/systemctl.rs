//! systemd, of the user or of the whole machine.

use crate::cli::Kind;
use crate::exit::{No, Usage};
use crate::owner::root;
use crate::service::systemd::{self, UNIT};
use crate::terminal::{say, say_json, shell_word};
use anyhow::{Context, Result};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

/// One of the two managers, and the place of our unit.
pub struct Systemctl {
    kind: Kind,
    pub path: PathBuf,
    pub as_json: bool,
    /// Everything that was done, for `--json`.
    done: RefCell<Vec<String>>,
}

impl Systemctl {
    /// The manager of this kind of service.
    ///
    /// # Errors
    /// When the user has no home.
    pub fn of(kind: Kind, as_json: bool) -> Result<Self> {
        let path = systemd::place(kind.system).context("no folder for the unit. Set HOME.")?;
        Ok(Self { kind, path, as_json, done: RefCell::default() })
    }
    /// The unit as it is on the disk; none: there is no file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn written(&self) -> Result<Option<String>> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.path.display()))
            }
        }
    }
    /// Whether the manager answers.
    pub fn is_reachable(&self) -> bool {
        self.ask(&["show", "--property=Version"]).is_some_and(|output| output.status.success())
    }
    /// The words for a manager that does not answer.
    pub fn unreachable(&self) -> String {
        format!("systemd does not answer here ({})", self.command(&["show"]))
    }
    /// Properties of our unit; none where the manager does not answer.
    pub fn show(&self, names: &[&str]) -> Option<BTreeMap<String, String>> {
        let wanted = format!("--property={}", names.join(","));
        let output = self.ask(&["show", UNIT, &wanted]).filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
    /// Whether our unit runs.
    pub fn is_active(&self) -> bool {
        let shown = self.show(&["ActiveState"]);
        shown.is_some_and(|shown| shown.get("ActiveState").is_some_and(|state| state == "active"))
    }
    /// The process of our unit, while it runs.
    pub fn main_pid(&self) -> Option<u32> {
        let shown = self.show(&["MainPID"])?;
        shown.get("MainPID")?.parse().ok().filter(|pid| *pid != 0)
    }
    /// Runs a command and says so.
    ///
    /// # Errors
    /// [`No`] when it fails, with its own words.
    pub fn run(&self, words: &[&str]) -> Result<()> {
        let command = self.command(words);
        let output = self.ask(words).with_context(|| format!("cannot run {command}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(No(format!("`{command}` failed: {}", said.trim())).into());
        }
        self.tell(format!("ran {command}"));
        Ok(())
    }
    /// Says what was done, or keeps it for the JSON at the end.
    pub fn tell(&self, text: String) {
        if self.as_json {
            self.done.borrow_mut().push(text);
        } else {
            say(&text);
        }
    }
    /// The end of a command.
    pub fn finish(&self) {
        if self.as_json {
            say_json(&json!({ "unit": self.path, "done": *self.done.borrow() }));
        }
    }
    /// The command as a person types it.
    pub fn command(&self, words: &[&str]) -> String {
        [&["systemctl"], self.scope(), words].concat().join(" ")
    }
    /// The commands that remove the service.
    pub fn removal(&self) -> Vec<String> {
        vec![
            self.command(&["disable", "--now", UNIT]),
            format!("rm {}", shell_word(&self.path.display().to_string())),
            self.command(&["daemon-reload"]),
        ]
    }
    /// Refuses to change the machine's services as another user than root.
    ///
    /// # Errors
    /// [`Usage`], with the command.
    pub fn require_root(&self, what: &str) -> Result<()> {
        if !self.kind.system || nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let command = format!("sudo quintet service {what} --system");
        Err(Usage(format!("--system needs root. Run: {command}")).into())
    }
    fn scope(&self) -> &'static [&'static str] {
        if self.kind.system { &[] } else { &["--user"] }
    }
    fn ask(&self, words: &[&str]) -> Option<Output> {
        let _root = root();
        Command::new("systemctl").args(self.scope()).args(words).output().ok()
    }
}
