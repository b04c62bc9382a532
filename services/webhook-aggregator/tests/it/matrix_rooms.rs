//! Matrix as an application service: transactions, rooms with several people, threads, replies,
//! edits, reactions in the place of buttons, and rooms that are encrypted.

use crate::bed::Bed;
use crate::homeserver::{BOB, BOT, GROUP, Homeserver, INES, NOW_MS, ROOM, text, to_the_bot};
use contracts::calls::personal_assistant::{Halt, Press};
use serde_json::{Value, json};

pub const TOKEN: (&str, &str) = ("authorization", "Bearer hs_S3cret-Token_0123456789");

/// The homeserver sends these events, as it does by its own path.
pub async fn transaction(bed: &Bed, id: &str, events: &[Value]) -> u16 {
    let path = format!("/matrix/main/_matrix/app/v1/transactions/{id}");
    let body = json!({ "events": events }).to_string();
    let (status, answer) = bed.ask("PUT", &path, "", &[TOKEN], body).await;
    assert!(status != 200 || answer == "{}", "{answer:?}");
    bed.settle().await;
    status
}

pub fn reaction(to: &str, key: &str, at_ms: i64, sender: &str, id: &str) -> Value {
    json!({ "type": "m.reaction", "event_id": id, "room_id": ROOM, "sender": sender, "origin_server_ts": at_ms,
        "content": { "m.relates_to": { "rel_type": "m.annotation", "event_id": to, "key": key } } })
}

pub async fn reason(bed: &Bed, id: &str) -> String {
    bed.event(id).await["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn transaction_is_taken_whole_and_its_repetition_changes_nothing() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let events = [
        homeserver.says(ROOM, INES, "$1", text("first")),
        homeserver.says(GROUP, INES, "$2", to_the_bot("Desk second")),
        homeserver.says(ROOM, INES, "$3", text("third")),
    ];
    // The third cannot be stored: the homeserver sends all of them again.
    bed.inbox.faults.pass_next(2);
    bed.inbox.faults.refuse_next(1, platform::ports::PortErrorKind::Full);
    assert_eq!(transaction(&bed, "t1", &events).await, 503);
    assert_eq!(transaction(&bed, "t1", &events).await, 200);
    assert_eq!(transaction(&bed, "t1", &events).await, 200);
    let list = bed.get("/api/events?channel=matrix").await;
    assert_eq!(list["events"].as_array().unwrap().len(), 3);
    assert_eq!(bed.event("$2").await["text"], "second");
}

