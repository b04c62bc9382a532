//! An app connected and checked: a manifest that makes it, `auth.test`, its scopes, its socket.

use super::Slack;
use crate::channels::enrol::{
    Account, Api, Asked, Checked, Enrol, Examine, Heard, Learnt, Note, Trouble,
};
use crate::channels::text_at;
use crate::control::registry;
use async_trait::async_trait;
use http::Method;
use platform::ports::OutboundResponse;
use platform::secret::Secret;
use serde_json::{Value, json};

const NEW_APP: &str = "https://api.slack.com/apps?new_app=1&manifest_json=";
/// Scopes without which messages or answers are lost, and those for the rest.
const NEEDED: [&str; 5] =
    ["chat:write", "app_mentions:read", "im:history", "im:write", "channels:history"];
const USEFUL: [&str; 6] =
    ["commands", "files:read", "files:write", "groups:history", "mpim:history", "users:read"];
const EVENTS: [&str; 5] =
    ["app_mention", "message.im", "message.channels", "message.groups", "message.mpim"];
/// Commands of Slack itself, which no app can have; `/quintet` reaches ours of that name.
const SLACKS_OWN: [&str; 2] = ["status", "help"];
const BOT_PAGE: &str = "OAuth & Permissions, Bot User OAuth Token";
const APP_PAGE: &str = "Basic Information, App-Level Tokens, Generate, scope connections:write";

const SECRETS: [Asked; 2] = [
    Asked {
        key: "bot_token",
        title: "bot token (xoxb-…)",
        place: BOT_PAGE,
        sound: |text| {
            if text.starts_with("xoxb-") {
                Ok(())
            } else {
                Err(
                    "A bot token of Slack begins with xoxb-. Copy it from the app's OAuth & Permissions page, below Bot User OAuth Token.",
                )
            }
        },
    },
    Asked {
        key: "app_token",
        title: "app-level token (xapp-…)",
        place: APP_PAGE,
        sound: |text| {
            if text.starts_with("xapp-") {
                Ok(())
            } else {
                Err(
                    "An app-level token of Slack begins with xapp-. Make it on the app's Basic Information page, below App-Level Tokens, with the scope connections:write.",
                )
            }
        },
    },
];

/// The app as Slack makes it from one link. `public` is the webhook's whole address; without it the
/// app uses Socket Mode.
fn manifest(public: Option<&str>) -> Value {
    let address = |mut value: Value, key: &str| {
        if let Some(public) = public {
            value[key] = public.into();
        }
        value
    };
    let command = |name: &str, about: &str, hint: &str| {
        let mut command =
            json!({ "command": format!("/{name}"), "description": about, "should_escape": false });
        if !hint.is_empty() {
            command["usage_hint"] = hint.into();
        }
        address(command, "url")
    };
    let own = command("quintet", "Ask your agents, or give a command", "what you need, or: status");
    let ours = registry::menu().filter(|listed| !SLACKS_OWN.contains(&listed.name));
    let commands: Vec<Value> = std::iter::once(own)
        .chain(ours.map(|listed| command(listed.name, listed.about, listed.argument)))
        .collect();
    let scopes: Vec<&str> = NEEDED.into_iter().chain(USEFUL).collect();
    json!({
        "display_information": { "name": "Quintet", "description": "Your AI agents" },
        "features": {
            "bot_user": { "display_name": "Quintet", "always_online": true },
            "app_home": { "home_tab_enabled": false, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false },
            "slash_commands": commands,
        },
        "oauth_config": { "scopes": { "bot": scopes } },
        "settings": {
            "event_subscriptions": address(json!({ "bot_events": EVENTS }), "request_url"),
            "interactivity": address(json!({ "is_enabled": true }), "request_url"),
            "org_deploy_enabled": false,
            "socket_mode_enabled": public.is_none(),
            "token_rotation_enabled": false,
        },
    })
}

/// The link that makes the app.
fn link(public: Option<&str>) -> String {
    let text = manifest(public).to_string();
    format!("{NEW_APP}{}", platform::percent::encode(&text))
}

async fn call(
    account: &Account<'_>,
    token: &Secret,
    method: &str,
    body: &Value,
) -> Result<(OutboundResponse, Value), Trouble> {
    let api = Api { title: "Slack", account };
    let bearer = format!("Bearer {}", token.reveal());
    let (answer, said) = api.ask(Method::POST, method, Some(bearer), Some(body)).await?;
    if said["ok"] == true {
        return Ok((answer, said));
    }
    let why = text_at(&said, "error").unwrap_or("no reason given");
    Err(refused(method, why))
}

fn refused(method: &str, why: &str) -> Trouble {
    let (token, page) = if method == "apps.connections.open" {
        ("app-level token", APP_PAGE)
    } else {
        ("bot token", BOT_PAGE)
    };
    let fix = match why {
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            format!("Copy it again ({page}) and run `quintet setup slack`.")
        }
        "not_allowed_token_type" => format!("This is another kind of token. Use that of: {page}."),
        "missing_scope" => {
            format!("Add the missing scope ({page}), install the app again, and run this again.")
        }
        _ => format!("Look at the app at https://api.slack.com/apps ({page})."),
    };
    Trouble::refused(format!("Slack refuses the {token} ({method}: {why})"), fix)
}

