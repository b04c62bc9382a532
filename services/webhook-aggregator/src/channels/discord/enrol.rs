//! An application connected and checked: its ids, its intents, its commands, its owner.

use super::Discord;
use crate::channels::enrol::{
    Account, Api, Asked, Checked, Enrol, Examine, Heard, Learnt, Note, Person, Trouble,
};
use crate::channels::text_at;
use crate::control::registry::{self, Listed};
use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

const GUIDE: &str = "1. At https://discord.com/developers/applications: New Application, then the page Bot, Reset Token, copy it.
2. On the same page, below Privileged Gateway Intents, switch on Message Content Intent.";
const MEND: &str = "At https://discord.com/developers/applications, page Bot: Reset Token, and run `quintet setup discord` with the new one.";
/// Flags of an application: the intent to read messages, of a verified bot and of any other.
const MESSAGE_CONTENT: u64 = 1 << 18;
const MESSAGE_CONTENT_LIMITED: u64 = 1 << 19;
/// View channels, send messages (in threads too), attach files, read the history.
const PERMISSIONS: u64 = (1 << 10) | (1 << 11) | (1 << 38) | (1 << 15) | (1 << 16);
/// The command for everything that is said to an agent.
const ASK: &str = "ask";

const SECRETS: [Asked; 1] = [Asked {
    key: "bot_token",
    title: "bot token",
    place: "https://discord.com/developers/applications, page Bot",
    sound: |text| {
        let is_id = text.bytes().all(|b| b.is_ascii_digit());
        let is_key = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id || is_key || text.contains(char::is_whitespace) {
            Err(
                "This is not a bot token of Discord: it has letters and dots, and stands on the page Bot (Reset Token). The application id and the public key are something else.",
            )
        } else {
            Ok(())
        }
    },
}];

async fn call(
    account: &Account<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Trouble> {
    let api = Api { title: "Discord", account };
    let authorization = format!("Bot {}", account.bot_token.reveal());
    let (answer, said) = api.ask(method, path, Some(authorization), body).await?;
    if (200..300).contains(&answer.status) {
        return Ok(said);
    }
    let why = text_at(&said, "message").unwrap_or("no reason given");
    Err(match answer.status {
        401 => Trouble::refused(format!("Discord refuses the bot token ({why})"), MEND),
        status => Trouble::refused(format!("Discord answers {status} to {path}: {why}"), MEND),
    })
}

fn person(user: &Value) -> Option<Person> {
    let id = text_at(user, "id")?.to_owned();
    let name = text_at(user, "global_name").or_else(|| text_at(user, "username"));
    Some(Person { id, name: name.unwrap_or_default().to_owned() })
}

/// The owner; of a team's application the team's owner, who is among the members.
fn owner(application: &Value) -> Option<Person> {
    let team = &application["team"];
    if !team.is_object() {
        return person(&application["owner"]);
    }
    let id = text_at(team, "owner_user_id")?;
    let members = team["members"].as_array().into_iter().flatten();
    members
        .map(|member| &member["user"])
        .find(|user| text_at(user, "id") == Some(id))
        .and_then(person)
}

fn reads_messages(application: &Value) -> bool {
    let flags = application["flags"].as_u64().unwrap_or(0);
    flags & (MESSAGE_CONTENT | MESSAGE_CONTENT_LIMITED) != 0
}

fn invitation(id: &str) -> String {
    format!(
        "https://discord.com/oauth2/authorize?client_id={id}&scope=bot+applications.commands&permissions={PERMISSIONS}"
    )
}

/// Our commands, in Discord's words.
fn commands() -> Vec<Value> {
    let text = |name: &str, about: &str, required: bool| json!([{ "type": 3, "name": name, "description": about, "required": required }]);
    let command = |listed: &Listed| {
        let mut command = json!({ "type": 1, "name": listed.name, "description": listed.about });
        if !listed.argument.is_empty() {
            let optional = listed.argument.starts_with('[');
            command["options"] = text("text", listed.argument, !optional);
        }
        command
    };
    let ask = json!({ "type": 1, "name": ASK, "description": "Ask your agents", "options": text("message", "What to do", true) });
    std::iter::once(ask).chain(registry::COMMANDS.iter().map(command)).collect()
}

#[async_trait]
impl Enrol for Discord {
    fn guide(&self, _: Option<&str>) -> String {
        GUIDE.to_owned()
    }

    fn mode(&self) -> &'static str {
        "gateway"
    }

    fn secrets(&self) -> &'static [Asked] {
        &SECRETS
    }

    async fn learn(&self, account: &Account<'_>) -> Result<Learnt, Trouble> {
        let application = call(account, Method::GET, "applications/@me", None).await?;
        let (id, key) =
            text_at(&application, "id").zip(text_at(&application, "verify_key")).ok_or_else(
                || Trouble::refused("Discord's answer names no application", "Check `api_base`."),
            )?;
        Ok(Learnt {
            account: id.to_owned(),
            title: text_at(&application, "name").unwrap_or(id).to_owned(),
            endpoint: "main".to_owned(),
            keys: vec![("application_id", id.to_owned()), ("public_key", key.to_owned())],
            first_message: format!(
                "add it to a server: {}\nand write anything to it, there or directly",
                invitation(id)
            ),
            owner: owner(&application),
            notes: Vec::new(),
        })
    }

    fn account_of(&self, _: &str, table: &Value) -> Option<String> {
        text_at(table, "application_id").map(str::to_owned)
    }

    async fn register(
        &self,
        account: &Account<'_>,
        learnt: &Learnt,
    ) -> Result<Vec<String>, Trouble> {
        let mut done = Vec::new();
        let application = call(account, Method::GET, "applications/@me", None).await?;
        if let Some(url) = text_at(&application, "interactions_endpoint_url") {
            // While it is set, commands and buttons go there instead of to the gateway.
            let change = json!({ "interactions_endpoint_url": null });
            call(account, Method::PATCH, "applications/@me", Some(&change)).await?;
            done.push(format!("The Interactions Endpoint URL {url} is removed: the server connects to Discord itself."));
        }
        if !reads_messages(&application) {
            let flags = application["flags"].as_u64().unwrap_or(0) | MESSAGE_CONTENT_LIMITED;
            let change = json!({ "flags": flags });
            call(account, Method::PATCH, "applications/@me", Some(&change))
                .await
                .map_err(|trouble| Trouble { fix: INTENT_FIX.to_owned(), ..trouble })?;
            done.push("The Message Content Intent is on.".to_owned());
        }
        let path = format!("applications/{}/commands", learnt.account);
        // Commands of the owner's own stay; ours are written over.
        let known = call(account, Method::GET, &path, None).await;
        let known = match known {
            Ok(list) => list.as_array().cloned().unwrap_or_default(),
            Err(trouble) if trouble.is_away => return Err(trouble),
            Err(_) => Vec::new(),
        };
        let ours = commands();
        let is_ours = |command: &Value| ours.iter().any(|own| own["name"] == command["name"]);
        let mut all: Vec<Value> = known.into_iter().filter(|command| !is_ours(command)).collect();
        let count = ours.len();
        all.extend(ours);
        call(account, Method::PUT, &path, Some(&Value::Array(all))).await?;
        done.push(format!("The application has {count} commands, /{ASK} among them."));
        Ok(done)
    }

    async fn hear(&self, _: &Account<'_>, _: Option<i64>) -> Option<Result<Heard, Trouble>> {
        None
    }

    async fn name_of(&self, account: &Account<'_>, id: &str) -> Option<String> {
        if !id.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let user = call(account, Method::GET, &format!("users/{id}"), None).await.ok()?;
        person(&user).map(|person| person.name)
    }
}

