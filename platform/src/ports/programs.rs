//! Programs on the owner's machine, for the gateway only; Workers have no adapter. Never a shell: a
//! program and its arguments. The environment has only the named variables; the work directory is
//! outside the data directory.

use super::PortResult;
use async_trait::async_trait;

/// The variable in which a program that may ask finds the address of our MCP server.
pub const MCP_URL: &str = "QUINTET_MCP_URL";
/// The variable with its token for it, which is good for this run alone.
pub const MCP_TOKEN: &str = "QUINTET_MCP_TOKEN";

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
    /// Keys from the gateway's own environment that it uses through a relay and never holds.
    pub secrets: Vec<RelayedSecret>,
    /// The agent as which it may ask at our MCP server; the run is named by `task`. It finds the
    /// address in [`MCP_URL`] and a token of its run in [`MCP_TOKEN`].
    pub asks_as: Option<String>,
    /// Whether it may see the data directory with the tokens. If unset and the directory cannot be
    /// hidden, the program does not start.
    pub data_visible: bool,
    pub reach: Reach,
    /// The name of the work directory.
    pub task: String,
    /// A work directory of this name is kept for later runs and used in place of the task's own.
    pub kept_folder: Option<String>,
    /// The owner's folder that it works in, in place of a work directory.
    pub workspace: Option<Workspace>,
    /// Time limit.
    pub timeout_ms: u64,
    /// Output limit.
    pub output_bytes_max: usize,
}

/// A folder of the owner that a program works in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// An absolute path, or a path below the home that begins with `~/`.
    pub folder: String,
    /// When set, it works in a git worktree of the folder's repository instead.
    pub worktree: Option<Worktree>,
}

/// The git worktree of a conversation, with a branch of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    pub agent: String,
    /// The conversation, or the task of a message without one.
    pub conversation: String,
}

/// The changes of a run in a git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub files: usize,
    /// The first of them, without characters that could look like more than a name.
    pub names: Vec<String>,
    /// Lines.
    pub added: u64,
    /// Lines.
    pub removed: u64,
    pub branch: Option<String>,
    /// The id of its worktree for `quintet work`.
    pub worktree: Option<String>,
}

/// A key that a relay puts into a program's requests to one host. The program gets an address of
/// this machine and a token of its run instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedSecret {
    /// The variable with the key in the gateway's environment. The program finds its token there.
    pub name: String,
    /// https, or http to this machine; with the path below which requests may go.
    pub host: String,
    /// The header that carries the key, in lower case.
    pub header: String,
    /// The text before the key in it, such as `Bearer `.
    pub before: String,
    /// The variable in which the program finds the relay's address.
    pub variable: String,
}

/// How far a program reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub confinement: Confinement,
    /// The network in the sandbox.
    pub network: ProgramNetwork,
    /// Absolute paths, or paths below the home that begin with `~/`, that it may read in the
    /// sandbox, besides the system's and its own program.
    pub readable: Vec<String>,
    /// The same to write, besides its work directory.
    pub writable: Vec<String>,
    /// Its settings, sign-in and sessions: a folder of its own, made at the first run. It never
    /// shares the owner's, whose settings start programs outside the sandbox.
    pub state: Option<StateFolder>,
}

/// A folder that a program finds by a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    /// A path as in [`Reach::readable`].
    pub folder: String,
    pub variable: String,
}

/// Whether a program runs in a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// A sandbox: its work directory, the system's programs, and the paths it is given. Where the
    /// kernel does not allow one, the program does not start.
    #[default]
    Strict,
    /// Everything that the owner's own programs reach, except the data directory. Only if the owner
    /// says so.
    Off,
}

/// Which network a program in the sandbox reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgramNetwork {
    /// Only a loopback of its own.
    None,
    /// Public addresses, through a proxy that `HTTP_PROXY` and `HTTPS_PROXY` name. No loopback of
    /// the machine, no private network.
    #[default]
    Internet,
    /// All of the machine's.
    All,
}

/// Something a running program did.
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
    /// Its changes in the git repository that it worked in. To be asked after its end.
    async fn changes(&mut self) -> Option<Changes> {
        None
    }
    /// Freezes it with everything it started (`true`), or lets all of it go on. Frozen time does
    /// not count for its time limit; a frozen program can be stopped.
    async fn rest(&mut self, rests: bool) -> PortResult<()>;
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
