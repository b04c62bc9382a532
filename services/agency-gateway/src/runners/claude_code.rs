//! `runner = "claude-code"`: Claude Code without a terminal, with JSON both ways.
//!
//! It finds a session again (`--resume`) only from the folder that it was begun in, below
//! `~/.claude/projects`.

use crate::backend::{Backend, Settings};
use crate::output::Format;
use crate::program::Program;
use crate::runner::{Runner, SignIn};
use platform::agents::Agent;
use platform::config::Section;
use serde_json::json;
use std::sync::Arc;

const BACKEND: Backend = Backend {
    name: "claude-code",
    program: "claude",
    format: Format::Claude,
    state: &["~/.claude", "~/.claude.json"],
    reports_total: false,
    arguments,
    input,
    sign_in: SignIn {
        files: &["~/.claude/.credentials.json"],
        variables: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        how: "claude auth login",
    },
    lost: &["no conversation found with session id", "--resume requires a valid session id"],
};

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    BACKEND.read(agent, section, program)
}

fn arguments(own: &[String], settings: &Settings, session: Option<&str>) -> Vec<String> {
    let mut arguments = own.to_vec();
    let fixed =
        ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
    arguments.extend(fixed.map(str::to_owned));
    let turns = settings.max_turns.map(|turns| turns.to_string());
    let named = [
        ("--model", settings.model.as_deref()),
        ("--max-turns", turns.as_deref()),
        ("--resume", session),
    ];
    for (option, value) in named {
        arguments.extend(value.into_iter().flat_map(|value| [option.to_owned(), value.to_owned()]));
    }
    arguments
}

fn input(text: &str) -> String {
    let message = json!({"role": "user", "content": [{"type": "text", "text": text}]});
    let line = json!({"type": "user", "message": message, "parent_tool_use_id": null});
    format!("{line}\n")
}