/// The scopes that a token lacks; nothing where Slack does not list them.
fn about_scopes(answer: &OutboundResponse) -> Vec<Note> {
    let Some(granted) = answer.header("x-oauth-scopes") else { return Vec::new() };
    let granted: Vec<&str> = granted.split(',').map(str::trim).collect();
    let missing = |wanted: &[&str]| {
        let missing: Vec<&str> =
            wanted.iter().copied().filter(|scope| !granted.contains(scope)).collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    };
    let fix = "At https://api.slack.com/apps, OAuth & Permissions: add the scopes, then Reinstall to Workspace.";
    let needed = missing(&NEEDED)
        .map(|list| Note::error(format!("the bot token lacks the scopes {list}"), fix));
    let useful = missing(&USEFUL).map(|list| {
        Note::warning(format!("the bot token lacks the scopes {list}, for commands, files, names and private channels"), fix)
    });
    needed.into_iter().chain(useful).collect()
}

/// Whether the app-level token opens a socket. Asking is all: nothing connects.
async fn try_socket(account: &Account<'_>) -> Result<(), Trouble> {
    let Some(token) = &account.app_token else {
        return Err(Trouble::refused(
            "there is no app_token, which opens the socket",
            format!("Make one ({APP_PAGE}) and run `quintet setup slack`."),
        ));
    };
    call(account, token, "apps.connections.open", &json!({})).await.map(|_| ())
}

#[async_trait]
impl Enrol for Slack {
    fn guide(&self, public: Option<&str>) -> String {
        format!(
            "1. Open this link: it makes the app ready-made. Choose the workspace, Next, Create.\n\n{}\n\n\
             2. Install to Workspace, then copy the bot token ({BOT_PAGE}).\n\
             3. Make an app-level token ({APP_PAGE}).",
            link(public)
        )
    }

    fn mode(&self) -> &'static str {
        "socket"
    }

    fn secrets(&self) -> &'static [Asked] {
        &SECRETS
    }

    async fn learn(&self, account: &Account<'_>) -> Result<Learnt, Trouble> {
        let (answer, who) = call(account, &account.bot_token, "auth.test", &json!({})).await?;
        let team = text_at(&who, "team_id").ok_or_else(|| {
            Trouble::refused("Slack's answer to auth.test names no workspace", "Check `api_base`.")
        })?;
        try_socket(account).await?;
        let user = text_at(&who, "user").unwrap_or("the app");
        Ok(Learnt {
            account: team.to_owned(),
            title: format!("@{user} in {}", text_at(&who, "team").unwrap_or(team)),
            endpoint: team.to_owned(),
            keys: Vec::new(),
            first_message: format!(
                "open {user} in Slack (Apps, {user}, Messages) and write anything to it"
            ),
            owner: None,
            notes: about_scopes(&answer),
        })
    }

    fn account_of(&self, name: &str, table: &Value) -> Option<String> {
        let team =
            text_at(table, "team").or_else(|| Some(name).filter(|name| super::is_team(name)));
        team.map(str::to_owned)
    }

    async fn register(&self, _: &Account<'_>, _: &Learnt) -> Result<Vec<String>, Trouble> {
        Ok(vec!["Slack has events, buttons and commands from the app's manifest.".to_owned()])
    }

    async fn hear(&self, _: &Account<'_>, _: Option<i64>) -> Option<Result<Heard, Trouble>> {
        None
    }

    async fn name_of(&self, account: &Account<'_>, id: &str) -> Option<String> {
        let api = Api { title: "Slack", account };
        let bearer = format!("Bearer {}", account.bot_token.reveal());
        let path = format!("users.info?user={}", platform::percent::encode(id));
        let (_, said) = api.ask(Method::GET, &path, Some(bearer), None).await.ok()?;
        let user = &said["user"];
        let name = text_at(user, "real_name").or_else(|| text_at(user, "name"))?;
        Some(name.to_owned())
    }
}

#[async_trait]
impl Examine for Slack {
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note> {
        let mut notes = match call(account, &account.bot_token, "auth.test", &json!({})).await {
            Ok((answer, who)) => {
                let team = text_at(&who, "team_id").unwrap_or_default();
                let name = text_at(&who, "team").unwrap_or(team);
                let user = text_at(&who, "user").unwrap_or("the app");
                let mut notes = vec![Note::fine(format!("Slack knows it as @{user} in {name}"))];
                if let Some(own) = checked.key("team").filter(|own| *own != team) {
                    notes.push(Note::error(
                        format!(
                            "team is {own}, but the token is of {team}: nothing said there is heard"
                        ),
                        format!("Write team = \"{team}\"."),
                    ));
                }
                notes.extend(about_scopes(&answer));
                notes
            }
            Err(trouble) => vec![trouble.into()],
        };
        if checked.without_address
            && let Err(trouble) = try_socket(account).await
        {
            notes.push(trouble.into());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_makes_an_app_that_needs_no_address() {
        let link = link(None);
        let coded = link.strip_prefix(NEW_APP).unwrap();
        let text = percent_encoding::percent_decode_str(coded).decode_utf8().unwrap();
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["settings"]["socket_mode_enabled"], true);
        assert!(!text.contains("request_url") && !text.contains("\"url\""), "{text}");
        let commands: Vec<&str> = made["features"]["slash_commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(|command| command["command"].as_str().unwrap())
            .collect();
        assert!(commands.contains(&"/quintet") && commands.contains(&"/halt"), "{commands:?}");
        assert!(!commands.contains(&"/status"), "Slack has a command of this name itself");
        // Slack's limit for the address of a page is not written down; browsers take 8,000.
        assert!(link.len() < 8_000, "{}", link.len());
    }

    #[test]
    fn manifest_for_a_webhook_has_the_address_everywhere() {
        let made = manifest(Some("https://example.org/slack/T0"));
        assert_eq!(made["settings"]["socket_mode_enabled"], false);
        assert_eq!(
            made["settings"]["interactivity"]["request_url"],
            "https://example.org/slack/T0"
        );
        assert_eq!(made["features"]["slash_commands"][0]["url"], "https://example.org/slack/T0");
    }
}
