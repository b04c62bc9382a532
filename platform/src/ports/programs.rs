//! Programs on the owner's machine, for the gateway only; Workers have no adapter. Never a shell: a
//! program and its arguments. The environment has only the named variables; the work directory is
//! outside the data directory.

use super::PortResult;
use async_trait::async_trait;

/// The program to run.
#[derive(Clone, Debug, Default)]
pub struct ProgramSpec {
    /// A path, or a name to look up in PATH.
    pub program: String,
    pub args: Vec<String>,
    /// Written to its standard input, which is then closed.
    pub stdin: String,
    /// Variables passed from the gateway's own environment, besides PATH, HOME, LANG and TERM.
    /// Never `QUINTET_*`.
    pub env: Vec<String>,
    /// Whether it may see the data directory with the tokens. If unset and the directory cannot be
    /// hidden, the program does not start.
    pub data_visible: bool,
    /// The name of the work directory.
    pub task: String,
    /// Time limit.
    pub timeout_ms: u64,
    /// Output limit.
    pub output_bytes_max: usize,
}

/// An event of a running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEvent {
    /// A line of standard output, without its end.
    Line(String),
    /// It ended by itself. `stderr` has the last 4 KiB it wrote there.
    Exited { code: Option<i32>, stderr: String },
    /// It was stopped at its time limit; the whole tree has ended.
    TimedOut,
    /// It was stopped at its output limit; the whole tree has ended.
    TooMuchOutput,
}

/// A running program.
#[async_trait]
pub trait Running: Send {
    /// The next event; after the end it returns the same end again. Cancel-safe.
    async fn next(&mut self) -> ProgramEvent;
    /// Stops it with everything it started, first with SIGTERM, then with SIGKILL; returns when all
    /// of them have ended.
    async fn stop(&mut self) -> PortResult<()>;
}

/// Starts programs.
#[async_trait]
pub trait Programs: Send + Sync {
    /// `Invalid` when it cannot start (not found, not executable). Dropping the handle kills the
    /// program.
    async fn start(&self, spec: ProgramSpec) -> PortResult<Box<dyn Running>>;
    /// Whether the program would be found.
    fn exists(&self, program: &str) -> bool;
}
