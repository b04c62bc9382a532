//! `runner = "command"`: the owner's own program, started directly and never through a shell.
//!
//! The message, below the last turns of its conversation, goes to standard input, or replaces the
//! one argument `{message}`. The output is the answer, in the format that the key `output` names
//! (`output.rs`).

use crate::conversation;
use crate::output::Format;
use crate::program::{MESSAGE, Program};
use crate::program_run::{self, Reading};
use crate::runner::{Ended, Finish, Job, Run, Runner, Tools};
use crate::tool_approvals;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::{TokenPrices, Tokens};
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::ProgramSpec;
use std::sync::Arc;

/// Maximum bytes of a message passed as an argument; Linux allows 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 100 << 10;

/// Reads an agent that runs a command.
pub(super) fn read(
    agent: &Agent,
    section: &mut Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    tool_approvals::refuse(section, &mut program.tool_approvals);
    if !section.has("command") {
        section.wrong(
            "command",
            "is missing.",
            "Write it as a list: the program, then its arguments.",
        );
    }
    let output = Format::read(section, &program.command);
    let input = Input::read(section, &program);
    Arc::new(Command {
        program,
        output,
        input,
        prices: agent.price.of_tokens(),
        keeps: agent.keeps_session,
    })
}

/// Runs one agent's program.
#[derive(Debug)]
struct Command {
    program: Program,
    output: Format,
    input: Input,
    prices: Option<TokenPrices>,
    /// Whether a conversation keeps its folder.
    keeps: bool,
}

/// The key `input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The earlier turns above the message.
    Text,
    /// One line of JSON.
    Json,
}

impl Input {
    fn read(section: &mut Section<'_>, program: &Program) -> Self {
        let choices = [("text", Self::Text), ("json", Self::Json)];
        let input = section.one_of("input", &choices).unwrap_or(Self::Text);
        if input == Self::Json && program.command.iter().any(|arg| arg == MESSAGE) {
            section.wrong(
                "input",
                "is \"json\" beside a command with {message}.",
                "Remove {message}: the line of JSON goes to standard input.",
            );
        }
        input
    }
}

impl Command {
    /// Program, arguments and standard input for this message; the sentence says why not.
    fn spec(&self, job: &Job) -> Result<ProgramSpec, &'static str> {
        let (_, args) =
            self.program.command.split_first().ok_or("No command is configured for it.")?;
        let as_argument = args.iter().any(|arg| arg == MESSAGE);
        let handed = match self.input {
            Input::Text => conversation::text(job),
            Input::Json => conversation::json(job),
        };
        if as_argument && handed.len() > ARGUMENT_BYTES_MAX {
            return Err("The message is too long to be handed over as an argument.");
        }
        if as_argument && handed.contains('\0') {
            return Err("The message holds a NUL character, which no argument can.");
        }
        let put = |arg: &String| if arg == MESSAGE { handed.clone() } else { arg.clone() };
        let args = args.iter().map(put).collect();
        Ok(ProgramSpec {
            stdin: if as_argument { String::new() } else { handed },
            // Reports that pass do not count: the limit is the answer's.
            output_bytes_max: match self.output {
                Format::Text => self.program.output_bytes_max,
                _ => usize::MAX,
            },
            ..job.spec(&self.program, args, self.keeps)
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
        let reading = Reading {
            agent: job.agent.to_string(),
            format: self.output,
            cost_limit: job.cost_limit,
            prices: self.prices,
            before: Tokens::default(),
            sessions_of: None,
            acp: None,
            limit_s: spec.timeout_ms / 1000,
            bytes_max: self.program.output_bytes_max,
            bounds: self.program.bounds,
        };
        program_run::start(tools, spec, reading).await
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
}
