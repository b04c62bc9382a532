//! Presses and commands steer, from approvers alone, and wait behind nothing.

use crate::bed::{Bed, bed, vectors};
use contracts::approval::{ApprovalState, ApproveAnswer};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::{
    Approve, Decide, Halt, Press, ReportStopped, Resume, TellBudget,
};
use contracts::{ErrorCode, Shard};
use platform::edge::ApiError;
use platform::ports::Clock;
use serde_json::{Value, json};

async fn press(bed: &Bed, id: u64, user: u64) {
    let body = json!({ "update_id": id, "callback_query": { "id": "77", "from": { "id": user }, "data": "a1:abcdefghijklmnopqrstuv:y",
        "message": { "message_id": 43, "chat": { "id": 700_100_200, "type": "private" } } } });
    bed.ask(
        "POST",
        "/telegram/main",
        "",
        &[("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")],
        body.to_string(),
    )
    .await;
    bed.settle().await;
}

#[tokio::test]
async fn a_press_of_an_approver_is_decided_and_answered() {
    let bed = bed();
    press(&bed, 5, 700_100_200).await;
    let asked = bed.fakes.bodies::<Press>();
    assert_eq!(asked[0]["actor"], "telegram:main:700100200");
    assert_eq!(
        (asked[0]["chat"].as_str(), asked[0]["token"].as_str()),
        (Some("700100200"), Some("a1:abcdefghijklmnopqrstuv:y"))
    );
    let answer: Value = serde_json::from_str(&bed.sent("/answerCallbackQuery")[0]).unwrap();
    assert_eq!(answer, json!({ "callback_query_id": "77", "text": "Approved" }));
}

#[tokio::test]
async fn a_press_of_anybody_else_changes_nothing() {
    let bed = bed();
    press(&bed, 5, 999).await;
    assert!(bed.fakes.bodies::<Press>().is_empty());
    assert!(bed.sent("/answerCallbackQuery")[0].contains("Only an approver"));
}

#[tokio::test]
async fn a_press_passes_a_message_that_runs() {
    let bed = bed();
    bed.telegram(1, "long work").await;
    assert_eq!(bed.lease().await.len(), 1);
    press(&bed, 2, 700_100_200).await;
    assert_eq!(bed.event("2").await["state"], "done");
    assert_eq!(bed.event("2").await["conversation"], "telegram:main:700100200");
}

#[tokio::test]
async fn halt_is_taken_before_any_agent_sees_it() {
    let bed = bed();
    bed.telegram(1, "/halt").await;
    assert_eq!(bed.fakes.bodies::<Halt>()[0]["all"], true);
    assert!(bed.fakes.bodies::<RouteEvent>().is_empty());
    assert!(bed.sent("/sendMessage")[0].contains("Everything is halted."));
}

#[tokio::test]
async fn a_halted_run_is_told_to_stop() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    let body = json!({ "epoch": 1 });
    let renew = || bed.post(&path, crate::bed::GATEWAY, &body);
    assert_eq!(renew().await.1["cancel"], false);
    bed.world.set(|answers| answers.halted = true);
    assert_eq!(renew().await.1["cancel"], true);
    bed.finish(&task, "cancelled", "").await;
    assert_eq!(bed.event("1").await["state"], "halted");
    assert_eq!(bed.fakes.count::<ReportStopped>(), 1);
    assert_eq!(renew().await.0, 409, "a lease that ended cannot be held on");
}

