//! The command line, as `contract.md` has it.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use contracts::ChannelKind;
use std::net::SocketAddr;
use std::path::PathBuf;
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
    /// Where everything is kept [default: $QUINTET_DATA, $XDG_DATA_HOME/quintet or ~/.local/share/quintet]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A running server, instead of the one of the data directory
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Print the answer as JSON, and nothing else on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done.
#[derive(Subcommand)]
pub enum Command {
    /// Run all five services and the gateway on one port
    #[command(after_help = "Example:\n  quintet up --listen 127.0.0.1:8787")]
    Up {
        /// The configuration [default: quintet.toml in the data directory, when it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Address and port
        #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Serve this folder as the skill graph, and publish it again whenever a file changes and the graph is sound
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
    },
    /// Play the platform: post a signed webhook to the local endpoint and print the answer
    #[command(
        after_help = "Example:\n  quintet send telegram \"Fix the TypeError in the login flow\""
    )]
    Send {
        /// The channel to send through
        #[arg(value_parser = one_of(ChannelKind::ALL.iter().copied()))]
        channel: ChannelKind,
        text: String,
        /// Seconds to wait for the answer
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        wait: u64,
    },
    /// One routing decision with its reasons, without a server
    #[command(
        after_help = "Example:\n  quintet route \"is the login form open to injection?\" --json"
    )]
    Route {
        text: String,
        /// A folder of Markdown instead of the default graph
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        /// As if the message came from there, such as `telegram`
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
    },
    /// Routing accuracy over labelled messages, or of the graph against itself
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
        /// The member that holds the label
        #[arg(long, default_value = "label", value_name = "FIELD")]
        label_field: String,
        /// Train so often with other seeds, and report the mean
        #[arg(long, default_value_t = 1, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..=100))]
        seeds: u32,
        /// Train on so many lines of each label, drawn anew for each seed
        #[arg(long, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..))]
        per_label: Option<u32>,
        /// Leave lines labelled `oos` out of the training
        #[arg(long, requires = "train")]
        without_oos: bool,
    },
    /// Messages that would make good examples, to be confirmed one by one
    #[command(
        after_help = "Example:\n  quintet suggest\n  quintet suggest --graph routing-knowledge --accept 1 --accept 3=security"
    )]
    Suggest {
        /// The folder that confirmed examples are written into
        #[arg(long, value_name = "DIR")]
        graph: Option<PathBuf>,
        /// Confirm a suggestion by its number, or give it to another agent: 3=security
        #[arg(long, value_name = "NUMBER[=AGENT]", requires = "graph")]
        accept: Vec<String>,
    },
    /// Check, publish or search a skill graph
    #[command(subcommand, after_help = "Example:\n  quintet graph check routing-knowledge")]
    Graph(Graph),
    /// What waits for your decision
    #[command(after_help = "Example:\n  quintet approvals --state pending")]
    Approvals {
        /// Those in this state alone
        #[arg(long, default_value = "pending")]
        state: String,
    },
    /// Approve a request
    #[command(after_help = "Example:\n  quintet approve apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Approve {
        id: String,
        /// Why, for the record and for who asked
        #[arg(long)]
        reason: Option<String>,
    },
    /// Reject a request
    #[command(
        after_help = "Example:\n  quintet reject apr_01J9Z5K2M8Q4R6T8V0X2Z4B6D8 --reason \"too expensive\""
    )]
    Reject {
        id: String,
        /// Why, for the record and for who asked
        #[arg(long)]
        reason: Option<String>,
    },
    /// Stop a task, or everything
    #[command(
        after_help = "Example:\n  quintet halt\n  quintet halt web.console.01J9Z5K2M8Q4R6T8V0X2Z4B6D8"
    )]
    Halt {
        task: Option<String>,
        /// Why, for the record
        #[arg(long, default_value = "from the command line")]
        reason: String,
    },
    /// Let work begin again
    #[command(after_help = "Example:\n  quintet resume")]
    Resume { task: Option<String> },
    /// What is spent, held and left
    #[command(after_help = "Example:\n  quintet budget --json")]
    Budget,
    /// What came in, and where it stands
    #[command(after_help = "Example:\n  quintet events --state dead")]
    Events {
        /// Those in this state alone, such as `dead`
        #[arg(long)]
        state: Option<String>,
        /// How many, the newest first
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Do ended events again
    #[command(after_help = "Example:\n  quintet replay telegram.main.01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Replay {
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// The agency gateway alone, joined to a control plane elsewhere
    #[command(
        after_help = "Example:\n  QUINTET_GATEWAY_TOKEN=… quintet gateway --control https://quintet.example.org"
    )]
    Gateway {
        /// The control plane's address: that of `quintet up`, or the domain of the Workers
        #[arg(long, value_name = "URL")]
        control: String,
        /// Serve the gateway's own API too (its runs, `run-task`)
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// The configuration, whose `[agents]` run here [default: quintet.toml in the data directory, when it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The machines that run agents; take one out of service, or put it back
    #[command(after_help = "Example:\n  quintet gateways\n  quintet gateways --drain home-office")]
    Gateways {
        /// Give it no more tasks; what it runs it may end
        #[arg(long, value_name = "GATEWAY", conflicts_with = "restore")]
        drain: Option<String>,
        /// Give it tasks again
        #[arg(long, value_name = "GATEWAY")]
        restore: Option<String>,
    },
    /// The configuration as Workers get it, for `cargo xtask`
    #[command(name = "__parts", hide = true)]
    Parts {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Register a webhook with its platform, or say what to click
    #[command(after_help = "Example:\n  quintet setup telegram --url https://quintet.example.org")]
    Setup {
        /// The channel whose platform is to send here
        #[arg(value_parser = one_of(channels::all().map(|(channel, _)| channel)))]
        channel: ChannelKind,
        /// The endpoint's name in the configuration
        #[arg(long)]
        endpoint: Option<String>,
        /// The public https address of this server
        #[arg(long)]
        url: Option<String>,
        /// The configuration that holds the endpoint [default: quintet.toml in the data directory, when it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Write everything into one file, while running
    #[command(after_help = "Example:\n  quintet backup quintet-2026-11-23.tar.gz")]
    Backup { file: PathBuf },
    /// Bring a backup back, into an empty data directory
    #[command(
        after_help = "Example:\n  quintet restore quintet-2026-11-23.tar.gz --data /srv/quintet"
    )]
    Restore { file: PathBuf },
    /// Check configuration, secrets, reachability, clock, disk, and what an agent could read
    #[command(after_help = "Example:\n  quintet doctor")]
    Doctor {
        /// The configuration [default: quintet.toml in the data directory, when it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Skill graphs.
#[derive(Subcommand)]
pub enum Graph {
    /// Findings of a folder, and what to write for better routing; exit 1 on any error or warning, and when a publish would be refused
    #[command(after_help = "Example:\n  quintet graph check routing-knowledge")]
    Check { folder: PathBuf },
    /// Publish a folder to the server
    #[command(after_help = "Example:\n  quintet graph publish my-agents --message \"new agent\"")]
    Publish {
        folder: PathBuf,
        /// What changed, for the list of versions
        #[arg(long)]
        message: Option<String>,
        /// Agents of the current graph may vanish
        #[arg(long)]
        allow_removal: bool,
    },
    /// What was published, newest first
    #[command(after_help = "Example:\n  quintet graph versions")]
    Versions,
    /// What changed between two versions
    #[command(
        after_help = "Example:\n  quintet graph diff 0f3c\n  quintet graph diff   (what the last publish changed)"
    )]
    Diff {
        /// A version, or its first characters [default: the one that was served before the current was published]
        from: Option<String>,
        /// A version, or its first characters [default: the current]
        to: Option<String>,
    },
    /// Serve an earlier version again
    #[command(after_help = "Example:\n  quintet graph rollback\n  quintet graph rollback 0f3c")]
    Rollback {
        /// A version, or its first characters [default: the one that was served before the current was published]
        version: Option<String>,
    },
    /// Search the published graph
    #[command(after_help = "Example:\n  quintet graph search \"session token\"")]
    Search { query: String },
}

/// Reads the name of one of these channels; the help lists them.
fn one_of(
    channels: impl Iterator<Item = ChannelKind>,
) -> impl TypedValueParser<Value = ChannelKind> {
    PossibleValuesParser::new(channels.map(ChannelKind::as_str))
        .try_map(|name| ChannelKind::parse(&name).ok_or("there is no such channel"))
}
