//! `runner = "command"`: the owner's own program, started directly and never through a shell.
//!
//! The message goes to standard input, or replaces the one argument `{message}`. The output is the
//! answer, in the format that the key `output` names (`lines.rs`).

mod lines;

use crate::program::{MESSAGE, Program};
use crate::runner::{
    Ended, Finish, Job, PROGRESS_BYTES_MAX, Run, RunEvent, Runner, Stopped, TEXT_BYTES_MAX, Tools,
};
use crate::text::{clip, clip_front};
use async_trait::async_trait;
use contracts::Micros;
use contracts::approval::Outcome;
use lines::{Format, OutputRead};
use platform::config::Section;
use platform::ports::{PortErrorKind, ProgramEvent, ProgramSpec, Running};
use std::sync::Arc;

/// Maximum bytes of a message passed as an argument; Linux allows 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 100 << 10;
/// A program's report counts up to this amount, or up to a hundred times its hold where that is
/// more: a wrong report cannot use up the budget of a year.
const REPORTED_MAX: Micros = Micros(100_000_000);
/// Maximum bytes of standard error shown to the sender.
const STDERR_BYTES_MAX: usize = 600;

/// Reads an agent that runs a command.
pub(super) fn read(section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    if !section.has("command") {
        section.wrong(
            "command",
            "is missing.",
            "Write it as a list: the program, then its arguments.",
        );
    }
    let output = Format::read(section, &program.command);
    Arc::new(Command { program, output })
}

/// Runs one agent's program.
#[derive(Debug)]
struct Command {
    program: Program,
    output: Format,
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
            output_bytes_max: self.program.output_bytes_max,
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
        let limit_s = spec.timeout_ms / 1000;
        match tools.programs.start(spec).await {
            Ok(running) => Box::new(Session {
                agent: job.agent.to_string(),
                cost_max: REPORTED_MAX.max(Micros(job.cost_limit.0.saturating_mul(100))),
                running,
                output: OutputRead::new(self.output),
                end: None,
                limit_s,
                told: None,
            }),
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

struct Session {
    agent: String,
    /// The highest cost that a report may name.
    cost_max: Micros,
    running: Box<dyn Running>,
    output: OutputRead,
    end: Option<Finish>,
    limit_s: u64,
    /// The cost that was reported last.
    told: Option<Micros>,
}

impl Session {
    /// The reported cost, within its bound.
    fn cost(&self) -> Option<Micros> {
        let cost = self.output.cost?;
        if cost > self.cost_max {
            tracing::warn!(agent = self.agent, reported = %cost, counted = %self.cost_max, "a program reported an implausible cost");
        }
        Some(cost.min(self.cost_max))
    }
    fn finish(&self, event: ProgramEvent) -> Finish {
        let agent = &self.agent;
        let (outcome, text) = match event {
            ProgramEvent::Exited { code: Some(0), .. } => self.output.answer(agent),
            ProgramEvent::Exited { code, stderr } => (Outcome::Failed, self.failure(code, &stderr)),
            ProgramEvent::TimedOut => (
                Outcome::Timeout,
                format!("{agent} was stopped at its time limit of {} s.", self.limit_s),
            ),
            ProgramEvent::TooMuchOutput => (
                Outcome::Failed,
                format!("{agent} was stopped: it printed more than its output limit."),
            ),
            ProgramEvent::Line(_) => (Outcome::Failed, format!("{agent} ended without an answer.")),
        };
        Finish {
            outcome,
            text: clip(&text, TEXT_BYTES_MAX),
            actual_cost: self.cost(),
            usage: self.output.usage.clone(),
        }
    }
    /// The agent's own message about its failure, or the end of its standard error.
    fn failure(&self, code: Option<i32>, stderr: &str) -> String {
        let how = code.map_or_else(
            || "was ended by a signal".to_owned(),
            |code| format!("failed with exit code {code}"),
        );
        let tail = clip_front(stderr.trim(), STDERR_BYTES_MAX);
        let why = self.output.said().filter(|text| !text.is_empty()).unwrap_or(tail);
        if why.is_empty() {
            format!("{} {how}.", self.agent)
        } else {
            format!("{} {how}: {why}", self.agent)
        }
    }
}

#[async_trait]
impl Run for Session {
    async fn next(&mut self) -> RunEvent {
        if let Some(end) = &self.end {
            return RunEvent::Finished(end.clone());
        }
        loop {
            let cost = self.cost();
            if cost > self.told {
                self.told = cost;
                return RunEvent::Cost(cost.unwrap_or_default());
            }
            match self.running.next().await {
                ProgramEvent::Line(line) => {
                    if let Some(progress) = self.output.take(line) {
                        let first = progress
                            .lines()
                            .find(|line| !line.trim().is_empty())
                            .unwrap_or_default();
                        return RunEvent::Progress(clip(first.trim(), PROGRESS_BYTES_MAX));
                    }
                }
                end => {
                    let finish = self.finish(end);
                    self.end = Some(finish.clone());
                    return RunEvent::Finished(finish);
                }
            }
        }
    }
    async fn stop(&mut self) -> Stopped {
        if let Err(error) = self.running.stop().await {
            tracing::error!(error = %error, agent = self.agent, "a program could not be stopped");
        }
        Stopped {
            cost: self.cost(),
            usage: self.output.usage.clone(),
            text: self.output.said().filter(|text| !text.is_empty()),
        }
    }
}
