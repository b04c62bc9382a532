//! `quintet graph check|publish|search`.

use crate::cli::Graph;
use crate::client::Client;
use crate::exit::No;
use crate::graph_folder;
use crate::terminal::{printable, remark, say, say_json};
use anyhow::Result;
use contracts::ServiceName;
use contracts::graph::{Finding, PublishRequest, Published, SearchAnswer, Severity};
use serde_json::json;

/// Runs one of the three.
///
/// # Errors
/// `check`: [`No`] on any error or warning; the others as the server says.
pub async fn graph(command: Graph, client: impl Fn() -> Result<Client>, as_json: bool) -> Result<()> {
    match command {
        Graph::Check { folder } => {
            let parsed = skill_graph_loader::check_folder(graph_folder::read(&folder)?);
            let bad = parsed.findings.iter().filter(|finding| finding.severity != Severity::Hint).count();
            if as_json {
                say_json(&json!({ "agents": parsed.graph.agents.len(), "files": parsed.graph.skills.len(), "findings": parsed.findings }));
            } else {
                parsed.findings.iter().for_each(|finding| say(&line(finding)));
                say(&format!("{} files, {} agents, {} findings", parsed.graph.skills.len(), parsed.graph.agents.len(), parsed.findings.len()));
            }
            if bad == 0 { Ok(()) } else { Err(No(format!("{bad} error(s) and warning(s)")).into()) }
        }
        Graph::Publish { folder, message, allow_removal } => {
            let request = PublishRequest { files: graph_folder::read(&folder)?, message, allow_removal };
            let published: Published = client()?.post(ServiceName::SkillGraphLoader, "/api/publish", &request).await?;
            if as_json {
                say_json(&published);
                return Ok(());
            }
            published.findings.iter().filter(|finding| finding.severity != Severity::Hint).for_each(|finding| remark(&line(finding)));
            let what = if published.changed { "published" } else { "unchanged" };
            say(&format!("{what}: version {}, {} agents, {} files", published.version, published.agents, published.skills));
            Ok(())
        }
        Graph::Search { query } => {
            let answer: SearchAnswer = client()?.get(ServiceName::SkillGraphLoader, &format!("/api/search?q={}", escape(&query))).await?;
            if as_json {
                say_json(&answer);
                return Ok(());
            }
            for hit in &answer.results {
                say(&format!("{}  {}\n  {}", hit.id, printable(&hit.title), printable(&hit.snippet)));
            }
            if answer.results.is_empty() {
                say("nothing found");
            }
            Ok(())
        }
    }
}

/// A finding as it is printed.
pub fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    };
    format!("{severity}: {}:{}: {} [{}]\n  fix: {}", printable(&finding.path), finding.line, printable(&finding.message), finding.code, printable(&finding.fix))
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
