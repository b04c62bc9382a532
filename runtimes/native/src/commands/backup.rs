//! `quintet backup` and `quintet restore`: both databases with SQLite's online backup, plus all
//! other files; encrypted if the owner says so.

mod sealed;

use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable};
use crate::owner::{Rights, act_as_owner};
use crate::ports::clock::SystemClock;
use crate::service::VARIABLES;
use crate::storage::{self, DATABASES};
use crate::terminal::{say, say_json};
use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use platform::ports::ClockExt;
use rusqlite::{Connection, OpenFlags};
use sealed::Lock;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILES: [&str; 3] = ["local.json", "quintet.toml", VARIABLES];
const FOLDERS: [&str; 2] = ["objects", "tokens"];

/// Writes everything to one file with mode 0600 (it contains tokens). A server may keep running.
/// Root reads the directory of another user with that user's rights.
///
/// # Errors
/// When there is nothing to back up, or the file exists.
pub fn backup(data: &DataDir, file: &Path, lock: Option<Lock>, as_json: bool) -> Result<()> {
    act_as_owner(data)?;
    if !data.join("quintet.db").exists() {
        return Err(Unreachable(format!(
            "there is nothing to back up in {}",
            data.path().display()
        ))
        .into());
    }
    let encrypted = lock.is_some();
    let bytes = write(data, file, lock, Rights::Root)?;
    if as_json {
        let file = file.display().to_string();
        say_json(&json!({ "file": file, "bytes": bytes, "encrypted": encrypted }));
    } else if encrypted {
        say(&format!(
            "{} ({bytes} bytes, encrypted). Without its key or passphrase nobody can restore it: \
             keep that elsewhere.",
            file.display()
        ));
    } else {
        say(&format!(
            "{} ({bytes} bytes). It contains the tokens: keep it as safe as the data directory, or \
             use --encrypt.",
            file.display()
        ));
    }
    Ok(())
}

/// Writes a backup to a file that does not exist yet, made with these rights; returns its size in
/// bytes.
///
/// # Errors
/// Those of the file system and of SQLite; then no file is left.
pub fn write(data: &DataDir, file: &Path, lock: Option<Lock>, rights: Rights) -> Result<u64> {
    let made = {
        let _rights = rights.take();
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(file)
    };
    let out = made.with_context(|| {
        format!("cannot write {}. Choose a file name that does not exist yet.", file.display())
    })?;
    let written = match lock {
        Some(lock) => {
            lock.close(out).and_then(|out| pack(data, out)).and_then(|out| Ok(out.finish()?))
        }
        None => pack(data, out),
    };
    let written = written.and_then(|out| {
        out.sync_all()?;
        Ok(out.metadata()?.len())
    });
    if written.is_err() {
        let _rights = rights.take();
        let _ = std::fs::remove_file(file);
    }
    written
}

/// The key that the options name; none: the backup stays open.
///
/// # Errors
/// As [`Lock::choose`].
pub fn lock_of(encrypt: bool, recipients: &[String]) -> Result<Option<Lock>> {
    (encrypt || !recipients.is_empty()).then(|| Lock::choose(recipients)).transpose()
}

fn pack<W: Write>(data: &DataDir, out: W) -> Result<W> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    let scratch = data.join(&format!(".backup-{}", SystemClock.random_hex(6)));
    std::fs::create_dir_all(&scratch)?;
    let packed = (|| {
        for name in DATABASES.into_iter().filter(|name| data.join(name).exists()) {
            let copy = scratch.join(name);
            let source =
                Connection::open_with_flags(data.join(name), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            source.busy_timeout(std::time::Duration::from_secs(10))?;
            source.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
            archive.append_path_with_name(&copy, name)?;
        }
        // A link to what cannot be read is an error, not an absent file.
        let is_there = |name: &&str| data.join(name).symlink_metadata().is_ok();
        let failed = |name| format!("cannot read {}", data.join(name).display());
        for name in FILES.into_iter().filter(is_there) {
            archive.append_path_with_name(data.join(name), name).with_context(|| failed(name))?;
        }
        for name in FOLDERS.into_iter().filter(is_there) {
            archive.append_dir_all(name, data.join(name)).with_context(|| failed(name))?;
        }
        Ok(archive.into_inner()?.finish()?)
    })();
    let _ = std::fs::remove_dir_all(&scratch);
    packed
}

/// Restores a backup into an empty or new data directory. It unpacks to a temporary directory,
/// checks, then renames. Root writes into the directory of another user with that user's rights.
///
/// # Errors
/// When the directory is in use or has data, or the file is not a backup.
pub fn restore(data: &DataDir, file: &Path, identity: Option<&Path>, as_json: bool) -> Result<()> {
    if data.join("quintet.db").exists() || data.join("inbox.db").exists() {
        return Err(No(format!(
            "{} already has data. Move it away, or name an empty directory with --data.",
            data.path().display()
        ))
        .into());
    }
    let input = sealed::open(file, identity)?;
    act_as_owner(data)?;
    let was_there = data.path().exists();
    data.create()?;
    let _lock = data.lock()?;
    let scratch = data.join(&format!(".restore-{}", SystemClock.random_hex(6)));
    std::fs::create_dir_all(&scratch)?;
    let done =
        unpack(input, &scratch).and_then(|()| check(&scratch)).and_then(|()| place(&scratch, data));
    let _ = std::fs::remove_dir_all(&scratch);
    if done.is_err() && !was_there {
        let _ = std::fs::remove_dir_all(data.path());
    }
    done?;
    storage::mark(data)?;
    if as_json {
        say_json(&json!({ "data": data.path().display().to_string() }));
    } else {
        say(&format!("restored to {}. Start with `quintet up`.", data.path().display()));
    }
    Ok(())
}

fn unpack(input: Box<dyn Read>, scratch: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(input));
    for entry in archive.entries().context("this is not a Quintet backup")? {
        let mut entry =
            entry.context("this is not a Quintet backup, or it is damaged or truncated")?;
        let kind = entry.header().entry_type();
        // `unpack_in` keeps every path inside; a backup never contains links.
        anyhow::ensure!(
            kind.is_file() || kind.is_dir(),
            "the backup contains an entry that is neither file nor folder"
        );
        // An older backup may hold files that others could read.
        entry.set_mask(0o077);
        let inside = entry.unpack_in(scratch).context("the backup is damaged or truncated")?;
        anyhow::ensure!(inside, "the backup contains a path outside its folder");
    }
    // Checksums and the mark of the end come last: without them something was cut off.
    let mut rest = archive.into_inner();
    let drained = std::io::copy(&mut rest, &mut std::io::sink())
        .and_then(|_| std::io::copy(rest.get_mut(), &mut std::io::sink()));
    drained.context("the backup is damaged or truncated")?;
    Ok(())
}

fn check(scratch: &Path) -> Result<()> {
    for name in DATABASES {
        let path = scratch.join(name);
        anyhow::ensure!(path.exists(), "the backup has no {name}");
        let verdict: String =
            Connection::open(&path)?
                .pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        anyhow::ensure!(verdict == "ok", "{name} of the backup is damaged: {verdict}");
    }
    Ok(())
}

fn place(scratch: &Path, data: &DataDir) -> Result<()> {
    for name in FOLDERS.into_iter().chain(FILES).chain(DATABASES) {
        let (from, to): (PathBuf, PathBuf) = (scratch.join(name), data.join(name));
        if from.exists() {
            let _ = std::fs::remove_dir_all(&to);
            std::fs::rename(from, to)?;
        }
    }
    Ok(())
}
