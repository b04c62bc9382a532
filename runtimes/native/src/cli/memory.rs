//! `quintet memory` and `quintet chat`.

use clap::{Args, Subcommand};

/// Arguments of `quintet chat`.
#[derive(Args)]
pub struct Chat {
    pub message: String,
    /// The conversation; it is remembered
    #[arg(long, default_value = "cli")]
    pub session: String,
}

/// Subcommands for the memory.
#[derive(Subcommand)]
pub enum Memory {
    /// List what the assistant remembers about you
    #[command(after_help = "Example:\n  quintet memory list --all")]
    List {
        /// Also facts that a newer one has superseded
        #[arg(long)]
        all: bool,
    },
    /// Search it
    #[command(after_help = "Example:\n  quintet memory search \"where do I work\"")]
    Search { query: String },
    /// Write a fact down by hand; one of the same subject is superseded
    #[command(after_help = "Example:\n  quintet memory add name \"My name is Ana\" --pin")]
    Add {
        subject: String,
        text: String,
        /// Tell it to the model with every message
        #[arg(long)]
        pin: bool,
    },
    /// Correct a fact, or pin it
    #[command(
        after_help = "Example:\n  quintet memory edit mem_01J9Z5K2M8Q4R6T8V0X2Z4B6D8 \"My name is Eva\"\n  quintet memory edit mem_01J9Z5K2M8Q4R6T8V0X2Z4B6D8 --pin"
    )]
    Edit {
        id: String,
        text: Option<String>,
        #[arg(long, conflicts_with = "unpin")]
        pin: bool,
        #[arg(long)]
        unpin: bool,
    },
    /// Forget a fact and those it superseded; no model sees the messages that state it again
    #[command(after_help = "Example:\n  quintet memory forget mem_01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Forget { id: String },
    /// Show where a fact comes from
    #[command(after_help = "Example:\n  quintet memory why mem_01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Why { id: String },
}
