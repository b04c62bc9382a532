//! `quintet service`: the service of systemd. On other systems the file is printed.

mod install;
pub mod systemctl;

use crate::cli::{Kind, Service};
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable};
use crate::owner::Owner;
use crate::service::{LOG, systemd};
use crate::terminal::{say, say_json};
use anyhow::{Context, Result};
use serde_json::json;
use std::process::Command;
use systemctl::Systemctl;

/// Runs the subcommand.
///
/// # Errors
/// [`Unreachable`] without a service manager, [`No`] when the answer is no.
pub fn service(command: Service, data: &DataDir, as_json: bool) -> Result<()> {
    match command {
        Service::Install(asked) => install::install(&asked, data, as_json),
        Service::Status { kind } => status(kind, as_json),
        Service::Logs { kind, follow, lines } => logs(kind, data, follow, lines, as_json),
        Service::Remove { kind } => remove(kind, as_json),
    }
}

fn status(kind: Kind, as_json: bool) -> Result<()> {
    let manager = Systemctl::of(kind, as_json)?;
    let text = manager.written()?;
    let is_edited = text.as_deref().map(|text| !systemd::is_ours(text));
    let shown = manager.show(&["ActiveState", "UnitFileState", "MainPID"]);
    let known = |name: &str| shown.as_ref().and_then(|shown| shown.get(name)).cloned();
    let pid = known("MainPID").filter(|pid| pid != "0");
    if as_json {
        say_json(&json!({
            "unit": manager.path, "installed": text.is_some(), "edited": is_edited,
            "active": known("ActiveState"), "enabled": known("UnitFileState"), "pid": pid,
        }));
    } else {
        let written = match is_edited {
            None => "not installed; `quintet service install` writes it",
            Some(true) => "edited, or not written by quintet",
            Some(false) => "as quintet wrote it",
        };
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        say(&format!("unit     {} ({written})", manager.path.display()));
        say(&format!("enabled  {}", or_unknown(known("UnitFileState"))));
        say(&format!("active   {}", or_unknown(known("ActiveState"))));
        say(&format!("process  {}", pid.unwrap_or_else(|| "none".to_owned())));
    }
    match known("ActiveState").as_deref() {
        Some("active") => Ok(()),
        Some(state) => Err(No(format!("the service is {state}")).into()),
        None => Err(Unreachable(manager.unreachable()).into()),
    }
}

fn logs(kind: Kind, data: &DataDir, follow: bool, lines: u32, as_json: bool) -> Result<()> {
    let file = data.join(LOG);
    let mut command = if file.exists() {
        let mut tail = Command::new("tail");
        if let Some(owner) = Owner::of(data)? {
            owner.runs(&mut tail);
        }
        tail.arg("-n").arg(lines.to_string()).args(follow.then_some("-F")).arg(&file);
        tail
    } else {
        let mut journal = Command::new("journalctl");
        journal.args((!kind.system).then_some("--user"));
        journal.args(["--unit", systemd::UNIT, "--lines", &lines.to_string()]);
        journal.args(follow.then_some("--follow")).args(as_json.then_some("--output=json"));
        journal
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| {
        Unreachable(format!(
            "cannot start {program} ({error}). Where there is no journal, the log is where the \
             service manager writes it: {} as `quintet service install --print` has it.",
            file.display()
        ))
    })?;
    if status.success() { Ok(()) } else { Err(No(format!("{program} ended with {status}")).into()) }
}

fn remove(kind: Kind, as_json: bool) -> Result<()> {
    let manager = Systemctl::of(kind, as_json)?;
    let Some(text) = manager.written()? else {
        manager.tell(format!("no service is installed: there is no {}", manager.path.display()));
        manager.finish();
        return Ok(());
    };
    if !systemd::is_ours(&text) {
        return Err(No(format!(
            "{} was edited, or not written by quintet, so nothing was changed. Remove it yourself: \
             {}",
            manager.path.display(),
            manager.removal().join(" && ")
        ))
        .into());
    }
    if !manager.is_reachable() {
        return Err(Unreachable(format!(
            "{}, so nothing was changed. Run: {}",
            manager.unreachable(),
            manager.removal().join(" && ")
        ))
        .into());
    }
    manager.require_root("remove")?;
    manager.run(&["disable", "--now", systemd::UNIT])?;
    std::fs::remove_file(&manager.path)
        .with_context(|| format!("cannot remove {}", manager.path.display()))?;
    manager.tell(format!("removed {}", manager.path.display()));
    manager.run(&["daemon-reload"])?;
    manager.tell("The data directory and its messages stay as they are.".to_owned());
    manager.finish();
    Ok(())
}
