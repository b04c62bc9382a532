//! Halts: durable, immediate, also for work that has not started.

use crate::kit::*;
use contracts::calls::webhook_aggregator::ReadEvent;
use platform::edge::ApiError;
use platform::ports::PortErrorKind;
use serde_json::{Value, json};

async fn halt(bed: &Bed, task: &str) -> (u16, Value) {
    bed.post(OPERATOR, "/api/halt", json!({"taskId": task, "reason": "too hasty"})).await
}

#[tokio::test]
async fn halt_is_accepted_repeatedly_and_stopped_after_the_gateways_confirmation() {
    let bed = Bed::new();
    bed.claimed("t1", 1.0).await;
    let (status, answer) = halt(&bed, "t1").await;
    assert_eq!(
        (status, &answer["success"], &answer["level"], &answer["taskId"]),
        (202, &json!(true), &json!("accepted"), &json!("t1"))
    );
    assert_eq!(halt(&bed, "t1").await.0, 202);
    assert_eq!(bed.post(AGGREGATOR, "/internal/stopped", json!({"taskId": "t1"})).await.0, 200);
    let (status, answer) = halt(&bed, "t1").await;
    assert_eq!((status, &answer["level"]), (200, &json!("stopped")));
    let halts = bed.get(VIEWER, "/api/halts").await;
    assert_eq!(
        (
            halts["halts"].as_array().unwrap().len(),
            &halts["halts"][0]["target"],
            &halts["halts"][0]["by"]
        ),
        (1, &json!("task:t1"), &json!("api"))
    );
    assert_eq!(halts["all"], false);
}

#[tokio::test]
async fn halted_task_never_starts_even_if_requested_later() {
    let bed = Bed::new();
    halt(&bed, "t1").await;
    let answer = bed.ask("t1", 0.0).await;
    assert_eq!(
        (&answer["approved"], &answer["state"], &answer["code"], &answer["policies"]),
        (&json!(false), &json!("rejected"), &json!("halted"), &json!(["halt"]))
    );
    assert_eq!(bed.ask("t2", 0.0).await["approved"], true);
}

#[tokio::test]
async fn halt_of_all_blocks_every_start_until_resume() {
    let bed = Bed::new();
    let (approved, pending) = (bed.ask("t1", 1.0).await, bed.ask("t2", 5.0).await);
    let running = bed.claimed("t3", 1.0).await;
    assert_eq!(
        bed.post(OPERATOR, "/api/halt", json!({"all": true, "reason": "stop"})).await.0,
        202
    );
    assert_eq!(bed.ask("t4", 0.0).await["code"], "halted");
    assert_eq!(bed.ask("t5", 5.0).await["code"], "halted");
    let (status, problem) = bed.decide(&pending["approvalId"], "approve").await;
    assert_eq!((status, &problem["code"]), (409, &json!("halted")));
    let (status, problem) = bed.claim(&approved).await;
    assert_eq!((status, &problem["code"]), (409, &json!("halted")));
    assert_eq!(
        bed.post(AGGREGATOR, "/internal/renewed", json!({"taskId": "t3"})).await.1["cancel"],
        true
    );
    let check =
        bed.post(AGGREGATOR, "/internal/halts/check", json!({"tasks": ["t3", "t9"]})).await.1;
    assert_eq!(check, json!({"all": true, "halted": ["t3", "t9"], "by": {"actor": "api"}}));
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["all"], true);
    assert_eq!(bed.post(OPERATOR, "/api/resume", json!({})).await.1["success"], true);
    assert_eq!(bed.claim(&approved).await.0, 200);
    assert_eq!(bed.decide(&pending["approvalId"], "approve").await.0, 200);
    assert_eq!(bed.settle("t3", &running, Some(0.1), "success").await.0, 200);
    assert_eq!(bed.post(OPERATOR, "/api/resume", json!({})).await.1["success"], false);
}

