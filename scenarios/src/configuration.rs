//! The initial configuration of every story: one Telegram endpoint with the owner as approver, and
//! the story's agents.

use crate::agent::Agent;
use crate::step::OWNER;
use serde_json::{Value, json};
use std::path::Path;

/// The endpoint's webhook path.
pub const WEBHOOK: &str = "/telegram/main";
/// The header value that authenticates Telegram to us.
pub const SECRET_TOKEN: &str = "tg_S3cret-Token_0123456789";
/// The token that authenticates us to Telegram.
pub const BOT_TOKEN: &str = "5550001:TEST";
/// The prefix of a Telegram actor: `telegram:main:700100200`.
pub const ENDPOINT: &str = "telegram:main";

/// The configuration as a tree; `command` returns the path of an agent's program, and `notes` is
/// the folder where it may write.
pub fn tree(
    api_base: &str,
    agents: &[Agent],
    notes: Option<&Path>,
    command: impl Fn(&str) -> String,
) -> Value {
    let mut tree = json!({ "endpoints": { "telegram": { "main": {
        "secret_token": SECRET_TOKEN, "bot_token": BOT_TOKEN, "api_base": api_base, "approvers": [OWNER],
    } } }, "agents": {} });
    for agent in agents {
        let mut table = json!({
            "runner": "command", "command": [command(&agent.name)], "output": "json-lines"
        });
        if let Some(notes) = notes {
            table["writable"] = json!([notes]);
        }
        if let Some(cost) = agent.estimated_cost {
            table["estimated_cost"] = cost.into();
        }
        tree["agents"][agent.name.as_str()] = table;
    }
    tree
}
