//! Slack's webhook: the Events API, interactivity and slash commands.

use super::{App, Way, files, reply_path, signature, tokens};
use crate::channels::{
    Ack, Inbound, Incoming, Kind, body_key, form, header, lenient, name_of, text_at,
};
use contracts::outbox::CommandReply;
use http::HeaderMap;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

/// The command of the manifest that reaches each of ours, also those whose names Slack has itself:
/// `/quintet status`.
pub(super) const OURS: &str = "/quintet";
/// Subtypes of messages that people write; `/me` makes the second.
const SPOKEN: [&str; 3] = ["file_share", "me_message", "thread_broadcast"];
/// Slack takes replies to a command for half an hour; a minute is left as a margin.
const REPLY_MS: i64 = 29 * 60_000;
/// A signature is good for this long, before and after its time.
const WINDOW_S: i64 = 300;

/// Slack signs the time and the body.
pub(super) fn verify(app: &App, headers: &HeaderMap, body: &[u8], now_ms: i64) -> bool {
    let (Some(time), Some(sent)) =
        (header(headers, "x-slack-request-timestamp"), header(headers, "x-slack-signature"))
    else {
        return false;
    };
    let fresh = time
        .parse::<i64>()
        .is_ok_and(|time| (now_ms / 1000).abs_diff(time) <= WINDOW_S.unsigned_abs());
    let Way::Webhook(secret) = &app.way else { return false };
    let expected = signature(secret.reveal(), time, body);
    fresh & bool::from(expected.as_bytes().ct_eq(sent.as_bytes()))
}

/// Reads an event (JSON), or an action or a command (a form). The signed body says which it is: the
/// content type is not signed.
pub(super) fn read(app: &App, headers: &HeaderMap, body: &[u8]) -> Incoming {
    let mut inbound = Inbound::unreadable(Ack::empty(200), body_key(body));
    if body.trim_ascii_start().first() != Some(&b'{') {
        inbound.sent_ms = header(headers, "x-slack-request-timestamp").and_then(millis);
        read_form(app, body, &mut inbound);
        return Incoming::Event(Box::new(inbound));
    }
    let mut event = lenient::json(body);
    app.names.label(&mut event["event"]);
    match event["type"].as_str() {
        Some("url_verification") => {
            let challenge = event["challenge"].as_str().unwrap_or_default();
            return Incoming::Handshake(Ack::json(json!({ "challenge": challenge })));
        }
        Some("event_callback") => read_event(app, &event, &mut inbound),
        Some("app_rate_limited") => inbound.kind = Kind::Ignored("app_rate_limited"),
        Some(_) => inbound.kind = Kind::Ignored("not_a_message"),
        None => {}
    }
    Incoming::Event(Box::new(inbound))
}

/// Seconds as Slack writes them, with or without a fraction.
fn millis(seconds: &str) -> Option<i64> {
    let whole = seconds.split('.').next().unwrap_or_default();
    whole.parse::<i64>().ok().map(|seconds| seconds.saturating_mul(1000))
}

/// Whether an event of this workspace is heard.
fn is_heard(app: &App, team: &str) -> bool {
    app.team.as_deref().is_none_or(|own| own == team)
}

/// A user's id; `team/user` for a user of another workspace (Slack Connect), since an id is unique
/// within its workspace only.
fn person(app: &App, here: &str, team: Option<&str>, user: Option<&str>) -> Option<String> {
    let own = app.team.as_deref().unwrap_or(here);
    let user = user?;
    Some(match team.filter(|team| *team != own) {
        Some(team) => format!("{team}/{user}"),
        None => user.to_owned(),
    })
}

/// Members that name a person, the one that Slack shows first.
const NAMES: [&str; 4] = ["display_name", "real_name", "name", "username"];

fn read_form(app: &App, body: &[u8], inbound: &mut Inbound) {
    let fields = form::parse(body);
    // An empty field is a missing one: no id is empty.
    let field = |name: &str| {
        let value = fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    };
    match field("payload") {
        Some(payload) => {
            read_action(app, &lenient::json(payload.as_bytes()), inbound);
        }
        None if field("command").is_some() => read_command(app, &field, inbound),
        // Slack looks whether we answer.
        None if field("ssl_check").is_some() => inbound.kind = Kind::Ignored("not_a_message"),
        None => {}
    }
}

