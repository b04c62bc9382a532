//! A word from the chat stops what runs or waits in its conversation; a message during a run is
//! acknowledged.

use crate::bed::{Bed, GATEWAY, bed, bed_with};
use crate::cases;
use contracts::approval::{ApprovalState, GivenUp};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::{Decide, Halt};
use contracts::{Micros, Shard};
use serde_json::{Value, json};

const APPROVER: u64 = 700_100_200;
const OTHER: u64 = 700_100_201;

/// A message to the bot in a group that all of them are in.
async fn group(bed: &Bed, id: u64, user: u64, text: &str) {
    let mention = json!([{ "type": "mention", "offset": 0, "length": 9 }]);
    let body = json!({ "update_id": id, "message": { "message_id": id, "from": { "id": user },
        "chat": { "id": -1_001, "type": "supergroup" }, "date": 1_790_000_000, "text": format!("@desk_bot {text}"),
        "entities": mention } });
    bed.telegram_update(&body).await;
}

async fn renew(bed: &Bed, task: &Value) -> Value {
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    bed.post(&path, GATEWAY, &json!({ "epoch": task["epoch"] })).await.1
}

/// The gateway reports that the stopped run has ended, at this cost.
async fn end(bed: &Bed, task: &Value, cost: f64) {
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let body = json!({ "epoch": task["epoch"], "outcome": "cancelled", "reason": "stopped",
        "text": "codegen was stopped.", "actualCost": cost });
    assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
    bed.settle().await;
}

async fn said(bed: &Bed, key: &str) -> String {
    let replies = bed.event(key).await["replies"].clone();
    replies[0]["text"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn stop_word_ends_the_run_of_its_conversation_and_tells_the_cost() {
    for word in ["stop", "/stop", "cancel", "/cancel", "abort", "Please stop now!", "Arrête"] {
        let bed = bed();
        bed.telegram(1, "work").await;
        let task = bed.lease().await.remove(0);
        assert_eq!(renew(&bed, &task).await["cancel"], false);
        bed.telegram(2, word).await;
        assert!(said(&bed, "2").await.starts_with("Stopping codegen"), "{word}");
        let answer = renew(&bed, &task).await;
        assert_eq!(answer["cancel"], true, "{word}: {answer}");
        assert_eq!(answer["reason"], "stopped");
        end(&bed, &task, 0.2).await;
        let (run, stop) = (bed.event("1").await, bed.event("2").await);
        assert_eq!((&run["state"], &run["costMicros"]), (&json!("done"), &json!(200_000)));
        assert_eq!((&stop["state"], &stop["agent"]), (&json!("done"), &Value::Null));
        assert_eq!(said(&bed, "2").await, "Stopped. It had spent $0.20.");
        assert_eq!(bed.fakes.count::<RouteEvent>(), 1, "{word} went to no agent");
        assert_eq!(bed.fakes.count::<Halt>(), 0, "a stop is no halt");
        // Nothing has to be resumed.
        bed.telegram(3, "more work").await;
        assert_eq!(bed.lease().await.len(), 1);
    }
}

#[tokio::test]
async fn stop_word_is_a_message_where_nothing_is_open_and_the_command_is_none() {
    let bed = bed();
    bed.telegram(1, "stop").await;
    assert_eq!(bed.fakes.bodies::<RouteEvent>()[0]["message"], "stop");
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Stop what?").await;
    bed.telegram(2, "/stop").await;
    assert_eq!(said(&bed, "2").await, "Nothing is running here.");
    assert_eq!(bed.fakes.count::<RouteEvent>(), 1);
}

#[tokio::test]
async fn stop_of_a_run_that_cost_nothing_is_halted_and_one_that_ended_by_itself_is_not() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    bed.telegram(2, "stop").await;
    end(&bed, &task, 0.0).await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("halted"), &json!("stopped")));
    bed.telegram(3, "work").await;
    let task = bed.lease().await.remove(0);
    bed.telegram(4, "stop").await;
    bed.finish(&task, "success", "All done.").await;
    assert_eq!(bed.event("3").await["state"], "done");
    assert!(said(&bed, "4").await.starts_with("It ended before the stop reached it."));
}

#[tokio::test]
async fn stop_ends_what_waits_when_nothing_runs() {
    let bed = bed();
    bed.telegram(1, "work").await;
    bed.telegram(2, "stop").await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("refused"), &json!("stopped")));
    assert!(bed.lease().await.is_empty(), "no gateway gets it any more");
    assert_eq!(said(&bed, "2").await, "Stopped before it started; it cost nothing.");
    // A parked message, with its approval.
    bed.world.set(|answers| answers.approve = Some(fakes::approve_answer(ApprovalState::Pending)));
    bed.telegram(3, "dangerous work").await;
    assert_eq!(bed.event("3").await["state"], "parked");
    bed.telegram(4, "cancel").await;
    assert_eq!(bed.event("3").await["state"], "refused");
    assert_eq!(bed.fakes.bodies::<Decide>()[0]["decision"], "reject");
}

