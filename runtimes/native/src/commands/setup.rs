//! `quintet setup`: registers a webhook with its platform, or prints the steps.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by name: a missing member reads as null, and every object written to is created \
        here"
)]

use crate::config_file;
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable, Usage};
use crate::ports::outbound::ReqwestOutbound;
use crate::terminal::say;
use anyhow::Result;
use platform::config::Report;
use platform::ports::{Outbound, OutboundRequest};
use serde_json::{Value, json};
use std::path::Path;
use webhook_aggregator::config::{Config, Credentials, Endpoint};

const TIMEOUT_MS: u64 = 20_000;

/// Sets up one endpoint.
///
/// # Errors
/// When the endpoint does not exist, or the platform refuses.
pub async fn setup(
    data: &DataDir,
    channel: &str,
    name: Option<String>,
    url: Option<String>,
    config: Option<&Path>,
) -> Result<()> {
    if !webhook_aggregator::channels::NAMES.contains(&channel) {
        return Err(Usage(format!(
            "there is no channel {channel}. Use {}.",
            webhook_aggregator::channels::NAMES.join(", ")
        ))
        .into());
    }
    let file = config_file::path(config, data);
    let tree = config_file::read_tree(file.as_deref())?;
    let report = Report::default();
    let configuration = Config::read(&tree.value, &report);
    let problems = report.into_problems();
    if !problems.is_empty() {
        return Err(config_file::Wrong(problems).into());
    }
    let endpoint = configuration.endpoints.iter().find(|endpoint| {
        endpoint.channel == channel && name.as_ref().is_none_or(|name| &endpoint.name == name)
    });
    let Some(endpoint) = endpoint else {
        say(&example(channel, &data.join("quintet.toml")));
        return Err(No(format!(
            "the configuration has no such {channel} endpoint yet. Add the lines above."
        ))
        .into());
    };
    let address =
        url.map(|url| format!("{}/{channel}/{}", url.trim_end_matches('/'), endpoint.name));
    match (&endpoint.credentials, address) {
        (Credentials::Telegram { .. }, None) => {
            say(
                "Quintet can set Telegram's webhook. Run this again with the public https address \
                 of this server: --url https://…",
            );
            Ok(())
        }
        (Credentials::Slack { .. }, None) => {
            say(&slack(&format!("https://<your address>/{channel}/{}", endpoint.name)));
            Ok(())
        }
        (_, None) => {
            say(&discord(&format!("https://<your address>/{channel}/{}", endpoint.name)));
            Ok(())
        }
        (Credentials::Telegram { secret_token, bot_token, .. }, Some(address)) => {
            if !address.starts_with("https://") {
                return Err(Usage(
                    "Telegram accepts https addresses only, on port 443, 80, 88 or 8443".to_owned(),
                )
                .into());
            }
            telegram(endpoint, secret_token.reveal(), bot_token.reveal(), &address).await
        }
        (Credentials::Slack { .. }, Some(address)) => {
            say(&slack(&address));
            Ok(())
        }
        (_, Some(address)) => {
            say(&discord(&address));
            Ok(())
        }
    }
}

/// Sets the webhook through Telegram's API.
async fn telegram(endpoint: &Endpoint, secret: &str, token: &str, address: &str) -> Result<()> {
    let body = json!({
        "url": address, "secret_token": secret, "max_connections": 40,
        "allowed_updates": ["message", "edited_message", "callback_query", "my_chat_member"],
    });
    let request = OutboundRequest {
        method: http::Method::POST,
        url: format!("{}/bot{token}/setWebhook", endpoint.api_base),
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string().into(),
        timeout_ms: TIMEOUT_MS,
    };
    let answer = ReqwestOutbound::new()?
        .send(request)
        .await
        .map_err(|e| Unreachable(format!("Telegram does not answer: {}", e.detail)))?;
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if said["ok"] == true {
        say(&format!("Telegram now sends to {address}. Write to the bot to test it."));
        return Ok(());
    }
    Err(No(format!("Telegram says: {}", said["description"].as_str().unwrap_or("no"))).into())
}

fn slack(address: &str) -> String {
    format!(
        "At https://api.slack.com/apps, in your app:\n\
         1. Event Subscriptions: switch on, Request URL {address}\n   subscribe to the bot events app_mention, message.im and message.channels\n\
         2. Interactivity & Shortcuts: switch on, Request URL {address}\n\
         3. Slash Commands (as you like): Request URL {address}\n\
         4. OAuth & Permissions: bot scopes chat:write, app_mentions:read, im:history, channels:history; install to the workspace\n\
         5. App Home: allow messages from the Messages tab\n"
    )
}

fn discord(address: &str) -> String {
    format!(
        "At https://discord.com/developers/applications, in your application:\n\
         1. General Information: Interactions Endpoint URL {address} (Discord tries it at once, with bad signatures too)\n\
         2. Installation: scopes bot and applications.commands, permission Send Messages; open the install link\n\
         3. Make a command: POST https://discord.com/api/v10/applications/<application id>/commands with the bot token and\n   \
         {{\"name\":\"ask\",\"description\":\"Ask your agents\",\"options\":[{{\"type\":3,\"name\":\"message\",\"description\":\"What to do\",\"required\":true}}]}}\n"
    )
}

fn example(channel: &str, file: &Path) -> String {
    let lines = match channel {
        "telegram" => {
            "[endpoints.telegram.main]\nsecret_token = \"…\"     # 1-256 of A-Z a-z 0-9 _ -\nbot_token = \"…\"        # from @BotFather\napprovers = [\"…\"]      # your Telegram user id"
        }
        "slack" => {
            "[endpoints.slack.T0AAAA111]\nsigning_secret = \"…\"   # Basic Information\nbot_token = \"xoxb-…\"   # OAuth & Permissions\napprovers = [\"U…\"]     # your member id"
        }
        _ => {
            "[endpoints.discord.main]\npublic_key = \"…\"       # General Information\napplication_id = \"…\"\nbot_token = \"…\"        # Bot\napprovers = [\"…\"]      # your user id"
        }
    };
    format!("Add to {}:\n\n{lines}\n", file.display())
}
