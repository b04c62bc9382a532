//! `runner = "acp"`: any program that speaks the Agent Client Protocol on standard input and
//! output, such as `gemini --acp`, `claude-agent-acp`, `codex-acp` or `opencode acp`.
//!
//! Such programs keep their settings, sign-in and sessions in different places below the home, so
//! each agent's program gets a home of its own.

use crate::acp::{Known, Work};
use crate::backend::state_folder;
use crate::conversation;
use crate::output::Format;
use crate::program::Program;
use crate::program_run::{self, Reading};
use crate::runner::{Job, Run, Runner, SignIn, Tools};
use crate::tool_approvals::{self, ToolApprovals};
use async_trait::async_trait;
use contracts::{TokenPrices, Tokens};
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::{ClockExt, ProgramSpec, StateFolder};
use std::sync::Arc;

/// Random bytes before the number of a question.
const NONCE_BYTES: usize = 8;

/// A runner of this protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The program, unless `command` names another.
    pub(super) command: &'static [&'static str],
    /// Whether it takes MCP servers with a session.
    pub(super) takes_servers: bool,
    /// Whether a model can be chosen with a session.
    pub(super) has_models: bool,
    /// Whether the program only hands the work on.
    pub(super) works_elsewhere: bool,
}

const ACP: Kind = Kind {
    name: "acp",
    command: &["gemini", "--acp"],
    takes_servers: true,
    has_models: true,
    works_elsewhere: false,
};

/// Options of well-known programs that decide the same as `tool_approvals`.
const APPROVES_BY: [&str; 7] = [
    "--yolo",
    "--approval-mode",
    "--allowed-tools",
    "--dangerously",
    "bypassPermissions",
    "approval_policy",
    "--full-auto",
];

/// The signs of a sign-in of well-known programs; files lie in their home.
const SIGN_INS: [(&[&str], SignIn); 5] = [
    (
        &["gemini"],
        SignIn {
            files: &[".gemini/oauth_creds.json"],
            variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            how: "gemini",
        },
    ),
    (
        &["claude-agent-acp", "claude-code-acp"],
        SignIn {
            files: &[".claude/.credentials.json"],
            variables: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
            how: "claude auth login",
        },
    ),
    (
        &["codex-acp"],
        SignIn {
            files: &[".codex/auth.json"],
            variables: &["CODEX_API_KEY", "OPENAI_API_KEY"],
            how: "codex login",
        },
    ),
    (
        &["opencode"],
        SignIn {
            files: &[".local/share/opencode/auth.json"],
            variables: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"],
            how: "opencode auth login",
        },
    ),
    (
        &["openclaw"],
        SignIn {
            files: &[".openclaw/openclaw.json"],
            variables: &["OPENCLAW_GATEWAY_TOKEN"],
            how: "openclaw configure",
        },
    ),
];

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    read_as(ACP, agent, section, program)
}

/// Reads an agent with this runner.
pub(super) fn read_as(
    kind: Kind,
    agent: &Agent,
    section: &mut Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    if program.command.is_empty() {
        program.command = kind.command.iter().map(|&word| word.to_owned()).collect();
    }
    let folder = state_folder(&agent.id, kind.name);
    program.reach.state = Some(StateFolder { folder, variable: "HOME".to_owned() });
    let model = if kind.has_models { section.text("model") } else { None };
    if model.as_deref().is_some_and(|model| model.trim().is_empty()) {
        section.wrong("model", "is no name of a model.", "Write the name as the program lists it.");
    }
    let (given, command) = (&mut program.tool_approvals, &program.command);
    tool_approvals::settle(section, given, command, &APPROVES_BY);
    let prices = agent.price.of_tokens();
    Arc::new(Speaking { kind, program, model, prices, keeps: agent.keeps_session })
}

/// Runs one agent by the protocol.
#[derive(Debug)]
struct Speaking {
    kind: Kind,
    program: Program,
    model: Option<String>,
    prices: Option<TokenPrices>,
    keeps: bool,
}

impl Speaking {
    fn spec(&self, job: &Job) -> ProgramSpec {
        let args = self.program.command.get(1..).unwrap_or_default().to_vec();
        ProgramSpec {
            input_stays_open: true,
            output_bytes_max: usize::MAX,
            ..job.spec(&self.program, args, self.keeps)
        }
    }
    fn work(&self, tools: &Tools, job: &Job) -> Work {
        let fits = |session: &&contracts::task::BackendSession| {
            self.keeps && session.runner == self.kind.name
        };
        let session = job.session.as_ref().filter(fits);
        Work {
            blocks: conversation::blocks(job),
            message: job.message.clone(),
            session: session.map(|kept| Known { id: kept.id.clone(), cost: kept.cost }),
            model: self.model.clone(),
            approvals: self.program.tool_approvals.unwrap_or(ToolApprovals::Deny),
            takes_servers: self.kind.takes_servers,
            works_elsewhere: self.kind.works_elsewhere,
            nonce: tools.clock.random_hex(NONCE_BYTES),
            sign_in: self.how_to_sign_in(),
        }
    }
    fn how_to_sign_in(&self) -> String {
        let state = self.program.reach.state.as_ref();
        let home = state.map(|state| format!("{}={} ", state.variable, state.folder));
        let home = home.unwrap_or_default();
        let known = self.sign_in();
        let program = self.program.command.first().map_or("", String::as_str);
        let how = known.map_or(program, |known| known.how);
        let key = known.and_then(|known| known.variables.first().copied()).unwrap_or("its key");
        format!("Run `{home}{how}` on the gateway's machine, or name {key} in secrets.")
    }
}

#[async_trait]
impl Runner for Speaking {
    fn settings(&self) -> (Option<&str>, Option<i64>) {
        (self.model.as_deref(), None)
    }
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run> {
        let reading = Reading {
            agent: job.agent.to_string(),
            format: Format::Acp,
            cost_limit: job.cost_limit,
            prices: self.prices,
            before: Tokens::default(),
            sessions_of: Some(self.kind.name).filter(|_| self.keeps),
            acp: Some(self.work(tools, job)),
            limit_s: self.program.timeout_ms / 1000,
            bytes_max: self.program.output_bytes_max,
            bounds: self.program.bounds,
        };
        program_run::start(tools, self.spec(job), reading).await
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
    fn sign_in(&self) -> Option<SignIn> {
        let program = self.program.command.first()?;
        let name = program.rsplit('/').next()?;
        let known = SIGN_INS.iter().find(|(names, _)| names.contains(&name));
        known.map(|(_, sign_in)| *sign_in)
    }
}