#[tokio::test]
async fn ping_is_answered_and_other_paths_and_tokens_are_not() {
    let bed = Homeserver::default().service();
    let ping = "/matrix/main/_matrix/app/v1/ping";
    let body = r#"{"transaction_id":"t"}"#;
    let (status, answer) = bed.ask("POST", ping, "", &[TOKEN], body).await;
    assert_eq!((status, &answer[..]), (200, &b"{}"[..]));
    assert_eq!(bed.ask("POST", ping, "wrong", &[], body).await.0, 401);
    let transaction = "/matrix/main/_matrix/app/v1/transactions/1";
    assert_eq!(bed.ask("PUT", transaction, "wrong", &[], r#"{"events":[]}"#).await.0, 401);
    assert_eq!(
        bed.ask("PUT", "/telegram/main/_matrix/app/v1/transactions/1", "", &[TOKEN], "{}").await.0,
        404
    );
    assert_eq!(
        bed.ask("GET", "/matrix/main/_matrix/app/v1/users/@x:y", "", &[TOKEN], "").await.0,
        404
    );
}

/// A homeserver sends a hundred events of 64 KiB at a time, and goes on with nothing else before
/// they are taken. Nobody else may send so much.
#[tokio::test]
async fn large_transaction_is_read_from_the_homeserver_alone() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let events: Vec<Value> = (0..40)
        .map(|number| homeserver.says(ROOM, INES, &format!("${number}"), text(&"x".repeat(60_000))))
        .collect();
    let body = json!({ "events": events }).to_string();
    assert!(body.len() > 2 << 20);
    assert_eq!(bed.ask("POST", "/matrix/main", "wrong", &[], body.clone()).await.0, 413);
    assert_eq!(bed.ask("POST", "/matrix/main", "", &[TOKEN], body).await.0, 200);
    let list = bed.get("/api/events?channel=matrix&limit=100").await;
    assert_eq!(list["events"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn group_message_is_ours_if_it_names_us() {
    let linked = json!({ "msgtype": "m.text", "body": "Desk: by link",
        "formatted_body": "<a href=\"https://matrix.to/#/%40desk%3Aexample.org\">Desk</a>: by link" });
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    for (id, content, expected) in [
        ("$1", to_the_bot("Desk: by mention"), Some("by mention")),
        ("$2", linked, Some("by link")),
        ("$3", text("desk, by name"), Some("by name")),
        ("$4", text("@desk:example.org by id"), Some("by id")),
        (
            "$5",
            json!({ "msgtype": "m.text", "body": "see @desk:example.org" }),
            Some("see @desk:example.org"),
        ),
        ("$6", text("the desk is broken"), None),
        ("$7", text("Bob: do it"), None),
        ("$8", text("desk lamp"), None),
        (
            "$9",
            json!({ "msgtype": "m.image", "body": "a.png", "url": "mxc://example.org/a" }),
            None,
        ),
    ] {
        let event = homeserver.says(GROUP, INES, id, content);
        assert_eq!(transaction(&bed, id, &[event]).await, 200);
        let event = bed.event(id).await;
        match expected {
            Some(words) => assert_eq!(event["text"], words, "{event}"),
            None => assert_eq!(event["reason"], "not_addressed", "{id}"),
        }
    }
}

#[tokio::test]
async fn command_is_obeyed_with_an_exclamation_mark_also_in_a_group() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    for (number, (room, content)) in [
        (ROOM, text("!halt")),
        (ROOM, text("/halt")),
        (GROUP, text("!halt")),
        (GROUP, to_the_bot("Desk: !halt")),
    ]
    .into_iter()
    .enumerate()
    {
        let event = homeserver.says(room, INES, &format!("${number}"), content);
        transaction(&bed, &number.to_string(), &[event]).await;
        assert_eq!(bed.fakes.count::<Halt>(), number + 1);
    }
    // A reply is no order in the words that it quotes, nor is a list of a program.
    let quoted = json!({ "msgtype": "m.text", "body": "> <@x:y> !halt\n\nno", "m.relates_to": { "m.in_reply_to": { "event_id": "$0" } } });
    for (id, content) in [("$q", quoted), ("$n", json!({ "msgtype": "m.notice", "body": "!halt" }))]
    {
        let event = homeserver.says(ROOM, INES, id, content);
        transaction(&bed, id, &[event]).await;
    }
    assert_eq!(bed.fakes.count::<Halt>(), 4);
}

/// A message of a direct room that is taken for one of a group would be passed over in silence.
#[tokio::test]
async fn message_waits_at_the_homeserver_until_it_tells_who_is_in_the_room() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let event = homeserver.says(ROOM, INES, "$1", text("for you"));
    homeserver.answers(502, &json!({}));
    assert_eq!(transaction(&bed, "1", std::slice::from_ref(&event)).await, 503);
    homeserver.loses_answer();
    assert_eq!(transaction(&bed, "1", std::slice::from_ref(&event)).await, 503);
    assert_eq!(transaction(&bed, "1", &[event]).await, 200);
    assert_eq!(bed.event("$1").await["text"], "for you");
    // A room that the homeserver tells nothing about is a group.
    let event = homeserver.says("!gone:example.org", INES, "$2", text("for whom?"));
    assert_eq!(transaction(&bed, "2", &[event]).await, 200);
    assert_eq!(reason(&bed, "$2").await, "not_addressed");
    // Nothing is asked for a stranger.
    let before = bed.outbound.sent().len();
    let event = homeserver.says("!evil:example.org", "@mallory:evil.example", "$3", text("hi"));
    assert_eq!(transaction(&bed, "3", &[event]).await, 200);
    assert_eq!(bed.outbound.sent().len(), before);
}

#[tokio::test]
async fn thread_is_a_conversation_of_its_own_and_is_answered_in_it() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let threaded = |body: &str| {
        let mut content = to_the_bot(body);
        content["m.relates_to"] = json!({ "rel_type": "m.thread", "event_id": "$root", "is_falling_back": true,
            "m.in_reply_to": { "event_id": "$root" } });
        content
    };
    let event = homeserver.says(GROUP, INES, "$1", threaded("Desk: ship it"));
    transaction(&bed, "1", &[event]).await;
    assert_eq!(bed.event("$1").await["conversation"], format!("matrix:main:{GROUP}:$root"));
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Shipped.").await;
    let (_, sent) = homeserver.sent().remove(0);
    assert_eq!(
        sent["m.relates_to"],
        json!({ "rel_type": "m.thread", "event_id": "$root", "is_falling_back": true, "m.in_reply_to": { "event_id": "$1" } })
    );
    // Messages that follow there need not name us; an edit belongs to the thread too.
    let mut more = threaded("and now?");
    more["m.mentions"] = json!({});
    let event = homeserver.says(GROUP, INES, "$2", more);
    transaction(&bed, "2", &[event]).await;
    assert_eq!(bed.event("$2").await["text"], "and now?");
    let edit = json!({ "msgtype": "m.text", "body": "* x", "m.new_content": to_the_bot("Desk: ship both"),
        "m.relates_to": { "rel_type": "m.replace", "event_id": "$1" } });
    let event = homeserver.says(GROUP, INES, "$3", edit);
    transaction(&bed, "3", &[event]).await;
    let event = bed.event("$3").await;
    assert_eq!(event["conversation"], format!("matrix:main:{GROUP}:$root"));
    assert!(event["text"].as_str().unwrap().starts_with("ship both"), "{event}");
}

#[tokio::test]
async fn reply_to_a_message_of_ours_needs_no_name_and_quotes_it() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let event = homeserver.says(GROUP, INES, "$1", to_the_bot("Desk: what is next?"));
    transaction(&bed, "1", &[event]).await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Shall I ship?").await;
    let reply = |to: &str, body: &str| json!({ "msgtype": "m.text", "body": body, "m.mentions": {}, "m.relates_to": { "m.in_reply_to": { "event_id": to } } });
    let event = homeserver.says(GROUP, INES, "$2", reply("$sent0", "yes"));
    transaction(&bed, "2", &[event]).await;
    assert_eq!(bed.event("$2").await["text"], "yes");
    let task = bed.lease().await.remove(0);
    assert!(
        task["message"].as_str().unwrap().contains("[In reply to your earlier message:]"),
        "{task}"
    );
    let event = homeserver.says(GROUP, BOB, "$3", text("lunch?"));
    let answer = homeserver.says(GROUP, INES, "$4", reply("$3", "yes"));
    transaction(&bed, "3", &[event, answer]).await;
    assert_eq!(reason(&bed, "$4").await, "not_addressed");
}

