//! Slack's webhook: the Events API, interactivity and slash commands.

use super::{App, signature};
use crate::channels::{Ack, Inbound, Incoming, Kind, body_key, form, header, text_at};
use http::HeaderMap;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

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
    let expected = signature(app.signing_secret.reveal(), time, body);
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
    let event: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
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

fn read_form(app: &App, body: &[u8], inbound: &mut Inbound) {
    let fields = form::parse(body);
    // An empty field is a missing one: no id is empty.
    let field = |name: &str| {
        let value = fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    };
    match field("payload") {
        Some(payload) => {
            read_action(app, &serde_json::from_str(payload).unwrap_or(Value::Null), inbound);
        }
        None if field("command").is_some() => read_command(app, &field, inbound),
        None => {}
    }
}

fn read_event(app: &App, envelope: &Value, inbound: &mut Inbound) {
    if let Some(id) = text_at(envelope, "event_id") {
        id.clone_into(&mut inbound.dedupe_key);
    }
    let event = &envelope["event"];
    let (Some(outer), Some(channel)) = (text_at(envelope, "team_id"), text_at(event, "channel"))
    else {
        inbound.kind = Kind::Ignored("not_a_message");
        return;
    };
    let team = heard_in(app, envelope).unwrap_or(outer);
    let ts = text_at(event, "ts").or_else(|| text_at(event, "event_ts")).unwrap_or_default();
    let direct = text_at(event, "channel_type") == Some("im");
    let thread = text_at(event, "thread_ts");
    inbound.conversation = vec![team.to_owned(), channel.to_owned()];
    if !direct {
        inbound.conversation.push(thread.unwrap_or(ts).to_owned());
    }
    let home = ["user_team", "team", "source_team"].iter().find_map(|key| text_at(event, key));
    inbound.sender = person(app, team, home.or(Some(outer)), text_at(event, "user"));
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
    inbound.forwarded = shared(event);
    inbound.kind = read_text(envelope, event, direct, inbound.forwarded.is_some());
    if matches!(inbound.kind, Kind::Message { .. } | Kind::Overheard { .. }) {
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

/// The words of messages that were shared along with this one.
fn shared(event: &Value) -> Option<String> {
    let words: Vec<&str> = event["attachments"]
        .as_array()?
        .iter()
        .filter(|part| part["is_share"] == true || part["is_msg_unfurl"] == true)
        .map(|part| text_at(part, "text").or_else(|| text_at(part, "fallback")).unwrap_or_default())
        .collect();
    (!words.is_empty()).then(|| words.join("\n"))
}

/// Whether an app or a bot wrote the event, although it names a user.
fn is_by_app(event: &Value) -> bool {
    ["bot_id", "app_id", "bot_profile"]
        .iter()
        .any(|key| event.get(key).is_some_and(|value| !value.is_null()))
        || text_at(event, "subtype") == Some("bot_message")
}

fn read_text(envelope: &Value, event: &Value, direct: bool, shares: bool) -> Kind {
    let own = envelope["authorizations"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|who| who["is_bot"] == true)
        .and_then(|who| text_at(who, "user_id"));
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
        || text_at(event, "subtype")
            .is_some_and(|subtype| subtype != "file_share" && subtype != "thread_broadcast")
    {
        Kind::Ignored("not_a_message")
    } else if kind == "message" && !direct && !mentioned && !in_own_thread(event, own) {
        // A thread that we answered in goes on without our name; a message that names another user
        // is not for us.
        let in_thread = event.get("thread_ts").is_some() && !text.trim_start().starts_with("<@");
        if in_thread && !plain(text).is_empty() {
            Kind::Overheard { text: plain(text) }
        } else {
            Kind::Ignored("not_addressed")
        }
    } else {
        match plain(text).as_str() {
            "" if !shares => Kind::Ignored("no_text"),
            text => Kind::Message { text: text.to_owned() },
        }
    }
}

/// A reply in a thread that we opened.
fn in_own_thread(event: &Value, own: Option<&str>) -> bool {
    event.get("thread_ts").is_some() && own.is_some() && text_at(event, "parent_user_id") == own
}

/// Slack's text without the leading mention, its three escapes undone.
fn plain(text: &str) -> String {
    let mut text = text.trim();
    if let Some(rest) = text.strip_prefix("<@")
        && let Some((_, rest)) = rest.split_once('>')
    {
        text = rest.trim();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
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
    let channel =
        text_at(&payload["channel"], "id").or_else(|| text_at(&payload["container"], "channel_id"));
    if let Some(channel) = channel {
        let container = &payload["container"];
        let thread =
            text_at(container, "thread_ts").or_else(|| text_at(&payload["message"], "thread_ts"));
        let message =
            text_at(container, "message_ts").or_else(|| text_at(&payload["message"], "ts"));
        inbound.conversation = vec![team.to_owned(), channel.to_owned()];
        if !channel.starts_with('D') {
            inbound.conversation.extend(thread.or(message).map(str::to_owned));
        }
        channel.clone_into(&mut inbound.target.chat);
        inbound.target.thread = thread.map(str::to_owned);
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

fn read_command<'a>(app: &App, field: &dyn Fn(&str) -> Option<&'a str>, inbound: &mut Inbound) {
    let team = field("team_id").unwrap_or_default();
    let channel = field("channel_id").unwrap_or_default();
    if let Some(trigger) = field("trigger_id") {
        inbound.dedupe_key = format!("{team}:{trigger}");
    }
    inbound.sender = field("user_id").map(str::to_owned);
    inbound.conversation = vec![team.to_owned(), channel.to_owned()];
    channel.clone_into(&mut inbound.target.chat);
    if !is_heard(app, team) {
        inbound.kind = Kind::Ignored("another_workspace");
        return;
    }
    let text = field("text").unwrap_or_default().trim();
    let command = field("command").unwrap_or_default();
    // A command named like one of ours is that command; any other is a way to speak to us.
    let said = if crate::control::is_command(command) {
        format!("{command} {text}").trim().to_owned()
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
            signing_secret: platform::secret::Secret::new("s"),
            bot_token: platform::secret::Secret::new("t"),
            team: None,
        };
        let Incoming::Event(inbound) = read(&app, &HeaderMap::new(), body) else {
            panic!("not an event")
        };
        assert_eq!(inbound.sender, None);
        assert_eq!(inbound.dedupe_key, body_key(body));
        assert!(matches!(&inbound.kind, Kind::Message { text } if text == "hi"));
    }
}