fn read_event(app: &App, envelope: &Value, inbound: &mut Inbound) {
    if let Some(id) = text_at(envelope, "event_id") {
        id.clone_into(&mut inbound.dedupe_key);
    }
    let (event, is_edit) = newest(&envelope["event"]);
    let event = &event;
    let (Some(outer), Some(channel)) = (text_at(envelope, "team_id"), text_at(event, "channel"))
    else {
        inbound.kind = Kind::Ignored("not_a_message");
        return;
    };
    let team = heard_in(app, envelope).unwrap_or(outer);
    let ts = text_at(event, "ts").or_else(|| text_at(event, "event_ts")).unwrap_or_default();
    let direct = text_at(event, "channel_type") == Some("im");
    inbound.in_group = !direct;
    let thread = text_at(event, "thread_ts");
    inbound.conversation = vec![team.to_owned(), channel.to_owned()];
    // In direct messages a thread, as Slack's agent view makes one of each chat, is a conversation
    // of its own.
    let of_thread = if direct { thread } else { Some(thread.unwrap_or(ts)) };
    inbound.conversation.extend(of_thread.map(str::to_owned));
    let home = ["user_team", "team", "source_team"].iter().find_map(|key| text_at(event, key));
    inbound.sender = person(app, team, home.or(Some(outer)), text_at(event, "user"));
    let profile = &event["user_profile"];
    inbound.sender_name = name_of(NAMES.map(|key| text_at(profile, key)));
    inbound.sent_ms = millis(ts)
        .or_else(|| envelope["event_time"].as_i64().map(|seconds| seconds.saturating_mul(1000)));
    inbound.is_reply = thread.is_some_and(|thread| thread != ts);
    channel.clone_into(&mut inbound.target.chat);
    // In a channel an answer opens, or goes on in, the message's own thread.
    inbound.target.thread =
        if direct { thread.map(str::to_owned) } else { Some(thread.unwrap_or(ts).to_owned()) };
    if !is_heard(app, team) {
        inbound.kind = Kind::Ignored("another_workspace");
        return;
    }
    let own = own_user(envelope);
    (inbound.forwarded, inbound.forwarded_by) = shared(event, own);
    inbound.attachments = files::offered(event);
    let has_more = inbound.forwarded.is_some() || !inbound.attachments.is_empty();
    inbound.kind = read_text(envelope, event, direct, has_more);
    let message = Some(ts).filter(|ts| !ts.is_empty()).map(str::to_owned);
    if is_edit {
        inbound.edits = message;
    } else {
        inbound.message = message;
    }
    let is_content = matches!(inbound.kind, Kind::Message { .. } | Kind::Overheard { .. });
    if is_content && !is_edit {
        inbound.semantic_key = Some(format!("{team}:{channel}:{ts}"));
    }
}

/// Our workspace, if the event reaches the app through it. In a channel that two workspaces share
/// (Slack Connect) `team_id` may be the other one's.
fn heard_in<'a>(app: &'a App, envelope: &Value) -> Option<&'a str> {
    let own = app.team.as_deref()?;
    let granted = envelope["authorizations"].as_array().into_iter().flatten();
    let mut ways = granted.filter_map(|grant| text_at(grant, "team_id"));
    let is_ours = text_at(envelope, "context_team_id") == Some(own) || ways.any(|team| team == own);
    is_ours.then_some(own)
}

/// The message of an event, with the members that say where it is; an edit carries the new message
/// within it. One without a change of its text, such as a preview, is no edit.
fn newest(event: &Value) -> (Value, bool) {
    let message = &event["message"];
    let is_edit = text_at(event, "subtype") == Some("message_changed")
        && message.is_object()
        && message["text"] != event["previous_message"]["text"];
    if !is_edit {
        return (event.clone(), false);
    }
    let mut newest = message.clone();
    for key in ["channel", "channel_type", "team"] {
        if let Some(value) = event.get(key) {
            newest[key] = value.clone();
        }
    }
    newest["type"] = "message".into();
    (newest, true)
}

/// The bot's user id.
fn own_user(envelope: &Value) -> Option<&str> {
    let granted = envelope["authorizations"].as_array().into_iter().flatten();
    granted.into_iter().find(|who| who["is_bot"] == true).and_then(|who| text_at(who, "user_id"))
}