#[tokio::test]
async fn edit_of_a_waiting_message_is_its_new_text() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let first = homeserver.says(ROOM, INES, "$1", text("long work"));
    let second = homeserver.says(ROOM, INES, "$2", text("then tha"));
    transaction(&bed, "1", &[first, second]).await;
    let edit = |id: &str, sender: &str, body: &str| {
        let content = json!({ "msgtype": "m.text", "body": format!("* {body}"), "m.new_content": text(body),
            "m.relates_to": { "rel_type": "m.replace", "event_id": "$2" } });
        homeserver.says(ROOM, sender, id, content)
    };
    // Nobody edits what another one wrote.
    transaction(&bed, "2", &[edit("$3", BOB, "then nothing"), edit("$4", INES, "then that")]).await;
    assert_eq!(bed.event("$2").await["text"], "then that");
    assert_eq!(
        (reason(&bed, "$3").await, reason(&bed, "$4").await),
        ("edit".into(), "edit_taken".into())
    );
}

async fn ask(bed: &Bed, revision: u32, text: &str) {
    let target = json!({ "channel": "matrix", "endpoint": "main", "chat": ROOM });
    let buttons = json!({ "approve": "a1:abc:y", "reject": "a1:abc:n" });
    let delivery = json!({ "id": "ask-1", "revision": revision, "target": target, "text": text, "buttons": buttons });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
    bed.settle().await;
}

