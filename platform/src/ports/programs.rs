//! Programs on the owner's machine, for the gateway only; Workers have no adapter. Never a shell: a
//! program and its arguments. The environment has only the named variables; the work directory is
//! outside the data directory.

use super::{PortError, PortErrorKind, PortResult};
use crate::secret::Secret;
use async_trait::async_trait;
use bytes::Bytes;
use contracts::task::WorkOrder;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;

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
    /// Its standard input stays open for [`Running::write`].
    pub input_stays_open: bool,
    /// Variables passed from the gateway's own environment, besides PATH, HOME, LANG and TERM.
    /// Never `QUINTET_*`.
    pub env: Vec<String>,
    /// Keys from the gateway's own environment that it uses through a relay and never holds.
    pub secrets: Vec<RelayedSecret>,
    /// The claim token of its run, which proves the run at our MCP server, if it may ask there. The
    /// program never holds it: it finds the address in [`MCP_URL`] and another token, good for
    /// questions alone, in [`MCP_TOKEN`].
    pub asks_as: Option<Secret>,
    /// Whether it may see the data directory with the tokens. If unset and the directory cannot be
    /// hidden, the program does not start.
    pub data_visible: bool,
    pub reach: Reach,
    /// The name of the work directory.
    pub task: String,
    /// A work directory of this name is kept for later runs and used in place of the task's own.
    /// Any text; different texts have different directories.
    pub kept_folder: Option<String>,
    /// The owner's folder that it works in, in place of a work directory.
    pub workspace: Option<Workspace>,
    /// Time limit.
    pub timeout_ms: u64,
    /// Output limit.
    pub output_bytes_max: usize,
    pub bounds: Bounds,
    /// Files that it is given and may leave; none where nobody would get them.
    pub exchange: Option<Exchange>,
    /// Takes its standard error, line by line.
    pub log: Option<Arc<dyn ProgramLog>>,
}

/// Takes the lines that a program writes for people beside its output.
pub trait ProgramLog: std::fmt::Debug + Send + Sync {
    /// A line without its end. `left_out`: bytes after it that were not read.
    fn line(&self, line: &str, left_out: u64);
    /// Masks this text in every later line.
    fn hide(&self, secret: &Secret);
}

/// The files of a run: those of its message lie in the folder `in` of its work folder, and those
/// that it leaves in `out` are taken after its end.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub files: Vec<InputFile>,
    /// Maximum bytes of a file that it leaves.
    pub bytes_max: u64,
    /// Maximum files that it leaves.
    pub files_max: usize,
}

/// A file that a program is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Safe in any folder.
    pub name: String,
    pub content: Bytes,
}

/// A file that a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftFile {
    pub name: String,
    pub bytes: u64,
    /// None where a limit leaves it out.
    pub content: Option<Bytes>,
    /// Where it still lies, for one that was left out of a folder that stays.
    pub path: Option<String>,
}

/// Limits of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum size of its work folder, bytes; in a folder of the owner, what it adds there.
    pub work_bytes: u64,
    /// Maximum memory of all its processes together, bytes.
    pub memory_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { work_bytes: 10 << 30, memory_bytes: 8 << 30 }
    }
}

/// A limit of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunLimit {
    /// [`Bounds::work_bytes`].
    WorkFolder,
    /// [`Bounds::memory_bytes`].
    Memory,
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
    /// It was stopped at another limit; the whole tree has ended.
    OverLimit(RunLimit),
}

/// The surroundings of a running program, as it finds them.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The absolute path of the folder that it works in.
    pub directory: String,
    /// Our MCP server, for a program that may ask.
    pub tool_server: Option<ToolServerAccess>,
}

/// The way of one run to our MCP server.
#[derive(Clone, Debug)]
pub struct ToolServerAccess {
    pub url: String,
    /// The bearer token of this run alone.
    pub token: Secret,
}

/// A tool that a program wants to use.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Name of the tool.
    pub tool: String,
    /// Its exact arguments: an object.
    pub arguments: Value,
    /// Unique to the call: the same id is asked about once.
    pub id: String,
}

/// The owner's answer to a [`ToolCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolAnswer {
    Allowed,
    /// Not allowed, for this reason.
    Refused(String),
}

/// A running program.
#[async_trait]
pub trait Running: Send {
    /// The next event; after the end it returns the same end again. Cancel-safe.
    async fn next(&mut self) -> ProgramEvent;
    /// Hands this text to its standard input, where the specification keeps that open. Does not
    /// wait for the program to read it; a program that leaves too much unread is stopped.
    async fn write(&mut self, text: String) -> PortResult<()>;
    /// Closes its standard input after everything that was written.
    async fn end_input(&mut self) -> PortResult<()>;
    fn surroundings(&self) -> Surroundings;
    /// Asks the owner for it, where `asks_as` says that it may ask. An answer may take a day; that
    /// time does not count for the time limit. A dropped future asks no more. An error is no
    /// answer: the call is not allowed.
    fn ask(&self, call: &ToolCall) -> BoxFuture<'static, PortResult<ToolAnswer>>;
    /// Stops it with everything it started, first with SIGTERM, then with SIGKILL; returns when all
    /// of them have ended.
    async fn stop(&mut self) -> PortResult<()>;
    /// Its changes in the git repository that it worked in. To be asked after its end.
    async fn changes(&mut self) -> Option<Changes> {
        None
    }
    /// The files that it left for the chat, once. To be asked after its end.
    async fn left(&mut self) -> Vec<LeftFile> {
        Vec::new()
    }
    /// Lines for the person about files that could not be handed over, once. To be asked after its
    /// end.
    async fn unsent(&mut self) -> Vec<String> {
        Vec::new()
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
    /// Carries out an order about a worktree that its programs worked in; the text for the person,
    /// of a diff the diff.
    async fn work(&self, order: WorkOrder) -> PortResult<String> {
        let text = format!("this gateway has no worktree {}", order.worktree);
        Err(PortError::clean(PortErrorKind::Invalid, text))
    }
    /// Whether the program would be found.
    fn exists(&self, program: &str) -> bool;
    /// The first sign that a program is signed in: one of these files in its state folder, or one
    /// of these variables. Empty where this machine cannot look.
    fn sign_of(&self, folder: &str, files: &[&str], variables: &[&str]) -> Option<String> {
        let _ = (folder, files, variables);
        Some(String::new())
    }
}