/// The words of messages that were shared along with this one, and the name of their writer.
fn shared(event: &Value, own: Option<&str>) -> (Option<String>, Option<String>) {
    let parts: Vec<&Value> = event["attachments"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|part| part["is_share"] == true || part["is_msg_unfurl"] == true)
        .collect();
    if parts.is_empty() {
        return (None, None);
    }
    let words = |part: &&Value| {
        let words = text_at(part, "text").or_else(|| text_at(part, "fallback"));
        tokens::plain(words.unwrap_or_default(), own)
    };
    let by = parts.first().and_then(|part| text_at(part, "author_name"));
    (Some(parts.iter().map(words).collect::<Vec<_>>().join("\n")), by.map(str::to_owned))
}

/// Whether an app or a bot wrote the event, although it names a user.
fn is_by_app(event: &Value) -> bool {
    ["bot_id", "app_id", "bot_profile"]
        .iter()
        .any(|key| event.get(key).is_some_and(|value| !value.is_null()))
        || text_at(event, "subtype") == Some("bot_message")
}

fn read_text(envelope: &Value, event: &Value, direct: bool, has_more: bool) -> Kind {
    let own = own_user(envelope);
    let app = text_at(envelope, "api_app_id");
    let text = text_at(event, "text").unwrap_or_default();
    let kind = text_at(event, "type").unwrap_or_default();
    let own_message = text_at(event, "app_id").is_some_and(|id| Some(id) == app)
        || (own.is_some() && text_at(event, "user") == own);
    let mentioned = own.is_some_and(|own| text.contains(&format!("<@{own}>")));
    if own_message {
        Kind::Ignored("own_message")
    } else if is_by_app(event) {
        Kind::Ignored("bot_message")
    } else if matches!(text_at(event, "subtype"), Some("message_changed" | "message_deleted")) {
        Kind::Ignored("edit")
    } else if !matches!(kind, "message" | "app_mention")
        || text_at(event, "subtype").is_some_and(|subtype| !SPOKEN.contains(&subtype))
    {
        Kind::Ignored("not_a_message")
    } else if kind == "message" && !direct && !mentioned && !in_own_thread(event, own) {
        // A thread that we answered in goes on without our name; a message that names another user
        // is not for us.
        let in_thread = event.get("thread_ts").is_some() && !text.trim_start().starts_with("<@");
        let words = tokens::plain(text, own);
        if in_thread && !words.is_empty() {
            Kind::Overheard { text: words }
        } else {
            Kind::Ignored("not_addressed")
        }
    } else {
        // Without an id of ours the mention at the start of a mention is ours.
        let is_nameless = own.is_none() && kind == "app_mention";
        let text = if is_nameless { tokens::without_first_mention(text) } else { text };
        match tokens::plain(text, own).as_str() {
            "" if !has_more => Kind::Ignored("no_text"),
            text => Kind::Message { text: text.to_owned() },
        }
    }
}

/// A reply in a thread that we opened.
fn in_own_thread(event: &Value, own: Option<&str>) -> bool {
    event.get("thread_ts").is_some() && own.is_some() && text_at(event, "parent_user_id") == own
}

fn read_action(app: &App, payload: &Value, inbound: &mut Inbound) {
    let Some(kind) = text_at(payload, "type") else { return };
    let team = text_at(&payload["team"], "id")
        .or_else(|| text_at(&payload["user"], "team_id"))
        .unwrap_or_default();
    if let Some(trigger) = text_at(payload, "trigger_id") {
        inbound.dedupe_key = format!("{team}:{trigger}");
    }
    let user = &payload["user"];
    inbound.sender = person(app, team, text_at(user, "team_id"), text_at(user, "id"));
    inbound.sender_name = name_of(NAMES.map(|key| text_at(user, key)));
    let channel =
        text_at(&payload["channel"], "id").or_else(|| text_at(&payload["container"], "channel_id"));
    if let Some(channel) = channel {
        let container = &payload["container"];
        let thread =
            text_at(container, "thread_ts").or_else(|| text_at(&payload["message"], "thread_ts"));
        let message =
            text_at(container, "message_ts").or_else(|| text_at(&payload["message"], "ts"));
        inbound.conversation = vec![team.to_owned(), channel.to_owned()];
        let of_thread = if channel.starts_with('D') { thread } else { thread.or(message) };
        inbound.conversation.extend(of_thread.map(str::to_owned));
        channel.clone_into(&mut inbound.target.chat);
        inbound.target.thread = thread.map(str::to_owned);
    }
    if kind == "message_action" && is_heard(app, team) {
        return read_shortcut(payload, inbound);
    }
    let token = payload["actions"]
        .as_array()
        .and_then(|actions| actions.first())
        .and_then(|action| text_at(action, "value"));
    inbound.kind = match (kind, token) {
        _ if !is_heard(app, team) => Kind::Ignored("another_workspace"),
        ("block_actions", Some(token)) => Kind::Press { token: token.to_owned(), callback: None },
        _ => Kind::Ignored("not_a_message"),
    };
}

