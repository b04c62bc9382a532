//! Every command × every way to send it × every role, on every channel: who is obeyed.

use crate::bed::{Bed, bed_with, local_api};
use contracts::ChannelKind;
use contracts::calls::personal_assistant::{
    Decide, Halt, Press, Resume, TellApprovals, TellBudget,
};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use platform::memory::ManualClock;
use serde_json::{Value, json};
use sha2::Sha256;
use webhook_aggregator::channels;
use webhook_aggregator::control::{self, ControlCommand};

const NOW_S: i64 = 1_790_000_000;
const TWO_YEARS_AGO_S: i64 = NOW_S - 2 * 31_536_000;
/// `a1` is a question of an approval; the assistant decides what it is worth.
const BUTTON: &str = "a1:abcdefghijklmnopqrstuv:y";

/// The ways in which the text of a command, or a press, can come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Typed,
    Button,
    Old,
    OldButton,
    Forwarded,
    ForwardedOfOld,
    ViaBot,
    Quoted,
    Edited,
    ChannelPost,
    AnonymousAdmin,
    Bot,
    BotButton,
    OtherWorkspace,
    OtherWorkspaceButton,
    UserOfOtherWorkspace,
    OtherApplication,
}

const WAYS: [Way; 17] = [
    Way::Typed,
    Way::Button,
    Way::Old,
    Way::OldButton,
    Way::Forwarded,
    Way::ForwardedOfOld,
    Way::ViaBot,
    Way::Quoted,
    Way::Edited,
    Way::ChannelPost,
    Way::AnonymousAdmin,
    Way::Bot,
    Way::BotButton,
    Way::OtherWorkspace,
    Way::OtherWorkspaceButton,
    Way::UserOfOtherWorkspace,
    Way::OtherApplication,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Approver,
    ApproverOfAnother,
    Sender,
    Stranger,
}

const ROLES: [Role; 4] = [Role::Approver, Role::ApproverOfAnother, Role::Sender, Role::Stranger];

/// A platform's id of the person with this role.
fn user(kind: ChannelKind, role: Role) -> String {
    let number = 700 + role as u32;
    match kind {
        ChannelKind::Slack => format!("U0PERSON{number}"),
        ChannelKind::Matrix => format!("@person{number}:example.org"),
        ChannelKind::WhatsApp => format!("15550000{number}"),
        ChannelKind::Mail => format!("person{number}@example.org"),
        _ => number.to_string(),
    }
}

/// The commands that `/help` lists, each with an argument where it needs one.
fn commands() -> Vec<String> {
    let help = control::registry::help();
    let words = help.lines().filter_map(|line| line.split_whitespace().next());
    let words = words.filter(|word| word.starts_with('/'));
    let written = words.map(|word| {
        let longer = ["", " apr_1", " apr_1 yes"].map(|rest| format!("{word}{rest}"));
        let is_whole =
            |text: &String| !matches!(control::parse(text), Some(ControlCommand::Incomplete(_)));
        longer.into_iter().find(is_whole).unwrap()
    });
    // Every sender may ask for help, stop what he sent (`stops.rs`) and begin a conversation of his
    // anew.
    let for_all = |command: &ControlCommand| {
        matches!(
            command,
            ControlCommand::Help
                | ControlCommand::Stop
                | ControlCommand::New
                | ControlCommand::Sessions(_)
                | ControlCommand::Status
                | ControlCommand::Agents
        )
    };
    let steers = |text: &String| control::parse(text).is_some_and(|command| !for_all(&command));
    let mut found: Vec<String> = written.filter(steers).collect();
    // A command with two lines of help is one.
    found.dedup();
    found
}

struct Cell<'a> {
    kind: ChannelKind,
    way: Way,
    role: Role,
    text: &'a str,
    number: u64,
    keys: &'a Value,
}

/// Who is obeyed: the approver of this endpoint, for what he typed or pressed just now. An old halt
/// still halts, because stopping late is safe.
fn is_obeyed(cell: &Cell<'_>) -> bool {
    let now = match cell.way {
        Way::Typed | Way::Button => true,
        Way::Old => cell.text.starts_with("/halt"),
        _ => false,
    };
    now && cell.role == Role::Approver
}

