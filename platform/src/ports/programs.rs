//! Programs on the owner's machine, for the gateway alone; Workers have no adapter. Never a shell: a program and its
//! arguments. The environment is empty but for what is named; the work directory lies outside the data directory.

use super::PortResult;
use async_trait::async_trait;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct ProgramSpec {
    /// A path, or a name looked up in PATH.
    pub program: String,
    pub args: Vec<String>,
    /// Written to its standard input, which is then closed.
    pub stdin: String,
    /// Variables handed on from the gateway's own environment, beside PATH, HOME, LANG and TERM. `QUINTET_*` never is.
    pub env: Vec<String>,
    /// It may see the data directory with the tokens. Unless set it cannot, and where that cannot be had it is not started.
    pub data_visible: bool,
    /// Names the work directory.
    pub task: String,
    /// It is stopped after this long.
    pub timeout_ms: u64,
    /// It is stopped when it has written more than this.
    pub output_bytes_max: usize,
}

/// Something a running program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEvent {
    /// A line of standard output, without its end.
    Line(String),
    /// It ended by itself. `stderr` holds the last 4 KiB it wrote there.
    Exited { code: Option<i32>, stderr: String },
    /// It was stopped at its time limit; the whole tree is gone.
    TimedOut,
    /// It was stopped at its output limit; the whole tree is gone.
    TooMuchOutput,
}

/// A program under way.
#[async_trait]
pub trait Running: Send {
    /// The next event; after an end, the same end again. Cancel-safe.
    async fn next(&mut self) -> ProgramEvent;
    /// Ends it and everything it started, asking first and then killing; returns when all of them are gone.
    async fn stop(&mut self) -> PortResult<()>;
}

/// Starts programs.
#[async_trait]
pub trait Programs: Send + Sync {
    /// `Invalid` when it cannot be started (not found, not executable). Dropping the handle kills the program.
    async fn start(&self, spec: ProgramSpec) -> PortResult<Box<dyn Running>>;
    /// Whether the program would be found.
    fn exists(&self, program: &str) -> bool;
}
