//! The signals of a server: Ctrl-C and SIGTERM stop it, SIGHUP reads its configuration again.

use crate::live::{Live, told};
use crate::stop::StopSignal;
use crate::terminal::{has_terminal, remark};
use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, caught from its creation.
pub struct Signals {
    stop: StopSignal,
    hangup: Signal,
    had_terminal: bool,
}

impl Signals {
    /// From here on a signal no longer ends the process by itself.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            stop: StopSignal::listen()?,
            hangup: signal(SignalKind::hangup())?,
            had_terminal: has_terminal(),
        })
    }
    /// Reloads at each SIGHUP, until a signal stops the server.
    pub async fn wait(self, live: &Live) {
        let Self { stop, mut hangup, had_terminal } = self;
        let reloads = async {
            while hangup.recv().await.is_some() {
                // A terminal that closes sends the same signal; nobody is left to press Ctrl-C.
                if had_terminal && !has_terminal() {
                    return;
                }
                reload(live);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.wait() => {}
            () = reloads => {}
        }
    }
}

/// Reads the configuration again, and says in the log what came of it.
fn reload(live: &Live) {
    match live.reload() {
        Ok(in_force) => {
            remark(&format!("The configuration {} was read again.", in_force.file.display()));
            if !in_force.needs_restart.is_empty() {
                let tables = in_force.needs_restart.join(", ");
                tracing::warn!(tables, "changed tables of the configuration take a restart");
            }
        }
        Err(error) => tracing::warn!(
            error = told(&error),
            "the configuration was not read again; the server goes on with the one it has"
        ),
    }
}
