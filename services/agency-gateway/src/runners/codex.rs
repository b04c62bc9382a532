//! `runner = "codex"`: `codex exec --json`, and `resume` for a session that it has.
//!
//! Its usage is the total of the session, so the tokens of earlier runs are taken off.

use crate::backend::{Backend, Settings, Start};
use crate::output::Format;
use crate::program::Program;
use crate::runner::{Runner, SignIn};
use platform::agents::Agent;
use platform::config::Section;
use std::sync::Arc;

const BACKEND: Backend = Backend {
    name: "codex",
    program: "codex",
    format: Format::Codex,
    state: "CODEX_HOME",
    reports_total: true,
    arguments,
    input: str::to_owned,
    sign_in: SignIn {
        files: &["auth.json"],
        variables: &["CODEX_API_KEY", "OPENAI_API_KEY"],
        how: "codex login",
    },
    has_approvals: false,
    approves_by: &[],
    models: &[],
    lost: &[
        "no rollout found",
        "thread not found",
        "session not found",
        "no session found",
        "conversation not found",
    ],
};

pub(super) fn read(agent: &Agent, section: &mut Section<'_>, program: Program) -> Arc<dyn Runner> {
    BACKEND.read(agent, section, program)
}

fn arguments(own: &[String], settings: &Settings, start: &Start<'_>) -> Vec<String> {
    let mut arguments = own.to_vec();
    if !own.iter().any(|argument| argument == "exec") {
        arguments.push("exec".to_owned());
    }
    arguments.extend(["--json", "--skip-git-repo-check"].map(str::to_owned));
    if let Some(model) = &settings.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    if let Some(session) = start.session {
        arguments.extend(["resume".to_owned(), session.to_owned()]);
    }
    // The message comes on standard input.
    arguments.push("-".to_owned());
    arguments
}
