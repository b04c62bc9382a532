//! Runs one program from start to end: writes its input, reads its output, enforces its limits,
//! stops its process tree.

use super::super::supervise::SUBCOMMAND;
use super::super::supervise::orders::Orders;
use super::super::supervise::{END_OF_INPUT, FREEZE, INPUT, THAW};
use super::errors;
use super::lines::Lines;
use super::made::{Ended, Made};
use super::usage::Usage;
use platform::ports::{
    Bounds, PortError, PortErrorKind, PortResult, ProgramEvent, ProgramSpec, RunLimit,
};
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Maximum wait for the supervisor to stop the tree. It allows the tree 5 s; beyond this limit it
/// is stuck itself.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Maximum wait for the supervisor's first line.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Maximum wait for output that a process outside the tree keeps open.
const LAST_OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// Everything needed to start a program besides its specification.
pub(super) struct Start<'a> {
    /// This binary, which becomes the supervisor.
    pub(super) binary: &'a Path,
    pub(super) program: &'a Path,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// How the supervisor is to run it.
    pub(super) orders: Orders,
    /// Where it works; removed when it has ended.
    pub(super) made: Made,
}

/// Something for the input of a running program.
pub(super) enum Input {
    Text(String),
    End,
}

/// Times that do not count for the time limit.
#[derive(Clone)]
pub(super) struct Pauses {
    /// Whether it rests.
    pub(super) rests: watch::Receiver<bool>,
    /// Questions to the owner that are open.
    pub(super) asks: Option<watch::Receiver<u32>>,
}

/// A program that has been started.
pub(super) struct Session {
    supervisor: Child,
    /// Process id of the program, which leads its process group.
    program: i32,
    status: BufReader<OwnedReadHalf>,
    stdout: ChildStdout,
    stderr: JoinHandle<String>,
    feeding: JoinHandle<OwnedWriteHalf>,
    made: Option<Made>,
    time_limit: Duration,
    pauses: Pauses,
    output_bytes_max: usize,
    bounds: Bounds,
}

/// The reason that reading ended.
enum Why {
    Ended,
    TimedOut,
    TooMuch,
    Stopped,
    Over(RunLimit),
}

impl Session {
    /// `Invalid` when the program cannot start. Removes the directory if nothing runs.
    pub(super) async fn start(
        start: Start<'_>,
        spec: ProgramSpec,
        pauses: Pauses,
        input: mpsc::UnboundedReceiver<Input>,
    ) -> PortResult<Self> {
        let Start { binary, program, environment, orders, made } = start;
        let paths = (binary, program, made.directory());
        match Self::begin(paths, environment, orders, spec, (pauses, input)).await {
            Ok(session) => Ok(Self { made: Some(made), ..session }),
            Err(error) => {
                made.remove().await;
                Err(error)
            }
        }
    }
    async fn begin(
        (binary, program, directory): (&Path, &Path, &Path),
        environment: Vec<(OsString, OsString)>,
        orders: Orders,
        spec: ProgramSpec,
        (pauses, input): (Pauses, mpsc::UnboundedReceiver<Input>),
    ) -> PortResult<Self> {
        let orders = serde_json::to_vec(&orders)
            .map_err(|error| PortError::clean(PortErrorKind::Invalid, error.to_string()))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(unavailable)?;
        ours.set_nonblocking(true).map_err(unavailable)?;
        let mut command = Command::new(binary);
        command.arg(SUBCOMMAND).arg("--").arg(program).args(&spec.args);
        command.env_clear().envs(environment).current_dir(directory).process_group(0);
        command
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        // The command owns the supervisor's end of the socket, which would keep the socket open.
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
            stderr: tokio::spawn(errors::read(stderr, spec.log)),
            feeding: tokio::spawn(feed(
                control,
                [orders, spec.stdin.into_bytes()],
                pauses.rests.clone(),
                input,
            )),
            made: None,
            time_limit: Duration::from_millis(spec.timeout_ms),
            pauses,
            output_bytes_max: spec.output_bytes_max,
            bounds: spec.bounds,
        };
        session.program = session.first_word().await?;
        Ok(session)
    }
    /// The program's process id, or the reason that it did not start.
    async fn first_word(&mut self) -> PortResult<i32> {
        let line = timeout(START_LIMIT, line_of(&mut self.status))
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        if let Some(pid) = line.strip_prefix("started ").and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        // Aborting closes our end of the socket, which stops anything already started.
        self.feeding.abort();
        match line.strip_prefix("failed ") {
            Some(reason) => Err(PortError::clean(PortErrorKind::Invalid, reason)),
            None => {
                Err(PortError::clean(PortErrorKind::Unavailable, "the supervisor did not start"))
            }
        }
    }
    /// Runs the program to its end. Sends lines and the end to `events`; `stopped` resolves when it
    /// should stop, also when dropped. From then on it has no relay: it reaches nothing while it
    /// has its time to end.
    pub(super) async fn drive(
        mut self,
        events: mpsc::Sender<ProgramEvent>,
        mut stopped: oneshot::Receiver<()>,
        relays: impl Send,
        ended: oneshot::Sender<Ended>,
    ) {
        let mut lines = Lines::new(self.output_bytes_max);
        let why = tokio::select! {
            biased;
            _ = &mut stopped => Why::Stopped,
            () = used_up(self.time_limit, self.pauses.clone()) => Why::TimedOut,
            limit = self.usage().exceeded() => Why::Over(limit),
            why = read(&mut self.stdout, &mut self.supervisor, &mut lines, &events) => why,
        };
        drop(relays);
        let code = self.finish().await;
        if matches!(why, Why::TimedOut | Why::Over(_)) {
            last_lines(&mut self.stdout, &mut lines, &events).await;
        }
        let stderr = timeout(LAST_OUTPUT_LIMIT, &mut self.stderr)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default();
        self.stderr.abort();
        if let Some(made) = self.made.take() {
            // Fails when the handle was dropped.
            let _ = ended.send(made.remove().await);
        }
        let end = match why {
            Why::TimedOut => ProgramEvent::TimedOut,
            Why::Over(limit) => ProgramEvent::OverLimit(limit),
            Why::TooMuch => ProgramEvent::TooMuchOutput,
            Why::Ended => ProgramEvent::Exited { code, stderr },
            Why::Stopped => ProgramEvent::Exited { code: None, stderr },
        };
        // Fails when the handle was dropped, and then no receiver is left.
        let _ = events.send(end).await;
    }
    fn usage(&self) -> Usage {
        let (folders, is_owners) = self.made.as_ref().map(Made::measured).unwrap_or_default();
        let supervisor = self.supervisor.id().and_then(|pid| i32::try_from(pid).ok());
        let supervisor = supervisor.map(nix::unistd::Pid::from_raw);
        Usage { bounds: self.bounds, folders, is_owners, supervisor }
    }
    /// Has the supervisor stop the tree if it still runs, waits, and returns the program's exit
    /// code.
    async fn finish(&mut self) -> Option<i32> {
        self.feeding.abort();
        // When the task ends, our end of the socket closes, which is the signal to stop.
        let _ = (&mut self.feeding).await;
        let gone = timeout(STOP_LIMIT, self.supervisor.wait()).await;
        let line = timeout(LAST_OUTPUT_LIMIT, line_of(&mut self.status)).await.ok().flatten();
        if gone.is_err() || line.is_none() {
            // The supervisor is stuck or killed: kill the program's group, which is all we can
            // reach.
            let _ = self.supervisor.start_kill();
            kill_group(self.program);
            let _ = self.supervisor.wait().await;
        }
        line?.strip_prefix("exited code ")?.parse().ok()
    }
}

