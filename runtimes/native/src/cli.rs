//! The command line of `contract.md`.

#![allow(clippy::doc_markdown, reason = "the comments are the help texts of a terminal")]

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use contracts::{ChannelKind, Scope};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use webhook_aggregator::channels;

/// The control plane between your chat channels and your AI agents.
#[derive(Parser)]
#[command(
    name = "quintet",
    version,
    about,
    after_help = "Start here:\n  quintet up\n  quintet send telegram \"Fix the TypeError in the login flow\""
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub struct Global {
    /// Data directory [default: $QUINTET_DATA, $XDG_DATA_HOME/quintet or ~/.local/share/quintet]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of a running server [default: the server of the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Print JSON, and nothing else on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Run all five services and the gateway on one port
    #[command(after_help = "Example:\n  quintet up --listen 127.0.0.1:8787")]
    Up {
        /// Configuration file [default: quintet.toml in the data directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Address and port to listen on
        #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Serve this folder as the skill graph, and publish it again whenever a file changes and
        /// the graph is valid
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
    },
    /// Serve the Model Context Protocol on standard input, for agents that ask for approval
    #[command(
        after_help = "Example:\n  claude mcp add quintet -- quintet mcp\n  claude -p --permission-prompt-tool mcp__quintet__request_approval"
    )]
    Mcp,
    /// Answer the question of an agent
    #[command(after_help = "Example:\n  quintet answer apr_01J0 use the staging server")]
    Answer {
        /// Id from `quintet approvals`
        id: String,
        /// The answer
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Print a new link that signs you in to the dashboard
    #[command(after_help = "Example:\n  quintet open")]
    Open,
    /// Act as the platform: post a signed webhook to the local endpoint and print the answer
    #[command(
        after_help = "Example:\n  quintet send telegram \"Fix the TypeError in the login flow\""
    )]
    Send {
        /// Channel to send through
        #[arg(value_parser = one_of(ChannelKind::ALL.iter().copied()))]
        channel: ChannelKind,
        text: String,
        /// Maximum seconds to wait for the answer
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        wait: u64,
    },
    /// Route one message and print the reasons; needs no server
    #[command(
        after_help = "Example:\n  quintet route \"is the login form open to injection?\" --json"
    )]
    Route {
        text: String,
        /// Folder of Markdown to use instead of the default graph
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        /// Route as if the message came from this channel, such as `telegram`
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
    },
    /// Measure routing accuracy on labelled messages, or cross-validate the graph
    #[command(
        after_help = "Example:\n  quintet eval messages.jsonl --train examples.jsonl --json\n  quintet eval"
    )]
    Eval {
        /// JSON lines with `text` and `label`; without it the graph is cross-validated
        test: Option<PathBuf>,
        /// Train on these lines
        #[arg(long, value_name = "FILE", conflicts_with = "graph")]
        train: Option<PathBuf>,
        /// Train on this folder instead of the default graph
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        /// JSON field with the label
        #[arg(long, default_value = "label", value_name = "FIELD")]
        label_field: String,
        /// Train N times with different seeds and report the mean
        #[arg(long, default_value_t = 1, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..=100))]
        seeds: u32,
        /// Train on N random lines per label, drawn again for each seed
        #[arg(long, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..))]
        per_label: Option<u32>,
        /// Exclude lines labelled `oos` from the training
        #[arg(long, requires = "train")]
        without_oos: bool,
    },
    /// List messages that would make good examples, and confirm them one by one
    #[command(
        after_help = "Example:\n  quintet suggest\n  quintet suggest --graph routing-knowledge --accept 1 --accept 3=security"
    )]
    Suggest {
        /// Folder to write confirmed examples to
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        /// Accept a suggestion by number, or assign it to another agent: 3=security
        #[arg(long, value_name = "NUMBER[=AGENT]", requires = "graph")]
        accept: Vec<String>,
    },
    /// Check, publish, compare, roll back or search a skill graph
    #[command(subcommand, after_help = "Example:\n  quintet graph check routing-knowledge")]
    Graph(Graph),
    /// List approvals; by default the pending ones
    #[command(after_help = "Example:\n  quintet approvals --state pending")]
    Approvals {
        /// Only approvals in this state
        #[arg(long, default_value = "pending")]
        state: String,
    },
    /// Approve a request
    #[command(after_help = "Example:\n  quintet approve apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Approve {
        id: String,
        /// Reason, for the record and the sender
        #[arg(long)]
        reason: Option<String>,
    },
    /// Reject a request
    #[command(
        after_help = "Example:\n  quintet reject apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8 --reason \"too expensive\""
    )]
    Reject {
        id: String,
        /// Reason, for the record and the sender
        #[arg(long)]
        reason: Option<String>,
    },
    /// Stop one task, or everything
    #[command(
        after_help = "Example:\n  quintet halt\n  quintet halt web.console.01J9Z5K2M8Q4R6T8V0X2Z4B6D8"
    )]
    Halt {
        task: Option<String>,
        /// Reason, for the record
        #[arg(long, default_value = "from the command line")]
        reason: String,
    },
    /// Resume a halted task, or everything
    #[command(after_help = "Example:\n  quintet resume")]
    Resume { task: Option<String> },
    /// Show the amounts spent, held and left
    #[command(after_help = "Example:\n  quintet budget --json")]
    Budget,
    /// List events and their states
    #[command(after_help = "Example:\n  quintet events --state dead")]
    Events {
        /// Only events in this state, such as `dead`
        #[arg(long)]
        state: Option<String>,
        /// Maximum number of events, newest first
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Run finished events again
    #[command(after_help = "Example:\n  quintet replay telegram.main.01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Replay {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Run only the agency gateway, for a control plane elsewhere
    #[command(
        after_help = "Example:\n  QUINTET_GATEWAY_TOKEN=… quintet gateway --control https://quintet.example.org"
    )]
    Gateway {
        /// Address of the control plane: that of `quintet up`, or the domain of the Workers
        #[arg(long, value_name = "URL")]
        control: String,
        /// Also serve the gateway's own API (its runs, `run-task`) on this address
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// Configuration file with the `[agents]` to run here [default: quintet.toml in the data
        /// directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List the git worktrees of conversations on this machine; show, keep or discard one
    #[command(
        after_help = "Example:\n  quintet work\n  quintet work diff codegen-1a2b3c4d\n  quintet work keep codegen-1a2b3c4d"
    )]
    Work {
        #[command(subcommand)]
        command: Option<Work>,
    },
    /// List the gateways; drain or restore one
    #[command(after_help = "Example:\n  quintet gateways\n  quintet gateways --drain home-office")]
    Gateways {
        /// Give this gateway no new tasks; it finishes its own
        #[arg(long, value_name = "GATEWAY", conflicts_with = "restore")]
        drain: Option<String>,
        /// Give this gateway tasks again
        #[arg(long, value_name = "GATEWAY")]
        restore: Option<String>,
    },
    /// Print the configuration of each Worker, for `cargo xtask`
    #[command(name = "__parts", hide = true)]
    Parts {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Register a webhook with its platform, or print the steps
    #[command(after_help = "Example:\n  quintet setup telegram --url https://quintet.example.org")]
    Setup {
        /// Channel to set up
        #[arg(value_parser = one_of(channels::all().map(|(channel, _)| channel)))]
        channel: ChannelKind,
        /// Endpoint name in the configuration
        #[arg(long)]
        endpoint: Option<String>,
        /// Public https address of this server
        #[arg(long)]
        url: Option<String>,
        /// Configuration file with the endpoint [default: quintet.toml in the data directory, if it
        /// exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List the tokens of this installation, or replace one
    #[command(subcommand, after_help = "Example:\n  quintet token list")]
    Token(Token),
    /// Back up everything to one file; the server may keep running
    #[command(
        after_help = "Example:\n  quintet backup quintet-2026-11-23.tar.gz\n  quintet backup quintet-2026-11-23.age --encrypt"
    )]
    Backup {
        file: PathBuf,
        /// Encrypt it with a passphrase, from QUINTET_BACKUP_PASSPHRASE or asked for; the file is
        /// in the age format
        #[arg(long)]
        encrypt: bool,
        /// Encrypt it for this public key (age1…) instead; may be repeated
        #[arg(long, value_name = "KEY")]
        recipient: Vec<String>,
    },
    /// Restore a backup into an empty data directory
    #[command(
        after_help = "Example:\n  quintet restore quintet-2026-11-23.tar.gz --data /srv/quintet"
    )]
    Restore {
        file: PathBuf,
        /// File with the secret key of a backup that was encrypted for a public key
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
    },
    /// Check configuration, secrets, connectivity, clock, disk space, and which files agents can
    /// read
    #[command(after_help = "Example:\n  quintet doctor")]
    Doctor {
        /// Configuration file [default: quintet.toml in the data directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Subcommands for skill graphs.
#[derive(Subcommand)]
pub enum Graph {
    /// Check a folder and print advice; exits 1 on any error or warning, or if a publish would be
    /// refused
    #[command(after_help = "Example:\n  quintet graph check routing-knowledge")]
    Check { folder: PathBuf },
    /// Publish a folder to the server
    #[command(after_help = "Example:\n  quintet graph publish my-agents --message \"new agent\"")]
    Publish {
        folder: PathBuf,
        /// Description of the change, for the list of versions
        #[arg(long)]
        message: Option<String>,
        /// Allow agents of the current graph to disappear
        #[arg(long)]
        allow_removal: bool,
    },
    /// List published versions, newest first
    #[command(after_help = "Example:\n  quintet graph versions")]
    Versions,
    /// Show the changes between two versions
    #[command(
        after_help = "Example:\n  quintet graph diff 0f3c\n  quintet graph diff   (changes of the last publish)"
    )]
    Diff {
        /// Version, or its first characters [default: the version served before the current one was
        /// published]
        from: Option<String>,
        /// Version, or its first characters [default: the current one]
        to: Option<String>,
    },
    /// Serve an earlier version again
    #[command(after_help = "Example:\n  quintet graph rollback\n  quintet graph rollback 0f3c")]
    Rollback {
        /// Version, or its first characters [default: the version served before the current one was
        /// published]
        version: Option<String>,
    },
    /// Search the published graph
    #[command(after_help = "Example:\n  quintet graph search \"session token\"")]
    Search { query: String },
}

