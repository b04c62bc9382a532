//! The data directory: its location, its files, and the lock of the running process.

use anyhow::{Context, Result};
use platform::edge::{Principal, Scope, TOKEN_CHARS_MIN};
use platform::ports::{Clock, ClockExt};
use platform::secret::Secret;
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::exit::Usage;
use crate::ports::clock::SystemClock;

/// Files of a directory whose first start was cut off, or that the owner prepared.
const OF_A_START: [&str; 10] = [
    "quintet.toml",
    // The variables and the log of a service.
    "service.env",
    "service.log",
    // Made by `quintet graph import`.
    GRAPH,
    "lock",
    "tokens",
    "local.json",
    "local.new",
    // The system puts these into a folder that nobody has used yet.
    "lost+found",
    ".DS_Store",
];
/// The owner's graph, where imports go.
pub const GRAPH: &str = "graph";
/// The address of the running server.
const SERVER: &str = "server.json";
/// The sign-in link of the last start, where it was not printed.
const SIGN_IN: &str = "sign-in";

/// A directory that only its owner can access (mode 0700).
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

/// `server.json`, with which clients find the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerFile {
    pub address: String,
    pub pid: u32,
    /// RFC 3339; a server of an earlier version wrote none.
    #[serde(default)]
    pub started_at: Option<String>,
}

impl ServerFile {
    /// The file of this process, which listens at the address from now on.
    pub fn of_this_process(address: String) -> Self {
        let started_at = Some(rfc3339(SystemClock.now_ms()));
        Self { address, pid: std::process::id(), started_at }
    }
}

/// Reads an environment variable, in the one place allowed to.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment here")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

impl DataDir {
    /// Finds the directory: `--data`, `$QUINTET_DATA`, `$XDG_DATA_HOME/quintet` or
    /// `~/.local/share/quintet`, in this order.
    ///
    /// # Errors
    /// When none of them is set.
    pub fn locate(given: Option<&Path>) -> Result<Self> {
        let path = given
            .map(Path::to_owned)
            .or_else(|| variable("QUINTET_DATA").map(PathBuf::from))
            .or_else(|| variable("XDG_DATA_HOME").map(|base| Path::new(&base).join("quintet")))
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".local/share/quintet")))
            .context("no data directory. Name one with --data DIR, or set HOME.")?;
        Ok(Self(std::path::absolute(path)?))
    }
    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// A path inside the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    /// Creates the directory with mode 0700.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self) -> Result<()> {
        self.require_ours()?;
        let make =
            |path: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(&self.0)
            .with_context(|| format!("cannot create the data directory {}", self.0.display()))?;
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700))?;
        make(&self.join("tokens"))?;
        Ok(())
    }
    /// Refuses a directory with the files of others: its mode would change under them.
    fn require_ours(&self) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Ok(()) };
        let names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let ours = has("quintet.db") || has("inbox.db") || (has("lock") && has("tokens"));
        if ours || names.iter().all(|name| OF_A_START.contains(&name.as_str())) {
            return Ok(());
        }
        Err(Usage(format!(
            "{} has other files and is not a data directory of Quintet, so nothing was changed. \
             Name a new or empty directory with --data.",
            self.0.display()
        ))
        .into())
    }
    /// Locks the directory; the operating system releases the lock when the process ends.
    ///
    /// # Errors
    /// When another process has the lock.
    pub fn lock(&self) -> Result<File> {
        self.try_lock()?.with_context(|| {
            let by = self
                .server()
                .map(|server| format!(" (process {}, {})", server.pid, server.address))
                .unwrap_or_default();
            format!(
                "another `quintet up` is using {}{by}. Stop it first, or name another directory \
                 with --data.",
                self.0.display()
            )
        })
    }
    /// The same; none when another process has the lock.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn try_lock(&self) -> Result<Option<File>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data directory"),
        }
    }
    /// Whether a server runs on the directory, as the lock shows.
    pub fn is_in_use(&self) -> bool {
        self.join("lock").exists() && matches!(self.try_lock(), Ok(None))
    }
    /// The server's recorded address.
    pub fn server(&self) -> Option<ServerFile> {
        serde_json::from_slice(&std::fs::read(self.join(SERVER)).ok()?).ok()
    }
    /// Records the server's address for clients.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_server(&self, server: &ServerFile) -> Result<()> {
        write_private(&self.join(SERVER), &serde_json::to_vec(server)?)
    }
    /// Keeps the sign-in link of this start where only the owner can read it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_sign_in_link(&self, link: &str) -> Result<()> {
        write_private(&self.join(SIGN_IN), format!("{link}\n").as_bytes())
    }
    /// Removes the files that are true only while the server runs.
    pub fn remove_of_run(&self) {
        for name in [SERVER, SIGN_IN] {
            let _ = std::fs::remove_file(self.join(name));
        }
    }
    /// The stored secret of this name, if there is one.
    pub fn kept_secret(&self, name: &str) -> Option<Secret> {
        let text = std::fs::read_to_string(self.join("tokens").join(name)).ok()?;
        Some(Secret::new(text.trim())).filter(|secret| !secret.reveal().is_empty())
    }
    /// The stored secret of this name, created on first use.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        let path = self.join("tokens").join(name);
        close(&path)?;
        if let Ok(text) = std::fs::read_to_string(&path)
            && !text.trim().is_empty()
        {
            return Ok(Secret::new(text.trim()));
        }
        let made = SystemClock.random_hex(32);
        write_private(&path, made.as_bytes())?;
        Ok(Secret::new(made))
    }
    /// Tokens of the four scopes. A variable overrides the file and is never written to disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn tokens(&self) -> Result<Vec<(Secret, Principal)>> {
        let mut tokens: Vec<(Secret, Principal)> = Vec::new();
        for scope in Scope::ALL {
            let token = self.token(scope)?;
            let name = scope.as_str();
            if token.reveal().chars().count() < TOKEN_CHARS_MIN {
                return Err(Usage(format!(
                    "the {name} token has fewer than {TOKEN_CHARS_MIN} characters and could be \
                     guessed, so nothing was started. Choose a longer one in {}, or remove it to \
                     have one made.",
                    token_variable(scope)
                ))
                .into());
            }
            if let Some((_, other)) = tokens.iter().find(|(known, _)| known.matches(token.reveal()))
            {
                return Err(Usage(format!(
                    "the tokens of {name} and {} are the same, so one would have the rights of \
                     the other. Give each its own.",
                    other.as_str()
                ))
                .into());
            }
            tokens.push((token, Principal::Scope(scope)));
        }
        Ok(tokens)
    }
    /// The token of one scope.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn token(&self, scope: Scope) -> Result<Secret> {
        match variable(&token_variable(scope)) {
            Some(token) => Ok(Secret::new(token)),
            None => self.secret(scope.as_str()),
        }
    }
}