#[tokio::test]
async fn message_during_a_halt_is_kept_and_goes_on_after_the_resume() {
    let bed = bed();
    let halted = ApproveAnswer {
        approved: false,
        reason: "A halt is in force.".to_owned(),
        code: Some("halted".to_owned()),
        ..fakes::approve_answer(ApprovalState::Rejected)
    };
    bed.world.set(|answers| {
        answers.halted = true;
        answers.approve = Some(halted);
    });
    bed.telegram(1, "work").await;
    for _ in 0..3 {
        let event = bed.event("1").await;
        assert_eq!((&event["state"], &event["reason"]), (&json!("routed"), &json!("halted")));
        bed.clock.advance(61_000);
        webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
        bed.settle().await;
    }
    assert_eq!(bed.fakes.count::<Approve>(), 1, "asked once, however long it is kept");
    assert!(bed.sent("/sendMessage").concat().contains("Your message is saved"));
    bed.world.set(|answers| {
        answers.halted = false;
        answers.approve = None;
    });
    let id = bed.event("1").await["id"].as_str().unwrap().to_owned();
    let wake = format!("/internal/events/{id}/wake");
    assert_eq!(bed.post(&wake, "secret-personal-assistant", &json!({})).await.0, 200);
    bed.settle().await;
    let tasks: Vec<_> = bed.fakes.bodies::<Approve>();
    assert_eq!(tasks[1]["taskId"], format!("{id}~2"), "a run of its own");
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "done").await;
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn the_approvers_of_every_endpoint_can_be_asked_directly() {
    let bed = bed();
    let (status, body) =
        bed.ask("GET", "/internal/approvers", "secret-personal-assistant", &[], "").await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let targets: Vec<_> = answer["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| (target["channel"].as_str().unwrap(), &target["chat"]))
        .collect();
    assert_eq!(status, 200);
    let approvers: Vec<_> = vectors()
        .iter()
        .filter(|(channel, file)| channel.has_people() && file["endpoint"]["keys"]["local"] != true)
        .map(|(channel, file)| (channel.as_str(), &file["endpoint"]["keys"]["approvers"][0]))
        .collect();
    assert_eq!(targets, approvers);
    assert_eq!(bed.ask("GET", "/internal/approvers", crate::bed::OPERATOR, &[], "").await.0, 404);
}

#[tokio::test]
async fn every_command_names_the_person_and_the_endpoint_that_it_comes_from() {
    let bed = bed();
    for (id, text) in [(1, "/halt"), (2, "/resume"), (3, "/approve apr_1"), (4, "/budget")] {
        bed.telegram(id, text).await;
    }
    let fakes = &bed.fakes;
    let bodies = [
        fakes.bodies::<Halt>(),
        fakes.bodies::<Resume>(),
        fakes.bodies::<Decide>(),
        fakes.bodies::<TellBudget>(),
    ];
    for asked in bodies {
        assert_eq!(asked[0]["actor"], "telegram:main:700100200", "{asked:?}");
    }
}

#[tokio::test]
async fn halt_and_resume_of_a_task_name_it_and_it_must_exist() {
    let bed = bed();
    bed.telegram(1, "/halt job-7").await;
    bed.telegram(2, "/resume job-7").await;
    bed.telegram(3, "/resume nosuch").await;
    let halt = &bed.fakes.bodies::<Halt>()[0];
    assert_eq!((&halt["taskId"], &halt["mustExist"]), (&json!("job-7"), &json!(true)));
    let resumed = bed.fakes.bodies::<Resume>();
    let named: Vec<_> = resumed.iter().map(|body| (&body["taskId"], &body["all"])).collect();
    let (job, other, not_all) = (json!("job-7"), json!("nosuch"), json!(false));
    assert_eq!(named, [(&job, &not_all), (&other, &not_all)]);
    let refusal = "There is no task job-7. No task is open. Nothing was halted.";
    bed.fakes.on::<Halt>(move |(), _| {
        Err(platform::edge::ApiError::new(contracts::ErrorCode::NotFound, refusal))
    });
    bed.telegram(4, "/halt job-7").await;
    assert!(bed.sent("/sendMessage").pop().unwrap().contains(refusal));
}

#[tokio::test]
async fn a_refused_command_is_told_once_and_never_tried_again() {
    let bed = bed();
    let none = |what| ApiError::not_found(what);
    bed.fakes.on::<Decide>(move |_, _| Err(none("approval with this id")));
    bed.fakes.on::<Halt>(move |(), _| Err(none("task with this id")));
    bed.fakes.on::<TellBudget>(|(), _| Err(ApiError::new(ErrorCode::Forbidden, "No budget.")));
    let texts = ["/approve apr_of_another_endpoint", "/halt deploy-42", "/budget"];
    for (id, text) in (1..).zip(texts) {
        bed.telegram(id, text).await;
        assert_eq!(bed.event(&id.to_string()).await["state"], "done", "{text}");
    }
    let sent = bed.sent("/sendMessage");
    for said in ["There is no approval with this id.", "There is no task with this id."] {
        assert_eq!(sent.iter().filter(|body| body.contains(said)).count(), 1, "{sent:?}");
    }
}

#[tokio::test]
async fn a_resume_that_lifts_nothing_says_so() {
    let bed = bed();
    bed.fakes.on::<Resume>(|(), _| {
        let message = "A halt that you cannot lift is in force.".to_owned();
        Ok(contracts::halt::ResumeAnswer { success: false, task_id: None, message })
    });
    bed.telegram(1, "/resume").await;
    assert!(bed.sent("/sendMessage")[0].contains("A halt that you cannot lift is in force."));
}

#[tokio::test]
async fn name_of_an_approver_goes_with_the_decision() {
    let bed = bed();
    let from = json!({ "id": 700_100_200, "first_name": " Ines ", "last_name": "Moreno\u{202e}", "username": "ines" });
    let chat = json!({ "id": 700_100_200, "type": "private" });
    let press = json!({ "update_id": 1, "callback_query": { "id": "77", "from": from,
        "data": "a1:abcdefghijklmnopqrstuv:y", "message": { "message_id": 2, "chat": chat } } });
    bed.telegram_update(&press).await;
    assert_eq!(bed.fakes.bodies::<Press>()[0]["name"], "Ines Moreno\u{fffd}");
    let message = json!({ "update_id": 2, "message": { "message_id": 3, "from": { "id": 700_100_200, "username": "ines" },
        "chat": chat, "date": bed.clock.now_ms() / 1000, "text": "/approve apr_1" } });
    bed.telegram_update(&message).await;
    assert_eq!(bed.fakes.bodies::<Decide>()[0]["name"], "ines");
}

/// A person who may use a command is told how it is written, not that it is for others.
#[tokio::test]
async fn heard_person_is_told_how_a_command_is_written() {
    let mut config = crate::bed::config();
    config["endpoints"]["telegram"]["main"]["senders"] = json!(["700100200", "700100201"]);
    let bed = crate::bed::bed_with(config);
    bed.telegram_from(1, 700_100_201, "/new hello").await;
    let replies = bed.event("1").await["replies"].clone();
    let text = replies[0]["text"].as_str().unwrap();
    assert_eq!(text, "Write `/new` alone, and then your message.");
}
