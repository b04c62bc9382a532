//! The commands for skill graphs.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// How a folder is read.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Make each SKILL.md an agent, also beside agents
    #[arg(long)]
    pub skills_as_agents: bool,
}

impl From<Reading> for skill_graph_loader::Reading {
    fn from(reading: Reading) -> Self {
        Self { skills_as_agents: reading.skills_as_agents }
    }
}

impl Reading {
    /// A folder, if there is one, with the way to read it.
    pub fn of<T>(self, folder: Option<T>) -> Option<(T, skill_graph_loader::Reading)> {
        folder.map(|folder| (folder, self.into()))
    }
}

/// Options of `graph import`.
#[derive(Args)]
pub struct Import {
    /// Folder, git repository on this machine, or https address of one
    pub source: String,
    /// Folder of the graph to copy into [default: `graph` in the data directory]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Name of the new folder in the graph [default: from the source]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// Replace what was imported under this name
    #[arg(long)]
    pub replace: bool,
    /// Configuration file whose agents keep their ids [default: quintet.toml in the data directory,
    /// if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Options of `eval`.
#[derive(Args)]
pub struct Eval {
    /// JSON lines with `text` and `label`; without it the graph is cross-validated. `approvals`:
    /// how the model that looks at requests judges a hundred of them
    pub test: Option<PathBuf>,
    /// Train on these lines
    #[arg(long, value_name = "FILE", conflicts_with = "graph")]
    pub train: Option<PathBuf>,
    /// Train on this folder instead of the default graph
    #[arg(long, value_name = "DIR")]
    pub graph: Option<PathBuf>,
    #[command(flatten)]
    pub reading: Reading,
    /// JSON field with the label
    #[arg(long, default_value = "label", value_name = "FIELD")]
    pub label_field: String,
    /// Train N times with different seeds and report the mean
    #[arg(long, default_value_t = 1, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub seeds: u32,
    /// Train on N random lines per label, drawn again for each seed
    #[arg(long, value_name = "N", requires = "train", value_parser = clap::value_parser!(u32).range(1..))]
    pub per_label: Option<u32>,
    /// Exclude lines labelled `oos` from the training
    #[arg(long, requires = "train")]
    pub without_oos: bool,
}

impl Eval {
    /// Whether a set of this program is meant, and no file of that name.
    pub fn is_named(&self, name: &str) -> bool {
        self.test.as_deref().is_some_and(|test| test.as_os_str() == name && !test.exists())
    }
}

/// Subcommands for skill graphs.
#[derive(Subcommand)]
pub enum Graph {
    /// Check a folder and print advice; exits 1 on any error or warning, or if a publish would be
    /// refused
    #[command(after_help = "Example:\n  quintet graph check routing-knowledge")]
    Check {
        folder: PathBuf,
        #[command(flatten)]
        reading: Reading,
    },
    /// Copy the agents and skills of a folder or a git repository into your graph
    #[command(
        after_help = "Example:\n  quintet graph import ~/.claude\n  quintet graph import https://github.com/VoltAgent/awesome-claude-code-subagents --into my-agents"
    )]
    Import(Import),
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
        #[command(flatten)]
        reading: Reading,
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