#[tokio::test]
async fn stop_leaves_the_message_after_the_run_and_says_so() {
    let bed = bed();
    bed.telegram(1, "first").await;
    let task = bed.lease().await.remove(0);
    bed.telegram(2, "second").await;
    bed.telegram(3, "stop").await;
    end(&bed, &task, 0.1).await;
    assert!(said(&bed, "3").await.contains("The message after it comes next"));
    assert_eq!(bed.lease().await[0]["message"], "second");
}

#[tokio::test]
async fn stopped_run_whose_gateway_is_gone_ends_with_its_lease_and_is_not_repeated() {
    let bed = bed();
    bed.telegram(1, "work").await;
    bed.lease().await;
    bed.telegram(2, "stop").await;
    bed.given_up(GivenUp::Open);
    bed.clock.advance(30_001);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.event("1").await["state"], "halted");
    assert_eq!(said(&bed, "2").await, format!("Stopped. It had spent {}.", Micros::ZERO));
    assert!(bed.lease().await.is_empty());
}

#[tokio::test]
async fn sender_stops_his_own_message_and_an_approver_any_of_the_conversation() {
    let config = || {
        let mut config = crate::bed::config();
        config["endpoints"]["telegram"]["main"]["senders"] =
            json!([APPROVER.to_string(), OTHER.to_string()]);
        crate::bed::bed_with(config)
    };
    let bed = config();
    group(&bed, 1, APPROVER, "work").await;
    let task = bed.lease().await.remove(0);
    group(&bed, 2, OTHER, "stop").await;
    assert_eq!(said(&bed, "2").await, "Only its sender or an approver can stop this.");
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    // His own message waits, and he may stop that.
    group(&bed, 3, OTHER, "my work").await;
    group(&bed, 4, OTHER, "stop").await;
    assert_eq!(bed.event("3").await["state"], "refused");
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    let bed = config();
    group(&bed, 1, OTHER, "work").await;
    let task = bed.lease().await.remove(0);
    group(&bed, 2, APPROVER, "stop").await;
    assert_eq!(renew(&bed, &task).await["cancel"], true);
}

#[tokio::test]
async fn stop_reaches_no_other_conversation() {
    let bed = bed();
    group(&bed, 1, APPROVER, "work").await;
    let task = bed.lease().await.remove(0);
    bed.telegram(2, "/stop").await;
    assert_eq!(said(&bed, "2").await, "Nothing is running here.");
    assert_eq!(renew(&bed, &task).await["cancel"], false);
}

#[tokio::test]
async fn message_during_a_run_is_acknowledged_once_and_the_answer_replaces_that() {
    let bed = bed();
    bed.telegram(1, "first").await;
    let task = bed.lease().await.remove(0);
    let before = bed.sent("/sendMessage").len();
    bed.telegram(2, "second").await;
    let sent = bed.sent("/sendMessage");
    assert_eq!(sent.len(), before + 1, "{sent:?}");
    assert!(sent[before].contains("I am still working on an earlier message"), "{sent:?}");
    assert!(sent[before].contains("Stop and do this"), "{sent:?}");
    bed.finish(&task, "success", "One.").await;
    let second = bed.lease().await.remove(0);
    bed.finish(&second, "success", "Two.").await;
    assert_eq!(bed.sent("/sendMessage").len(), before + 1, "the answer is an edit");
    assert!(bed.sent("/editMessageText").last().unwrap().contains("Two."));
    assert_eq!(bed.event("2").await["state"], "done");
}

