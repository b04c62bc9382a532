//! The configuration every story starts with: one Telegram endpoint whose approver is the owner, and the story's agents.

use crate::agent::Agent;
use crate::step::OWNER;
use serde_json::{Value, json};

/// The endpoint's webhook path.
pub const WEBHOOK: &str = "/telegram/main";
/// What proves Telegram to us.
pub const SECRET_TOKEN: &str = "tg_S3cret-Token_0123456789";
/// What proves us to Telegram.
pub const BOT_TOKEN: &str = "5550001:TEST";
/// How Telegram names us as an actor: `telegram:main:700100200`.
pub const ENDPOINT: &str = "telegram:main";

/// The configuration as a tree; `command` says where an agent's program lies.
pub fn tree(api_base: &str, agents: &[Agent], command: impl Fn(&str) -> String) -> Value {
    let mut tree = json!({ "endpoints": { "telegram": { "main": {
        "secret_token": SECRET_TOKEN, "bot_token": BOT_TOKEN, "api_base": api_base, "approvers": [OWNER],
    } } }, "agents": {} });
    for agent in agents {
        let mut table = json!({ "runner": "command", "command": [command(&agent.name)] });
        if let Some(cost) = agent.estimated_cost {
            table["estimated_cost"] = cost.into();
        }
        tree["agents"][agent.name.as_str()] = table;
    }
    tree
}
