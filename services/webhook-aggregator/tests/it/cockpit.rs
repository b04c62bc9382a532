//! The commands that only look, and commands that are none.

use crate::bed::{Bed, bed};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::{Approve, Halt, TellApprovals};
use contracts::routing::UnknownAgent;
use platform::memory::MemoryOutbound;
use platform::ports::Clock;
use serde_json::{Value, json};

/// The text of the answer to a message.
fn answer(sent: &[String]) -> String {
    let last: Value = serde_json::from_str(sent.last().unwrap()).unwrap();
    last["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn status_names_what_runs_and_what_waits_here() {
    let bed = bed();
    bed.telegram(1, "/status").await;
    let text = answer(&bed.sent("/sendMessage"));
    assert!(text.starts_with("Nothing runs or waits here."), "{text}");
    assert!(text.contains("2 requests wait for you: /approvals"), "{text}");
    bed.telegram(2, "long work").await;
    assert_eq!(bed.lease().await.len(), 1);
    bed.clock.advance(180_000);
    bed.telegram(3, "more *work*").await;
    bed.telegram(4, "/status@desk_bot").await;
    let text = answer(&bed.sent("/sendMessage"));
    assert!(text.contains("codegen works on long work (3 min)"), "{text}");
    assert!(text.contains("more *work* waits (just now)"), "{text}");
}

#[tokio::test]
async fn agents_and_approvals_are_listed_without_any_agent() {
    let bed = bed();
    bed.telegram(1, "/agents").await;
    let text = answer(&bed.sent("/sendMessage"));
    assert!(
        text.contains("@codegen – Writes code") && text.contains("@pm (not available now)"),
        "{text}"
    );
    bed.telegram(2, "/approvals").await;
    assert_eq!(answer(&bed.sent("/sendMessage")), "The requests for telegram:main:700100200.");
    bed.telegram(3, "/spend").await;
    assert!(answer(&bed.sent("/sendMessage")).contains("The budget of"));
    assert_eq!(bed.fakes.count::<TellApprovals>(), 1);
    assert_eq!(bed.fakes.count::<RouteEvent>(), 0);
}

/// A command in a group, marked as Telegram marks it.
async fn in_group(bed: &Bed, id: u64, text: &str) {
    command(bed, id, text, &json!({ "id": -100, "type": "supergroup" })).await;
}

async fn command(bed: &Bed, id: u64, text: &str, chat: &Value) {
    let length = text.split_whitespace().next().unwrap().len();
    let entity = json!({ "type": "bot_command", "offset": 0, "length": length });
    let message = json!({ "message_id": id, "from": { "id": 700_100_200 }, "date": bed.clock.now_ms() / 1000,
        "chat": chat, "text": text, "entities": [entity] });
    bed.telegram_update(&json!({ "update_id": id, "message": message })).await;
}

#[tokio::test]
async fn command_for_another_bot_is_not_ours_and_the_name_is_asked_for_once() {
    let bed = bed();
    in_group(&bed, 1, "/halt@desk_bot").await;
    assert_eq!(bed.event("1").await["reason"], "for_another_bot", "Telegram did not tell our name");
    bed.outbound.answer(|sent| {
        let me = sent.url.ends_with("/getMe");
        let result = if me {
            json!({ "id": 1, "username": "Desk_Bot" })
        } else {
            json!({ "message_id": 9, "chat": { "id": -100 } })
        };
        Ok(MemoryOutbound::json(200, &json!({ "ok": true, "result": result })))
    });
    in_group(&bed, 2, "/halt@other_bot").await;
    assert_eq!(bed.event("2").await["reason"], "for_another_bot");
    assert_eq!(bed.fakes.count::<Halt>(), 0);
    in_group(&bed, 3, "/halt@desk_bot").await;
    let private = json!({ "id": 700_100_200, "type": "private" });
    command(&bed, 4, "/halt@other_bot", &private).await;
    assert_eq!(bed.event("4").await["state"], "ignored", "in a private chat too");
    assert_eq!((bed.fakes.count::<Halt>(), bed.sent("/getMe").len()), (1, 2));
}

#[tokio::test]
async fn unknown_command_is_answered_with_the_list_and_costs_nothing() {
    let bed = bed();
    bed.world.set(|world| {
        let (name, nearest) = ("weather".to_owned(), Vec::new());
        world.unknown_agent = Some(UnknownAgent { name, nearest, agents: vec!["codegen".into()] });
    });
    bed.telegram(1, "/weather Oslo").await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("refused"), &json!("unknown_command")));
    let text = answer(&bed.sent("/sendMessage"));
    assert!(
        text.starts_with("There is no command /weather") && text.contains("/status – "),
        "{text}"
    );
    in_group(&bed, 2, "/weather Oslo").await;
    assert_eq!(bed.event("2").await["state"], "ignored", "it may be another bot's");
    assert_eq!(bed.sent("/sendMessage").len(), 1);
    assert_eq!((bed.fakes.count::<Approve>(), bed.lease().await), (0, Vec::new()));
}

/// Slack has commands of its own named like ours, so the app's one command reaches them.
#[tokio::test]
async fn command_of_the_slack_app_reaches_ours_by_name() {
    let bed = bed();
    for (number, text, routed) in
        [(1, "status", 0), (2, "help", 0), (3, "approve apr_1", 0), (4, "status of the build?", 1)]
    {
        let form = [
            ("command", "/quintet"),
            ("text", text),
            ("user_id", "U0HUMAN01"),
            ("team_id", "T0AAAA111"),
            ("trigger_id", &format!("{number}.1")),
            ("channel_id", "C1"),
        ];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        assert_eq!(
            crate::attacks::slack(&bed, "application/x-www-form-urlencoded", body).await,
            200
        );
        assert_eq!(bed.fakes.count::<RouteEvent>(), routed, "{text}");
    }
}
