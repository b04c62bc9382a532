//! `quintet work`.

use clap::Subcommand;

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
