//! Reactions on Matrix: to which text they belong, by the date of the homeserver that shows it.

use crate::bed::Bed;
use crate::homeserver::{Homeserver, INES, NOW_MS, ROOM};
use crate::matrix_rooms::{reaction, reason, transaction};
use contracts::calls::personal_assistant::Press;
use serde_json::{Value, json};

async fn ask(bed: &Bed, revision: u32, text: &str, buttons: &Value) {
    let target = json!({ "channel": "matrix", "endpoint": "main", "chat": ROOM });
    let delivery = json!({ "id": "ask-1", "revision": revision, "target": target, "text": text, "buttons": buttons });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
    bed.settle().await;
}

fn two() -> Value {
    json!({ "approve": "a1:abc:y", "reject": "a1:abc:n" })
}

/// The clock of this machine is half a minute ahead of the homeserver's, or behind it.
#[tokio::test]
async fn reaction_counts_by_the_clock_that_dates_the_question_too() {
    for ahead_ms in [-30_000, 30_000] {
        let homeserver = Homeserver::default();
        let bed = homeserver.service();
        homeserver.is_ahead(ahead_ms);
        ask(&bed, 1, "Spend $40?", &two()).await;
        bed.clock.advance(10_000);
        ask(&bed, 2, "Spend $4000?", &two()).await;
        let changed_ms = NOW_MS + 10_000 + ahead_ms;
        transaction(&bed, "1", &[reaction("$sent0", "👍", changed_ms - 1_000, INES, "$1")]).await;
        assert_eq!(bed.fakes.count::<Press>(), 0, "{ahead_ms}: it was to the text before");
        transaction(&bed, "2", &[reaction("$sent0", "👍", changed_ms + 1_000, INES, "$2")]).await;
        assert_eq!(bed.fakes.count::<Press>(), 1, "{ahead_ms}");
    }
}

#[tokio::test]
async fn person_whose_reaction_came_too_early_is_told_to_react_again() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    ask(&bed, 1, "Spend $40?", &two()).await;
    bed.clock.advance(60_000);
    ask(&bed, 2, "Spend $4000?", &two()).await;
    let early = NOW_MS + 59_000;
    let events = [
        reaction("$sent0", "🎉", early, INES, "$0"),
        reaction("$sent0", "👍", early, "@mallory:evil.example", "$1"),
        reaction("$sent0", "👍", early, INES, "$2"),
    ];
    let before = homeserver.shows().len();
    transaction(&bed, "1", &events).await;
    assert_eq!(bed.fakes.count::<Press>(), 0);
    let told = homeserver.shows().split_off(before);
    assert_eq!(told, ["The question has changed since. Read it, and react again."]);
    assert_eq!(
        (reason(&bed, "$0").await, reason(&bed, "$2").await),
        ("reaction".to_owned(), "reaction_too_early".to_owned())
    );
}

/// The homeserver shows a question and cannot tell its date: our own counts.
#[tokio::test]
async fn question_without_a_date_of_the_homeserver_is_answered_by_ours() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.answers_at("/event/%24sent0", 404, &json!({ "errcode": "M_NOT_FOUND" }), 1);
    ask(&bed, 1, "Spend $40?", &two()).await;
    transaction(&bed, "1", &[reaction("$sent0", "👍", NOW_MS - 1, INES, "$1")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 0);
    transaction(&bed, "2", &[reaction("$sent0", "👍", NOW_MS + 1, INES, "$2")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 1);
}

/// One button alone need not be one that stops.
#[tokio::test]
async fn only_button_is_pressed_early_only_where_it_stops_something() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let buttons = json!({ "approve": "", "reject": "a1:abc:m", "labels": ["", "$2.00 more"] });
    ask(&bed, 1, "Go on?", &buttons).await;
    assert_eq!(homeserver.shows(), ["Go on?\n\nReact to answer: 1️⃣ $2.00 more"]);
    transaction(&bed, "1", &[reaction("$sent0", "1️⃣", NOW_MS - 5_000, INES, "$1")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 0);
    transaction(&bed, "2", &[reaction("$sent0", "1️⃣", NOW_MS + 5_000, INES, "$2")]).await;
    assert_eq!(bed.fakes.count::<Press>(), 1);
}
