//! `runner = "openai"`: the agent is a model behind `OpenAI`'s chat completions or a server like
//! it.

use crate::model_run;
use crate::program::Program;
use crate::runner::Runner;
use platform::agents::Agent;
use platform::config::Section;
use std::sync::Arc;

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    model_run::read(agent, section, program)
}
