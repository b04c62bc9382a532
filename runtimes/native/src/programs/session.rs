//! One program from its start to its end: feeds it, reads what it prints, keeps its limits, and ends it whole.

use super::super::supervise::SUBCOMMAND;
use super::lines::Lines;
use platform::ports::{PortError, PortErrorKind, PortResult, ProgramEvent, ProgramSpec};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How much of standard error is kept.
const STDERR_BYTES: usize = 4 << 10;
/// The supervisor gives the tree 5 s; one that takes longer than this is itself stuck.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// The first word of the supervisor.
const START_LIMIT: Duration = Duration::from_secs(20);
/// After everything ended, output may still be held open by somebody outside the tree; nobody waits for that.
const LAST_OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// What a program is started with, beside its own specification.
pub(super) struct Start<'a> {
    /// This binary, which becomes the supervisor.
    pub(super) binary: &'a Path,
    pub(super) program: &'a Path,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// The directory it must not see.
    pub(super) hidden: Option<PathBuf>,
    /// Where it works; removed when it has ended.
    pub(super) directory: PathBuf,
}

/// A program that has been started.
pub(super) struct Session {
    supervisor: Child,
    /// The program itself, which leads its process group.
    program: i32,
    status: BufReader<OwnedReadHalf>,
    stdout: ChildStdout,
    stderr: JoinHandle<String>,
    feeding: JoinHandle<OwnedWriteHalf>,
    directory: PathBuf,
    deadline: Instant,
    output_bytes_max: usize,
}

/// Why reading came to an end.
enum Why {
    Ended,
    TimedOut,
    TooMuch,
    Stopped,
}

impl Session {
    /// `Invalid` when the program cannot be started. Removes the directory when nothing runs.
    pub(super) async fn start(start: Start<'_>, spec: ProgramSpec) -> PortResult<Self> {
        let directory = start.directory.clone();
        let started = Self::begin(start, spec).await;
        if started.is_err() {
            remove(directory).await;
        }
        started
    }
    async fn begin(start: Start<'_>, spec: ProgramSpec) -> PortResult<Self> {
        let Start { binary, program, environment, hidden, directory } = start;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(unavailable)?;
        ours.set_nonblocking(true).map_err(unavailable)?;
        let mut command = Command::new(binary);
        command.arg(SUBCOMMAND).arg("--").arg(program).args(&spec.args);
        command.env_clear().envs(environment).current_dir(&directory).process_group(0);
        command
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        // The command holds the supervisor's end of the socket; while it lives the socket would never end.
        drop(command);
        let mut supervisor = spawned.map_err(not_spawned)?;
        let (Some(stdout), Some(stderr)) = (supervisor.stdout.take(), supervisor.stderr.take())
        else {
            return Err(PortError::clean(
                PortErrorKind::Unavailable,
                "the supervisor has no output",
            ));
        };
        let (status, control) = UnixStream::from_std(ours).map_err(unavailable)?.into_split();
        let mut session = Self {
            supervisor,
            program: 0,
            status: BufReader::new(status),
            stdout,
            stderr: tokio::spawn(tail(stderr)),
            feeding: tokio::spawn(feed(
                control,
                hidden.map(PathBuf::into_os_string).unwrap_or_default().into_vec(),
                spec.stdin,
            )),
            directory,
            deadline: Instant::now() + Duration::from_millis(spec.timeout_ms),
            output_bytes_max: spec.output_bytes_max,
        };
        session.program = session.first_word().await?;
        Ok(session)
    }
    /// The program's id, or why it was not started.
    async fn first_word(&mut self) -> PortResult<i32> {
        let line = timeout(START_LIMIT, line_of(&mut self.status))
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        if let Some(pid) = line.strip_prefix("started ").and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        // Its socket closes with us; what it may have started ends with it.
        self.feeding.abort();
        match line.strip_prefix("failed ") {
            Some(reason) => Err(PortError::clean(PortErrorKind::Invalid, reason)),
            None => {
                Err(PortError::clean(PortErrorKind::Unavailable, "the supervisor did not start"))
            }
        }
    }
    /// Sees the program to its end. Lines and the end go to `events`; `stopped` is ready when it is to be stopped,
    /// also by being dropped.
    pub(super) async fn drive(
        mut self,
        events: mpsc::Sender<ProgramEvent>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut lines = Lines::new(self.output_bytes_max);
        let why = tokio::select! {
            biased;
            _ = &mut stopped => Why::Stopped,
            () = tokio::time::sleep_until(self.deadline) => Why::TimedOut,
            why = read(&mut self.stdout, &mut self.supervisor, &mut lines, &events) => why,
        };
        let code = self.finish().await;
        let stderr = timeout(LAST_OUTPUT_LIMIT, &mut self.stderr)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
        self.stderr.abort();
        remove(self.directory).await;
        let end = match why {
            Why::TimedOut => ProgramEvent::TimedOut,
            Why::TooMuch => ProgramEvent::TooMuchOutput,
            Why::Ended => ProgramEvent::Exited { code, stderr },
            Why::Stopped => ProgramEvent::Exited { code: None, stderr },
        };
        // Nobody listens any more when the handle was dropped.
        let _ = events.send(end).await;
    }
    /// Has the supervisor end the tree (when it has not ended already) and waits for that; the program's exit code.
    async fn finish(&mut self) -> Option<i32> {
        self.feeding.abort();
        // Aborted or done, the task's end closes our side of the socket: that is the word to stop.
        let _ = (&mut self.feeding).await;
        let gone = timeout(STOP_LIMIT, self.supervisor.wait()).await;
        let line = timeout(LAST_OUTPUT_LIMIT, line_of(&mut self.status)).await.ok().flatten();
        if gone.is_err() || line.is_none() {
            // The supervisor is stuck or was killed: what can be reached without it is the program's group.
            let _ = self.supervisor.start_kill();
            kill_group(self.program);
            let _ = self.supervisor.wait().await;
        }
        line?.strip_prefix("exited code ")?.parse().ok()
    }
}