#[tokio::test]
async fn halt_of_a_task_cancels_its_questions_in_every_chat() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    let buttons = bed.deliveries()[0].buttons.clone().unwrap();
    halt(&bed, "t1").await;
    bed.background().await;
    let path = format!("/api/approvals/{}", asked["approvalId"].as_str().unwrap());
    assert_eq!(bed.get(OPERATOR, &path).await["state"], "cancelled");
    assert!(bed.deliveries()[1].text.starts_with("Cancelled"));
    assert_eq!((bed.deliveries()[1].revision, bed.deliveries()[1].buttons.is_none()), (2, true));
    assert_eq!(bed.woken(), [EVENT]);
    let press = json!({"token": buttons.approve, "channel": "telegram", "endpoint": "main", "chat": "700100200", "actor": "telegram:main:700100200"});
    assert_eq!(
        bed.post(AGGREGATOR, "/internal/press", press).await.1["outcome"],
        "no_longer_valid"
    );
    bed.post(OPERATOR, "/api/resume", json!({"taskId": "t1"})).await;
    assert_eq!(
        bed.decide(&asked["approvalId"], "approve").await.0,
        409,
        "resuming does not bring it back"
    );
}

#[tokio::test]
async fn halt_check_names_who_halted() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    let approval = asked["approvalId"].as_str().unwrap().to_owned();
    let actor = "telegram:main:700100200";
    let decide = json!({"decision": "approve", "actor": actor, "name": "Ana"});
    let path = format!("/api/approvals/{approval}/decide");
    assert_eq!(bed.post(AGGREGATOR, &path, decide).await.0, 200);
    let halt = json!({"all": true, "actor": actor});
    assert_eq!(bed.post(AGGREGATOR, "/api/halt", halt).await.0, 202);
    bed.clock.advance(1_000);
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    let check = bed.post(AGGREGATOR, "/internal/halts/check", json!({"tasks": ["t1"]})).await.1;
    assert_eq!(check["by"], json!({"actor": actor, "name": "Ana"}), "the oldest halt counts");
}

#[tokio::test]
async fn halt_check_returns_only_halted_tasks() {
    let bed = Bed::new();
    halt(&bed, "t1").await;
    let check =
        bed.post(AGGREGATOR, "/internal/halts/check", json!({"tasks": ["t1", "t2"]})).await.1;
    assert_eq!(
        check,
        json!({"all": false, "halted": ["t1"], "byTask": ["t1"], "by": {"actor": "api"}})
    );
    bed.post(OPERATOR, "/api/resume", json!({"taskId": "t1"})).await;
    let check = bed.post(AGGREGATOR, "/internal/halts/check", json!({"tasks": ["t1"]})).await.1;
    assert_eq!(check, json!({"all": false, "halted": []}));
}

#[tokio::test]
async fn halt_needs_one_task_or_all_and_the_owner() {
    let bed = Bed::new();
    for body in [
        json!({}),
        json!({"taskId": "t1", "all": true}),
        json!({"taskId": ""}),
        json!({"al": true}),
    ] {
        assert_eq!(bed.post(OPERATOR, "/api/halt", body).await.0, 422);
    }
    for token in [VIEWER, AGENT, GATEWAY] {
        assert_eq!(bed.post(token, "/api/halt", json!({"all": true})).await.0, 403);
    }
    let (_, _) = bed
        .post(AGGREGATOR, "/api/halt", json!({"all": true, "actor": "telegram:main:700100200"}))
        .await;
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"][0]["by"], "telegram:main:700100200");
}

#[tokio::test]
async fn halt_of_an_ended_run_is_already_stopped() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 1.0).await;
    bed.settle("t1", &token, Some(0.1), "success").await;
    let (status, answer) = halt(&bed, "t1").await;
    assert_eq!((status, &answer["level"]), (200, &json!("stopped")));
}

#[tokio::test]
async fn halt_is_202_when_new_and_200_when_stopped() {
    let bed = Bed::new();
    for body in
        [json!({"all": true, "reason": "fire"}), json!({"taskId": "not-yet", "reason": "never"})]
    {
        assert_eq!(bed.post(OPERATOR, "/api/halt", body.clone()).await.0, 202, "{body}");
        assert_eq!(bed.post(OPERATOR, "/api/halt", body.clone()).await.0, 200, "{body}");
    }
    assert_eq!(bed.post(OPERATOR, "/api/resume", json!({"all": true, "taskId": "x"})).await.0, 422);
    assert_eq!(bed.post(OPERATOR, "/api/resume", json!({"all": true})).await.0, 200);
}

async fn resume_as(bed: &Bed, actor: &str) -> Value {
    bed.post(AGGREGATOR, "/api/resume", json!({"all": true, "actor": actor})).await.1
}

async fn halt_as(bed: &Bed, actor: &str) {
    let (status, answer) =
        bed.post(AGGREGATOR, "/api/halt", json!({"all": true, "actor": actor})).await;
    assert!(status < 300, "{answer}");
}

