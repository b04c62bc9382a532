//! Rooms of Matrix for direct messages: made once, known to nobody else, and looked into before
//! something is said there.

use crate::bed::Bed;
use crate::homeserver::{BOB, BOT, Homeserver, INES};
use platform::secret::digest_hex;
use serde_json::{Value, json};

const OPENED: &str = "!opened:example.org";

async fn deliver(bed: &Bed, id: &str) -> Value {
    let target = json!({ "channel": "matrix", "endpoint": "main", "chat": INES, "direct": true });
    let delivery =
        json!({ "id": id, "revision": 1, "target": target, "text": format!("Approve {id}?") });
    let deliveries = json!({ "deliveries": [delivery] });
    let token = "secret-personal-assistant";
    assert_eq!(bed.post("/internal/outbox", token, &deliveries).await.0, 200);
    bed.settle().await;
    // The same once more tells how the first one stands.
    bed.post("/internal/outbox", token, &deliveries).await.1["states"][0].clone()
}

async fn after(bed: &Bed, ms: i64) {
    bed.clock.advance(ms);
    let shard = contracts::Shard::of("matrix", "main");
    let _ = webhook_aggregator::pump(&bed.deps, &shard).await;
    bed.settle().await;
}

fn rooms(homeserver: &Homeserver) -> Vec<String> {
    let paths = homeserver.sent().into_iter().map(|(path, _)| path);
    paths.map(|path| path.split('/').nth(3).unwrap().to_owned()).collect()
}

/// Everybody may give a room of his own an alias, and the ids of the bot and of its approvers are
/// no secret.
#[tokio::test]
async fn nobody_else_can_name_the_room_for_direct_messages() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let digest = digest_hex(format!("{BOT}\n{INES}").as_bytes());
    let alias = format!("#quintet-{}:example.org", &digest[..20]);
    homeserver.has_room(&alias, "!trap:example.org", &[BOT, "@mallory:example.org"]);
    assert_eq!(deliver(&bed, "n1").await["state"], "sent");
    assert_eq!(rooms(&homeserver), ["%21opened%3Aexample.org"]);
    assert_eq!(homeserver.shows(), ["Approve n1?"]);
}

#[tokio::test]
async fn direct_room_with_somebody_else_in_it_is_told_nothing() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    deliver(&bed, "n1").await;
    homeserver.joins(OPENED, INES, "$in");
    homeserver.joins(OPENED, BOB, "$third");
    let state = deliver(&bed, "n2").await;
    assert_eq!(state["state"], "failed", "{state}");
    let error = state["error"].as_str().unwrap();
    assert!(error.contains(OPENED) && error.contains(BOB), "{error}");
    assert_eq!(homeserver.shows(), ["Approve n1?"]);
    homeserver.leaves(OPENED, BOB);
    assert_eq!(deliver(&bed, "n3").await["state"], "sent");
}

/// A room that nobody reads is none to ask in.
#[tokio::test]
async fn person_who_left_the_direct_room_is_invited_again() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    deliver(&bed, "n1").await;
    deliver(&bed, "n2").await;
    assert_eq!(bed.sent("/invite").len(), 0, "the first invitation still waits");
    homeserver.joins(OPENED, INES, "$in");
    homeserver.leaves(OPENED, INES);
    assert_eq!(deliver(&bed, "n3").await["state"], "sent");
    assert_eq!(bed.sent("/invite"), [json!({ "user_id": INES }).to_string()]);
    assert_eq!(homeserver.shows().len(), 3);
    homeserver.leaves(OPENED, INES);
    homeserver.answers_at("/invite", 403, &json!({ "errcode": "M_FORBIDDEN", "error": "no" }), 1);
    assert_eq!(deliver(&bed, "n4").await["state"], "failed");
    assert_eq!(homeserver.shows().len(), 3);
}

#[tokio::test]
async fn room_whose_creation_was_answered_too_late_is_found() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.loses_answer_at("/createRoom");
    deliver(&bed, "n1").await;
    after(&bed, 60_000).await;
    assert_eq!(homeserver.shows(), ["Approve n1?"]);
    assert_eq!(rooms(&homeserver), ["%21opened%3Aexample.org"]);
}
