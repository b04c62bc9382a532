//! A bot connected and checked: `getMe`, `getWebhookInfo`, the menu, the first messages.

use super::setup::UPDATES;
use super::{Telegram, text_of};
use crate::channels::enrol::{
    Account, Api, Asked, Checked, Enrol, Examine, FirstMessage, Heard, Learnt, Note, Person,
    Trouble,
};
use crate::channels::text_at;
use crate::control::registry;
use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

const GUIDE: &str = "In Telegram, write /newbot to @BotFather (https://t.me/BotFather), choose a name, and copy the token it answers with.";
const MEND: &str =
    "Copy the token from @BotFather (/mybots, API Token) and run `quintet setup telegram` again.";
/// Seconds that Telegram waits for a first message.
const WAIT_S: u64 = 5;
/// Telegram's own default: above that, later updates are hidden behind earlier ones.
const UPDATES_MAX: usize = 100;

const SECRETS: [Asked; 1] = [Asked {
    key: "bot_token",
    title: "bot token",
    place: "@BotFather",
    sound: |text| match text.split_once(':') {
        Some((id, key))
            if !id.is_empty()
                && id.bytes().all(|b| b.is_ascii_digit())
                && !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) =>
        {
            Ok(())
        }
        _ => Err(
            "A token of Telegram is a number, a colon and a key (123456789:AAE…). Copy it from @BotFather.",
        ),
    },
}];

async fn call(account: &Account<'_>, method: &str, body: &Value) -> Result<Value, Trouble> {
    let api = Api { title: "Telegram", account };
    let path = format!("bot{}/{method}", account.bot_token.reveal());
    let (answer, said) = api.ask(Method::POST, &path, None, Some(body)).await?;
    if said["ok"] == true {
        return Ok(said["result"].clone());
    }
    let why = text_at(&said, "description").unwrap_or("no reason given");
    Err(match answer.status {
        401 | 404 => Trouble::refused(format!("Telegram refuses the bot token ({why})"), MEND),
        409 if why.to_lowercase().contains("webhook") => Trouble::refused(
            format!("a webhook of this bot is set ({why})"),
            "Run `quintet setup telegram` again: it removes the webhook.",
        ),
        409 => Trouble::refused(
            format!("another program reads this bot's messages ({why})"),
            "Stop the other program, or make a bot of your own with /newbot at @BotFather.",
        ),
        status => Trouble::refused(format!("Telegram answers {status} to {method}: {why}"), MEND),
    })
}

fn name_of(user: &Value) -> String {
    let name = [text_at(user, "first_name"), text_at(user, "last_name")];
    let mut name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if let Some(username) = text_at(user, "username") {
        name =
            if name.is_empty() { format!("@{username}") } else { format!("{name} (@{username})") };
    }
    name
}

/// A person's message to the bot itself: no bot, no group, no edit.
fn first_message(update: &Value) -> Option<FirstMessage> {
    let message = &update["message"];
    let from = &message["from"];
    let is_direct = message["chat"]["type"] == "private" && from["is_bot"] != true;
    let id = text_of(&from["id"]);
    (is_direct && !id.is_empty()).then(|| FirstMessage {
        from: Person { id, name: name_of(from) },
        sent_ms: message["date"].as_i64().map(|date_s| date_s.saturating_mul(1_000)),
        text: text_at(message, "text").unwrap_or_default().to_owned(),
    })
}

/// The notes about a bot that have nothing to do with its configuration.
fn about_groups(bot: &Value) -> Option<Note> {
    let text = if bot["can_join_groups"] == false {
        "it cannot be added to groups (@BotFather, /setjoingroups)"
    } else if bot["can_read_all_group_messages"] == false {
        "in groups it hears commands, mentions and replies only (privacy mode; to change it: @BotFather, /setprivacy, then add it to the group again)"
    } else {
        return None;
    };
    Some(Note::fine(text))
}

#[async_trait]
impl Enrol for Telegram {
    fn guide(&self, _: Option<&str>) -> String {
        GUIDE.to_owned()
    }