async fn all_halted(bed: &Bed) -> bool {
    bed.get(OPERATOR, "/api/halts").await["all"] == true
}

#[tokio::test]
async fn halt_of_the_owner_outlasts_the_resume_of_an_approver() {
    let bed = Bed::new();
    for owners_first in [true, false] {
        if !owners_first {
            halt_as(&bed, "telegram:main:1").await;
        }
        bed.post(OPERATOR, "/api/halt", json!({"all": true, "reason": "fire"})).await;
        for actor in ["telegram:main:1", "telegram:other:2", "unknown", "telegram:main"] {
            assert_ne!(resume_as(&bed, actor).await["success"], true, "{actor}");
            assert!(all_halted(&bed).await, "{actor}");
        }
        assert_eq!(bed.ask("t1", 0.0).await["code"], "halted");
        assert_eq!(bed.post(OPERATOR, "/api/resume", json!({})).await.1["success"], true);
        assert!(!all_halted(&bed).await);
    }
}

#[tokio::test]
async fn halt_of_one_endpoint_is_lifted_by_its_approvers_and_the_owner_only() {
    let bed = Bed::new();
    halt_as(&bed, "telegram:main:1").await;
    halt_as(&bed, "telegram:other:2").await;
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"].as_array().unwrap().len(), 2);
    let answer = resume_as(&bed, "telegram:main:3").await;
    assert_eq!(answer["success"], false);
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("quintet resume") && !message.contains("other"), "{message}");
    assert!(all_halted(&bed).await, "the halt of the other endpoint stays");
    assert_eq!(resume_as(&bed, "telegram:other:2").await["success"], true);
    assert!(!all_halted(&bed).await);
    halt_as(&bed, "telegram:main:1").await;
    assert_eq!(resume_as(&bed, "web:console:owner").await["success"], true);
    assert_eq!(resume_as(&bed, "web:console:owner").await["success"], false);
}

#[tokio::test]
async fn halt_of_another_endpoints_task_reads_like_an_unknown_one() {
    let bed = Bed::new();
    let task = |task: &str, actor: &str| json!({"taskId": task, "actor": actor});
    for path in ["/api/halt", "/api/resume"] {
        for (id, actor) in
            [(EVENT, "telegram:other:2"), ("deploy-42", "telegram:main:1"), (EVENT, "unknown")]
        {
            let (status, problem) = bed.post(AGGREGATOR, path, task(id, actor)).await;
            assert_eq!(
                (status, &problem["detail"]),
                (404, &json!("There is no task with this id.")),
                "{path} {id} {actor}"
            );
        }
    }
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"], json!([]));
    assert_eq!(bed.post(AGGREGATOR, "/api/halt", task(EVENT, "telegram:main:1")).await.0, 202);
    let (_, answer) = bed.post(AGGREGATOR, "/api/resume", task(EVENT, "telegram:main:1")).await;
    assert_eq!(answer["success"], true);
}

#[tokio::test]
async fn halt_is_in_force_while_storage_is_full_and_written_afterwards() {
    let bed = Bed::new();
    let approved = bed.ask("t1", 1.0).await;
    bed.sql.faults.refuse_next(1, PortErrorKind::Full);
    let (status, answer) =
        bed.post(OPERATOR, "/api/halt", json!({"all": true, "reason": "stop"})).await;
    assert_eq!((status, &answer["unwritten"]), (202, &json!(true)), "{answer}");
    assert_eq!(bed.claim(&approved).await.1["code"], "halted");
    let check = bed.post(AGGREGATOR, "/internal/halts/check", json!({"tasks": ["t1"]})).await;
    let by = json!({"actor": "api"});
    assert_eq!(check, (200, json!({"all": true, "halted": ["t1"], "by": by})));
    let halts = bed.get(VIEWER, "/api/halts").await;
    assert_eq!((&halts["all"], halts["halts"].as_array().unwrap().len()), (&json!(true), 1));
    assert!(bed.rows("SELECT id FROM halt").await.is_empty());

    bed.sql.faults.refuse_next(1, PortErrorKind::Full);
    personal_assistant::tick(&bed.deps).await;
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.rows("SELECT id FROM halt").await.len(), 1);
    let halts = bed.get(VIEWER, "/api/halts").await;
    assert_eq!((&halts["all"], &halts["halts"][0]["reason"]), (&json!(true), &json!("stop")));
    assert_eq!(halts["halts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn unwritten_halt_of_the_owner_outlasts_the_resume_of_an_approver() {
    let bed = Bed::new();
    bed.sql.faults.refuse_next(1, PortErrorKind::Full);
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    let approver = json!({"all": true, "actor": "telegram:main:700100200"});
    assert_eq!(bed.post(AGGREGATOR, "/api/resume", approver).await.1["success"], false);
    assert_eq!(bed.get(VIEWER, "/api/halts").await["all"], true);
    let answer = bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    assert_eq!(answer.1["success"], true);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.get(VIEWER, "/api/halts").await["all"], false);
}

