//! `quintet route`: one decision with its reasons.

use crate::config_file;
use crate::data_dir::DataDir;
use crate::finding::read_or_default;
use crate::offline;
use crate::terminal::{say, say_json};
use anyhow::Result;
use contracts::Tokens;
use contracts::routing::{RouteAnswer, RouteRequest};
use skill_graph_loader::Reading;
use std::path::Path;

/// Routes one message with the prices of the configuration that `quintet up` would read; exits 0
/// for any decision.
///
/// # Errors
/// When the folder cannot be read or has no agent, or the configuration is not valid TOML.
pub async fn route(
    text: String,
    folder: Option<(&Path, Reading)>,
    channel: Option<String>,
    data: &DataDir,
    as_json: bool,
) -> Result<()> {
    let (files, reading) = read_or_default(folder)?;
    let request = RouteRequest { message: text, channel, ..RouteRequest::default() };
    let config = config_file::read_tree(config_file::path(None, data).as_deref())?.value;
    let (answer, tokens) =
        offline::route(files, reading, &config, &request).await.map_err(|error| {
            match error.downcast_ref::<platform::ports::CallError>() {
                Some(platform::ports::CallError::Refused(problem)) => {
                    crate::exit::Usage(format!("{} {}", problem.detail, problem.fix)).into()
                }
                _ => error,
            }
        })?;
    if as_json {
        say_json(&answer);
    } else {
        say(&readable(&answer, tokens));
    }
    Ok(())
}

/// The estimated cost and tokens.
fn estimate(answer: &RouteAnswer, tokens: Option<Tokens>) -> String {
    let tokens = tokens.map(|tokens| {
        format!(", about {} input and {} output tokens", tokens.input, tokens.output)
    });
    let cost = answer.estimated_cost.filter(|cost| cost.0 > 0).map(|cost| format!(", {cost}"));
    format!("{}{}", tokens.unwrap_or_default(), cost.unwrap_or_default())
}

fn readable(answer: &RouteAnswer, tokens: Option<Tokens>) -> String {
    let mut lines = vec![
        format!("{}  {:.1} %", answer.agent, answer.confidence * 100.0),
        format!("  {}", answer.reason),
    ];
    lines.push(format!("  complexity  {}{}", answer.complexity.as_str(), estimate(answer, tokens)));
    if !answer.matched_keywords.is_empty() {
        lines.push(format!("  keywords    {}", answer.matched_keywords.join(", ")));
    }
    if !answer.skill_files_used.is_empty() {
        lines.push(format!("  files       {}", answer.skill_files_used.join(", ")));
    }
    for other in &answer.alternatives {
        lines.push(format!("  else        {} {:.1} %", other.agent, other.confidence * 100.0));
    }
    if answer.out_of_scope {
        lines.push("  no agent handles this".to_owned());
    }
    lines.join("\n")
}