    fn mode(&self) -> &'static str {
        "polling"
    }

    fn secrets(&self) -> &'static [Asked] {
        &SECRETS
    }

    async fn learn(&self, account: &Account<'_>) -> Result<Learnt, Trouble> {
        let bot = call(account, "getMe", &json!({})).await?;
        let username = text_at(&bot, "username").ok_or_else(|| {
            Trouble::refused("Telegram's answer to getMe names no bot", "Check `api_base`.")
        })?;
        Ok(Learnt {
            account: text_of(&bot["id"]),
            title: text_at(&bot, "first_name")
                .map_or_else(|| format!("@{username}"), |name| format!("@{username} ({name})")),
            endpoint: "main".to_owned(),
            keys: vec![("bot_username", username.to_owned())],
            first_message: format!("write anything to @{username}: https://t.me/{username}"),
            owner: None,
            notes: about_groups(&bot).into_iter().collect(),
        })
    }

    /// The bot's id stands before the colon of its token.
    fn account_of(&self, _: &str, table: &Value) -> Option<String> {
        text_at(table, "bot_token")?.split_once(':').map(|(id, _)| id.to_owned())
    }

    async fn register(&self, account: &Account<'_>, _: &Learnt) -> Result<Vec<String>, Trouble> {
        let info = call(account, "getWebhookInfo", &json!({})).await?;
        let mut done = Vec::new();
        // Messages that wait stay: the server reads them.
        call(account, "deleteWebhook", &json!({ "drop_pending_updates": false })).await?;
        if let Some(url) = text_at(&info, "url") {
            done.push(format!(
                "The webhook {url} is removed: the server asks Telegram for messages."
            ));
        }
        let commands: Vec<Value> = registry::menu()
            .map(|listed| json!({ "command": listed.name, "description": listed.about }))
            .collect();
        let count = commands.len();
        call(account, "setMyCommands", &json!({ "commands": commands })).await?;
        done.push(format!("The menu of the bot has {count} commands."));
        Ok(done)
    }

    fn ask_word(&self, learnt: &Learnt, word: &str) -> String {
        let bot = learnt.keys.iter().find(|(key, _)| *key == "bot_username");
        let bot = bot.map_or("", |(_, name)| name.as_str());
        format!(
            "open https://t.me/{bot}?start={word} and press Start, or send /start {word} to @{bot}"
        )
    }

    fn hears_without_taking(&self) -> bool {
        true
    }

    async fn hear(
        &self,
        account: &Account<'_>,
        after: Option<i64>,
    ) -> Option<Result<Heard, Trouble>> {
        let mut body =
            json!({ "timeout": WAIT_S, "limit": UPDATES_MAX, "allowed_updates": UPDATES });
        if let Some(after) = after {
            body["offset"] = after.into();
        }
        let updates = match call(account, "getUpdates", &body).await {
            Ok(updates) => updates,
            Err(trouble) => return Some(Err(trouble)),
        };
        let updates = updates.as_array().map(Vec::as_slice).unwrap_or_default();
        let last = updates.last().and_then(|update| update["update_id"].as_i64());
        let further = last.filter(|_| updates.len() >= UPDATES_MAX);
        Some(Ok(Heard {
            messages: updates.iter().filter_map(first_message).collect(),
            further: further.map(|last| last.saturating_add(1)),
        }))
    }

    async fn name_of(&self, account: &Account<'_>, id: &str) -> Option<String> {
        let id: i64 = id.parse().ok()?;
        let chat = call(account, "getChat", &json!({ "chat_id": id })).await.ok()?;
        Some(name_of(&chat)).filter(|name| !name.is_empty())
    }
}

#[async_trait]
impl Examine for Telegram {
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note> {
        let bot = match call(account, "getMe", &json!({})).await {
            Ok(bot) => bot,
            Err(trouble) => return vec![trouble.into()],
        };
        let username = text_at(&bot, "username").unwrap_or_default();
        let mut notes = vec![Note::fine(format!("Telegram knows it as @{username}"))];
        match checked.key("bot_username").map(|name| name.trim_start_matches('@')) {
            Some(name) if !name.eq_ignore_ascii_case(username) => notes.push(Note::error(
                format!("bot_username is {name}, but the bot is @{username}: commands for it in groups are not obeyed"),
                format!("Write bot_username = \"{username}\"."),
            )),
            _ => {}
        }
        notes.extend(about_groups(&bot));
        match call(account, "getWebhookInfo", &json!({})).await {
            Ok(info) => notes.extend(about_webhook(&info, checked)),
            Err(trouble) => notes.push(trouble.into()),
        }
        notes
    }
}

fn about_webhook(info: &Value, checked: &Checked) -> Vec<Note> {
    let url = text_at(info, "url");
    let set = "Run `quintet setup telegram --url https://…` with this server's public address.";
    let mut notes = Vec::new();
    match (checked.without_address, url) {
        (true, Some(url)) => notes.push(Note::error(
            format!("a webhook is set ({url}), so Telegram hands nothing to the server, which polls"),
            "Run `quintet setup telegram`, or start `quintet up`: both remove it. If it comes back, another program sets it; stop that one.",
        )),
        (false, None) => notes.push(Note::error("no webhook is set, so no message arrives", set)),
        (false, Some(url)) if !url.ends_with(&format!("/telegram/{}", checked.name)) => {
            notes.push(Note::error(format!("the webhook leads to {url}, not to this endpoint"), set));
        }
        _ => {}
    }
    if let Some(error) = text_at(info, "last_error_message").filter(|_| url.is_some()) {
        notes.push(Note::warning(
            format!("Telegram's last delivery failed: {error}"),
            "Check that the address answers from outside, with a valid certificate.",
        ));
    }
    let waiting = info["pending_update_count"].as_u64().unwrap_or(0);
    if waiting > 0 {
        notes.push(Note::fine(format!("{waiting} messages wait at Telegram")));
    }
    notes
}
