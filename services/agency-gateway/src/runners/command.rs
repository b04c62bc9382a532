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
    Arc::new(Command { program, output, input, prices: agent.price.of_tokens() })
}

/// Runs one agent's program.
#[derive(Debug)]
struct Command {
    program: Program,
    output: Format,
    input: Input,
    prices: Option<TokenPrices>,
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
        match section.text("input").as_deref() {
            None | Some("text") => Self::Text,
            Some("json") if program.command.iter().any(|arg| arg == MESSAGE) => {
                section.wrong(
                    "input",
                    "is \"json\" beside a command with {message}.",
                    "Remove {message}: the line of JSON goes to standard input.",
                );
                Self::Text
            }
            Some("json") => Self::Json,
            Some(_) => {
                section.wrong(
                    "input",
                    "is neither \"text\" nor \"json\".",
                    "Write one of the two; text is the default.",
                );
                Self::Text
            }
        }
    }
}

impl Command {
    /// Program, arguments and standard input for this message; the sentence says why not.
    fn spec(&self, job: &Job) -> Result<ProgramSpec, &'static str> {
        let (program, args) =
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
            program: program.clone(),
            args,
            stdin: if as_argument { String::new() } else { handed },
            data_visible: self.program.data_visible,
            reach: self.program.reach.clone(),
            env: self.program.env.clone(),
            secrets: self.program.secrets.clone(),
            asks_as: None,
            task: job.task.to_string(),
            kept_folder: None,
            workspace: self.program.workspace(job.agent.as_str(), job.work()),
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
        program_run::start(tools, spec, reading).await
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
}