/// A shortcut that was used on a message: its words are what it is about.
fn read_shortcut(payload: &Value, inbound: &mut Inbound) {
    let message = &payload["message"];
    inbound.target.command = text_at(payload, "response_url")
        .and_then(reply_path)
        .map(|path| CommandReply { path: path.to_owned(), until_ms: i64::MAX, is_only_way: false });
    let own_thread = text_at(message, "thread_ts").or_else(|| text_at(message, "ts"));
    inbound.target.thread = own_thread.map(str::to_owned);
    let words = tokens::plain(text_at(message, "text").unwrap_or_default(), None);
    inbound.kind = if words.is_empty() {
        Kind::Ignored("no_text")
    } else {
        inbound.forwarded = Some(words);
        inbound.forwarded_by = text_at(message, "user").map(|user| format!("@{user}"));
        Kind::Message { text: String::new() }
    };
}

fn read_command<'a>(app: &App, field: &dyn Fn(&str) -> Option<&'a str>, inbound: &mut Inbound) {
    let team = field("team_id").unwrap_or_default();
    let channel = field("channel_id").unwrap_or_default();
    if let Some(trigger) = field("trigger_id") {
        inbound.dedupe_key = format!("{team}:{trigger}");
    }
    inbound.sender = field("user_id").map(str::to_owned);
    inbound.unheard = Some(|text| Ack::json(json!({ "response_type": "ephemeral", "text": text })));
    inbound.sender_name = name_of([field("user_name")]);
    inbound.conversation = vec![team.to_owned(), channel.to_owned()];
    channel.clone_into(&mut inbound.target.chat);
    inbound.target.command = field("response_url").and_then(reply_path).map(|path| {
        // Without a time Slack itself refuses what comes too late.
        let until_ms = inbound.sent_ms.map_or(i64::MAX, |sent_ms| sent_ms + REPLY_MS);
        CommandReply { path: path.to_owned(), until_ms, is_only_way: false }
    });
    if !is_heard(app, team) {
        inbound.kind = Kind::Ignored("another_workspace");
        return;
    }
    let text = tokens::plain(field("text").unwrap_or_default(), None);
    let text = text.as_str();
    let command = field("command").unwrap_or_default();
    // A command named like one of ours is that command; any other is a way to speak to us.
    let said = if crate::control::is_command(command) {
        format!("{command} {text}").trim().to_owned()
    } else if command == OURS && crate::control::names_a_command(text) {
        format!("/{text}")
    } else {
        text.to_owned()
    };
    inbound.kind = if said.is_empty() {
        Kind::Message { text: "/help".to_owned() }
    } else {
        Kind::Message { text: said }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_with_empty_ids_has_no_sender_and_the_digest_of_its_body_as_the_key() {
        let body =
            b"command=%2Fagent&text=hi&user_id=&trigger_id=&team_id=T1&channel_id=C1".as_slice();
        let app = App {
            api_base: String::new(),
            way: Way::Webhook(platform::secret::Secret::new("s")),
            bot_token: platform::secret::Secret::new("t"),
            team: None,
            names: super::super::names::Names::default(),
        };
        let Incoming::Event(inbound) = read(&app, &HeaderMap::new(), body) else {
            panic!("not an event")
        };
        assert_eq!(inbound.sender, None);
        assert_eq!(inbound.dedupe_key, body_key(body));
        assert!(matches!(&inbound.kind, Kind::Message { text } if text == "hi"));
    }
}
