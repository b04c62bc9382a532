//! `quintet upgrade`: puts a new program in the place of this one. It is tried on a backup first,
//! and the old one stays beside it.

mod program;
mod record;
mod server;

use super::backup;
use super::check::COPY;
use crate::cli::Upgrade;
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable};
use crate::owner::{Owner, Rights, act_as_owner};
use crate::ports::clock::SystemClock;
use crate::terminal::{say, say_json, shell_word};
use anyhow::Result;
use platform::ports::{Clock, ClockExt};
use platform::time::rfc3339;
use program::{Place, TRIAL_TIME};
use record::Record;
use serde_json::json;
use server::Server;
use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// This program's version.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Upgrades, or goes back. Where root does it, everything in the data directory of another user and
/// everything that the new program does has that user's rights.
///
/// # Errors
/// [`No`] when the new program is refused or a server runs; then nothing has changed.
pub async fn upgrade(asked: &Upgrade, data: &DataDir, as_json: bool) -> Result<()> {
    let mut place = Place::find()?;
    place.owner = act_as_owner(data)?;
    match &asked.from {
        Some(file) => {
            let done = forward(asked, file, &place, data, as_json).await;
            place.clean();
            done
        }
        None => back(asked, &place, data, as_json).await,
    }
}

async fn forward(
    asked: &Upgrade,
    file: &Path,
    place: &Place,
    data: &DataDir,
    as_json: bool,
) -> Result<()> {
    place.take(file)?;
    if place.is_same()? {
        tell(as_json, &json!({ "version": OWN, "changed": false }), || {
            say("It is this program already; nothing was changed.");
        });
        return Ok(());
    }
    let version = place.version(&place.new).await?;
    if program::is_older(&version, OWN) {
        return Err(No(format!(
            "{} is version {version}, older than {OWN}, so nothing was changed. `quintet upgrade \
             --back` goes back to the program from before the last upgrade.",
            file.display()
        ))
        .into());
    }
    let server = Server::find(data, asked.restart_service, as_json).await?;
    let config = asked.config.clone().or_else(|| server.config());
    let lock = server.stop(data)?;
    let installed = install(place, data, &version, config.as_deref()).await;
    drop(lock);
    let backup = match installed {
        Ok(backup) => backup,
        Err(error) => {
            let Err(lost) = server.start(data).await else { return Err(error) };
            return Err(error.context(format!("the old program is in its place, but {lost:#}")));
        }
    };
    let started = server.start(data).await;
    tell(
        as_json,
        &json!({
            "version": version, "changed": true, "program": place.own, "previous": place.previous,
            "backup": backup,
        }),
        || {
            say(&format!("{} is version {version} now; it was {OWN}.", place.own.display()));
            if let Some(backup) = &backup {
                say(&format!("The backup from before is {}.", backup.display()));
            }
            say("To go back: quintet upgrade --back");
        },
    );
    started
}

/// Backs up, tries the new program on the backup, and puts it in place; returns the backup.
async fn install(
    place: &Place,
    data: &DataDir,
    version: &str,
    config: Option<&Path>,
) -> Result<Option<PathBuf>> {
    if !data.join("quintet.db").exists() {
        place.replace()?;
        return Ok(None);
    }
    let now = rfc3339(SystemClock.now_ms());
    let folder = data.join(record::BACKUPS);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let name = format!("before-{version}-{}.tar.gz", now.replace([':', '.'], "-"));
    let file = folder.join(&name);
    backup::write(data, &file, None, Rights::Present)?;
    let record = Record {
        from: OWN.to_owned(),
        to: version.to_owned(),
        at: now,
        backup: name,
        schema: record::schema(data)?,
    };
    let copy = data.join(&format!("{COPY}{}", SystemClock.random_hex(6)));
    let tried = attempt(place, &file, &copy, config).await;
    let _ = std::fs::remove_dir_all(&copy);
    if let Err(error) = tried {
        let _ = std::fs::remove_file(&file);
        return Err(
            error.context("the new program does not take this data, so nothing was changed")
        );
    }
    record.write(data)?;
    place.replace()?;
    Ok(Some(file))
}

