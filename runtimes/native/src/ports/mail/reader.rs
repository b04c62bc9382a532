//! `quintet __mail`: reads one message in a process of its own, with limits of memory and time. The
//! message is a stranger's, and one that is built to exhaust a reader must not take the server with
//! it: it counts as one that cannot be read.

use super::line::unavailable;
use super::parse;
use bytes::Bytes;
use platform::ports::PortResult;
use platform::ports::mail::Received;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
/// Maximum bytes that a reader says about a message: its texts several times.
const TOLD_BYTES_MAX: usize = 4 << 20;
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
    ///
    /// # Errors
    /// Where no reader can be started, or it does not end: the message may be read later.
    pub async fn message(&self, raw: Vec<u8>, is_whole: bool) -> PortResult<Option<Received>> {
        let Some(binary) = &self.binary else { return Ok(parse::message(&raw, is_whole)) };
        let word = if is_whole { WHOLE } else { BEGINNING };
        let told = run(binary, &[word], raw, TOLD_BYTES_MAX).await?;
        Ok(told.and_then(|told| serde_json::from_slice(&told).ok()))
    }
    /// The content of the file of this number; `None` where there is none.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub async fn file(&self, raw: Vec<u8>, number: usize) -> PortResult<Option<Bytes>> {
        let Some(binary) = &self.binary else { return Ok(parse::file(&raw, number)) };
        // Its content is no longer than the message that it stands in.
        let most = raw.len();
        Ok(run(binary, &[FILE, &number.to_string()], raw, most).await?.map(Bytes::from))
    }
}

/// The output of a reader that ended well; `None` where it ended otherwise, or said too much.
async fn run(
    binary: &PathBuf,
    words: &[&str],
    raw: Vec<u8>,
    most: usize,
) -> PortResult<Option<Vec<u8>>> {
    let failed = |error: std::io::Error| unavailable(format!("no message can be read: {error}"));
    let mut child = Command::new(binary)
        .arg(SUBCOMMAND)
        .args(words)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(unavailable("no message can be read: a reader has no pipes"));
    };
    let reading = async move {
        // It may end before it has read everything; its exit says so.
        let writing = async move {
            let _ = input.write_all(&raw).await;
        };
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        let mut told = Vec::new();
        let hearing = async {
            let heard = output.take(limit).read_to_end(&mut told).await;
            // The rest is not waited for.
            if told.len() > most {
                let _ = child.start_kill();
            }
            heard
        };
        let ((), heard) = tokio::join!(writing, hearing);
        heard?;
        let status = child.wait().await?;
        Ok((status, told))
    };
    let (status, told) = tokio::time::timeout(PATIENCE, reading)
        .await
        .map_err(|_| unavailable("no message can be read: a reader does not end"))?
        .map_err(failed)?;
    let is_read = status.success() && told.len() <= most;
    if !is_read {
        tracing::warn!("a message could not be read within its limits of memory and time");
    }
    Ok(is_read.then_some(told))
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

#[cfg(test)]
mod reading {
    use super::*;
    use platform::ports::PortErrorKind;

    /// A shortage of this machine is no property of a message, which is read later.
    #[tokio::test]
    async fn reader_that_cannot_start_says_nothing_about_the_message() {
        let raw = || b"Subject: x\r\n\r\nx".to_vec();
        let absent = Reader::with(Some(PathBuf::from("/nonexistent")));
        let error = absent.message(raw(), true).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Unavailable);
        assert!(absent.file(raw(), 0).await.is_err());
        let fails = Reader::with(Some(PathBuf::from("/bin/false")));
        assert_eq!(fails.message(raw(), true).await, Ok(None));
    }

    #[tokio::test]
    async fn words_of_a_reader_beyond_its_bound_are_not_kept() {
        let told = |most| run_cat(most);
        assert_eq!(told(100).await, Ok(Some(vec![b'x'; 100])));
        assert_eq!(told(99).await, Ok(None));
    }
    /// The answer of a reader that repeats 100 bytes.
    async fn run_cat(most: usize) -> PortResult<Option<Vec<u8>>> {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("reader");
        std::fs::write(&script, "#!/bin/sh\nexec /bin/cat\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        run(&script, &[], vec![b'x'; 100], most).await
    }

    #[test]
    fn headers_without_end_do_not_grow_into_what_is_told() {
        let long = "\u{1}".repeat(2_000_000);
        let raw = format!(
            "From: a@example.org\r\nTo: {long}@example.org\r\nMessage-ID: <{long}@x>\r\nReferences: <{long}@y>\r\nAuthentication-Results: {long}\r\nSubject: {long}\r\n\r\nx"
        );
        let told = json(raw.as_bytes(), true).unwrap();
        assert!(told.len() < 100_000, "{}", told.len());
    }
}
