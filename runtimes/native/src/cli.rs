//! The command line of `contract.md`.

#![allow(clippy::doc_markdown, reason = "the comments are the help texts of a terminal")]

mod config;
mod graph;
mod halt;
mod memory;
mod models;
mod rules;
mod schedules;
mod service;
mod values;
mod work;

pub use config::{Config, ConfigFile};
pub use graph::{Eval, Graph, Import, Reading};
pub use halt::{HaltArgs, ResumeArgs};
pub use memory::{Chat, Memory};
pub use models::{Models, OfModels};
pub use rules::{Audit, Budget, Fits, Rules, SetRules};
pub use schedules::{NewSchedule, Schedules};
pub use service::{Install, Kind, Service, Upgrade};
pub use work::Work;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use contracts::approval::Extent;
use contracts::{ChannelKind, Scope};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use values::{grace, token_name};
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
        #[command(flatten)]
        reading: Reading,
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
        #[command(flatten)]
        reading: Reading,
        /// Route as if the message came from this channel, such as `telegram`
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
    },
    /// Measure routing accuracy on labelled messages, or cross-validate the graph
    #[command(
        after_help = "Example:\n  quintet eval messages.jsonl --train examples.jsonl --json\n  quintet eval"
    )]
    Eval(Eval),
    /// List messages that would make good examples, and confirm them one by one
    #[command(
        after_help = "Example:\n  quintet suggest\n  quintet suggest --graph routing-knowledge --accept 1 --accept 3=security"
    )]
    Suggest {
        /// Folder to write confirmed examples to
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        #[command(flatten)]
        reading: Reading,
        /// Accept a suggestion by number, or assign it to another agent: 3=security
        #[arg(long, value_name = "NUMBER[=AGENT]", requires = "graph")]
        accept: Vec<String>,
    },
    /// Check, import, publish, compare, roll back or search a skill graph
    #[command(subcommand, after_help = "Example:\n  quintet graph check routing-knowledge")]
    Graph(Graph),
    /// List approvals; by default the pending ones
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  quintet approvals --state pending\n  quintet approvals rules"
    )]
    Approvals {
        /// Only approvals in this state, or `all`
        #[arg(long, default_value = "pending")]
        state: String,
        #[command(subcommand)]
        command: Option<Approvals>,
    },
    /// Approve a request
    #[command(
        after_help = "Example:\n  quintet approve apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8\n  quintet approve apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8 --for task"
    )]
    Approve {
        id: String,
        /// For a tool call of a run: allow the same call again, for its task or always
        #[arg(long = "for", value_name = "EXTENT", default_value = "once", value_parser = extents())]
        extent: Extent,
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
    /// Stop one task, one agent, one endpoint, or everything
    #[command(
        after_help = "Example:\n  quintet halt\n  quintet halt web.console.01J9Z5K2M8Q4R6T8V0X2Z4B6D8\n  quintet halt --agent codegen\n  quintet halt --endpoint telegram.main"
    )]
    Halt(HaltArgs),
    /// Resume what was halted: a task, an agent, an endpoint, or everything
    #[command(after_help = "Example:\n  quintet resume\n  quintet resume --agent codegen")]
    Resume(ResumeArgs),
    /// Show the amounts spent, held and left; change the limits
    #[command(after_help = "Example:\n  quintet budget\n  quintet budget set --daily 20")]
    Budget {
        #[command(subcommand)]
        command: Option<Budget>,
    },
    /// Show the configuration and its file; set or remove a key
    #[command(
        subcommand,
        after_help = "Example:\n  quintet config show\n  quintet config set budget.daily 20"
    )]
    Config(Config),
    /// Show the rules that decide about requests; try a change on the last 30 days, or make it
    #[command(
        after_help = "Example:\n  quintet rules\n  quintet rules allow --agent codegen --up-to 5 --until 7d --try"
    )]
    Rules {
        #[command(subcommand)]
        command: Option<Rules>,
    },
    /// Show who decided and changed what, and whether that log is as it was written
    #[command(after_help = "Example:\n  quintet audit\n  quintet audit verify")]
    Audit {
        #[command(subcommand)]
        command: Option<Audit>,
    },
    /// List events and their states
    #[command(after_help = "Example:\n  quintet events --state dead")]
    Events(EventsArgs),
    /// Send kept answers again, without running their agents again
    #[command(after_help = "Example:\n  quintet deliver telegram.main.01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Deliver {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Run finished events again; on a terminal it asks first where a kept answer could be sent
    #[command(after_help = "Example:\n  quintet replay telegram.main.01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Replay {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Run only the agency gateway, for a control plane elsewhere
    #[command(
        after_help = "Example:\n  QUINTET_GATEWAY_TOKEN=… quintet gateway --control https://quintet.example.org\n\nAgents with tool_approvals = \"ask\" (the default of claude-code, acp and openclaw) also need QUINTET_AGENT_TOKEN."
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
    /// List the endpoints: how their messages come in, and whether they arrive
    #[command(after_help = "Example:\n  quintet endpoints")]
    Endpoints,
    /// Ask the assistant about your budget, approvals, messages and skill graph
    #[command(after_help = "Example:\n  quintet chat \"What waits for me?\"")]
    Chat(Chat),
    /// Show, correct and delete what the assistant remembers about you
    #[command(subcommand, after_help = "Example:\n  quintet memory list")]
    Memory(Memory),
    /// List the models that you have, and what models cost
    #[command(after_help = "Example:\n  quintet models\n  quintet models prices")]
    Models(Models),
    /// List the schedules; make, remove or run one
    #[command(after_help = "Example:\n  quintet schedules\n  quintet schedules next")]
    Schedules {
        #[command(subcommand)]
        command: Option<Schedules>,
    },
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  quintet completions bash > ~/.local/share/bash-completion/completions/quintet"
    )]
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the configuration of each Worker, for `cargo xtask`
    #[command(name = "__parts", hide = true)]
    Parts {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Connect a chat: try its token, register commands, learn who you are, write it down, start
    #[command(
        after_help = "Example:\n  quintet setup telegram\n  quintet setup slack --token-stdin"
    )]
    Setup(SetupArgs),
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
        #[arg(long, value_name = "KEY", conflicts_with = "encrypt")]
        recipient: Vec<String>,
    },
    /// Restore a backup into an empty data directory; a passphrase comes from
    /// QUINTET_BACKUP_PASSPHRASE, or is asked for
    #[command(
        after_help = "Example:\n  quintet restore quintet-2026-11-23.tar.gz --data /srv/quintet"
    )]
    Restore {
        file: PathBuf,
        /// File with the secret key of a backup that was encrypted for a public key
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
    },
    /// Show on one screen whether all is well: server, services, agents, chats, budget, halt
    #[command(
        after_help = "Example:\n  quintet status\n  quintet status --json\n\nExit code: 0 all is well, 1 something needs you, 2 usage, 3 no server runs or answers."
    )]
    Status,
    /// Replace this program by a newer one: try it on a backup, keep the old one beside it
    #[command(
        after_help = "Example:\n  quintet upgrade --from ~/Downloads/quintet\n  quintet upgrade --from ~/Downloads/quintet --restart-service\n  quintet upgrade --back"
    )]
    Upgrade(Upgrade),
    /// Try this program on a copy of the data, for `quintet upgrade`
    #[command(name = "__check", hide = true)]
    Check {
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Run Quintet as a service: install, look at, remove
    #[command(subcommand, after_help = "Example:\n  quintet service install")]
    Service(Service),
    /// Check the configuration, the data directory, the disk, the clock, the server, and each
    /// agent's program, version and sign-in
    #[command(after_help = "Example:\n  quintet doctor")]
    Doctor {
        /// Configuration file [default: quintet.toml in the data directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Options of `setup`.
#[derive(clap::Args)]
pub struct SetupArgs {
    /// Channel to set up [default: asked]
    #[arg(value_parser = one_of(channels::all().map(|(channel, _)| channel)))]
    pub channel: Option<ChannelKind>,
    /// Endpoint name [default: the one of this account, or a new one]
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// Bot token; visible to others while the command runs, so rather leave it out and be asked
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_stdin")]
    pub token: Option<String>,
    /// Read the bot token from standard input (or QUINTET_SETUP_TOKEN); Slack's second one below it
    #[arg(long)]
    pub token_stdin: bool,
    /// Slack's app-level token (xapp-…), or QUINTET_SETUP_APP_TOKEN
    #[arg(long, value_name = "TOKEN")]
    pub app_token: Option<String>,
    /// Ask nothing: the approver is the one who sends the word that is shown
    #[arg(long)]
    pub yes: bool,
    /// User id of the approver; no first message is awaited
    #[arg(long, value_name = "ID")]
    pub approver: Option<String>,
    /// Maximum seconds to wait for your first message
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
    /// Do not start the server when none is running
    #[arg(long)]
    pub no_start: bool,
    /// Address and port of the server that is started
    #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Public https address of this server: register the webhook of a configured endpoint
    #[arg(long, conflicts_with_all = ["token", "token_stdin", "yes", "approver"])]
    pub url: Option<String>,
    /// Address of your Matrix homeserver, or of another platform's API [default: its own]
    #[arg(long = "homeserver", alias = "api-base", value_name = "URL")]
    pub api_base: Option<String>,
    /// Configuration file [default: the running server's, else that of the data directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Subcommands for approvals.
#[derive(Subcommand)]
pub enum Approvals {
    /// List the tool calls that you allowed for a task or always; `--remove` deletes such a rule
    #[command(
        after_help = "Example:\n  quintet approvals rules\n  quintet approvals rules --remove rul_01J9Z5K2M8Q4R6T8V0X2Z4B6D8"
    )]
    Rules {
        /// Ask again about this call from now on
        #[arg(long, value_name = "ID")]
        remove: Option<String>,
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

fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(|name| {
        let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        found.ok_or("there is no such scope")
    })
}

/// Reads the extent of an approval; the help lists them.
fn extents() -> impl TypedValueParser<Value = Extent> {
    let names = [("once", Extent::Once), ("task", Extent::Task), ("always", Extent::Always)];
    PossibleValuesParser::new(names.map(|(name, _)| name)).try_map(move |given| {
        let found = names.into_iter().find(|(name, _)| *name == given);
        found.map(|(_, extent)| extent).ok_or("there is no such extent")
    })
}

/// Reads the name of one of these channels; the help lists them.
fn one_of(
    channels: impl Iterator<Item = ChannelKind>,
) -> impl TypedValueParser<Value = ChannelKind> {
    PossibleValuesParser::new(channels.map(ChannelKind::as_str))
        .try_map(|name| ChannelKind::parse(&name).ok_or("there is no such channel"))
}

/// Which events `quintet events` shows.
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Only events in this state, such as `dead`
    #[arg(long)]
    pub state: Option<String>,
    /// Maximum number of events, newest first
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    /// Show the stages and the progress of one event until it ends
    #[arg(long, value_name = "ID", conflicts_with_all = ["state", "limit"])]
    pub follow: Option<String>,
    /// Show the end of the log that the program of one event's newest run wrote
    #[arg(long, value_name = "ID", conflicts_with_all = ["state", "limit", "follow"])]
    pub log: Option<String>,
}
