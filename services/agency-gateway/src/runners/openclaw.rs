//! `runner = "openclaw"`: the bridge `openclaw acp` speaks the Agent Client Protocol and hands the
//! work to the gateway of `OpenClaw`, which does it.
//!
//! A turn can be cancelled this way, and its sessions are kept. By the HTTP interface of that
//! gateway neither is possible (`docs/decisions/0058-openclaw-by-its-bridge.md`).

use super::acp::{self, Kind};
use crate::program::Program;
use crate::runner::Runner;
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::ProgramNetwork;
use std::sync::Arc;

const OPENCLAW: Kind = Kind {
    name: "openclaw",
    command: &["openclaw", "acp"],
    // The bridge refuses a session with servers.
    takes_servers: false,
    has_models: false,
    works_elsewhere: true,
};

pub(super) fn read(
    agent: &Agent,
    section: &mut Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    // The gateway of `OpenClaw` listens on this machine.
    if !section.has("network") {
        program.reach.network = ProgramNetwork::All;
    }
    acp::read_as(OPENCLAW, agent, section, program)
}
