//! The commands that keep Quintet running.

use crate::service::Format;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Subcommands for the service.
#[derive(Subcommand)]
pub enum Service {
    /// Write the unit of systemd, enable it and start it
    #[command(
        after_help = "Example:\n  quintet service install\n  sudo quintet service install --system --data /srv/quintet\n  quintet service install --print launchd"
    )]
    Install(Install),
    /// Show whether the service is installed, enabled and running
    #[command(after_help = "Example:\n  quintet service status")]
    Status {
        #[command(flatten)]
        kind: Kind,
    },
    /// Show the log of the service
    #[command(after_help = "Example:\n  quintet service logs --follow")]
    Logs {
        #[command(flatten)]
        kind: Kind,
        /// Show new lines as they come
        #[arg(long, short)]
        follow: bool,
        /// Number of lines from the end
        #[arg(long, short = 'n', default_value_t = 100, value_name = "LINES")]
        lines: u32,
    },
    /// Stop and disable the service, and remove its unit; the data stays
    #[command(after_help = "Example:\n  quintet service remove")]
    Remove {
        #[command(flatten)]
        kind: Kind,
    },
}

/// Options of `service install`.
#[derive(Args)]
pub struct Install {
    #[command(flatten)]
    pub kind: Kind,
    /// Configuration file of the service [default: quintet.toml in the data directory, if it
    /// exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Overwrite a unit that was edited, or not written by this command
    #[arg(long)]
    pub replace: bool,
    /// Only print the file, of this system or of the named one, and change nothing
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "here")]
    pub print: Option<Format>,
}

/// Options of `upgrade`.
#[derive(Args)]
pub struct Upgrade {
    /// The new program, a file on this machine
    #[arg(long, value_name = "FILE", required_unless_present = "back")]
    pub from: Option<PathBuf>,
    /// Put the program from before the last upgrade back
    #[arg(long, conflicts_with_all = ["from", "config"])]
    pub back: bool,
    /// Stop the service of systemd that runs, and start it again afterwards
    #[arg(long)]
    pub restart_service: bool,
    /// Configuration file that the new program must accept [default: the running server's, else
    /// that of the data directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which service.
#[derive(Args, Clone, Copy)]
pub struct Kind {
    /// The service of the whole machine, which runs as the owner of the data directory; needs root
    #[arg(long)]
    pub system: bool,
}