#[tokio::test]
async fn reaction_of_an_approver_is_a_press_of_the_button_that_it_stands_for() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    ask(&bed, 1, "Spend **$40**?").await;
    let (_, sent) = homeserver.sent().remove(0);
    assert_eq!(sent["body"], "Spend $40?\n\nReact to answer: 👍 Approve · 👎 Reject");
    let at = NOW_MS + 1_000;
    bed.clock.advance(2_000);
    for (id, key, sender, pressed) in [
        ("$1", "🎉", INES, None),
        ("$2", "👍", "@mallory:evil.example", None),
        ("$3", "👍", BOB, None),
        ("$4", "👎\u{1f3fd}", INES, Some("a1:abc:n")),
    ] {
        transaction(&bed, id, &[reaction("$sent0", key, at, sender, id)]).await;
        let presses = bed.fakes.bodies::<Press>();
        assert_eq!(
            presses.last().map(|press| press["token"].as_str().unwrap().to_owned()).as_deref(),
            pressed,
            "{id}"
        );
    }
    // The same reaction to another message is none.
    transaction(&bed, "5", &[reaction("$other", "👍", at, INES, "$5")]).await;
    assert_eq!((bed.fakes.count::<Press>(), reason(&bed, "$5").await), (1, "reaction".into()));
    let told = homeserver.sent().pop().unwrap().1;
    assert_eq!((&told["msgtype"], &told["body"]), (&json!("m.notice"), &json!("Approved")));
}

/// A reaction says nothing of the text that its sender saw.
#[tokio::test]
async fn reaction_from_before_a_question_changed_decides_nothing() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    ask(&bed, 1, "Spend $40?").await;
    bed.clock.advance(60_000);
    ask(&bed, 2, "Spend $4000?").await;
    transaction(&bed, "1", &[reaction("$sent0", "👍", NOW_MS + 59_000, INES, "$1")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 0);
    transaction(&bed, "2", &[reaction("$sent0", "👍", NOW_MS + 61_000, INES, "$2")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 1);
}

#[tokio::test]
async fn reaction_stops_a_run_whatever_its_message_shows_by_then() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let event = homeserver.says(ROOM, INES, "$1", text("long work"));
    transaction(&bed, "1", &[event]).await;
    bed.lease().await;
    bed.settle().await;
    assert!(homeserver.shows()[0].contains("🛑 Stop"), "{:?}", homeserver.shows());
    transaction(&bed, "2", &[reaction("$sent0", "🛑", NOW_MS - 5_000, INES, "$2")]).await;
    assert_eq!(bed.event("$2").await["state"], "done");
    let told = homeserver.shows().pop().unwrap();
    assert_eq!(told, "Stopping codegen …");
}

#[tokio::test]
async fn encrypted_room_is_answered_once_with_the_way_to_one_that_is_not() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let encrypted = |room: &str, sender: &str, id: &str| {
        homeserver.happens(room, &json!({ "type": "m.room.encrypted", "event_id": id, "sender": sender,
            "origin_server_ts": NOW_MS, "content": { "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x" } }))
    };
    transaction(&bed, "1", &[encrypted(ROOM, "@mallory:evil.example", "$0")]).await;
    assert!(homeserver.sent().is_empty(), "a stranger is told nothing");
    transaction(&bed, "2", &[encrypted(ROOM, INES, "$1"), encrypted(ROOM, INES, "$2")]).await;
    transaction(&bed, "3", &[encrypted(ROOM, INES, "$3"), encrypted(GROUP, INES, "$4")]).await;
    let told: Vec<String> = homeserver.sent().into_iter().map(|(path, _)| path).collect();
    assert_eq!(told.len(), 2, "once per room: {told:?}");
    assert!(homeserver.shows()[0].contains("Make a room without encryption"));
    assert_eq!((reason(&bed, "$1").await, bed.lease().await.len()), ("encrypted".into(), 0));
}

#[tokio::test]
async fn application_service_accepts_the_invitations_of_people_who_count() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    for (room, sender) in [("!a:example.org", INES), ("!b:example.org", "@mallory:evil.example")] {
        homeserver.invites(room, sender);
        let invitation = homeserver.membership(room, sender, BOT, &format!("$i{room}"), "invite");
        transaction(&bed, room, std::slice::from_ref(&invitation)).await;
        transaction(&bed, room, &[invitation]).await;
    }
    assert!(homeserver.is_in("!a:example.org") && !homeserver.is_in("!b:example.org"));
    let joins = bed.outbound.sent().iter().filter(|sent| sent.url.ends_with("/join")).count();
    assert_eq!(joins, 1);
}
