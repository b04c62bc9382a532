//! `runner = "command"`: the owner's own program, started directly and never through a shell.
//!
//! The message goes to standard input, or replaces the one argument `{message}`. The output is the
//! answer, in the format that the key `output` names (`output.rs`).

use crate::output::Format;
use crate::program::{MESSAGE, Program};
use crate::program_run::{ProgramRun, Reading};
use crate::runner::{Ended, Finish, Job, Run, Runner, Tools};
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::{TokenPrices, Tokens};
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::{PortErrorKind, ProgramSpec};
use std::sync::Arc;

/// Maximum bytes of a message passed as an argument; Linux allows 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 100 << 10;

/// Reads an agent that runs a command.
pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    if !section.has("command") {
        section.wrong(
            "command",
            "is missing.",
            "Write it as a list: the program, then its arguments.",
        );
    }
    let output = Format::read(section, &program.command);
    Arc::new(Command { program, output, prices: agent.price.of_tokens() })
}

/// Runs one agent's program.
#[derive(Debug)]
struct Command {
    program: Program,
    output: Format,
    prices: Option<TokenPrices>,
}

impl Command {
    /// Program, arguments and standard input for this message; the sentence says why not.
    fn spec(&self, job: &Job) -> Result<ProgramSpec, &'static str> {
        let (program, args) =
            self.program.command.split_first().ok_or("No command is configured for it.")?;
        let as_argument = args.iter().any(|arg| arg == MESSAGE);
        if as_argument && job.message.len() > ARGUMENT_BYTES_MAX {
            return Err("The message is too long to be handed over as an argument.");
        }
        if as_argument && job.message.contains('\0') {
            return Err("The message holds a NUL character, which no argument can.");
        }
        let put = |arg: &String| if arg == MESSAGE { job.message.clone() } else { arg.clone() };
        Ok(ProgramSpec {
            program: program.clone(),
            args: args.iter().map(put).collect(),
            stdin: if as_argument { String::new() } else { job.message.clone() },
            data_visible: self.program.data_visible,
            reach: self.program.reach.clone(),
            env: self.program.env.clone(),
            task: job.task.to_string(),
            timeout_ms: self.program.timeout_ms,
            // Reports that pass do not count: the limit is the answer's.
            output_bytes_max: match self.output {
                Format::Text => self.program.output_bytes_max,
                _ => usize::MAX,
            },
        })
    }
}

#[async_trait]
impl Runner for Command {
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run> {
        let spec = match self.spec(job) {
            Ok(spec) => spec,
            Err(why) => {
                return Box::new(Ended(Finish::free(
                    Outcome::Failed,
                    format!("{} was not started. {why}", job.agent),
                )));
            }
        };
        let program = spec.program.clone();
        let reading = Reading {
            agent: job.agent.to_string(),
            format: self.output,
            cost_limit: job.cost_limit,
            prices: self.prices,
            before: Tokens::default(),
            sessions_of: None,
            limit_s: spec.timeout_ms / 1000,
            bytes_max: self.program.output_bytes_max,
        };
        match tools.programs.start(spec).await {
            Ok(running) => Box::new(ProgramRun::new(running, tools.clock.clone(), reading)),
            Err(error) => {
                tracing::warn!(error = %error, task = %job.task, "a program could not be started");
                let why = if error.kind == PortErrorKind::Invalid {
                    "was not found or cannot be run"
                } else {
                    "could not be started just now"
                };
                Box::new(Ended(Finish::unavailable(format!(
                    "{} is not available: its program {program} {why}.",
                    job.agent
                ))))
            }
        }
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
}
