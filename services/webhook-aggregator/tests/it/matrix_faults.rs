//! Answers of a homeserver that tell nothing, and requests that it never carries out: nothing is
//! lost by them, and nothing stands still for ever.

use crate::bed::Bed;
use crate::homeserver::{BOT, GROUP, Homeserver, INES, ROOM, text, to_the_bot};
use crate::matrix_rooms::{reason, transaction};
use crate::matrix_sync::{place, state, texts};
use contracts::calls::personal_assistant::Halt;
use serde_json::{Value, json};

fn reply(to: &str, body: &str) -> Value {
    let mut content = to_the_bot(body);
    content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": to } });
    content
}

/// Asks for as long as this, in steps of a minute.
async fn ask_for(bed: &Bed, minutes: usize) {
    let asking = Homeserver::connect(bed);
    for _ in 0..minutes {
        bed.settle().await;
        bed.clock.advance(60_000);
    }
    bed.settle().await;
    asking.abort();
    let _ = asking.await;
}

/// The address of the look-up would be longer than any client takes.
#[tokio::test]
async fn message_about_an_id_of_any_length_holds_up_nothing() {
    let long = format!("${}", "!".repeat(22_000));
    let mut edit = text("x");
    edit["m.new_content"] = text("x");
    edit["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": long });
    for content in [reply(&long, "look"), edit] {
        let homeserver = Homeserver::default();
        let bed = homeserver.bed();
        Homeserver::ask(&bed).await;
        homeserver.says(ROOM, INES, "$1", content.clone());
        homeserver.says(ROOM, INES, "$2", text("/halt"));
        Homeserver::ask(&bed).await;
        assert_eq!((bed.fakes.count::<Halt>(), place(&bed).await), (1, json!("s2")));
        let homeserver = Homeserver::default();
        let bed = homeserver.service();
        let events = [
            homeserver.says(ROOM, INES, "$1", content),
            homeserver.says(ROOM, INES, "$2", text("/halt")),
        ];
        assert_eq!(transaction(&bed, "1", &events).await, 200);
        assert_eq!(bed.fakes.count::<Halt>(), 1);
    }
}

#[tokio::test]
async fn look_up_of_a_message_that_always_fails_ends_after_minutes() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.answers_at("/event/%24sick", 500, &json!({ "errcode": "M_UNKNOWN" }), 1_000);
    homeserver.says(ROOM, INES, "$1", reply("$sick", "look"));
    homeserver.says(ROOM, INES, "$2", text("/halt"));
    ask_for(&bed, 2).await;
    assert_eq!(
        (bed.fakes.count::<Halt>(), place(&bed).await),
        (0, json!("s0")),
        "it may be well soon"
    );
    ask_for(&bed, 10).await;
    assert_eq!((bed.fakes.count::<Halt>(), place(&bed).await), (1, json!("s2")));
    assert_eq!(texts(&bed).await, ["/halt", "look"]);
}

/// A room whose members a homeserver cannot list does not silence the other rooms.
#[tokio::test]
async fn room_that_is_always_refused_is_a_group_after_half_an_hour() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.answers_at("direct%3Aexample.org/joined_members", 500, &json!({}), 1_000);
    homeserver.says(ROOM, INES, "$1", text("for you?"));
    homeserver.says(GROUP, INES, "$2", text("!halt"));
    ask_for(&bed, 10).await;
    assert_eq!(bed.fakes.count::<Halt>(), 0);
    ask_for(&bed, 40).await;
    assert_eq!((bed.fakes.count::<Halt>(), place(&bed).await), (1, json!("s2")));
    assert_eq!(bed.event("$1").await["reason"], "not_addressed");
}

/// Something before the homeserver says this, or a token that is renewed just now.
#[tokio::test]
async fn answer_that_says_nothing_of_a_room_is_waited_out() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    for (number, (status, body)) in [
        (404, json!({})),
        (302, json!({})),
        (200, json!("<html>")),
        (401, json!({ "errcode": "M_UNKNOWN_TOKEN" })),
        (400, json!({ "errcode": "M_UNKNOWN" })),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("${number}");
        let event = homeserver.says(ROOM, INES, &id, text("for you"));
        homeserver.answers_at("/joined_members", status, &body, 1);
        // The members are asked for anew.
        let member = homeserver.membership(ROOM, INES, INES, &format!("$m{number}"), "join");
        let events = [member, event];
        assert_eq!(transaction(&bed, &id, &events).await, 503, "{status}");
        assert_eq!(transaction(&bed, &id, &events).await, 200);
        assert_eq!(bed.event(&id).await["text"], "for you");
    }
}

