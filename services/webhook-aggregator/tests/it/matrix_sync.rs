//! Matrix by `/sync`: nothing lost, nothing twice, no history, and the place kept only after the
//! commit of everything before it.

use crate::bed::Bed;
use crate::homeserver::{BOB, BOT, GROUP, Homeserver, INES, NOW_MS, ROOM, text};
use inbox::{InboxExt, ReadSocket};
use platform::ports::PortErrorKind;
use serde_json::{Value, json};

pub async fn texts(bed: &Bed) -> Vec<String> {
    let list = bed.get("/api/events?channel=matrix&limit=500").await;
    let heard = list["events"].as_array().unwrap().iter();
    let heard = heard.filter(|event| event["state"] != "ignored");
    let mut texts: Vec<String> =
        heard.map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    // All are of the same millisecond of the clock, so the list has no order.
    texts.sort();
    texts
}

pub async fn place(bed: &Bed) -> Value {
    let shard = contracts::Shard::of("matrix", "main");
    let kept: Option<String> = bed.deps.inbox.ask(&shard, ReadSocket).await.unwrap();
    serde_json::from_str::<Value>(&kept.unwrap_or_default()).unwrap_or(Value::Null)["since"].clone()
}

pub async fn state(bed: &Bed) -> (String, String) {
    let list = bed.get("/api/endpoints").await;
    let views = list["endpoints"].as_array().unwrap();
    let view = views.iter().find(|view| view["channel"] == "matrix").unwrap();
    assert_eq!(view["mode"], "sync");
    let word = |key: &str| view[key].as_str().unwrap_or_default().to_owned();
    (word("state"), format!("{} {}", word("why"), word("fix")))
}

fn asked_for_news(bed: &Bed) -> usize {
    bed.outbound.sent().iter().filter(|sent| sent.url.contains("/sync?")).count()
}

#[tokio::test]
async fn first_sync_takes_no_history_and_what_comes_after_it_is_answered() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    homeserver.says(ROOM, INES, "$old", text("/halt"));
    Homeserver::ask(&bed).await;
    assert_eq!((texts(&bed).await.len(), place(&bed).await), (0, json!("s1")));
    homeserver.says(ROOM, INES, "$one", text("first"));
    homeserver.says(ROOM, BOT, "$own", text("mine"));
    homeserver.says(ROOM, INES, "$two", text("second"));
    Homeserver::ask(&bed).await;
    assert_eq!(
        (texts(&bed).await, place(&bed).await),
        (vec!["first".into(), "second".into()], json!("s4"))
    );
    assert_eq!(state(&bed).await.0, "connected");
    let task = bed.lease().await.remove(0);
    assert_eq!(task["message"], "first");
    bed.finish(&task, "success", "**One**.").await;
    assert!(homeserver.shows().iter().any(|text| text == "One."), "{:?}", homeserver.shows());
    // The webhook of such an endpoint takes nothing.
    let signed = [("authorization", "Bearer hs_S3cret-Token_0123456789")];
    assert_eq!(bed.ask("POST", "/matrix/main", "", &signed, r#"{"events":[]}"#).await.0, 401);
}

#[tokio::test]
async fn place_is_kept_after_the_commit_of_everything_before_it() {
    for stored in 0..4 {
        let homeserver = Homeserver::default();
        let bed = homeserver.bed();
        Homeserver::ask(&bed).await;
        for number in 0..4 {
            homeserver.says(ROOM, INES, &format!("${number}"), text(&format!("m{number}")));
        }
        let asking = Homeserver::connect(&bed);
        // The inbox is asked once for the state of the connection, then for each message.
        bed.inbox.faults.pass_next(1 + stored);
        bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
        bed.settle().await;
        assert_eq!(place(&bed).await, "s0", "{stored} of 4 are stored");
        asking.abort();
        let _ = asking.await;
        // After the restart all of them come again.
        Homeserver::ask(&bed).await;
        assert_eq!(texts(&bed).await, ["m0", "m1", "m2", "m3"]);
        assert_eq!(place(&bed).await, "s4");
    }
}

#[tokio::test]
async fn message_that_cannot_be_stored_is_tried_again_without_a_restart() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.says(ROOM, INES, "$1", text("one"));
    homeserver.says(ROOM, INES, "$2", text("two"));
    let asking = Homeserver::connect(&bed);
    bed.inbox.faults.pass_next(2);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    bed.settle().await;
    assert_eq!(texts(&bed).await, ["one"]);
    bed.clock.advance(60_000);
    bed.settle().await;
    asking.abort();
    assert_eq!(texts(&bed).await, ["one", "two"]);
    assert_eq!(place(&bed).await, "s2");
}

/// More came than one answer has: the rest is asked for, and all of it is read in order.
#[tokio::test]
async fn messages_that_an_answer_leaves_out_are_asked_for_in_order() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    homeserver.says(ROOM, INES, "$history", text("history"));
    Homeserver::ask(&bed).await;
    for number in 0..95 {
        homeserver.says(ROOM, INES, &format!("${number}"), text(&format!("m{number}")));
    }
    let asking = Homeserver::connect(&bed);
    for _ in 0..8 {
        bed.settle().await;
    }
    asking.abort();
    let said = bed.get("/api/events?channel=matrix&limit=500").await;
    assert_eq!(said["events"].as_array().unwrap().len(), 95);
    // A sender has thirty messages a minute, so those that count are the first ones.
    let heard = texts(&bed).await;
    assert!(heard.len() >= 30 && heard.len() < 40, "{}", heard.len());
    for number in 0..heard.len() {
        assert!(heard.contains(&format!("m{number}")), "m{number} of {heard:?}");
    }
    let pages = bed.outbound.sent().iter().filter(|sent| sent.url.contains("/messages?")).count();
    assert_eq!(pages, 4, "75 messages, 20 at a time");
}