#[async_trait]
impl Examine for Discord {
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note> {
        let application = match call(account, Method::GET, "applications/@me", None).await {
            Ok(application) => application,
            Err(trouble) => return vec![trouble.into()],
        };
        let name = text_at(&application, "name").unwrap_or("the application");
        let mut notes = vec![Note::fine(format!("Discord knows it as {name}"))];
        for (key, told) in [("application_id", "id"), ("public_key", "verify_key")] {
            let right = text_at(&application, told).unwrap_or_default();
            if let Some(own) = checked.key(key).filter(|own| !own.eq_ignore_ascii_case(right)) {
                notes.push(Note::error(
                    format!("{key} is {own}, but the application's is {right}"),
                    format!("Write {key} = \"{right}\"."),
                ));
            }
        }
        let url = text_at(&application, "interactions_endpoint_url");
        if checked.without_address {
            // Direct messages and mentions have their words without it.
            if checked.key("messages") == Some("all") && !reads_messages(&application) {
                notes.push(Note::error(
                    "the Message Content Intent is off, so messages that do not mention the bot arrive without words",
                    INTENT_FIX,
                ));
            }
            if let Some(url) = url {
                notes.push(Note::error(
                    format!("an Interactions Endpoint URL is set ({url}), so commands and buttons go there and not to the server"),
                    "Run `quintet setup discord`, which removes it, or clear it on the page General Information.",
                ));
            }
        } else if url.is_none() {
            notes.push(Note::error(
                "no Interactions Endpoint URL is set, so no command arrives",
                "Run `quintet setup discord --url https://…` and follow its steps.",
            ));
        }
        notes
    }
}

const INTENT_FIX: &str = "At https://discord.com/developers/applications, page Bot, Privileged Gateway Intents: switch on Message Content Intent, and save.";
