//! `quintet models`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `quintet models`.
#[derive(Args)]
pub struct Models {
    /// Configuration file [default: that of the data directory]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<OfModels>,
}

/// Subcommands for models.
#[derive(Subcommand)]
pub enum OfModels {
    /// List the models of the configuration, with their uses and prices
    #[command(after_help = "Example:\n  quintet models list --json")]
    List,
    /// Print the prices that count, or replace the list by a newer one
    #[command(
        after_help = "Example:\n  quintet models prices claude-opus-5-5\n  quintet models prices --json > prices.json\n  quintet models prices --update prices.json"
    )]
    Prices {
        /// Only models whose name contains this
        model: Option<String>,
        /// Check this list and use it instead of the one of this version
        #[arg(long, value_name = "FILE", conflicts_with = "model")]
        update: Option<PathBuf>,
    },
}
