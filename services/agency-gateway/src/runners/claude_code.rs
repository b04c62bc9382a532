//! `runner = "claude-code"`: Claude Code without a terminal, with JSON both ways.
//!
//! It finds a session again (`--resume`) only from the folder that it was begun in, in
//! the folder that `CLAUDE_CONFIG_DIR` names.

use crate::backend::{Backend, Settings, Start};
use crate::output::Format;
use crate::program::Program;
use crate::runner::{Runner, SignIn};
use crate::tool_approvals::ToolApprovals;
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::{MCP_TOKEN, MCP_URL};
use serde_json::json;
use std::sync::Arc;

/// Time that it waits for the owner's answer: longer than any question is open, milliseconds.
const ANSWER_LIMIT_MS: u64 = 25 * 3_600_000;

/// The dollars at which it ends itself (2.1.332).
const COST_LIMIT: &str = "--max-budget-usd";

const BACKEND: Backend = Backend {
    name: "claude-code",
    program: "claude",
    format: Format::Claude,
    state: "CLAUDE_CONFIG_DIR",
    reports_total: false,
    arguments,
    input,
    sign_in: SignIn {
        files: &[".credentials.json"],
        variables: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        how: "claude auth login",
    },
    has_approvals: true,
    approves_by: &[
        "--permission-prompt-tool",
        "--dangerously-skip-permissions",
        "bypassPermissions",
    ],
    // Aliases, and the models of November 2026. Newer ones are handed on, with a warning.
    models: &[
        "default",
        "best",
        "sonnet",
        "opus",
        "haiku",
        "fable",
        "opusplan",
        "claude-fable-5-2",
        "claude-fable-5-1",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-opus-4-6",
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
    ],
    lost: &["no conversation found with session id", "--resume requires a valid session id"],
};

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    BACKEND.read(agent, section, program)
}

fn arguments(own: &[String], settings: &Settings, start: &Start<'_>) -> Vec<String> {
    let mut arguments = own.to_vec();
    let fixed =
        ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
    arguments.extend(fixed.map(str::to_owned));
    let turns = settings.max_turns.map(|turns| turns.to_string());
    let is_own = own.iter().any(|argument| argument.starts_with(COST_LIMIT));
    let cost_limit = start.cost_limit.filter(|_| !is_own);
    let cost_limit = cost_limit.map(|limit| limit.dollars().to_string());
    let named = [
        ("--model", settings.model.as_deref()),
        ("--max-turns", turns.as_deref()),
        ("--resume", start.session),
        (COST_LIMIT, cost_limit.as_deref()),
    ];
    for (option, value) in named {
        arguments.extend(value.into_iter().flat_map(|value| [option.to_owned(), value.to_owned()]));
    }
    arguments.extend(approvals(settings.tool_approvals));
    arguments
}

/// Who answers when it wants to use a tool that its own settings do not allow.
fn approvals(how: Option<ToolApprovals>) -> Vec<String> {
    let mode = |mode: &str| vec!["--permission-mode".to_owned(), mode.to_owned()];
    match how {
        None => Vec::new(),
        Some(ToolApprovals::Deny) => mode("dontAsk"),
        Some(ToolApprovals::Trust) => mode("bypassPermissions"),
        Some(ToolApprovals::Ask) => {
            // Claude Code puts the variables in, so that the token of the run is no argument, which
            // every process of the machine could read.
            let server = json!({
                "type": "http",
                "url": format!("${{{MCP_URL}}}"),
                "headers": { "Authorization": format!("Bearer ${{{MCP_TOKEN}}}") },
                "timeout": ANSWER_LIMIT_MS,
            });
            let servers = json!({ "mcpServers": { "quintet": server } }).to_string();
            // Each option may take several values, so none stands before the owner's own words.
            let options = [
                "--mcp-config",
                &servers,
                "--permission-prompt-tool",
                "mcp__quintet__request_approval",
                "--allowedTools",
                "mcp__quintet__ask_owner",
            ];
            options.map(str::to_owned).to_vec()
        }
    }
}

fn input(text: &str) -> String {
    let message = json!({"role": "user", "content": [{"type": "text", "text": text}]});
    let line = json!({"type": "user", "message": message, "parent_tool_use_id": null});
    format!("{line}\n")
}