#[tokio::test]
async fn resume_wakes_the_messages_of_the_halt() {
    let bed = Bed::new();
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    assert_eq!(bed.ask_in_chat(EVENT, 0.5).await["code"], "halted");
    assert!(bed.woken().is_empty());
    bed.clock.advance(5_000);
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed.background().await;
    assert_eq!(bed.woken(), [EVENT]);
    // Those of an earlier halt have gone on.
    bed.clock.advance(5_000);
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed.background().await;
    assert_eq!(bed.woken(), [EVENT]);
}

#[tokio::test]
async fn halt_of_a_task_that_must_exist_is_refused_with_the_open_ones() {
    let bed = Bed::new();
    bed.ask("deploy-42", 5.0).await;
    let order = json!({"taskId": "deploi-42", "mustExist": true, "reason": "typo"});
    let (status, problem) = bed.post(OPERATOR, "/api/halt", order).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("There is no task deploi-42. Open: deploy-42 ("), "{detail}");
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"], json!([]));
    let order = json!({"taskId": "deploy-42", "mustExist": true, "reason": "no typo"});
    assert_eq!(bed.post(OPERATOR, "/api/halt", order).await.0, 202);
}

#[tokio::test]
async fn halt_of_a_message_that_does_not_exist_is_refused_unless_that_is_unknown() {
    let bed = Bed::new();
    let order = json!({"taskId": EVENT, "reason": "typo"});
    bed.neighbours.on::<ReadEvent>(|_, _| Err(ApiError::not_found("event of this id")));
    let (status, problem) = bed.post(OPERATOR, "/api/halt", order.clone()).await;
    assert_eq!(status, 404, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("No task is open."), "{problem}");
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"], json!([]));
    bed.neighbours
        .on::<ReadEvent>(|_, _| Err(ApiError::new(contracts::ErrorCode::Unavailable, "away")));
    assert_eq!(bed.post(OPERATOR, "/api/halt", order).await.0, 202);
}

#[tokio::test]
async fn resume_names_what_is_halted_and_what_has_ended() {
    let bed = Bed::new();
    let resume =
        async |task: &str| bed.post(OPERATOR, "/api/resume", json!({"taskId": task})).await.1;
    let none = resume("t1").await;
    assert_eq!(none["success"], false);
    assert_eq!(none["message"], "t1 was not halted. No task is halted. Nothing was changed.");
    halt(&bed, "t11").await;
    let other = resume("t1").await["message"].as_str().unwrap().to_owned();
    assert!(other.contains("Halted: t11."), "{other}");
    let token = bed.claimed("t2", 1.0).await;
    bed.settle("t2", &token, Some(0.1), "success").await;
    halt(&bed, "t2").await;
    let ended = resume("t2").await;
    let message = ended["message"].as_str().unwrap();
    assert!(message.contains("has ended and does not start again"), "{message}");
    assert_eq!(resume("t11").await["message"], "t11 may start again.");
}

/// Nothing of a halted question can run, and the halts of tasks must not hide others in the list.
#[tokio::test]
async fn halt_of_a_question_is_stopped_and_stands_behind_those_of_more() {
    let bed = Bed::new();
    bed.post(OPERATOR, "/api/halt", json!({"agent": "codegen"})).await;
    bed.clock.advance(1_000);
    bed.ask("t1", 9.0).await;
    halt(&bed, "t1").await;
    halt(&bed, "unknown").await;
    personal_assistant::tick(&bed.deps).await;
    let halts = bed.get(OPERATOR, "/api/halts").await["halts"].clone();
    let level = |target: &str| {
        let row = halts.as_array().unwrap().iter().find(|row| row["target"] == target).unwrap();
        row["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(halts[0]["target"], "agent:codegen", "{halts}");
    assert_eq!((level("task:t1"), level("task:unknown")), ("stopped".into(), "accepted".into()));
}