#[tokio::test]
async fn command_is_obeyed_from_an_approver_of_the_endpoint_who_typed_it_just_now() {
    let listed = [
        "/approvals",
        "/spend",
        "/halt",
        "/resume",
        "/approve apr_1",
        "/reject apr_1",
        "/answer apr_1 yes",
    ];
    assert_eq!(commands(), listed);
    let mut number = 1_000;
    for (kind, _) in channels::all().filter(|(kind, _)| kind.has_people()) {
        let platform = channels::local_platform(kind).unwrap();
        let clock = ManualClock::default();
        let (keys, others) = (platform.credentials(&clock), platform.credentials(&clock));
        let of = |credentials: &Value, approver, senders: &[Role]| {
            let mut endpoint = credentials.clone();
            for key in platform.signing_keys() {
                endpoint.as_object_mut().unwrap().remove(*key);
            }
            if channels::channel(kind).unwrap().has_api() {
                endpoint["api_base"] = local_api(kind).into();
            }
            endpoint["local"] = true.into();
            endpoint["approvers"] = json!([user(kind, approver)]);
            endpoint["senders"] = senders.iter().map(|role| user(kind, *role)).collect();
            if kind == ChannelKind::Slack {
                endpoint["team"] = "T0LOCAL01".into();
            }
            endpoint
        };
        let here = of(&keys, Role::Approver, &[Role::Approver, Role::Sender]);
        let there = of(&others, Role::ApproverOfAnother, &[Role::ApproverOfAnother]);
        let config = json!({ "endpoints": { kind.as_str(): { "local": here, "other": there } } });
        let mut ways = 0;
        for way in WAYS {
            let bed = bed_with(config.clone());
            bed.clock.set(NOW_S * 1000);
            for text in commands() {
                for role in ROLES {
                    number += 1;
                    let cell = Cell { kind, way, role, text: &text, number, keys: &keys };
                    let Some(obeyed) = play(&bed, &cell).await else { continue };
                    ways += 1;
                    let expected = usize::from(is_obeyed(&cell));
                    assert_eq!(obeyed, expected, "{kind} {way:?} {text} {role:?}");
                }
            }
        }
        assert!(ways >= 7 * 5 * 4, "{kind}: {ways} cells");
    }
}

/// How many orders the assistant got from this cell; `None` where the platform has no such way.
async fn play(bed: &Bed, cell: &Cell<'_>) -> Option<usize> {
    let (headers, body) = match cell.kind {
        ChannelKind::Telegram => telegram(cell)?,
        ChannelKind::Slack => slack(cell)?,
        ChannelKind::Discord => discord(cell)?,
        ChannelKind::Matrix => matrix_event(cell)?,
        ChannelKind::WhatsApp => whatsapp(cell)?,
        ChannelKind::Mail => mail(cell)?,
        ChannelKind::Hook | ChannelKind::Web => panic!("no person writes on a platform"),
    };
    let before = orders(bed);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = cell.kind.webhook_path("local");
    let status = bed.ask("POST", &path, "", &headers, body).await.0;
    let refused = cell.way == Way::OtherApplication;
    assert_eq!(status == 401, refused, "{} {:?}: {status}", cell.kind, cell.way);
    bed.settle().await;
    Some(orders(bed) - before)
}

fn orders(bed: &Bed) -> usize {
    let fakes = &bed.fakes;
    fakes.count::<Halt>()
        + fakes.count::<Resume>()
        + fakes.count::<Decide>()
        + fakes.count::<TellBudget>()
        + fakes.count::<TellApprovals>()
        + fakes.count::<Press>()
}

