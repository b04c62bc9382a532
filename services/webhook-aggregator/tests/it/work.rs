//! The buttons below an answer with changes in a worktree.

use crate::bed::{Bed, GATEWAY, bed, bed_with, config};
use contracts::calls::personal_assistant::CheckHalts;
use contracts::halt::HaltCheckAnswer;
use platform::ports::Clock;
use serde_json::{Value, json};

const OWNER: u64 = 700_100_200;

async fn press(bed: &Bed, id: u64, user: u64, chat: u64, data: &str) {
    let message = json!({ "message_id": 43, "chat": { "id": chat, "type": "private" } });
    let query =
        json!({ "id": format!("q{id}"), "from": { "id": user }, "message": message, "data": data });
    let update = json!({ "update_id": id, "callback_query": query });
    assert_eq!(bed.telegram_update(&update).await, 200);
}

async fn lease_as(bed: &Bed, gateway: &str) -> Vec<Value> {
    let body = json!({ "gatewayId": gateway, "agents": ["*"], "capacity": 8 });
    let (status, leased) = bed.post("/api/tasks/lease", GATEWAY, &body).await;
    assert_eq!(status, 200, "{leased}");
    leased.as_array().unwrap().clone()
}

async fn report(bed: &Bed, task: &Value, with: Value) {
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let mut body = json!({ "epoch": task["epoch"], "outcome": "success" });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    let (status, answer) = bed.post(&path, GATEWAY, &body).await;
    assert_eq!(status, 200, "{answer}");
    bed.settle().await;
}