#[tokio::test]
async fn console_message_during_a_run_is_acknowledged_in_its_transcript() {
    let bed = bed();
    let say = async |text: &str| {
        let body = json!({ "text": text, "conversation": "c1" });
        assert_eq!(bed.post("/api/messages", crate::bed::OPERATOR, &body).await.0, 202);
        bed.settle().await;
    };
    let lines = async || {
        let list = bed.get("/api/conversations/web:console:c1/messages").await;
        let lines = list["messages"].as_array().unwrap().clone();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    say("first").await;
    let task = bed.lease().await.remove(0);
    say("second").await;
    assert!(lines().await.last().unwrap().starts_with("I am still working on an earlier message"));
    say("stop").await;
    assert_eq!(renew(&bed, &task).await["reason"], "stopped");
    end(&bed, &task, 0.5).await;
    assert!(lines().await.iter().any(|line| line.starts_with("Stopped. It had spent $0.50.")));
}

/// A press of a button in a chat.
async fn press(bed: &Bed, id: u64, user: u64, chat: i64, token: &str) {
    let message = json!({ "message_id": 43, "chat": { "id": chat, "type": "supergroup" } });
    bed.telegram_update(&json!({ "update_id": id, "callback_query": { "id": format!("q{id}"),
        "from": { "id": user }, "data": token, "message": message } }))
        .await;
}

#[tokio::test]
async fn placeholder_has_a_button_that_stops_its_run() {
    let mut config = crate::bed::config();
    let both = json!([APPROVER.to_string(), OTHER.to_string()]);
    config["endpoints"]["telegram"]["main"]["senders"] = both;
    let bed = crate::bed::bed_with(config);
    group(&bed, 1, APPROVER, "work").await;
    let sent: Value = serde_json::from_str(&bed.sent("/sendMessage")[0]).unwrap();
    let keyboard = sent["reply_markup"]["inline_keyboard"].clone();
    assert_eq!(
        (keyboard[0].as_array().unwrap().len(), &keyboard[0][0]["text"]),
        (1, &json!("Stop"))
    );
    let token = keyboard[0][0]["callback_data"].as_str().unwrap().to_owned();
    assert!(token.len() <= 64, "{token}");
    let task = bed.lease().await.remove(0);
    let answers = async |id: u64, user: u64, chat: i64| {
        press(&bed, id, user, chat, &token).await;
        bed.sent("/answerCallbackQuery").last().unwrap().clone()
    };
    // Another person, another chat.
    assert!(answers(2, OTHER, -1_001).await.contains("Only its sender or an approver"));
    assert!(answers(3, APPROVER, -1_002).await.contains("no longer valid"));
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    assert!(answers(4, APPROVER, -1_001).await.contains("Stopping codegen"));
    assert_eq!(renew(&bed, &task).await["reason"], "stopped");
    end(&bed, &task, 0.2).await;
    assert_eq!(bed.event("1").await["costMicros"], 200_000);
    let edit: Value = serde_json::from_str(bed.sent("/editMessageText").last().unwrap()).unwrap();
    assert_eq!(edit["reply_markup"]["inline_keyboard"], json!([]), "the answer has no button");
    assert!(answers(5, APPROVER, -1_001).await.contains("It has ended already"));
}

/// The press data of the buttons under the message sent last.
fn buttons(bed: &Bed) -> Vec<(String, String)> {
    let sent: Value = serde_json::from_str(bed.sent("/sendMessage").last().unwrap()).unwrap();
    let row = sent["reply_markup"]["inline_keyboard"][0].as_array().unwrap().clone();
    let text = |button: &Value, name: &str| button[name].as_str().unwrap().to_owned();
    row.iter().map(|button| (text(button, "text"), text(button, "callback_data"))).collect()
}

/// The tokens of “After this” and “Stop and do this” under the message sent last.
fn choices(bed: &Bed) -> (String, String) {
    let buttons = buttons(bed);
    let labels: Vec<_> = buttons.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["After this", "Stop and do this"]);
    assert!(buttons.iter().all(|(_, token)| token.len() <= 64), "{buttons:?}");
    (buttons[0].1.clone(), buttons[1].1.clone())
}

fn told(bed: &Bed) -> String {
    bed.sent("/answerCallbackQuery").last().unwrap().clone()
}

#[tokio::test]
async fn button_of_a_message_that_waits_stops_the_run_and_goes_on_with_the_message() {
    let bed = bed();
    group(&bed, 1, APPROVER, "work").await;
    let task = bed.lease().await.remove(0);
    group(&bed, 2, APPROVER, "write the changelog").await;
    group(&bed, 3, APPROVER, "do that instead").await;
    let (after, instead) = choices(&bed);
    // The default changes nothing.
    press(&bed, 4, APPROVER, -1_001, &after).await;
    assert!(told(&bed).contains("It comes after this."));
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    press(&bed, 5, APPROVER, -1_001, &instead).await;
    assert!(told(&bed).contains("Stopping codegen; this comes next"));
    let answer = renew(&bed, &task).await;
    assert_eq!(
        (&answer["reason"], &answer["detail"]),
        (&json!("stopped"), &json!("You stopped it."))
    );
    assert!(bed.lease().await.is_empty(), "the run has not ended yet");
    end(&bed, &task, 0.2).await;
    let next = bed.lease().await.remove(0);
    assert_eq!(next["message"], "do that instead", "before the message between");
    let history = next["context"]["history"].to_string();
    assert!(history.contains("codegen was stopped."), "with what the run had said: {history}");
    bed.finish(&next, "success", "Done.").await;
    assert_eq!(bed.lease().await[0]["message"], "write the changelog");
}