type Signed = (Vec<(&'static str, String)>, String);

fn telegram(cell: &Cell<'_>) -> Option<Signed> {
    let id: i64 = user(cell.kind, cell.role).parse().unwrap();
    let mut message = json!({
        "message_id": cell.number, "from": { "id": id, "is_bot": false },
        "chat": { "id": id, "type": "private" }, "date": NOW_S, "text": cell.text,
    });
    let mut member = "message";
    match cell.way {
        Way::Typed => {}
        Way::Old => message["date"] = TWO_YEARS_AGO_S.into(),
        Way::Forwarded => {
            message["forward_origin"] = json!({ "type": "user", "sender_user": { "id": 666 } });
        }
        Way::ForwardedOfOld => message["forward_from"] = json!({ "id": 666 }),
        Way::ViaBot => message["via_bot"] = json!({ "id": 667, "is_bot": true }),
        Way::Quoted => {
            message["entities"] =
                json!([{ "type": "blockquote", "offset": 0, "length": cell.text.len() }]);
        }
        Way::Edited => member = "edited_message",
        Way::ChannelPost => member = "channel_post",
        Way::AnonymousAdmin => message["sender_chat"] = json!({ "id": -100, "type": "supergroup" }),
        Way::Bot => message["from"]["is_bot"] = true.into(),
        Way::Button | Way::BotButton => {
            member = "callback_query";
            let from = json!({ "id": id, "is_bot": cell.way == Way::BotButton });
            message = json!({ "id": cell.number.to_string(), "from": from, "data": BUTTON, "message": message });
        }
        _ => return None,
    }
    let secret = cell.keys["secret_token"].as_str().unwrap().to_owned();
    let body = json!({ "update_id": cell.number, member: message }).to_string();
    Some((vec![("x-telegram-bot-api-secret-token", secret)], body))
}

fn matrix_event(cell: &Cell<'_>) -> Option<Signed> {
    let sender = user(cell.kind, cell.role);
    let mut content = json!({ "msgtype": "m.text", "body": cell.text, "m.mentions": {} });
    let mut time = NOW_S;
    match cell.way {
        Way::Typed => {}
        Way::Old => time = TWO_YEARS_AGO_S,
        Way::Quoted => {
            content["body"] = format!("> <@other:example.org> {}\n", cell.text).into();
            content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": "$other" } });
        }
        Way::Edited => {
            content["m.new_content"] = content.clone();
            content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": "$other" });
        }
        Way::Bot => content["msgtype"] = "m.notice".into(),
        _ => return None,
    }
    let event = json!({
        "type": "m.room.message", "event_id": format!("${}", cell.number), "room_id": "!room:example.org",
        "sender": sender, "origin_server_ts": time * 1000, "content": content,
    });
    let token = format!("Bearer {}", cell.keys["hs_token"].as_str().unwrap());
    Some((vec![("authorization", token)], json!({ "events": [event] }).to_string()))
}

fn whatsapp(cell: &Cell<'_>) -> Option<Signed> {
    let id = format!("wamid.{}", cell.number);
    let mut message = json!({
        "from": user(cell.kind, cell.role), "id": id, "timestamp": NOW_S.to_string(),
        "type": "text", "text": { "body": cell.text },
    });
    let mut number = cell.keys["phone_number_id"].clone();
    let other = || Value::from("999999999999999");
    match cell.way {
        Way::Typed | Way::Button => {}
        Way::Old | Way::OldButton => message["timestamp"] = TWO_YEARS_AGO_S.to_string().into(),
        Way::Forwarded => message["context"] = json!({ "forwarded": true }),
        Way::ForwardedOfOld => message["context"] = json!({ "frequently_forwarded": true }),
        Way::Edited => {
            message["type"] = "edit".into();
            let text = json!({ "type": "text", "text": { "body": cell.text } });
            message["edit"] = json!({ "original_message_id": "wamid.other", "message": text });
        }
        Way::OtherWorkspace | Way::OtherWorkspaceButton => number = other(),
        _ => return None,
    }
    if matches!(cell.way, Way::Button | Way::OldButton | Way::OtherWorkspaceButton) {
        message["type"] = "interactive".into();
        let reply = json!({ "id": BUTTON, "title": "Approve" });
        message["interactive"] = json!({ "type": "button_reply", "button_reply": reply });
    }
    let value = json!({ "metadata": { "phone_number_id": number }, "messages": [message] });
    let changes = json!([{ "field": "messages", "value": value }]);
    let body = json!({ "entry": [{ "changes": changes }] }).to_string();
    let secret = cell.keys["app_secret"].as_str().unwrap();
    let signature = crate::whatsapp::signature(secret, &body);
    Some((vec![("x-hub-signature-256", signature)], body))
}

fn mail(cell: &Cell<'_>) -> Option<Signed> {
    let mut message = json!({
        "messageId": format!("{}@example.org", cell.number), "from": user(cell.kind, cell.role),
        "authentication": "mx.local.invalid; dmarc=pass header.from=example.org",
        "receivedMs": NOW_S * 1000, "text": cell.text, "to": [cell.keys["address"]],
    });
    let mut key = cell.keys["password"].as_str().unwrap();
    match cell.way {
        Way::Typed => {}
        Way::Old => message["receivedMs"] = (TWO_YEARS_AGO_S * 1000).into(),
        Way::Forwarded => message["forwarded"] = message["text"].take(),
        Way::Quoted => message["quoted"] = message["text"].take(),
        Way::Bot => message["isAutomatic"] = true.into(),
        // Anybody may name an approver as the sender.
        Way::UserOfOtherWorkspace => {
            message["authentication"] =
                "mx.local.invalid; dmarc=fail header.from=example.org".into();
        }
        Way::OtherApplication => key = "another key",
        _ => return None,
    }
    if message["text"].is_null() {
        message["text"] = "".into();
    }
    let body = message.to_string();
    let signature = crate::whatsapp::signature(key, &body);
    Some((vec![("x-hub-signature-256", signature)], body))
}

fn slack(cell: &Cell<'_>) -> Option<Signed> {
    let id = user(cell.kind, cell.role);
    let team = match cell.way {
        Way::OtherWorkspace | Way::OtherWorkspaceButton => "T0EVIL001",
        _ => "T0LOCAL01",
    };
    let time = if cell.way == Way::Old { TWO_YEARS_AGO_S } else { NOW_S };
    let mut event = json!({
        "type": "message", "channel": "D0LOCAL01", "channel_type": "im", "user": id,
        "text": cell.text, "ts": format!("{time}.{:06}", cell.number),
    });
    match cell.way {
        Way::Typed | Way::Old | Way::OtherWorkspace => {}
        Way::Forwarded => {
            event["attachments"] =
                json!([{ "is_share": true, "text": "/halt", "author_id": "U6" }]);
        }
        Way::Edited => event["subtype"] = "message_changed".into(),
        Way::Bot => {
            event["app_id"] = "A0OTHER01".into();
            event["bot_profile"] = json!({ "id": "B0OTHER01" });
        }
        Way::UserOfOtherWorkspace => event["user_team"] = "T0EVIL001".into(),
        Way::Button | Way::OtherWorkspaceButton => {
            let payload = json!({
                "type": "block_actions", "trigger_id": cell.number.to_string(), "team": { "id": team },
                "user": { "id": id, "team_id": team }, "channel": { "id": "D0LOCAL01" },
                "actions": [{ "type": "button", "value": BUTTON }],
            });
            let payload = payload.to_string();
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &payload)
                .finish();
            return Some(slack_signed(cell, body));
        }
        _ => return None,
    }
    let body = json!({
        "team_id": team, "api_app_id": "A0LOCAL01", "type": "event_callback",
        "event_id": format!("Ev{}", cell.number), "event_time": time, "event": event,
    });
    Some(slack_signed(cell, body.to_string()))
}

fn slack_signed(cell: &Cell<'_>, body: String) -> Signed {
    let secret = cell.keys["signing_secret"].as_str().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{NOW_S}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let headers =
        vec![("x-slack-request-timestamp", NOW_S.to_string()), ("x-slack-signature", signature)];
    (headers, body)
}

fn discord(cell: &Cell<'_>) -> Option<Signed> {
    let id = user(cell.kind, cell.role);
    let mut body = json!({
        "id": cell.number.to_string(), "type": 2, "token": "t", "channel_id": "830",
        "application_id": cell.keys["application_id"], "user": { "id": id },
        "data": { "id": "1", "type": 1, "name": "ask", "options": [{ "name": "m", "type": 3, "value": cell.text }] },
    });
    let button = json!({ "component_type": 2, "custom_id": BUTTON });
    let mut time = NOW_S;
    match cell.way {
        Way::Typed => {}
        Way::Old => time = TWO_YEARS_AGO_S,
        Way::Button | Way::OldButton => {
            body["type"] = 3.into();
            body["data"] = button;
            if cell.way == Way::OldButton {
                time = TWO_YEARS_AGO_S;
            }
        }
        Way::Forwarded => {
            let said = json!({ "content": cell.text, "author": { "id": "666" } });
            body["data"] = json!({
                "id": "1", "type": 3, "name": "halt", "target_id": "5", "resolved": { "messages": { "5": said } },
            });
        }
        Way::ForwardedOfOld => {
            let passed_on = json!([{ "message": { "content": cell.text } }]);
            body["data"] = json!({
                "id": "1", "type": 3, "name": "ask", "target_id": "5",
                "resolved": { "messages": { "5": { "content": "", "message_snapshots": passed_on } } },
            });
        }
        Way::Bot => body["user"]["bot"] = true.into(),
        Way::OtherApplication => body["application_id"] = "910000000000000666".into(),
        _ => return None,
    }
    let seed = hex::decode(cell.keys["private_key"].as_str().unwrap()).unwrap();
    let body = body.to_string();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    let signature = hex::encode(key.sign(format!("{time}{body}").as_bytes()).to_bytes());
    let headers =
        vec![("x-signature-timestamp", time.to_string()), ("x-signature-ed25519", signature)];
    Some((headers, body))
}