/// Sends lines until the output or the supervisor ends, or the limit is exceeded.
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
    // Closed output is not the end: the program may still be working.
    let _ = supervisor.wait().await;
    Why::Ended
}

/// Sends the lines that a program had printed when it was stopped.
async fn last_lines(
    stdout: &mut ChildStdout,
    lines: &mut Lines,
    events: &mpsc::Sender<ProgramEvent>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let chunk = timeout(LAST_OUTPUT_LIMIT, stdout.read(&mut buffer)).await;
        let chunk = chunk.ok().and_then(Result::ok).unwrap_or(0);
        let fresh = buffer.get(..chunk).unwrap_or_default();
        if !lines.take(fresh) {
            return;
        }
        while let Some(line) = lines.next(fresh.is_empty()) {
            if events.send(ProgramEvent::Line(line)).await.is_err() {
                return;
            }
        }
        if fresh.is_empty() {
            return;
        }
    }
}

/// Returns when the program has used up its time, without that in which it rested or waited for the
/// owner.
async fn used_up(limit: Duration, Pauses { mut rests, asks }: Pauses) {
    // Without questions: a channel that never changes.
    let mut asks = asks.unwrap_or_else(|| watch::channel(0).1);
    let mut left = limit;
    loop {
        let since = Instant::now();
        let (is_at_rest, open) = (*rests.borrow_and_update(), *asks.borrow_and_update());
        let counts = !is_at_rest && open == 0;
        tokio::select! {
            () = tokio::time::sleep(left), if counts => return,
            Ok(()) = rests.changed() => {}
            Ok(()) = asks.changed() => {}
            else => std::future::pending().await,
        }
        if counts {
            left = left.saturating_sub(since.elapsed());
        }
    }
}

/// Hands over the orders and the program's first input, then has it rest and go on, and hands over
/// more input; aborted, it closes the socket.
async fn feed(
    mut control: OwnedWriteHalf,
    begin: [Vec<u8>; 2],
    mut rests: watch::Receiver<bool>,
    mut input: mpsc::UnboundedReceiver<Input>,
) -> OwnedWriteHalf {
    // The supervisor's exit shows if it is gone.
    for part in begin {
        let _ = write_part(&mut control, part).await;
    }
    loop {
        let sent = tokio::select! {
            biased;
            Ok(()) = rests.changed() => {
                let word = if *rests.borrow_and_update() { FREEZE } else { THAW };
                control.write_all(&[word]).await
            }
            Some(input) = input.recv() => match input {
                Input::Text(text) => match control.write_all(&[INPUT]).await {
                    Ok(()) => write_part(&mut control, text.into_bytes()).await,
                    gone => gone,
                },
                Input::End => control.write_all(&[END_OF_INPUT]).await,
            },
            else => break,
        };
        let _ = sent;
    }
    std::future::pending::<()>().await;
    control
}

async fn write_part(control: &mut OwnedWriteHalf, part: Vec<u8>) -> std::io::Result<()> {
    let length = u64::try_from(part.len()).unwrap_or(0).to_le_bytes();
    control.write_all(&length).await?;
    control.write_all(&part).await
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

fn unavailable(error: std::io::Error) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

/// Maps a spawn error: bad arguments fail again, missing resources may come back.
fn not_spawned(error: std::io::Error) -> PortError {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::ArgumentListTooLong => {
            PortErrorKind::Invalid
        }
        _ => PortErrorKind::Unavailable,
    };
    PortError::clean(kind, error.to_string())
}
