//! An account connected and checked: whose token it is, its rooms, the first invitations and
//! messages.

use super::Matrix;
use super::bot::segment;
use super::setup::SERVICE;
use crate::channels::enrol::{
    Account, Api, Asked, Checked, Enrol, Examine, FirstMessage, Heard, Learnt, Note, Person,
    Trouble,
};
use crate::channels::text_at;
use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

const GUIDE: &str = "1. Make an account for the bot at your homeserver, and sign in to it with Element (https://app.element.io).
2. Copy its access token from Settings, Help & About, Advanced, and do not sign it out; the address of the homeserver stands there too.";
const MEND: &str = "Sign the bot in with Element, copy the access token from Settings, Help & About, Advanced, and run `quintet setup matrix` again.";
/// Rooms that are looked at.
const ROOMS_MAX: usize = 20;
/// Newest messages of a room that are looked at for a first one.
const MESSAGES_MAX: usize = 10;

const SECRETS: [Asked; 1] = [Asked {
    key: "bot_token",
    title: "access token",
    place: "Element, Settings, Help & About, Advanced",
    sound: |text| {
        let is_other = text.starts_with('@') || text.contains("://");
        if text.is_empty() || is_other || text.contains(char::is_whitespace) {
            Err(
                "An access token of Matrix is one word, such as syt_…. Copy it from Element: Settings, Help & About, Advanced.",
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
    let api = Api { title: "The homeserver", account };
    let authorization = format!("Bearer {}", account.bot_token.reveal());
    let path = format!("_matrix/{path}");
    let (answer, said) = api.ask(method, &path, Some(authorization), body).await?;
    if answer.status == 200 {
        return Ok(said);
    }
    let code = text_at(&said, "errcode").unwrap_or("no Matrix error");
    let why = text_at(&said, "error").unwrap_or("no reason given");
    Err(match (answer.status, code) {
        (401, _) => {
            Trouble::refused(format!("the homeserver refuses the access token ({why})"), MEND)
        }
        (_, "no Matrix error") => Trouble::refused(
            format!("there is no Matrix homeserver at {} ({})", account.api_base, answer.status),
            "Give its address with --homeserver; Element shows it in Settings, Help & About.",
        ),
        (status, code) => Trouble::refused(
            format!("the homeserver answers {status} {code}: {why}"),
            "Check the account at the homeserver.",
        ),
    })
}

async fn get(account: &Account<'_>, path: &str) -> Result<Value, Trouble> {
    call(account, Method::GET, &format!("client/v3/{path}"), None).await
}

/// The account's rooms, and how many of the first ones are encrypted.
async fn rooms(account: &Account<'_>) -> Result<(usize, usize), Trouble> {
    let rooms = get(account, "joined_rooms").await?;
    let rooms = rooms["joined_rooms"].as_array().cloned().unwrap_or_default();
    let mut encrypted = 0;
    for room in rooms.iter().filter_map(Value::as_str).take(ROOMS_MAX) {
        let path = format!("rooms/{}/state/m.room.encryption/", segment(room));
        match get(account, &path).await {
            Ok(_) => encrypted += 1,
            Err(trouble) if trouble.is_away => return Err(trouble),
            Err(_) => {}
        }
    }
    Ok((rooms.len(), encrypted))
}

fn about_rooms((all, encrypted): (usize, usize)) -> Note {
    let rooms = if all == 1 { "1 room".to_owned() } else { format!("{all} rooms") };
    if encrypted == 0 {
        return Note::fine(format!("it is in {rooms}"));
    }
    Note::warning(
        format!("it is in {rooms}, and cannot read {encrypted} of them, which are encrypted"),
        "Make rooms without encryption and invite it there.",
    )
}

/// The invitation to a room: its sender, and the name of the room.
fn invited(own: &str, room: &Value) -> Option<FirstMessage> {
    let events = room["invite_state"]["events"].as_array()?;
    let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    let mut own = of("m.room.member").filter(|event| event["state_key"] == own);
    let invitation = own.next()?;
    // Another homeserver may add events of its own making before the one that ours has checked.
    if own.any(|other| other["sender"] != invitation["sender"]) {
        return None;
    }
    let name = of("m.room.name").find_map(|event| text_at(&event["content"], "name"));
    let id = text_at(invitation, "sender")?;
    let profile = of("m.room.member").find(|event| event["state_key"] == id);
    let shown = profile.and_then(|event| text_at(&event["content"], "displayname"));
    Some(FirstMessage {
        from: Person { id: id.to_owned(), name: shown.unwrap_or_default().to_owned() },
        sent_ms: invitation["origin_server_ts"].as_i64(),
        text: name.unwrap_or_default().to_owned(),
    })
}

/// The messages of one other person in a room.
fn said(own: &str, room: &Value) -> Vec<FirstMessage> {
    let is_direct = room["summary"]["m.joined_member_count"].as_u64().is_some_and(|n| n <= 2);
    let events = room["timeline"]["events"].as_array().filter(|_| is_direct);
    let message = |event: &Value| {
        let is_said =
            event["type"] == "m.room.message" && event["content"]["msgtype"] != "m.notice";
        let id = text_at(event, "sender").filter(|sender| is_said && *sender != own)?;
        Some(FirstMessage {
            from: Person { id: id.to_owned(), name: String::new() },
            sent_ms: event["origin_server_ts"].as_i64(),
            text: text_at(&event["content"], "body").unwrap_or_default().to_owned(),
        })
    };
    events.into_iter().flatten().filter_map(message).collect()
}

#[async_trait]
impl Enrol for Matrix {
    fn guide(&self, _: Option<&str>) -> String {
        GUIDE.to_owned()
    }

    fn mode(&self) -> &'static str {
        "sync"
    }

    fn secrets(&self) -> &'static [Asked] {
        &SECRETS
    }

    fn asks_address(&self) -> Option<&'static str> {
        Some("Address of your homeserver (https://…)")
    }

    async fn learn(&self, account: &Account<'_>) -> Result<Learnt, Trouble> {
        let who = get(account, "account/whoami").await?;
        let user = text_at(&who, "user_id").ok_or_else(|| {
            Trouble::refused(
                "the homeserver's answer names no account",
                "Check the address of the homeserver.",
            )
        })?;
        let profile = get(account, &format!("profile/{}", segment(user))).await;
        let name = profile.ok().and_then(|it| text_at(&it, "displayname").map(str::to_owned));
        Ok(Learnt {
            account: user.to_owned(),
            title: name.map_or_else(|| user.to_owned(), |name| format!("{user} ({name})")),
            endpoint: "main".to_owned(),
            keys: vec![("user", user.to_owned())],
            first_message: format!(
                "make a room without encryption (in Element: New room, switch off “Enable end-to-end encryption”) and invite {user}"
            ),
            owner: None,
            notes: vec![about_rooms(rooms(account).await?)],
        })
    }

    fn account_of(&self, _: &str, table: &Value) -> Option<String> {
        text_at(table, "user").map(str::to_owned)
    }

    async fn register(&self, _: &Account<'_>, _: &Learnt) -> Result<Vec<String>, Trouble> {
        Ok(Vec::new())
    }

    /// An invitation has no words but the name of its room.
    fn ask_word(&self, learnt: &Learnt, word: &str) -> String {
        let user = &learnt.account;
        format!("make a room without encryption whose name is {word}, and invite {user}")
    }

    fn hears_without_taking(&self) -> bool {
        true
    }

    async fn hear(&self, account: &Account<'_>, _: Option<i64>) -> Option<Result<Heard, Trouble>> {
        let nothing = json!({ "types": [], "not_types": ["*"] });
        let filter = json!({
            "presence": nothing, "account_data": nothing,
            "room": {
                "timeline": { "types": ["m.room.message"], "limit": MESSAGES_MAX }, "state": nothing,
                "ephemeral": nothing, "account_data": nothing,
            },
        });
        let who = match get(account, "account/whoami").await {
            Ok(who) => who,
            Err(trouble) => return Some(Err(trouble)),
        };
        let own = text_at(&who, "user_id").unwrap_or_default();
        let path = format!("sync?timeout=0&filter={}", segment(&filter.to_string()));
        let answer = match get(account, &path).await {
            Ok(answer) => answer,
            Err(trouble) => return Some(Err(trouble)),
        };
        let rooms = |kind: &str| answer["rooms"][kind].as_object().into_iter().flatten();
        let invitations = rooms("invite").filter_map(|(_, room)| invited(own, room));
        let messages = rooms("join").flat_map(|(_, room)| said(own, room));
        Some(Ok(Heard { messages: invitations.chain(messages).collect(), further: None }))
    }

    async fn name_of(&self, account: &Account<'_>, id: &str) -> Option<String> {
        let profile = get(account, &format!("profile/{}", segment(id))).await.ok()?;
        text_at(&profile, "displayname").map(str::to_owned)
    }
}

#[async_trait]
impl Examine for Matrix {
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note> {
        let who = match get(account, "account/whoami").await {
            Ok(who) => who,
            Err(trouble) => return vec![trouble.into()],
        };
        let user = text_at(&who, "user_id").unwrap_or_default();
        let mut notes = vec![Note::fine(format!("the homeserver knows it as {user}"))];
        if let Some(own) = checked.key("user").filter(|own| *own != user) {
            notes.push(Note::error(
                format!(
                    "user is {own}, but the token is of {user}: its own messages would be answered"
                ),
                format!("Write user = \"{user}\"."),
            ));
        }
        match rooms(account).await {
            Ok(rooms) => notes.push(about_rooms(rooms)),
            Err(trouble) => notes.push(trouble.into()),
        }
        if !checked.without_address {
            let path = format!("client/v1/appservice/{SERVICE}/ping");
            if let Err(trouble) = call(account, Method::POST, &path, Some(&json!({}))).await {
                notes.push(Note::warning(
                    format!("the homeserver does not reach this server as its application service {SERVICE} ({})", trouble.what),
                    "Check `url` and `hs_token` of the registration, and that the address answers from the homeserver.",
                ));
            }
        }
        notes
    }
}
