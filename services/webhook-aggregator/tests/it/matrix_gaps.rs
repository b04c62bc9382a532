//! Messages that an answer of `/sync` leaves out: which of them are ours to read.

use crate::bed::Bed;
use crate::homeserver::{BOT, Homeserver, INES, NOW_MS, ROOM, text};
use crate::matrix_sync::texts;
use serde_json::json;

/// Ids of the messages that have a row, whatever became of them.
async fn read(bed: &Bed) -> usize {
    bed.get("/api/events?channel=matrix&limit=500").await["events"].as_array().unwrap().len()
}

async fn ask_long(bed: &Bed) {
    let asking = Homeserver::connect(bed);
    for _ in 0..8 {
        bed.settle().await;
    }
    asking.abort();
    let _ = asking.await;
}

fn say(homeserver: &Homeserver, numbers: std::ops::Range<usize>) {
    for number in numbers {
        homeserver.says(ROOM, INES, &format!("${number}"), text(&format!("m{number}")));
    }
}

fn renamed(homeserver: &Homeserver, id: &str) {
    homeserver.happens(
        ROOM,
        &json!({
            "type": "m.room.member", "event_id": id, "sender": BOT, "state_key": BOT,
            "origin_server_ts": NOW_MS, "content": { "membership": "join", "displayname": "Desk 2" },
            "unsigned": { "prev_content": { "membership": "join", "displayname": "Desk" } },
        }),
    );
}

/// A homeserver adds the membership of everyone who speaks, the bot too.
#[tokio::test]
async fn word_of_our_own_among_many_leaves_out_none_of_them() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    say(&homeserver, 0..40);
    homeserver.says(ROOM, BOT, "$own", text("One moment."));
    ask_long(&bed).await;
    assert_eq!(read(&bed).await, 40);
}

#[tokio::test]
async fn new_name_of_the_bot_is_no_arrival() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    say(&homeserver, 0..2);
    renamed(&homeserver, "$name");
    Homeserver::ask(&bed).await;
    assert_eq!(texts(&bed).await, ["m0", "m1"]);
    say(&homeserver, 2..42);
    renamed(&homeserver, "$name2");
    ask_long(&bed).await;
    assert_eq!(read(&bed).await, 42);
}

/// The arrival is among the messages that were left out.
#[tokio::test]
async fn history_is_not_read_from_a_gap_either() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    for number in 0..30 {
        homeserver.says(ROOM, INES, &format!("$old{number}"), text("/halt"));
    }
    homeserver.membership(ROOM, INES, BOT, "$invite", "invite");
    say(&homeserver, 0..3);
    homeserver.membership(ROOM, BOT, BOT, "$join", "join");
    say(&homeserver, 3..28);
    ask_long(&bed).await;
    assert_eq!(read(&bed).await, 28);
}

/// Every homeserver dates its own messages, and one of them may be wrong, or slow.
#[tokio::test]
async fn message_with_an_old_date_leaves_out_no_other() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    say(&homeserver, 0..40);
    homeserver.happens(
        ROOM,
        &json!({
            "type": "m.room.message", "event_id": "$slow", "sender": INES,
            "origin_server_ts": NOW_MS - 864_000_000, "content": text("slow"),
        }),
    );
    say(&homeserver, 40..70);
    ask_long(&bed).await;
    assert_eq!(read(&bed).await, 70);
}

/// Another homeserver writes any date.
#[tokio::test]
async fn false_dates_of_another_homeserver_leave_out_nothing() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    say(&homeserver, 0..40);
    for number in 0..60 {
        homeserver.happens(
            ROOM,
            &json!({
                "type": "m.room.message", "event_id": format!("$old{number}"), "origin_server_ts": 0,
                "sender": "@mallory:evil.example", "content": text("noise"),
            }),
        );
    }
    ask_long(&bed).await;
    let listed = bed.get("/api/events?channel=matrix&limit=500").await;
    let own = listed["events"].as_array().unwrap().iter().filter(|event| event["sender"] == INES);
    assert_eq!(own.count(), 40);
}
