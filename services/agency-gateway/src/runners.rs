//! The ways to run an agent, a module each.
//!
//! To add one: `runners/<name>.rs` with a [`Runner`], its `mod` here, and its line in
//! `platform/src/agents/kinds.rs`. The registry is built from those lines. `tests/it/runners.rs`
//! holds each runner to what [`Run`] promises.
//!
//! [`Run`]: crate::runner::Run

mod acp;
mod anthropic;
mod claude_code;
mod codex;
mod command;
mod knowledge;
mod openai;
mod openclaw;

use crate::program::Program;
use crate::runner::Runner;
use platform::agents::{Agent, RunnerKind};
use platform::config::Section;
use std::sync::Arc;

/// A runner of the registry.
#[derive(Clone, Copy)]
pub struct Entry {
    pub kind: RunnerKind,
    /// Reads the keys of its own from an agent's table. The keys of a program have been read.
    pub read: fn(&Agent, &mut Section<'_>, Program) -> Arc<dyn Runner>,
}

macro_rules! registry {
    ($($module:ident: $kind:expr,)*) => {
        /// Every runner of this version.
        pub const REGISTRY: &[Entry] = &[$(Entry { kind: $kind, read: $module::read }),*];
    };
}
platform::for_each_runner!(registry);

/// The runner of an agent that names none.
pub(crate) fn default() -> Arc<dyn Runner> {
    Arc::new(knowledge::Knowledge)
}