/// Hands lines on until the output or the supervisor ends, or the limit is passed.
async fn read(
    stdout: &mut ChildStdout,
    supervisor: &mut Child,
    lines: &mut Lines,
    events: &mpsc::Sender<ProgramEvent>,
) -> Why {
    let mut buffer = vec![0; 16 << 10];
    let mut open = true;
    let mut exited = false;
    while open {
        let limit = if exited { LAST_OUTPUT_LIMIT } else { Duration::MAX };
        let chunk = tokio::select! {
            chunk = timeout(limit, stdout.read(&mut buffer)) => chunk.ok().and_then(Result::ok).unwrap_or(0),
            _ = supervisor.wait(), if !exited => { exited = true; continue }
        };
        let Some(fresh) = buffer.get(..chunk) else { break };
        open = !fresh.is_empty();
        if !lines.take(fresh) {
            return Why::TooMuch;
        }
        while let Some(line) = lines.next(!open) {
            if events.send(ProgramEvent::Line(line)).await.is_err() {
                return Why::Stopped;
            }
        }
    }
    // Output closed early is no end: the program may still be at work.
    let _ = supervisor.wait().await;
    Why::Ended
}

/// Hands over what to hide and the program's input, and then keeps the socket open; aborted, it closes it.
async fn feed(mut control: OwnedWriteHalf, hidden: Vec<u8>, input: String) -> OwnedWriteHalf {
    for part in [hidden, input.into_bytes()] {
        let length = u64::try_from(part.len()).unwrap_or(0).to_le_bytes();
        let fed = async {
            control.write_all(&length).await?;
            control.write_all(&part).await
        };
        // A supervisor that is gone is noticed by its exit.
        let _ = fed.await;
    }
    std::future::pending::<()>().await;
    control
}

/// The last bytes of a stream, as text, once it has ended.
async fn tail(mut stream: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 4 << 10];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..n).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(STDERR_BYTES));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

async fn line_of(status: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    let read = status.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn kill_group(program: i32) {
    if program > 1 {
        let _ = nix::sys::signal::killpg(
            nix::unistd::Pid::from_raw(program),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}

async fn remove(directory: PathBuf) {
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(error = %error, "a work directory could not be removed");
    }
}

fn unavailable(error: std::io::Error) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

/// What lies in the arguments fails again; what the machine lacks may be there later.
fn not_spawned(error: std::io::Error) -> PortError {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::ArgumentListTooLong => {
            PortErrorKind::Invalid
        }
        _ => PortErrorKind::Unavailable,
    };
    PortError::clean(kind, error.to_string())
}