/// Subcommands for worktrees.
#[derive(Subcommand)]
pub enum Work {
    /// List them
    #[command(after_help = "Example:\n  quintet work list --json")]
    List,
    /// Show the files that one has changed
    #[command(after_help = "Example:\n  quintet work show codegen-1a2b3c4d")]
    Show { id: String },
    /// Show all its changes as a diff, also those that are not committed
    #[command(after_help = "Example:\n  quintet work diff codegen-1a2b3c4d")]
    Diff { id: String },
    /// Commit what is not committed, remove the worktree and keep its branch
    #[command(after_help = "Example:\n  quintet work keep codegen-1a2b3c4d")]
    Keep { id: String },
    /// Remove the worktree and its branch
    #[command(after_help = "Example:\n  quintet work discard codegen-1a2b3c4d --yes")]
    Discard {
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Subcommands for tokens.
#[derive(Subcommand)]
pub enum Token {
    /// List the tokens: scope, name, age and last use, never the value
    #[command(after_help = "Example:\n  quintet token list --json")]
    List,
    /// Replace the token of a scope and print the new one, once; the old one is refused at once
    #[command(
        after_help = "Example:\n  quintet token rotate operator\n  quintet token rotate gateway --grace 10m"
    )]
    Rotate {
        /// Scope of the token
        #[arg(value_parser = scope())]
        scope: Scope,
        /// Keep the old token valid for this long, such as 10m or 2h; at most 30 days
        #[arg(long, value_name = "DURATION", value_parser = grace)]
        grace: Option<Duration>,
        /// Name for the list [default: the scope and a number]
        #[arg(long, value_parser = token_name)]
        name: Option<String>,
    },
}

/// Maximum grace of an old token.
const GRACE_MAX: Duration = Duration::from_hours(30 * 24);

fn grace(text: &str) -> Result<Duration, String> {
    let given = text.parse::<jiff::SignedDuration>().ok();
    let given = given.and_then(|given| Duration::try_from(given).ok());
    given
        .filter(|given| !given.is_zero() && *given <= GRACE_MAX)
        .ok_or_else(|| "write it as 30s, 10m, 2h or 720h; 720h is the maximum".to_owned())
}

fn token_name(text: &str) -> Result<String, String> {
    let sound = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if sound { Ok(text.to_owned()) } else { Err("a name has 1 to 40 characters".to_owned()) }
}

fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(|name| {
        let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        found.ok_or("there is no such scope")
    })
}

/// Reads the name of one of these channels; the help lists them.
fn one_of(
    channels: impl Iterator<Item = ChannelKind>,
) -> impl TypedValueParser<Value = ChannelKind> {
    PossibleValuesParser::new(channels.map(ChannelKind::as_str))
        .try_map(|name| ChannelKind::parse(&name).ok_or("there is no such channel"))
}