/// An answer with changes; the press data of its buttons.
async fn answered(bed: &Bed) -> Vec<String> {
    bed.telegram(1, "fix it").await;
    let task = lease_as(bed, "g1").await.remove(0);
    report(bed, &task, json!({ "text": "Fixed.", "worktree": "codegen-1" })).await;
    let shown: Value = serde_json::from_str(bed.sent("/editMessageText").last().unwrap()).unwrap();
    let keyboard = shown["reply_markup"]["inline_keyboard"].as_array().unwrap();
    let buttons: Vec<&Value> = keyboard.iter().flat_map(|row| row.as_array().unwrap()).collect();
    let labels: Vec<_> = buttons.iter().map(|button| button["text"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Show diff", "Keep", "Discard"]);
    buttons.iter().map(|button| button["callback_data"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn press_is_an_order_for_the_gateway_that_has_the_work() {
    let bed = bed();
    let data = answered(&bed).await;
    press(&bed, 2, OWNER, OWNER, &data[0]).await;
    assert!(bed.sent("/answerCallbackQuery")[0].contains("Show diff"));
    assert!(lease_as(&bed, "g2").await.is_empty(), "another machine does not have it");
    let order = lease_as(&bed, "g1").await.remove(0);
    let expected = json!({ "worktree": "codegen-1", "action": "diff" });
    assert_eq!(order["context"]["order"], expected);
    report(&bed, &order, json!({ "text": "```diff\n+x\n```" })).await;
    assert!(bed.sent("/sendMessage").last().unwrap().contains("+x"));
    assert_eq!(bed.event("2").await["state"], "done");
    assert_eq!(bed.event("1").await["state"], "done", "the answer stays as it is");
}

#[tokio::test]
async fn press_of_anybody_else_or_in_another_chat_orders_nothing() {
    let bed = bed();
    let data = answered(&bed).await;
    press(&bed, 2, 666, OWNER, &data[2]).await;
    press(&bed, 3, OWNER, 4242, &data[2]).await;
    press(&bed, 4, OWNER, OWNER, "w1:01ARZ3NDEKTSV4RRFFQ69G5FAV:d").await;
    press(&bed, 5, OWNER, OWNER, &data[2].replace(":d", ":x")).await;
    assert!(lease_as(&bed, "g1").await.is_empty());
    let answers = bed.sent("/answerCallbackQuery");
    assert!(answers.iter().filter(|body| body.contains("no longer valid")).count() >= 3);
    assert!(
        answers
            .iter()
            .any(|body| body.contains("Only the sender of the newest work there, or an approver"))
    );
}

#[tokio::test]
async fn press_waits_for_a_machine_that_is_away_and_says_so_once() {
    let bed = bed();
    let data = answered(&bed).await;
    press(&bed, 2, OWNER, OWNER, &data[1]).await;
    for _ in 0..3 {
        bed.clock.advance(70_000);
        webhook_aggregator::pump(&bed.deps, &"telegram.main".into()).await.unwrap();
        bed.settle().await;
    }
    let told = bed.sent("/sendMessage").into_iter().filter(|body| body.contains("is offline"));
    assert_eq!(told.count(), 1);
    let order = lease_as(&bed, "g1").await.remove(0);
    assert_eq!(order["context"]["order"]["action"], "keep");
    report(&bed, &order, json!({ "text": "Kept on the branch x." })).await;
    let shown = bed.sent("/editMessageText");
    assert!(shown.last().unwrap().contains("Kept on the branch x."), "{shown:?}");
}

#[tokio::test]
async fn press_during_a_run_of_its_conversation_is_refused() {
    let bed = bed();
    let data = answered(&bed).await;
    bed.telegram(2, "and now this").await;
    let run = lease_as(&bed, "g1").await.remove(0);
    press(&bed, 3, OWNER, OWNER, &data[2]).await;
    assert!(bed.sent("/answerCallbackQuery")[0].contains("at work here"));
    assert!(lease_as(&bed, "g1").await.is_empty());
    assert_eq!(bed.finish(&run, "success", "done").await, 200);
}

/// A message to the bot in a group; the press data of the buttons below its answer.
async fn changed_by(bed: &Bed, id: u64, user: u64) -> Vec<String> {
    let mention = json!({ "type": "mention", "offset": 0, "length": 9 });
    let message = json!({ "message_id": id, "from": { "id": user }, "date": bed.clock.now_ms() / 1000,
        "chat": { "id": -100, "type": "supergroup" }, "text": "@desk_bot fix it", "entities": [mention] });
    bed.telegram_update(&json!({ "update_id": id, "message": message })).await;
    let task = lease_as(bed, "g1").await.remove(0);
    report(bed, &task, json!({ "text": "Fixed.", "worktree": "codegen-1" })).await;
    let shown: Value = serde_json::from_str(bed.sent("/editMessageText").last().unwrap()).unwrap();
    let keyboard = shown["reply_markup"]["inline_keyboard"].as_array().unwrap();
    let buttons = keyboard.iter().flat_map(|row| row.as_array().unwrap());
    buttons.map(|button| button["callback_data"].as_str().unwrap().to_owned()).collect()
}

async fn press_in_group(bed: &Bed, id: u64, user: u64, data: &str) -> bool {
    let message = json!({ "message_id": 43, "chat": { "id": -100, "type": "supergroup" } });
    let query =
        json!({ "id": format!("q{id}"), "from": { "id": user }, "message": message, "data": data });
    bed.telegram_update(&json!({ "update_id": id, "callback_query": query })).await;
    !lease_as(bed, "g1").await.is_empty()
}

/// An agent goes on in the worktree of its conversation, so that an old button acts on new work.
#[tokio::test]
async fn old_button_orders_nothing_about_the_newer_work_of_another_person() {
    let mut config = config();
    let main = &mut config["endpoints"]["telegram"]["main"];
    main["bot_username"] = json!("desk_bot");
    main["senders"] = json!(["700100201"]);
    let bed = bed_with(config);
    let guests = changed_by(&bed, 1, 700_100_201).await;
    assert!(press_in_group(&bed, 2, 700_100_201, &guests[0]).await, "his own work");
    let owners = changed_by(&bed, 3, OWNER).await;
    assert!(!press_in_group(&bed, 4, 700_100_201, &guests[2]).await);
    assert!(bed.sent("/answerCallbackQuery").last().unwrap().contains("newest work"));
    assert!(press_in_group(&bed, 5, OWNER, &owners[2]).await, "an approver");
}

#[tokio::test]
async fn work_is_neither_kept_nor_discarded_while_everything_is_halted() {
    let bed = bed();
    let data = answered(&bed).await;
    bed.world.set(|answers| answers.halted = true);
    press(&bed, 2, OWNER, OWNER, &data[2]).await;
    assert!(bed.sent("/answerCallbackQuery")[0].contains("Everything is halted"));
    assert!(lease_as(&bed, "g1").await.is_empty());
    press(&bed, 3, OWNER, OWNER, &data[0]).await;
    assert_eq!(lease_as(&bed, "g1").await.len(), 1, "the changes may be looked at");
}

#[tokio::test]
async fn work_is_neither_kept_nor_discarded_while_its_agent_is_halted() {
    let bed = bed();
    let data = answered(&bed).await;
    bed.fakes.on::<CheckHalts>(|(), asked| {
        let held = asked.agent.is_some() && asked.endpoint.is_some();
        Ok(HaltCheckAnswer { held, ..HaltCheckAnswer::default() })
    });
    press(&bed, 2, OWNER, OWNER, &data[2]).await;
    assert!(bed.sent("/answerCallbackQuery")[0].contains("This agent is halted"));
    assert!(lease_as(&bed, "g1").await.is_empty());
}

/// An order is no approved work, so that only its agent and endpoint tell that it is halted.
#[tokio::test]
async fn order_under_way_stops_when_its_agent_is_halted() {
    let bed = bed();
    let data = answered(&bed).await;
    press(&bed, 2, OWNER, OWNER, &data[2]).await;
    let order = lease_as(&bed, "g1").await.remove(0);
    let path = format!("/api/tasks/{}/renew", order["taskId"].as_str().unwrap());
    let renew = json!({"epoch": order["epoch"]});
    assert_eq!(bed.post(&path, GATEWAY, &renew).await.1["cancel"], false);
    bed.fakes.on::<CheckHalts>(|(), asked| {
        let held = asked.agent.is_some() && asked.endpoint.is_some();
        Ok(HaltCheckAnswer { held, ..HaltCheckAnswer::default() })
    });
    assert_eq!(bed.post(&path, GATEWAY, &renew).await.1["cancel"], true);
}
