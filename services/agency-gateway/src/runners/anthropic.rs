//! `runner = "anthropic"`: the agent is a model behind Anthropic's Messages API.

use crate::model_run;
use crate::program::Program;
use crate::runner::Runner;
use platform::agents::Agent;
use platform::config::Section;
use std::sync::Arc;

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    model_run::read(agent, section, program)
}
