//! `quintet __mail`: reads one message in a process of its own, with limits of memory and time. The
//! message is a stranger's, and one that is built to exhaust a reader must not take the server with
//! it: it counts as one that cannot be read.

use super::parse;
use bytes::Bytes;
use platform::ports::mail::Received;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__mail";
/// Words behind it: what to read.
const WHOLE: &str = "whole";
const BEGINNING: &str = "beginning";
const FILE: &str = "file";
/// Maximum seconds of computing; a message of 40 MB takes less than one.
const SECONDS_MAX: u64 = 10;
/// Maximum time from start to end, while other work may have the processor.
const PATIENCE: Duration = Duration::from_mins(1);
/// Maximum bytes of the reader's address space: a message of 40 MB several times.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// Starts a process for each message.
#[derive(Clone, Debug)]
pub struct Reader {
    /// `None` reads in this process, for tests of what is read.
    binary: Option<PathBuf>,
}

impl Reader {
    /// Starts this program.
    pub fn new() -> Self {
        // On Linux by a name that survives an upgrade of the file.
        let binary = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().unwrap_or_default()
        };
        Self { binary: Some(binary) }
    }
    #[cfg(test)]
    pub fn with(binary: Option<PathBuf>) -> Self {
        Self { binary }
    }
    /// The message; `None` where it cannot be read.
    pub async fn message(&self, raw: Vec<u8>, is_whole: bool) -> Option<Received> {
        let Some(binary) = &self.binary else { return parse::message(&raw, is_whole) };
        let word = if is_whole { WHOLE } else { BEGINNING };
        let told = run(binary, &[word], raw).await?;
        serde_json::from_slice(&told).ok()
    }
    /// The content of the file of this number; `None` where there is none.
    pub async fn file(&self, raw: Vec<u8>, number: usize) -> Option<Bytes> {
        let Some(binary) = &self.binary else { return parse::file(&raw, number) };
        run(binary, &[FILE, &number.to_string()], raw).await.map(Bytes::from)
    }
}

/// The output of a reader that ended well.
async fn run(binary: &PathBuf, words: &[&str], raw: Vec<u8>) -> Option<Vec<u8>> {
    let reading = async {
        let mut child = Command::new(binary)
            .arg(SUBCOMMAND)
            .args(words)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let mut input = child.stdin.take()?;
        // It may end before it has read everything; its exit says so.
        let writing = async move {
            let _ = input.write_all(&raw).await;
        };
        let ((), done) = tokio::join!(writing, child.wait_with_output());
        done.ok().filter(|done| done.status.success()).map(|done| done.stdout)
    };
    let told = tokio::time::timeout(PATIENCE, reading).await.ok().flatten();
    if told.is_none() {
        tracing::warn!("a message could not be read within its limits of memory and time");
    }
    told
}

/// The process of a reader: an exit code.
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    if bound().is_err() {
        return 1;
    }
    let words: Vec<String> = args.filter_map(|word| word.into_string().ok()).collect();
    let mut raw = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut raw).is_err() {
        return 1;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = match words.as_slice() {
        [WHOLE] => json(&raw, true),
        [BEGINNING] => json(&raw, false),
        [FILE, number] => {
            number.parse().ok().and_then(|number| parse::file(&raw, number)).map(Vec::from)
        }
        _ => None,
    };
    let written = told.map(|told| std::io::stdout().lock().write_all(&told));
    i32::from(!matches!(written, Some(Ok(()))))
}

fn json(raw: &[u8], is_whole: bool) -> Option<Vec<u8>> {
    serde_json::to_vec(&parse::message(raw, is_whole)?).ok()
}

/// Limits this process; its end comes with that of the server.
fn bound() -> nix::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let lower = |resource, most: u64| {
        let (_, hard) = getrlimit(resource)?;
        setrlimit(resource, most.min(hard), most.min(hard))
    };
    lower(Resource::RLIMIT_CPU, SECONDS_MAX)?;
    lower(Resource::RLIMIT_CORE, 0)?;
    #[cfg(target_os = "linux")]
    {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        lower(Resource::RLIMIT_AS, MEMORY_BYTES_MAX)?;
    }
    Ok(())
}
