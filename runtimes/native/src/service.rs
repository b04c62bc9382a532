//! Quintet as a service of this machine: the file for each service manager. Nothing here runs.

pub mod launchd;
pub mod systemd;
pub mod windows;

mod plan;
mod xml;

pub use plan::{LOG, Plan, VARIABLES};

use clap::ValueEnum;

/// A service manager whose file can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The one of this machine
    #[value(hide = true)]
    Here,
    /// Linux: a unit of systemd
    Systemd,
    /// macOS: a property list of launchd
    Launchd,
    /// Windows: a task of the Task Scheduler that starts Quintet in WSL
    Windows,
}

impl Format {
    /// The format itself; of this machine where none was named.
    pub const fn known(self) -> Self {
        match self {
            Self::Here if cfg!(target_os = "macos") => Self::Launchd,
            Self::Here => Self::Systemd,
            named => named,
        }
    }
}
