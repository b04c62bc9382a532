//! Documents generated from the code. The house rules compare them with the committed files.

use crate::openapi;
use contracts::{ChannelKind, Effect, ErrorCode, ServiceName};
use std::fmt::Write;
use std::path::Path;

/// Paths and texts of the generated documents.
pub fn all() -> Vec<(String, String)> {
    let written = [
        ("docs/errors.md", errors()),
        ("docs/calls.md", calls()),
        ("workers/channels.json", channels()),
    ];
    let written = written.map(|(path, text)| (path.to_owned(), text)).into_iter();
    let api = ServiceName::ALL
        .map(|service| (format!("docs/api/{service}.json"), openapi::document(service)));
    written.chain(api).collect()
}

/// Writes the generated documents.
///
/// # Errors
/// When a file cannot be written.
pub fn write(root: &Path) -> Result<(), String> {
    for (path, text) in all() {
        std::fs::write(root.join(&path), text).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}

fn calls() -> String {
    let mut out = String::from(
        "# Who may call whom\n\nEach service signs in with its own key and may make these calls and no others.\n\
         Generated from `contracts/src/calls/` by `cargo xtask gen`.\n\n\
         | caller | callee | call |\n| --- | --- | --- |\n",
    );
    let mut rows: Vec<_> = contracts::calls::allowed().collect();
    rows.sort_by_key(|(caller, call)| (*caller, call.callee, call.path, call.method));
    for (caller, call) in rows {
        let (callee, method, path) = (call.callee, call.method.as_str(), call.path);
        let _ = writeln!(out, "| {caller} | {callee} | `{method} {path}` |");
    }
    out
}

fn errors() -> String {
    let mut out = String::from(
        "# Errors\n\nEvery refusal is `application/problem+json` (RFC 9457) with `type` (`urn:quintet:error:<code>`), `title`, `status`,\n\
         `detail`, `code`, `fix` and `requestId`; the response header `X-Request-Id` and the log have the same id.\n\
         Generated from `contracts/src/error_code.rs` by `cargo xtask gen`.\n",
    );
    for code in ErrorCode::ALL {
        let again = if code.retryable() {
            "The same request may succeed later."
        } else {
            "The same request fails again."
        };
        let effect = match code.effect() {
            Effect::None => "It changed nothing.",
            Effect::Unknown => "It may have taken effect: read the state before you repeat it.",
        };
        let _ = write!(
            out,
            "\n## {}\n\nStatus {}. {}. {again} {effect}\n\nFix: {}\n",
            code.as_str(),
            code.status(),
            code.title(),
            code.fix()
        );
    }
    out
}

/// Channel data for the JavaScript beside the Workers: the first segments of the webhook paths.
fn channels() -> String {
    let webhooks: Vec<String> =
        ChannelKind::with_webhooks().map(|channel| format!("\"{channel}\"")).collect();
    format!(
        "{{\n  \"generated\": \"from contracts/src/channel.rs by `cargo xtask gen`\",\n  \"webhooks\": [{}]\n}}\n",
        webhooks.join(", ")
    )
}