/// The token's variable, such as `QUINTET_OPERATOR_TOKEN`.
pub fn token_variable(scope: Scope) -> String {
    format!("QUINTET_{}_TOKEN", scope.as_str().to_ascii_uppercase())
}

/// Takes a secret file away from others, if they could read or write it.
///
/// # Errors
/// Those of the file system.
pub fn close(path: &Path) -> Result<()> {
    let Ok(about) = std::fs::metadata(path) else { return Ok(()) };
    let mode = about.permissions().mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let closed = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700));
    // A file of the administrator, or on a read-only mount, is not ours to change.
    let is_not_ours = closed.as_ref().is_err_and(|error| {
        matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
    });
    if is_not_ours {
        tracing::warn!(path = %path.display(), "others can read this file with secrets; run chmod 600 on it as its owner");
        return Ok(());
    }
    closed.with_context(|| {
        format!(
            "others can read {}, which holds secrets. Run: chmod 600 {}",
            path.display(),
            path.display()
        )
    })?;
    tracing::warn!(path = %path.display(), "others could read this file with secrets; now only you");
    Ok(())
}

/// Writes a file with mode 0600, atomically.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}

/// The user's folder for what may be lost: `$XDG_CACHE_HOME`, else `~/.cache`. Always absolute, so
/// that it does not depend on where a command starts.
pub fn cache_dir() -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| Path::new(&home).join(".cache"));
    let named = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(home).filter(|path| path.is_absolute())
}

/// Work directory of agents' programs. It is outside the data directory, because programs may read
/// the files beside them.
pub fn work_dir() -> PathBuf {
    cache_dir().unwrap_or_else(std::env::temp_dir).join("quintet-work")
}
