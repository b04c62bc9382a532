//! Messages to Matrix: one event for each part, once whatever is lost on the way, edits, files,
//! refusals, and rooms for direct messages.

use crate::bed::Bed;
use crate::homeserver::{Homeserver, INES, ROOM, text};
use serde_json::{Value, json};

async fn deliver(bed: &Bed, revision: u32, target: &Value, text: &str) {
    let delivery = json!({ "id": "note-1", "revision": revision, "target": target, "text": text });
    let deliveries = json!({ "deliveries": [delivery] });
    let token = "secret-personal-assistant";
    assert_eq!(bed.post("/internal/outbox", token, &deliveries).await.0, 200);
    bed.settle().await;
}

fn room() -> Value {
    json!({ "channel": "matrix", "endpoint": "main", "chat": ROOM, "replyTo": "$asked" })
}

async fn state(bed: &Bed, text: &str, revision: u32) -> Value {
    let delivery = json!({ "id": "note-1", "revision": revision, "target": room(), "text": text });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await.1["states"][0]
        .clone()
}

async fn after(bed: &Bed, ms: i64) {
    bed.clock.advance(ms);
    let shard = contracts::Shard::of("matrix", "main");
    let _ = webhook_aggregator::pump(&bed.deps, &shard).await;
    bed.settle().await;
}

#[tokio::test]
async fn message_has_its_text_its_html_and_mentions_nobody() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    deliver(&bed, 1, &room(), "Hi @room, **2 < 3**\n- `a`").await;
    let (path, sent) = homeserver.sent().remove(0);
    assert!(path.contains("/rooms/%21direct%3Aexample.org/send/m.room.message/"), "{path}");
    assert_eq!(
        sent,
        json!({
            "msgtype": "m.text", "body": "Hi @room, 2 < 3\n- a", "m.mentions": {}, "format": "org.matrix.custom.html",
            "formatted_body": "Hi @room, <strong>2 &lt; 3</strong><br>- <code>a</code>",
            "m.relates_to": { "m.in_reply_to": { "event_id": "$asked" } },
        })
    );
    deliver(&bed, 2, &room(), "Done").await;
    let (_, edit) = homeserver.sent().remove(1);
    assert_eq!(
        edit,
        json!({
            "msgtype": "m.text", "body": "* Done", "m.mentions": {},
            "m.new_content": { "msgtype": "m.text", "body": "Done", "m.mentions": {} },
            "m.relates_to": { "rel_type": "m.replace", "event_id": "$sent0" },
        })
    );
}

/// The answer to a request is lost after the homeserver has carried it out.
#[tokio::test]
async fn message_whose_answer_is_lost_is_shown_once() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.loses_answer();
    deliver(&bed, 1, &room(), "one").await;
    after(&bed, 120_000).await;
    assert_eq!(homeserver.shows(), ["one"]);
    homeserver.loses_answer();
    deliver(&bed, 2, &room(), "two").await;
    after(&bed, 120_000).await;
    assert_eq!(homeserver.sent().len(), 2, "one message and one edit");
    // A text that comes back is a further edit.
    deliver(&bed, 3, &room(), "one").await;
    assert_eq!(homeserver.shows(), ["one"]);
    let puts = bed.outbound.sent().iter().filter(|sent| sent.method == "PUT").count();
    assert_eq!((puts, homeserver.sent().len()), (5, 3));
}

#[tokio::test]
async fn limit_is_waited_for_as_long_as_the_homeserver_says() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.answers(
        429,
        &json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "Too many", "retry_after_ms": 90_000 }),
    );
    deliver(&bed, 1, &room(), "one").await;
    after(&bed, 89_999).await;
    assert!(homeserver.sent().len() <= 1 && bed.outbound.sent().len() == 1, "no sooner");
    after(&bed, 1).await;
    assert_eq!(bed.outbound.sent().len(), 2);
}

#[tokio::test]
async fn refusal_is_final_or_has_a_second_way() {
    for (status, code, ends) in [
        (403, "M_FORBIDDEN", "failed"),
        (401, "M_UNKNOWN_TOKEN", "failed"),
        (404, "M_NOT_FOUND", "failed"),
        (500, "M_UNKNOWN", "queued"),
    ] {
        let homeserver = Homeserver::default();
        let bed = homeserver.service();
        homeserver.answers(status, &json!({ "errcode": code, "error": "no" }));
        deliver(&bed, 1, &room(), "one").await;
        let state = state(&bed, "one", 1).await;
        assert_eq!(state["state"], ends, "{code}: {state}");
        assert!(state["error"].as_str().unwrap().contains(code), "{state}");
    }
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let mut target = room();
    target["thread"] = "$no-root".into();
    homeserver.answers(400, &json!({ "errcode": "M_UNKNOWN", "error": "Cannot start threads from an event with a relation" }));
    deliver(&bed, 1, &target, "one").await;
    let last = bed.outbound.sent().pop().unwrap();
    let content: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(content["m.relates_to"], json!({ "m.in_reply_to": { "event_id": "$asked" } }));
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.answers(413, &json!({ "errcode": "M_TOO_LARGE", "error": "event too large" }));
    deliver(&bed, 1, &room(), "**one**").await;
    let last: Value = serde_json::from_str(&bed.outbound.sent().pop().unwrap().body).unwrap();
    assert_eq!((&last["body"], last.get("formatted_body")), (&json!("one"), None));
}

/// An event has 65,536 bytes at most; an edit has its text two times.
#[tokio::test]
async fn long_answer_is_cut_by_its_size_as_an_event() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let event = homeserver.says(ROOM, INES, "$1", text("tell me everything"));
    let body = json!({ "events": [event] }).to_string();
    let token = [("authorization", "Bearer hs_S3cret-Token_0123456789")];
    assert_eq!(bed.ask("POST", "/matrix/main", "", &token, body).await.0, 200);
    bed.settle().await;
    let task = bed.lease().await.remove(0);
    let words: Vec<String> = (0..4_000).map(|number| format!("**\"word\"{number}**")).collect();
    bed.finish(&task, "success", &words.join(" ")).await;
    let sent = homeserver.sent();
    assert!(sent.len() > 2, "{}", sent.len());
    let longest = sent.iter().map(|(_, content)| content.to_string().len()).max().unwrap();
    assert!(longest < 32_000 && longest > 8_000, "{longest}");
}

#[tokio::test]
async fn direct_message_opens_one_room_for_a_person_and_stays_in_it() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let direct = json!({ "channel": "matrix", "endpoint": "main", "chat": INES, "direct": true });
    deliver(&bed, 1, &direct, "Approve?").await;
    deliver(&bed, 2, &direct, "Approved").await;
    let other = json!({ "id": "note-2", "revision": 1, "target": direct, "text": "Another" });
    bed.post("/internal/outbox", "secret-personal-assistant", &json!({ "deliveries": [other] }))
        .await;
    bed.settle().await;
    let paths: Vec<String> = homeserver.sent().into_iter().map(|(path, _)| path).collect();
    assert!(paths.iter().all(|path| path.contains("%21opened%3Aexample.org")), "{paths:?}");
    assert_eq!(homeserver.shows(), ["Approved", "Another"]);
    let made: Vec<Value> =
        bed.sent("/createRoom").iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(made.len(), 1);
    assert_eq!((&made[0]["invite"], &made[0]["is_direct"]), (&json!([INES]), &json!(true)));
    assert!(made[0].get("initial_state").is_none(), "without encryption");
}