#[tokio::test]
async fn room_that_tells_nothing_is_asked_again_for_the_next_message() {
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    let refused = json!({ "errcode": "M_FORBIDDEN", "error": "You are not in it" });
    homeserver.answers_at("/joined_members", 403, &refused, 1);
    let event = homeserver.says(ROOM, INES, "$1", text("for you?"));
    assert_eq!(transaction(&bed, "1", &[event]).await, 200);
    assert_eq!(reason(&bed, "$1").await, "not_addressed");
    let event = homeserver.says(ROOM, INES, "$2", text("for you"));
    assert_eq!(transaction(&bed, "2", &[event]).await, 200);
    assert_eq!(bed.event("$2").await["text"], "for you");
}

#[tokio::test]
async fn invitation_that_meets_a_fault_is_accepted_later() {
    for (status, body) in [(500, json!({})), (429, json!({ "errcode": "M_LIMIT_EXCEEDED" }))] {
        let homeserver = Homeserver::default();
        let bed = homeserver.bed();
        homeserver.invites("!new:example.org", INES);
        homeserver.answers_at("/join", status, &body, 2);
        Homeserver::ask(&bed).await;
        assert!(!homeserver.is_in("!new:example.org"));
        ask_for(&bed, 5).await;
        assert!(homeserver.is_in("!new:example.org"), "{status}");
    }
    // An application service is asked nothing between transactions.
    let homeserver = Homeserver::default();
    let bed = homeserver.service();
    homeserver.invites("!new:example.org", INES);
    let invitation = homeserver.membership("!new:example.org", INES, BOT, "$i", "invite");
    homeserver.answers_at("/join", 503, &json!({}), 1);
    assert_eq!(transaction(&bed, "1", &[invitation]).await, 200);
    assert!(!homeserver.is_in("!new:example.org"));
    bed.clock.advance(600_000);
    assert_eq!(transaction(&bed, "2", &[]).await, 200);
    assert!(homeserver.is_in("!new:example.org"));
}

#[tokio::test]
async fn invitation_that_waits_is_known_after_a_restart() {
    let homeserver = Homeserver::default();
    let mut bed = homeserver.bed();
    homeserver.invites("!new:example.org", INES);
    homeserver.answers_at("/join", 500, &json!({}), 1);
    Homeserver::ask(&bed).await;
    assert!(!homeserver.is_in("!new:example.org"));
    Homeserver::restarts(&mut bed);
    ask_for(&bed, 1).await;
    assert!(homeserver.is_in("!new:example.org"));
    let joins = bed.sent("/join").len();
    Homeserver::restarts(&mut bed);
    ask_for(&bed, 2).await;
    assert_eq!(bed.sent("/join").len(), joins, "it is accepted");
}

#[tokio::test]
async fn invitation_to_a_room_that_is_gone_is_given_up() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    homeserver.invites("!dead:example.org", INES);
    homeserver.answers_at("/join", 502, &json!({}), 1_000);
    ask_for(&bed, 1_200).await;
    let joins = bed.outbound.sent().iter().filter(|sent| sent.url.ends_with("/join")).count();
    assert_eq!(joins, 12);
    homeserver.says(ROOM, INES, "$1", text("one"));
    Homeserver::ask(&bed).await;
    assert_eq!(texts(&bed).await, ["one"]);
}

/// A proxy has a bad minute, or the homeserver minds something else about the request.
#[tokio::test]
async fn place_is_given_up_only_when_the_homeserver_refuses_it_twice() {
    let homeserver = Homeserver::default();
    let bed = homeserver.bed();
    Homeserver::ask(&bed).await;
    homeserver.says(ROOM, INES, "$1", text("one"));
    for (status, body) in [
        (400, json!({})),
        (400, json!({ "errcode": "M_BAD_JSON" })),
        (400, json!({})),
        (400, json!({ "errcode": "M_UNKNOWN" })),
        (502, json!({})),
        (400, json!({ "errcode": "M_UNKNOWN" })),
    ] {
        homeserver.fails(status, &body);
    }
    ask_for(&bed, 8).await;
    assert_eq!(texts(&bed).await, ["one"]);
    homeserver.fails(400, &json!({ "errcode": "M_UNKNOWN_POS" }));
    homeserver.fails(400, &json!({ "errcode": "M_UNKNOWN_POS" }));
    let asking = Homeserver::connect(&bed);
    bed.settle().await;
    bed.clock.advance(60_000);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "reconnecting" && why.contains("are not read"), "{word}: {why}");
    asking.abort();
    let _ = asking.await;
    assert_eq!(place(&bed).await, Value::Null);
}
