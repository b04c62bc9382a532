//! Made-up runners, with which each service shows that it takes a runner's facts from its line
//! alone.

use crate::agents::RunnerKind;

/// Asks a model and changes nothing.
pub const READING: RunnerKind = RunnerKind {
    name: "made-up-reading",
    is_program: false,
    uses_model: true,
    may_have_effects: false,
    asks: None,
};
/// Starts a program without a model, which may change something.
pub const WRITING: RunnerKind = RunnerKind {
    name: "made-up-writing",
    is_program: true,
    uses_model: false,
    may_have_effects: true,
    asks: None,
};
