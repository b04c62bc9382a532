//! `quintet config`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Subcommands for the configuration.
#[derive(Subcommand)]
pub enum Config {
    /// Print the file that is read, or would be
    #[command(after_help = "Example:\n  quintet config path")]
    Path(ConfigFile),
    /// Show what is in force after a start: the file with the variables over it, secrets as ***
    #[command(
        after_help = "Example:\n  quintet config show\n  quintet config show agents.codegen --json"
    )]
    Show {
        /// Only this key, such as budget or agents.codegen.runner
        key: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Set a key in the file; its comments stay, and nothing is written that Quintet would not take
    #[command(
        after_help = "Example:\n  quintet config set budget.daily 20\n  quintet config set agents.codegen.secrets '[\"ANTHROPIC_API_KEY\"]'\n  printf %s \"$TOKEN\" | quintet config set endpoints.telegram.main.bot_token -"
    )]
    Set {
        /// Key, such as budget.daily
        key: String,
        /// Value as in TOML, else a text; - reads a text from standard input
        value: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Remove a key, or a table, from the file
    #[command(after_help = "Example:\n  quintet config unset agents.codegen.model")]
    Unset {
        /// Key, such as budget.daily
        key: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// The file.
#[derive(Args)]
pub struct ConfigFile {
    /// Configuration file [default: the running server's, else quintet.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
