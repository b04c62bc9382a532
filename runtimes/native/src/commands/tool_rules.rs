//! `quintet approvals rules`: the tool calls that the owner allowed for a task or always.

use crate::client::Client;
use crate::exit::Usage;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::calls::personal_assistant::{ListToolRules, RemoveToolRule};
use contracts::tool_rule::ToolRule;
use platform::text::{printable, short};

/// Characters of the arguments that are shown; `--json` prints all of them.
const SHOWN_CHARS: usize = 80;

/// Lists them; first removes one, if it is named.
///
/// # Errors
/// When the server refuses, such as for an unknown rule.
pub async fn rules(client: &Client, remove: Option<String>, as_json: bool) -> Result<()> {
    let list = match &remove {
        Some(id) if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            let text =
                format!("{id} is not the id of a rule. `quintet approvals rules` lists them.");
            return Err(Usage(text).into());
        }
        Some(id) => client.ask::<RemoveToolRule>(id, &()).await?,
        None => client.ask::<ListToolRules>(&(), &()).await?,
    };
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if let Some(id) = remove {
        say(&format!("{id} is removed: you are asked about this call again"));
        return Ok(());
    }
    if list.rules.is_empty() {
        say("no tool call is allowed beforehand");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list.rules.iter().map(row).collect();
    say(&table(&["ID", "AGENT", "HOLDS FOR", "TOOL", "WITH EXACTLY", "UNTIL", "BY"], &rows));
    Ok(())
}

fn row(rule: &ToolRule) -> Vec<String> {
    let task = rule.task_id.as_ref().map(|task| format!("task {task}"));
    let endpoint = rule.endpoint.as_ref().map(|endpoint| format!("always, on {endpoint}"));
    let until = rule.until.as_deref().and_then(|until| until.get(..10)).unwrap_or_default();
    vec![
        rule.id.clone(),
        printable(rule.agent.as_str()),
        task.or(endpoint).unwrap_or_else(|| "always".to_owned()),
        printable(&rule.tool),
        short(&printable(&rule.arguments.to_string()), SHOWN_CHARS),
        until.to_owned(),
        printable(&rule.made_by),
    ]
}
