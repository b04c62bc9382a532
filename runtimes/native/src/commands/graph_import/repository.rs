//! The files of a git repository, by the `git` program.
//!
//! Nothing of the repository is trusted: it is cloned without a work tree, so no link, submodule,
//! filter or hook of it is ever made, and its files are read from an archive. The settings of the
//! user and of the system are off, no other transport than the wanted one is allowed, nothing is
//! asked, and a command that takes too long or too much is stopped.

use super::bounds;
use crate::data_dir::variable;
use crate::exit::Unreachable;
use crate::ports::clock::SystemClock;
use crate::terminal::remark;
use anyhow::{Context, Result, anyhow, bail};
use graph_folder::import::{Entry, Gathered};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use platform::ports::{Clock, ClockExt};
use platform::text::{printable, short};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, UNIX_EPOCH};

/// Maximum time of a clone, and of reading it.
const TIME_LIMIT_MS: i64 = 5 * 60_000;
/// Maximum bytes of a clone on disk.
const CLONE_BYTES_MAX: u64 = 512 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Maximum entries of an archive.
const ENTRIES_MAX: usize = 500_000;
/// Maximum bytes of the errors of git that are kept.
const ERROR_BYTES_MAX: u64 = 64 << 10;
/// Maximum wait for them once git has ended.
const ERRORS_WITHIN: Duration = Duration::from_secs(2);
/// Maximum characters of an error that are shown.
const ERROR_CHARS_SHOWN: usize = 300;
/// Variables of the owner that a connection may need.
const PASSED: [&str; 8] = [
    "PATH",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
];
/// Beginning of the names of temporary folders.
const SCRATCH: &str = "quintet-import-";
/// Minimum age of a temporary folder that no import can be using any more.
const LEFT_AFTER_MS: i64 = 60 * 60_000;
const SETTINGS: [&str; 13] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=false",
    "core.askPass=false",
    "credential.helper=",
    "http.followRedirects=false",
    // Helpers of git that outlive this program end when their server is silent.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    // Each thread takes address space, which is limited.
    "pack.threads=2",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The files of the repository at an https address, as of its newest commit.
///
/// # Errors
/// When git is missing or fails, or the repository is too large.
pub fn of_address(url: &str) -> Result<Gathered> {
    remark(&format!("fetching {}", printable(url)));
    gather(url, "https")
}

/// The files of a git directory on this machine, as of its newest commit.
///
/// # Errors
/// Those of [`of_address`].
pub fn of_this_machine(folder: &Path) -> Result<Gathered> {
    gather(&format!("file://{}", folder.display()), "file")
}

fn gather(address: &str, transport: &str) -> Result<Gathered> {
    let scratch = Scratch::new()?;
    let clone = scratch.0.join("clone.git");
    let deadline = SystemClock.now_ms() + TIME_LIMIT_MS;
    let mut git = command(&scratch.0, transport);
    git.args(["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--no-tags"])
        .args(["--no-recurse-submodules", "--template=", "--", address])
        .arg(&clone)
        .stdout(Stdio::null());
    let too_large = || bytes_below(&scratch.0) > CLONE_BYTES_MAX;
    finish(start(&mut git)?, deadline, &too_large)
        .with_context(|| format!("cannot clone {}", printable(address)))?;
    let mut git = command(&scratch.0, transport);
    git.arg("--git-dir").arg(&clone).args(["archive", "--format=tar", "HEAD"]);
    let mut running = start(git.stdout(Stdio::piped()))?;
    let out = running.child.stdout.take().context("git has no output")?;
    // Read beside the clock: git can be stopped while the reader waits for it.
    let reader = std::thread::spawn(move || unpack(out, deadline));
    let finished = finish(running, deadline, &|| false).context("cannot read the clone");
    let gathered = reader.join().unwrap_or_else(|_| Err(anyhow!("cannot read the archive")));
    finished?;
    gathered
}