#[tokio::test]
async fn button_of_a_message_that_waits_is_bound_to_its_run_and_its_message() {
    let bed = bed();
    group(&bed, 1, APPROVER, "work").await;
    let task = bed.lease().await.remove(0);
    group(&bed, 2, APPROVER, "second").await;
    let (after, instead) = choices(&bed);
    // Another chat, and a message that nobody sent.
    press(&bed, 3, APPROVER, -1_002, &instead).await;
    assert!(told(&bed).contains("no longer valid"));
    let made_up = format!("{}{}", &instead[..instead.len() - 1], "Z");
    press(&bed, 4, APPROVER, -1_001, &made_up).await;
    assert!(told(&bed).contains("no longer valid"));
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    // Its run has ended, and the message runs itself.
    bed.finish(&task, "success", "One.").await;
    let second = bed.lease().await.remove(0);
    for token in [&after, &instead] {
        press(&bed, if token == &after { 5 } else { 6 }, APPROVER, -1_001, token).await;
        assert!(told(&bed).contains("This message does not wait any more."), "{}", told(&bed));
    }
    assert_eq!(renew(&bed, &second).await["cancel"], false);
    // A message that waits for the next run cannot stop that with a button of the run before.
    group(&bed, 7, APPROVER, "third").await;
    let (_, of_third) = choices(&bed);
    let parts: Vec<_> = of_third.split(':').collect();
    let old = instead.split(':').nth(1).unwrap();
    let other_run = format!("s2:{old}:{}:{}", parts[2], parts[3]);
    press(&bed, 8, APPROVER, -1_001, &other_run).await;
    assert!(told(&bed).contains("That run has ended already"), "{}", told(&bed));
    let other_number = format!("s2:{}:2:{}", parts[1], parts[3]);
    press(&bed, 9, APPROVER, -1_001, &other_number).await;
    assert!(told(&bed).contains("That run has ended already"), "{}", told(&bed));
    assert_eq!(renew(&bed, &second).await["cancel"], false);
}

#[tokio::test]
async fn button_of_a_message_that_waits_has_the_authority_of_a_stop() {
    let mut config = crate::bed::config();
    config["endpoints"]["telegram"]["main"]["senders"] =
        json!([APPROVER.to_string(), OTHER.to_string()]);
    let bed = crate::bed::bed_with(config);
    group(&bed, 1, APPROVER, "work").await;
    let task = bed.lease().await.remove(0);
    group(&bed, 2, OTHER, "do mine").await;
    let (_, instead) = choices(&bed);
    press(&bed, 3, OTHER, -1_001, &instead).await;
    assert!(told(&bed).contains("Only its sender or an approver"));
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    press(&bed, 4, APPROVER, -1_001, &instead).await;
    assert_eq!(renew(&bed, &task).await["reason"], "stopped");
}

#[tokio::test]
async fn button_stops_a_message_that_no_machine_has_begun() {
    let bed = bed();
    group(&bed, 1, APPROVER, "work").await;
    let sent: Value = serde_json::from_str(&bed.sent("/sendMessage")[0]).unwrap();
    let token = sent["reply_markup"]["inline_keyboard"][0][0]["callback_data"].as_str().unwrap();
    press(&bed, 2, APPROVER, -1_001, token).await;
    assert_eq!(bed.event("1").await["state"], "refused");
    assert!(bed.lease().await.is_empty());
}

/// Slack does not name the thread that a command is typed in.
#[tokio::test]
async fn slack_command_sees_and_stops_the_runs_in_the_threads_of_its_channel() {
    let bed = bed_with(cases::config(None));
    let asked = json!({ "type": "app_mention", "channel": "C1", "text": "<@U0BOT> fix it", "ts": "1790000000.000001" });
    assert_eq!(cases::post(&bed, "slack", &asked, 1).await.0, 200);
    let task = bed.lease().await.remove(0);
    let command = async |channel: &str, text: &str, n: u64| {
        let form = json!({ "command": "/quintet", "text": text, "user_id": "U0HUMAN01", "team_id": "T0AAAA111",
            "channel_id": channel, "trigger_id": format!("t{n}"), "response_url": "https://hooks.slack.com/commands/T0/1/x" });
        assert_eq!(cases::post(&bed, "slack-form", &form, n).await.0, 200);
    };
    let answers = || {
        let sent = bed.outbound.sent().into_iter().map(|sent| sent.body).collect::<String>();
        percent_encoding::percent_decode_str(&sent).decode_utf8_lossy().into_owned()
    };
    command("C12", "status", 2).await;
    assert!(answers().contains("Nothing runs or waits here."), "{}", answers());
    command("C1", "status", 3).await;
    assert!(answers().contains("codegen works on `@U0BOT fix it`"), "{}", answers());
    command("C12", "stop", 4).await;
    assert_eq!(renew(&bed, &task).await["cancel"], false);
    command("C1", "stop", 5).await;
    assert_eq!(renew(&bed, &task).await["cancel"], true);
}
