//! Replies and corrections: which of the earlier messages is meant, and whose it is from then on.

use crate::bed::{Bed, bed};
use contracts::approval::ApprovalState;
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::Decide;
use platform::memory::MemoryOutbound;
use serde_json::json;

/// The next message is done, and its answer is message `id` of the platform.
async fn done(bed: &Bed, update: u64, text: &str, agent: &str, id: i64) {
    bed.world.set(|world| world.agent = Some(agent.to_owned()));
    bed.outbound.answer(move |_| {
        Ok(MemoryOutbound::json(
            200,
            &json!({ "ok": true, "result": { "message_id": id, "chat": { "id": 700_100_200 } } }),
        ))
    });
    bed.telegram(update, text).await;
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "done").await, 200);
}

#[tokio::test]
async fn words_that_push_on_are_not_what_is_taken_back() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.world.set(|world| world.follows_up = true);
    done(&bed, 2, "yes, do it", "codegen", 502).await;
    bed.world.set(|world| (world.follows_up, world.takes_back) = (false, true));
    bed.telegram(3, "not you, security").await;
    assert_eq!(bed.fakes.bodies::<RouteEvent>()[2]["previous"]["message"], "fix the build");
    assert_eq!(bed.lease().await[0]["message"], "fix the build");
}

#[tokio::test]
async fn what_pushed_on_and_waits_is_taken_back_along_with_it() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.world.set(|world| {
        (world.follows_up, world.approve) =
            (true, Some(fakes::approve_answer(ApprovalState::Pending)));
    });
    bed.telegram(2, "yes, do it").await;
    assert_eq!(bed.event("2").await["state"], "parked");
    bed.world
        .set(|world| (world.follows_up, world.takes_back, world.approve) = (false, true, None));
    bed.telegram(3, "not you, security").await;
    assert_eq!(
        (&bed.event("2").await["state"], &bed.event("2").await["reason"]),
        (&json!("refused"), &json!("taken_back"))
    );
    assert_eq!(bed.lease().await[0]["message"], "fix the build");
    let rejected = bed.fakes.bodies::<Decide>();
    assert_eq!(bed.fakes.asked_with::<Decide>()[0].0.as_str(), "apr_1");
    assert_eq!(
        (rejected.len(), &rejected[0]["decision"], &rejected[0]["actor"]),
        (1, &json!("reject"), &json!("telegram:main:700100200"))
    );
}

#[tokio::test]
async fn question_of_an_agent_is_told_to_the_router_with_the_next_message() {
    let bed = bed();
    for (update, answer, asks) in [
        (1, "A or B?", false),
        (2, "Which one?\n\n- A: patch it\n- B: rewrite it", true),
        (3, "Done with B.", true),
        (4, "Anything.", false),
    ] {
        bed.telegram(update, "go on").await;
        let asked = bed.fakes.bodies::<RouteEvent>().pop().unwrap();
        assert_eq!(asked.get("asked").is_some(), asks, "{update}: {asked}");
        let task = bed.lease().await.remove(0);
        bed.finish(&task, "success", answer).await;
    }
}

#[tokio::test]
async fn reassigned_message_reaches_the_new_agent_without_the_old_name() {
    let bed = bed();
    done(&bed, 1, "@codegen fix the build", "codegen", 501).await;
    bed.world.set(|world| (world.takes_back, world.agent) = (true, Some("security".into())));
    bed.telegram(2, "not you, security").await;
    assert_eq!(bed.lease().await[0]["message"], "fix the build");
}

#[tokio::test]
async fn a_reply_goes_on_with_the_agent_whose_message_it_replies_to() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    done(&bed, 2, "who can read the vault", "security", 502).await;
    bed.outbound.answer(|_| {
        Ok(MemoryOutbound::json(
            200,
            &json!({ "ok": true, "result": { "message_id": 600, "chat": { "id": 700_100_200 } } }),
        ))
    });
    for (update, to, agent, said) in [
        (3, 501, "codegen", "fix the build"),
        (4, 502, "security", "who can read the vault"),
        (5, 999, "security", "and the tests?"),
    ] {
        bed.telegram_update(&reply_to(update, to, "and the tests?")).await;
        let asked = bed.fakes.bodies::<RouteEvent>().pop().unwrap();
        assert_eq!(
            (&asked["isReply"], &asked["stickyAgent"], &asked["previous"]["message"]),
            (&json!(true), &json!(agent), &json!(said)),
            "reply to {to}"
        );
        let task = bed.lease().await.remove(0);
        bed.finish(&task, "success", "done").await;
    }
}

fn reply_to(update: u64, to: u64, text: &str) -> serde_json::Value {
    json!({ "update_id": update, "message": { "message_id": update, "date": 1, "text": text, "from": { "id": 700_100_200, "is_bot": false },
        "chat": { "id": 700_100_200, "type": "private" },
        "reply_to_message": { "message_id": to, "from": { "id": 5_550_001, "is_bot": true }, "chat": { "id": 700_100_200, "type": "private" } } } })
}

#[tokio::test]
async fn a_correction_of_an_old_answer_is_about_what_was_said_then() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.world.set(|world| world.follows_up = true);
    done(&bed, 2, "yes, do it", "codegen", 502).await;
    bed.world.set(|world| world.follows_up = false);
    done(&bed, 3, "who can read the vault", "security", 503).await;
    bed.world.set(|world| world.takes_back = true);
    bed.telegram_update(&reply_to(4, 502, "not you, pm")).await;
    assert_eq!(
        bed.fakes.bodies::<RouteEvent>().pop().unwrap()["previous"]["message"],
        "fix the build"
    );
    assert_eq!(bed.lease().await[0]["message"], "fix the build");
}

#[tokio::test]
async fn a_reply_to_what_was_said_days_ago_is_still_to_that_agent() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.clock.advance(25 * 3_600_000);
    done(&bed, 2, "who can read the vault", "security", 502).await;
    bed.telegram_update(&reply_to(3, 501, "and what about the tests?")).await;
    assert_eq!(bed.fakes.bodies::<RouteEvent>().pop().unwrap()["stickyAgent"], "codegen");
}

#[tokio::test]
async fn what_was_taken_back_does_not_go_there_when_the_other_agent_cannot() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.world.set(|world| (world.takes_back, world.agent) = (true, Some("security".into())));
    bed.telegram(2, "not you, security").await;
    let task = bed.lease().await.remove(0);
    bed.world.set(|world| world.takes_back = false);
    bed.finish(&task, "unavailable", "not here").await;
    let again = bed.fakes.bodies::<RouteEvent>().pop().unwrap();
    assert_eq!(
        (&again["message"], &again["exclude"], &again["takenBackFrom"]),
        (&json!("fix the build"), &json!(["security"]), &json!(["codegen"]))
    );
}

#[tokio::test]
async fn who_takes_it_back_twice_is_heard_both_times() {
    let bed = bed();
    done(&bed, 1, "fix the build", "codegen", 501).await;
    bed.world.set(|world| world.takes_back = true);
    done(&bed, 2, "not you", "pm", 502).await;
    done(&bed, 3, "not you", "security", 503).await;
    let asked = bed.fakes.bodies::<RouteEvent>();
    assert_eq!(
        (&asked[2]["previous"]["agent"], &asked[2]["previous"]["takenBackFrom"]),
        (&json!("pm"), &json!(["codegen"]))
    );
    done(&bed, 4, "not you", "assistant", 504).await;
    assert_eq!(
        bed.fakes.bodies::<RouteEvent>()[3]["previous"]["takenBackFrom"],
        json!(["codegen", "pm"])
    );
}