/// Reads the wanted files of an archive; the others are passed over.
fn unpack(out: impl Read, deadline: i64) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut archive = tar::Archive::new(out);
    for (count, entry) in archive.entries().context("git made no archive")?.enumerate() {
        let mut entry = entry.context("the archive is damaged")?;
        if count > ENTRIES_MAX || SystemClock.now_ms() > deadline {
            bail!(
                "the repository has too many files. Clone it yourself and import a folder of it."
            );
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let about = if kind.is_symlink() || kind.is_hard_link() {
            Entry::Link
        } else if kind.is_file() {
            Entry::File { bytes: entry.size() }
        } else {
            Entry::Other
        };
        gathered.offer(&path, about, || {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            Ok(content)
        })?;
    }
    // Padding follows the last entry; git waits until it is read.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    Ok(gathered)
}

/// A git command without the settings of the user, the system, and the repository's hooks.
fn command(home: &Path, transport: &str) -> Command {
    let mut git = bounds::command("git");
    git.env_clear()
        .envs(PASSED.iter().filter_map(|name| Some((*name, variable(name)?))))
        .env("HOME", home)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", transport)
        .current_dir(home)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    for setting in SETTINGS {
        git.args(["-c", setting]);
    }
    git.arg("-c").arg(format!("protocol.{transport}.allow=always"));
    git
}

/// A command that runs, and the reader of its errors: a full pipe would stop the command.
struct Running {
    child: Child,
    errors: Receiver<String>,
}

fn start(git: &mut Command) -> Result<Running> {
    let mut child = git.spawn().context("cannot start git")?;
    let (give, errors) = std::sync::mpsc::channel();
    if let Some(mut out) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = out.by_ref().take(ERROR_BYTES_MAX).read_to_end(&mut bytes);
            let _ = give.send(String::from_utf8_lossy(&bytes).into_owned());
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        });
    }
    Ok(Running { child, errors })
}

/// Waits for the end of a command.
fn finish(running: Running, deadline: i64, too_large: &dyn Fn() -> bool) -> Result<()> {
    let Running { mut child, errors } = running;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if SystemClock.now_ms() > deadline {
            stop(&mut child);
            bail!("git took longer than {} minutes", TIME_LIMIT_MS / 60_000);
        }
        if too_large() {
            stop(&mut child);
            bail!(
                "the repository is larger than 512 MB. Clone it yourself and import a folder of it."
            );
        }
        std::thread::sleep(LOOK_EVERY);
    };
    // The reader of its output has stopped, and has the reason.
    if status.success() || status.signal() == Some(Signal::SIGPIPE as i32) {
        return Ok(());
    }
    if status.code() == Some(bounds::NOT_FOUND) {
        let why = "git was not found on PATH. Install git; or download the repository and import \
            its folder.";
        return Err(Unreachable(why.to_owned()).into());
    }
    // A helper that outlives it keeps the pipe open.
    let said = errors.recv_timeout(ERRORS_WITHIN).unwrap_or_default();
    let said = short(&printable(said.trim()), ERROR_CHARS_SHOWN);
    Err(Unreachable(format!("git failed: {said}. Check the address and whether it is public."))
        .into())
}

/// Ends the command with its helpers.
fn stop(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
}

fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(about) if about.is_dir() => open.push(entry.path()),
                Ok(about) => bytes += about.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// A temporary folder of the owner alone, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        sweep(&std::env::temp_dir());
        let path = std::env::temp_dir().join(format!("{SCRATCH}{}", SystemClock.random_hex(8)));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of earlier imports that were killed.
fn sweep(temporary: &Path) {
    let is_left = |about: &std::fs::Metadata| {
        let modified = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified_ms = modified.and_then(|at| i64::try_from(at.as_millis()).ok());
        about.is_dir()
            && about.uid() == nix::unistd::geteuid().as_raw()
            && modified_ms.is_some_and(|at| SystemClock.now_ms() - at > LEFT_AFTER_MS)
    };
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(SCRATCH);
        // Of a link this is about the link itself.
        if is_ours && entry.metadata().is_ok_and(|about| is_left(&about)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