#[tokio::test]
async fn faults_of_the_homeserver_are_waited_out_and_nothing_is_lost() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.fails(429, &json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 7_000 }));
    homeserver.fails(502, &json!({}));
    homeserver.cuts();
    homeserver.fails(200, &json!("no batch"));
    homeserver.says(ROOM, INES, "$1", text("one"));
    let before = asked_for_news(&bed);
    let asking = Homeserver::connect(&bed);
    bed.settle().await;
    assert_eq!(asked_for_news(&bed), before + 1);
    assert_eq!(state(&bed).await.0, "reconnecting");
    bed.clock.advance(6_999);
    bed.settle().await;
    assert_eq!(asked_for_news(&bed), before + 1, "no sooner than it was asked for");
    bed.clock.advance(1);
    for _ in 0..3 {
        bed.settle().await;
        bed.clock.advance(60_000);
    }
    bed.settle().await;
    asking.abort();
    assert_eq!((texts(&bed).await, state(&bed).await.0), (vec!["one".into()], "connected".into()));
}

#[tokio::test]
async fn refused_token_and_another_account_are_told_with_the_fix() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    homeserver.answers(401, &json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised" }));
    homeserver.answers(200, &json!({ "user_id": "@other:example.org" }));
    let asking = Homeserver::connect(&bed);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(
        word == "refused"
            && why.contains("M_UNKNOWN_TOKEN")
            && why.contains("quintet setup matrix"),
        "{why}"
    );
    bed.clock.advance(60_000);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "refused" && why.contains("@other:example.org"), "{why}");
    assert_eq!(asked_for_news(&bed), 0, "messages of another account are not ours to answer");
    bed.clock.advance(60_000);
    bed.settle().await;
    asking.abort();
    assert_eq!(state(&bed).await.0, "connected");
}

#[tokio::test]
async fn invitation_of_a_person_who_counts_is_accepted_and_others_are_left_alone() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    homeserver.invites("!new:example.org", INES);
    homeserver.invites("!evil:example.org", "@mallory:evil.example");
    homeserver.invites("!forged:evil.example", "@mallory:evil.example");
    homeserver.forges("!forged:evil.example", INES);
    Homeserver::ask(&bed).await;
    let joined = ["!new:example.org", "!evil:example.org", "!forged:evil.example"]
        .map(|room| homeserver.is_in(room));
    assert_eq!(joined, [true, false, false]);
}

/// A room has a history, which nobody wrote for us; what was said since we were invited is for us.
#[tokio::test]
async fn messages_from_before_the_invitation_are_history() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.says(ROOM, INES, "$old", text("/halt"));
    homeserver.membership(ROOM, INES, BOT, "$invite", "invite");
    homeserver.says(ROOM, INES, "$early", text("early"));
    homeserver.membership(ROOM, BOT, BOT, "$join", "join");
    homeserver.says(ROOM, INES, "$late", text("late"));
    Homeserver::ask(&bed).await;
    assert_eq!(texts(&bed).await, ["early", "late"]);
}

/// A third person makes a group of it, where only what names us is for us.
#[tokio::test]
async fn room_that_a_third_person_joins_is_a_group_from_then_on() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.says(ROOM, INES, "$1", text("for you"));
    Homeserver::ask(&bed).await;
    homeserver.joins(ROOM, BOB, "$join");
    homeserver.says(ROOM, INES, "$2", text("for Bob"));
    homeserver.says(GROUP, INES, "$3", text("Desk: and this"));
    Homeserver::ask(&bed).await;
    assert_eq!(texts(&bed).await, ["and this", "for you"]);
    assert_eq!(bed.event("$2").await["reason"], "not_addressed");
}

/// A homeserver that lost its data does not know the place; nothing stops for ever.
#[tokio::test]
async fn place_that_the_homeserver_does_not_know_begins_anew() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    for _ in 0..2 {
        homeserver.fails(400, &json!({ "errcode": "M_INVALID_PARAM", "error": "Invalid since" }));
    }
    let asking = Homeserver::connect(&bed);
    for _ in 0..2 {
        bed.settle().await;
        bed.clock.advance(60_000);
    }
    bed.settle().await;
    asking.abort();
    homeserver.says(ROOM, INES, "$1", text("after it"));
    Homeserver::ask(&bed).await;
    assert_eq!(texts(&bed).await, ["after it"]);
}

#[tokio::test]
async fn homeserver_that_does_not_wait_is_asked_once_a_second() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    let asking = Homeserver::connect(&bed);
    bed.settle().await;
    let before = asked_for_news(&bed);
    for _ in 0..3 {
        bed.clock.advance(500);
        bed.settle().await;
    }
    asking.abort();
    assert_eq!(asked_for_news(&bed), before + 1);
    assert_eq!(bed.deps.clock.now_ms(), NOW_MS + 1_500);
}

#[test]
fn worker_refuses_an_endpoint_that_would_have_to_sync() {
    let mut config = crate::bed::config();
    config["endpoints"]["matrix"]["main"]["mode"] = json!("sync");
    let report = platform::config::Report::default();
    webhook_aggregator::Config::read(&config, &report).refuse_polling(&report);
    let problems: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("endpoints.matrix.main.mode") && problems[0].contains("hs_token"));
}