/// Has the new program restore the backup and check it.
async fn attempt(place: &Place, backup: &Path, copy: &Path, config: Option<&Path>) -> Result<()> {
    let word = OsStr::new;
    let restore = [word("restore"), backup.as_os_str(), word("--data"), copy.as_os_str()];
    place.run(&place.new, &restore, TRIAL_TIME).await?;
    let mut check = vec![word("__check"), word("--data"), copy.as_os_str()];
    if let Some(config) = config {
        check.extend([word("--config"), config.as_os_str()]);
    }
    place.run(&place.new, &check, TRIAL_TIME).await?;
    Ok(())
}

async fn back(asked: &Upgrade, place: &Place, data: &DataDir, as_json: bool) -> Result<()> {
    if !place.has_previous() {
        return Err(Unreachable(format!(
            "there is no {}, so nothing was changed: no upgrade replaced this program, or you \
             went back already",
            place.previous.display()
        ))
        .into());
    }
    let version = place.version(&place.previous).await?;
    let record = Record::read(data);
    let server = Server::find(data, asked.restart_service, as_json).await?;
    let lock = server.stop(data)?;
    let is_migrated = match &record {
        Some(record) => record::schema(data)? > record.schema,
        None => false,
    };
    let restored = place.restore();
    drop(lock);
    if restored.is_ok() {
        Record::forget(data);
    }
    // With a newer database the old program would not start.
    let started = if is_migrated && restored.is_ok() { Ok(()) } else { server.start(data).await };
    restored?;
    let owner = place.owner.as_ref();
    let mut commands = record.as_ref().map(|record| restore_commands(data, record, owner));
    if let (Some(commands), true) = (&mut commands, is_migrated) {
        commands.extend(server.start_command());
    }
    tell(
        as_json,
        &json!({
            "version": version, "databaseIsNewer": is_migrated, "restore": commands,
        }),
        || told_back(&version, is_migrated, commands.as_ref()),
    );
    started
}

fn told_back(version: &str, is_migrated: bool, commands: Option<&Vec<String>>) {
    say(&format!("This program is version {version} again."));
    let Some(commands) = commands else { return };
    say(if is_migrated {
        "The newer program changed the database, and this one refuses it. Go back to the backup from \
         before the upgrade; messages since then stay in the directory that is moved away:"
    } else {
        "The database is as this version knows it. The backup from before the upgrade, if you want \
         that state back:"
    });
    for command in commands {
        say(&format!("  {command}"));
    }
}

/// The commands that restore the backup; it moves away with the directory. Root does only what the
/// owner of the data cannot do, and nothing of it follows a link.
fn restore_commands(data: &DataDir, record: &Record, owner: Option<&Owner>) -> Vec<String> {
    let here = data.path().display().to_string();
    let away = format!("{here}.newer");
    let backup = Path::new(&away).join(record::BACKUPS).join(&record.backup).display().to_string();
    let (here, away, backup) = (shell_word(&here), shell_word(&away), shell_word(&backup));
    let (move_away, restore) =
        (format!("mv {here} {away}"), format!("quintet restore {backup} --data {here}"));
    let Some(owner) = owner else { return vec![move_away, restore] };
    if data.path().parent().is_none_or(is_roots) {
        let make = format!("mkdir -m 700 {here} && chown -h {} {here}", owner.ids());
        vec![move_away, make, owner.types(&restore)]
    } else {
        vec![owner.types(&move_away), owner.types(&restore)]
    }
}

/// Whether root alone can put something into a folder.
fn is_roots(folder: &Path) -> bool {
    let about = folder.symlink_metadata();
    about.is_ok_and(|about| about.is_dir() && about.uid() == 0 && about.mode() & 0o022 == 0)
}

fn tell(as_json: bool, value: &serde_json::Value, words: impl FnOnce()) {
    if as_json {
        say_json(value);
    } else {
        words();
    }
}
