//! `quintet service install`.

use super::systemctl::Systemctl;
use crate::cli::Install;
use crate::data_dir::{DataDir, variable};
use crate::exit::{No, Unreachable, Usage};
use crate::service::{Format, Plan, VARIABLES, launchd, systemd, windows};
use crate::terminal::{remark, say, say_json};
use anyhow::{Context, Result};
use nix::unistd::{Uid, User};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const LINGER: &str = "It runs while you are signed in. To keep it running: loginctl enable-linger";

/// Writes the unit where that is needed, enables and starts it. Whatever was done is said.
///
/// # Errors
/// [`Unreachable`] without systemd, after the file and the commands were printed; [`No`] for a unit
/// that is not ours.
pub(super) fn install(asked: &Install, data: &DataDir, as_json: bool) -> Result<()> {
    let plan = plan(asked, data)?;
    if let Some(format) = asked.print {
        return print(format, &plan, &Systemctl::of(asked.kind, as_json)?);
    }
    let manager = Systemctl::of(asked.kind, as_json)?;
    if cfg!(target_os = "macos") || !manager.is_reachable() {
        print(Format::Here, &plan, &manager)?;
        let why = manager.unreachable();
        return Err(Unreachable(format!("{why}, so nothing was written.")).into());
    }
    manager.require_root("install")?;
    let unit = systemd::unit(&plan);
    let before = manager.written()?;
    let is_changed = before.as_deref() != Some(&unit);
    if is_changed {
        let is_foreign = before.as_deref().is_some_and(|text| !systemd::is_ours(text));
        if is_foreign && !asked.replace {
            return Err(No(format!(
                "{} was edited, or not written by quintet, so nothing was changed. Add --replace to \
                 overwrite it; --print shows the new one.",
                manager.path.display()
            ))
            .into());
        }
        write(&manager.path, &unit)?;
        manager.tell(format!("wrote {}", manager.path.display()));
        manager.run(&["daemon-reload"])?;
    } else {
        manager.tell(format!("{} is up to date", manager.path.display()));
    }
    let beside = data.join(VARIABLES);
    if asked.kind.system && beside.symlink_metadata().is_ok() {
        manager.tell(format!(
            "The service reads {}; move {} there if it needs it.",
            plan.variables(),
            beside.display()
        ));
    }
    manager.run(&["enable", systemd::UNIT])?;
    start(&manager, data, is_changed)?;
    if !asked.kind.system {
        manager.tell(LINGER.to_owned());
    }
    manager.finish();
    Ok(())
}

fn start(manager: &Systemctl, data: &DataDir, is_changed: bool) -> Result<()> {
    if manager.is_active() {
        if is_changed {
            let restart = manager.command(&["restart", systemd::UNIT]);
            manager
                .tell(format!("The service runs as before; take up the new unit with: {restart}"));
        } else {
            manager.tell("The service runs.".to_owned());
        }
        return Ok(());
    }
    if data.is_in_use() {
        let start = manager.command(&["start", systemd::UNIT]);
        manager.tell(format!(
            "Another `quintet up` uses {}. Stop it, then: {start}",
            data.path().display()
        ));
        return Ok(());
    }
    manager.run(&["start", systemd::UNIT])
}

fn plan(asked: &Install, data: &DataDir) -> Result<Plan> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let path = variable("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let user = if asked.kind.system { Some(owner(data)?) } else { None };
    let config = asked.config.as_deref();
    if let Some(config) = config.filter(|config| !config.exists()) {
        return Err(Usage(format!("there is no configuration {}", config.display())).into());
    }
    Plan::new(&program, data, config, asked.listen, path, user)
}

/// The user who owns the data directory, as whom the service of the machine runs.
fn owner(data: &DataDir) -> Result<String> {
    let about = std::fs::metadata(data.path()).map_err(|error| {
        Usage(format!(
            "the service runs as the owner of its data directory, and {} cannot be read ({error}). \
             Make it first, such as: install -d -m 700 -o USER -g GROUP {}, or name another one with --data.",
            data.path().display(),
            data.path().display()
        ))
    })?;
    let user = User::from_uid(Uid::from_raw(about.uid()))?;
    let user = user.with_context(|| format!("user {} has no name", about.uid()))?;
    if user.uid.is_root() {
        remark(&format!(
            "warning: {} is root's, so the service and its agents run as root. Give it to a user of \
             its own: chown -R USER {}",
            data.path().display(),
            data.path().display()
        ));
    }
    Ok(user.name)
}

/// Prints the file on stdout and the commands beside it.
fn print(format: Format, plan: &Plan, manager: &Systemctl) -> Result<()> {
    let (text, commands) = match format.known() {
        Format::Launchd => (launchd::list(plan), launchd::commands(plan)),
        Format::Windows => {
            let distribution = variable("WSL_DISTRO_NAME");
            (windows::task(plan, distribution.as_deref())?, windows::commands())
        }
        Format::Systemd | Format::Here => {
            let commands = vec![
                format!("save the file as {}", manager.path.display()),
                manager.command(&["daemon-reload"]),
                manager.command(&["enable", "--now", systemd::UNIT]),
            ];
            (systemd::unit(plan), commands)
        }
    };
    if manager.as_json {
        say_json(&json!({ "text": text, "commands": commands }));
        return Ok(());
    }
    say(&text);
    remark("To take it into use:");
    for command in commands {
        remark(&format!("  {command}"));
    }
    Ok(())
}

/// Writes the unit so that a reader finds the old one or the new one, whole.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).with_context(failed)?;
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file =
        OpenOptions::new().create_new(true).write(true).open(&beside).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    // systemd warns of a unit that others cannot read.
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.sync_all()?;
    std::fs::rename(&beside, path).with_context(failed)
}
