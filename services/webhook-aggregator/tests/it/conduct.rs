//! Content messages on their way: in order, to an answer, through failures.

use crate::bed::{Bed, approval, bed, bed_with, config};
use contracts::approval::ApprovalState;
use contracts::calls::agency_router::{GiveFeedback, RouteEvent};
use contracts::calls::personal_assistant::{Approve, BreakTie};
use platform::memory::MemoryOutbound;
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_is_answered_by_placeholder_and_edit() {
    let bed = bed();
    assert_eq!(bed.telegram(1, "fix it").await, 200);
    let tasks = bed.lease().await;
    assert_eq!(
        (tasks[0]["agent"].as_str(), tasks[0]["message"].as_str()),
        (Some("codegen"), Some("fix it"))
    );
    assert_eq!(bed.sent("/sendMessage").len(), 1, "the placeholder");
    assert_eq!(bed.finish(&tasks[0], "success", "Done: **fixed**.").await, 200);
    let edits = bed.sent("/editMessageText");
    assert_eq!(edits.len(), 1);
    assert!(edits[0].contains("Done: fixed."), "{}", edits[0]);
    assert_eq!(bed.event("1").await["state"], "done");
    assert_eq!(
        bed.finish(&tasks[0], "success", "Done: **fixed**.").await,
        200,
        "the same result again is the same"
    );
    assert_eq!(bed.sent("/editMessageText").len(), 1);
}

#[tokio::test]
async fn the_second_message_of_a_conversation_waits_for_the_first() {
    let bed = bed();
    bed.telegram(1, "one").await;
    bed.telegram(2, "two").await;
    let first = bed.lease().await;
    assert_eq!(first.len(), 1);
    bed.finish(&first[0], "success", "a").await;
    let second = bed.lease().await;
    assert_eq!(second[0]["message"], "two");
    let history = second[0]["context"]["history"].as_array().unwrap();
    assert_eq!(
        history.iter().map(|turn| turn["text"].as_str().unwrap()).collect::<Vec<_>>(),
        ["one", "a"]
    );
}

#[tokio::test]
async fn what_needs_approval_parks_and_goes_on_when_decided() {
    let bed = bed();
    bed.world.set(|answers| answers.approve = Some(fakes::approve_answer(ApprovalState::Pending)));
    bed.telegram(1, "costly").await;
    assert_eq!(bed.event("1").await["state"], "parked");
    let asked = bed.fakes.bodies::<Approve>();
    assert_eq!(asked[0]["channelContext"]["ask"][0]["chat"], "700100200");
    bed.world.set(|answers| answers.approve = Some(fakes::approve_answer(ApprovalState::Approved)));
    bed.telegram(2, "cheap").await;
    let cheap = bed.lease().await;
    assert_eq!(cheap[0]["message"], "cheap", "a parked event does not hold up its conversation");
    bed.finish(&cheap[0], "success", "ok").await;
    bed.world.set(|answers| answers.approval = Some(approval(ApprovalState::Approved)));
    let id = bed.event("1").await["id"].as_str().unwrap().to_owned();
    let (status, _) = bed
        .post(&format!("/internal/events/{id}/wake"), "secret-personal-assistant", &json!({}))
        .await;
    assert_eq!(status, 200);
    bed.settle().await;
    let costly = bed.lease().await;
    assert_eq!(
        (costly[0]["message"].as_str(), costly[0]["digest"].as_str()),
        (Some("costly"), Some("d2"))
    );
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let bed = bed();
    let mut refused = fakes::approve_answer(ApprovalState::Rejected);
    refused.code = Some("budget_exhausted".to_owned());
    bed.world.set(|answers| answers.approve = Some(refused));
    bed.telegram(1, "costly").await;
    let event = bed.event("1").await;
    assert_eq!(
        (event["state"].as_str(), event["reason"].as_str()),
        (Some("refused"), Some("budget_exhausted"))
    );
    assert!(bed.sent("/sendMessage")[0].contains("Not done: the rules say so."));
    assert!(bed.lease().await.is_empty());
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_replaced() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await;
    bed.world.set(|answers| answers.agent = Some("security".to_owned()));
    bed.finish(&task[0], "unavailable", "not found").await;
    let routed = bed.fakes.bodies::<RouteEvent>();
    assert_eq!(routed[1]["exclude"], json!(["codegen"]));
    let again = bed.lease().await;
    assert!(
        again[0]["taskId"].as_str().unwrap().ends_with("~2"),
        "a run of its own, approved anew"
    );
}

#[tokio::test]
async fn a_service_that_is_down_costs_time_and_no_message() {
    let bed = bed();
    bed.world.set(|answers| answers.router_down = true);
    bed.telegram(1, "work").await;
    assert_eq!(bed.event("1").await["attempts"], 1);
    bed.world.set(|answers| answers.router_down = false);
    bed.clock.advance(60_000);
    webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    assert_eq!(bed.lease().await.len(), 1);
    let event = bed.event("1").await;
    assert_eq!(event["attemptsLog"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tries_end_in_a_dead_letter_that_can_be_replayed() {
    let bed = bed();
    bed.world.set(|answers| answers.router_down = true);
    bed.telegram(1, "work").await;
    for _ in 0..12 {
        bed.clock.advance(48 * 3_600_000);
        webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    }
    let event = bed.event("1").await;
    assert_eq!(event["state"], "dead");
    assert!(event["reason"].as_str().unwrap().starts_with("given up"));
    bed.world.set(|answers| answers.router_down = false);
    let (_, dry) = bed.post("/api/replay", crate::bed::OPERATOR, &json!({})).await;
    assert_eq!(
        (
            dry["dryRun"].as_bool(),
            dry["matched"].as_array().unwrap().len(),
            dry["replayed"].as_array().unwrap().len()
        ),
        (Some(true), 1, 0)
    );
    let (_, done) =
        bed.post("/api/replay", crate::bed::OPERATOR, &json!({ "dryRun": false })).await;
    assert_eq!(done["replayed"].as_array().unwrap().len(), 1);
    bed.settle().await;
    let task = bed.lease().await;
    bed.finish(&task[0], "success", "at last").await;
    let event = bed.event("1").await;
    assert_eq!((event["state"].as_str(), event["replays"].as_u64()), (Some("done"), Some(1)));
}

#[tokio::test]
async fn a_flooded_platform_is_obeyed() {
    let bed = bed();
    bed.outbound.answer(|_| {
        Ok(MemoryOutbound::json(
            429,
            &json!({ "ok": false, "error_code": 429, "parameters": { "retry_after": 7 } }),
        ))
    });
    bed.telegram(1, "work").await;
    assert_eq!(bed.sent("/sendMessage").len(), 1);
    bed.outbound.answer(|sent| Ok(crate::bed::platform_says(sent)));
    bed.clock.advance(6_900);
    webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    assert_eq!(bed.sent("/sendMessage").len(), 1, "not before its time");
    bed.clock.advance(200);
    webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    assert_eq!(bed.sent("/sendMessage").len(), 2);
}

#[tokio::test]
async fn a_cut_off_run_is_begun_again_only_where_it_cannot_have_had_effects() {
    for (runner, state) in [("knowledge", "running"), ("command", "dead")] {
        let mut config = crate::bed::config();
        config["agents"] = json!({ "codegen": { "runner": runner, "command": ["x"] } });
        let bed = crate::bed::bed_with(config);
        bed.telegram(1, "work").await;
        assert_eq!(bed.lease().await.len(), 1);
        bed.clock.advance(31_000);
        webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
        assert_eq!(bed.event("1").await["state"], state, "{runner}");
        assert_eq!(bed.fakes.count::<RouteEvent>(), 1, "who does it is not decided again");
        let again: Vec<Value> =
            bed.lease().await.iter().map(|task| task["taskId"].clone()).collect();
        assert!(again.iter().all(|id| id.as_str().unwrap().ends_with("~2")), "a run of its own");
        assert_eq!(again.len(), usize::from(state == "running"));
    }
}

#[tokio::test]
async fn a_lost_run_is_repeated_only_when_its_runner_has_no_effects() {
    use platform::memory::runners::{READING, WRITING};
    for (kind, state) in [(READING, "running"), (WRITING, "dead")] {
        let mut bed = bed();
        let table = json!({ "agents": { "CodeGen": { "runner": kind.name } } });
        let agents = platform::agents::Agents::read_as(&[kind], &table);
        let config = webhook_aggregator::Config { agents, ..(*bed.deps.config).clone() };
        bed.deps.config = std::sync::Arc::new(config);
        bed.app = webhook_aggregator::router(bed.deps.clone());
        bed.telegram(1, "work").await;
        assert_eq!(bed.lease().await.len(), 1);
        bed.clock.advance(31_000);
        webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
        assert_eq!(bed.event("1").await["state"], state, "{}", kind.name);
    }
}

#[tokio::test]
async fn the_console_reads_what_was_said() {
    let bed = bed();
    let (status, accepted) = bed
        .post(
            "/api/messages",
            crate::bed::OPERATOR,
            &json!({ "text": "hello", "conversation": "c1" }),
        )
        .await;
    assert_eq!((status, accepted["conversation"].as_str()), (202, Some("web:console:c1")));
    bed.settle().await;
    let task = bed.lease().await;
    bed.finish(&task[0], "success", "hi there").await;
    let said = bed.get("/api/conversations/web:console:c1/messages").await;
    let lines: Vec<_> = said["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["speaker"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [("user", "hello"), ("agent", "hi there")]);
    let event = bed.get(&format!("/api/events/{}", accepted["eventId"].as_str().unwrap())).await;
    assert_eq!(event["replies"][0]["text"], "hi there");
}

#[tokio::test]
async fn alarms_that_come_twice_at_once_do_each_step_once() {
    let bed = bed();
    bed.world.set(|world| world.router_down = true);
    for id in 1..=5 {
        assert_eq!(bed.telegram_from(id, 700_100_200, "fix the build").await, 200);
    }
    bed.world.set(|world| world.router_down = false);
    let before = bed.fakes.count::<RouteEvent>();
    bed.clock.advance(60_000);
    let shard = contracts::Shard::new("telegram.main");
    let pump = || webhook_aggregator::pump(&bed.deps, &shard);
    let pumped = tokio::join!(pump(), pump(), pump(), pump());
    for done in [pumped.0, pumped.1, pumped.2, pumped.3] {
        done.unwrap();
    }
    bed.settle().await;
    // One conversation: the first goes on, the others wait for it.
    assert_eq!(bed.fakes.count::<RouteEvent>(), before + 1);
    assert_eq!(bed.fakes.count::<Approve>(), 1);
    assert_eq!(bed.lease().await.len(), 1);
}

#[tokio::test]
async fn nobody_is_open_to_a_guest_and_nobody_is_given_the_message() {
    let bed = bed();
    bed.world.set(|world| world.closed = true);
    assert_eq!(bed.telegram(1, "fix the build").await, 200);
    let event = bed.event("1").await;
    assert_eq!(
        (&event["state"], &event["reason"]),
        (&json!("refused"), &json!("not_public")),
        "{event}"
    );
    assert!(bed.fakes.bodies::<Approve>().is_empty());
    assert!(bed.sent("/sendMessage").concat().contains("No agent here accepts messages from you."));
}

/// The two tokens of the last question that was sent.
fn choice_tokens(bed: &Bed) -> [String; 2] {
    let asked = bed
        .sent("/sendMessage")
        .into_iter()
        .rfind(|body| body.contains("inline_keyboard"))
        .unwrap();
    let body: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(body["reply_markup"]["inline_keyboard"][0][0]["text"], "codegen");
    [0, 1].map(|place| {
        body["reply_markup"]["inline_keyboard"][0][place]["callback_data"]
            .as_str()
            .unwrap()
            .to_owned()
    })
}

async fn press(bed: &Bed, id: u64, user: u64, token: &str) {
    let message = json!({ "message_id": 43, "chat": { "id": 700_100_200, "type": "private" } });
    let body = json!({ "update_id": id, "callback_query": { "id": format!("q{id}"), "from": { "id": user }, "data": token, "message": message } });
    let secret = [("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")];
    assert_eq!(bed.ask("POST", "/telegram/main", "", &secret, body.to_string()).await.0, 200);
    bed.settle().await;
}

#[tokio::test]
async fn between_two_likely_agents_the_person_chooses_by_a_button() {
    let bed = bed();
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    assert_eq!(bed.event("1").await["state"], "parked");
    assert!(
        bed.fakes.bodies::<Approve>().is_empty(),
        "nothing is asked for before it is clear whose it is"
    );
    let [_, second] = choice_tokens(&bed);
    assert!(second.len() <= 64, "{second}");
    // A stranger's press, a forged token and one of another event change nothing.
    let parts: Vec<&str> = second.split(':').collect();
    press(&bed, 2, 666, &second).await;
    press(&bed, 3, 700_100_200, &format!("c1:{}:ffffffffffffffffffffffff:1", parts[1])).await;
    press(&bed, 4, 700_100_200, &format!("c1:01ARZ3NDEKTSV4RRFFQ69G5FAV:{}:1", parts[2])).await;
    press(&bed, 5, 700_100_200, "c1:").await;
    assert_eq!(bed.event("1").await["state"], "parked");
    press(&bed, 6, 700_100_200, &second).await;
    let event = bed.event("1").await;
    assert_eq!(bed.fakes.count::<Approve>(), 1, "{event}");
    let feedback = bed.fakes.bodies::<GiveFeedback>();
    assert_eq!(feedback.len(), 1);
    let leased = bed.lease().await;
    assert_eq!(leased[0]["agent"], "security");
    assert_eq!(bed.fakes.bodies::<Approve>()[0]["agentType"], "security");
    // A name that comes after the button answers nothing any more, and is no work either.
    bed.telegram(8, "Codegen").await;
    assert_eq!(bed.finish(&leased[0], "success", "looked at").await, 200);
    assert_eq!((&bed.event("8").await["state"], bed.lease().await.len()), (&json!("done"), 0));
    press(&bed, 7, 700_100_200, &second).await;
    assert_eq!(bed.fakes.count::<Approve>(), 1, "a button works once");
}

#[tokio::test]
async fn only_who_asked_or_an_approver_chooses() {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["senders"] = json!(["700100200", "42"]);
    let bed = bed_with(config);
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    let [_, second] = choice_tokens(&bed);
    press(&bed, 2, 42, &second).await;
    assert_eq!(bed.event("1").await["state"], "parked");
    press(&bed, 3, 700_100_200, &second).await;
    let leased = bed.lease().await;
    assert_eq!(leased[0]["agent"], "security");
    assert_eq!(
        bed.fakes.bodies::<GiveFeedback>()[0],
        json!({"decisionId": "dec_1", "correct": false, "agent": "security"})
    );
}

#[tokio::test]
async fn a_name_is_an_answer_too_and_silence_lets_the_likelier_one_begin() {
    let bed = bed();
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    bed.telegram(2, "Security!").await;
    assert_eq!(bed.event("2").await["state"], "done");
    assert_eq!(bed.lease().await[0]["agent"], "security");

    let bed = crate::bed::bed();
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    bed.clock.advance(600_000);
    webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.lease().await[0]["agent"], "codegen");
    assert!(bed.fakes.bodies::<GiveFeedback>().is_empty(), "silence teaches nothing");
}

#[tokio::test]
async fn what_is_taken_back_while_it_waits_is_not_begun_later() {
    let bed = bed();
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    let [first, _] = choice_tokens(&bed);
    bed.world.set(|world| (world.unsure_with, world.takes_back) = (None, true));
    bed.telegram(2, "not you, security").await;
    let taken = bed.event("1").await;
    assert_eq!(
        (&taken["state"], &taken["reason"]),
        (&json!("refused"), &json!("taken_back")),
        "{taken}"
    );
    assert_eq!(bed.lease().await.len(), 1, "the message that took it back has its work");
    press(&bed, 3, 700_100_200, &first).await;
    bed.clock.advance(600_000);
    webhook_aggregator::pump(&bed.deps, &contracts::Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    let one = bed.event("1").await;
    assert_eq!(one["state"], "refused");
    let asked = bed.fakes.bodies::<Approve>();
    let of_one = |request: &&serde_json::Value| {
        request["taskId"].as_str().unwrap().starts_with(one["id"].as_str().unwrap())
    };
    assert!(!asked.is_empty() && asked.iter().filter(of_one).count() == 0, "{asked:?}");
}

#[tokio::test]
async fn a_bound_chat_a_reply_and_what_was_said_before_reach_the_router() {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["agent"] = json!("pm");
    config["endpoints"]["telegram"]["main"]["chats"] = json!({"-100": "security"});
    let bed = bed_with(config);
    bed.telegram(1, "fix the build").await;
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "done").await, 200);
    bed.world.set(|world| world.takes_back = true);
    bed.telegram(2, "not you, security").await;
    let asked = bed.fakes.bodies::<RouteEvent>();
    assert_eq!((&asked[0]["boundAgent"], &asked[0]["previous"]), (&json!("pm"), &json!(null)));
    assert_eq!(
        asked[1]["previous"],
        json!({"decisionId": "dec_1", "agent": "codegen", "message": "fix the build"})
    );
    // The message before is what the other agent gets.
    assert_eq!(bed.lease().await[0]["message"], "fix the build");
}

#[tokio::test]
async fn pumps_at_the_same_moment_do_everything_once() {
    let bed = bed();
    bed.world.set(|world| world.router_down = true);
    for update in 1..=5 {
        bed.telegram_from(update, 700_100_200, "work").await;
    }
    bed.world.set(|world| world.router_down = false);
    bed.clock.advance(60_001);
    let shard = contracts::Shard::new("telegram.main");
    let pumps = (0..16).map(|_| webhook_aggregator::pump(&bed.deps, &shard));
    futures_util::future::join_all(pumps).await.into_iter().for_each(|done| done.unwrap());
    bed.settle().await;
    // One conversation: its messages run one after the other.
    for _ in 1..=5 {
        let tasks = bed.lease().await;
        assert_eq!(tasks.len(), 1);
        bed.finish(&tasks[0], "success", "done").await;
    }
    assert_eq!(bed.lease().await.len(), 0);
    assert_eq!(bed.fakes.count::<Approve>(), 5, "each is approved once");
    let said = bed.sent("/sendMessage");
    assert_eq!(said.len(), 5, "each is answered once: {said:?}");
}

#[tokio::test]
async fn after_a_choice_the_conversation_goes_on_with_the_chosen_agent() {
    let bed = bed();
    bed.world.set(|world| world.unsure_with = Some("security".into()));
    bed.telegram(1, "look at the parser").await;
    bed.telegram(2, "security").await;
    let task = bed.lease().await.remove(0);
    assert_eq!(task["agent"], "security");
    assert_eq!(
        task["context"]["reason"],
        "words The scores were close, and the sender chose security."
    );
    bed.finish(&task, "success", "done").await;
    assert!(bed.event("1").await["stages"].to_string().contains("answered by security on g1"));
    bed.world.set(|world| world.unsure_with = None);
    bed.telegram(3, "yes, do it").await;
    assert_eq!(bed.fakes.bodies::<RouteEvent>().pop().unwrap()["stickyAgent"], "security");
}

#[tokio::test]
async fn where_a_model_breaks_the_tie_the_person_is_not_asked() {
    let bed = bed();
    bed.world.set(|world| {
        (world.unsure_with, world.tie_breaker) = (Some("security".into()), Some("security".into()));
    });
    bed.telegram(1, "look at the login").await;
    let asked = bed.fakes.bodies::<BreakTie>();
    assert_eq!(
        (&asked[0]["message"], &asked[0]["agents"]),
        (&json!("look at the login"), &json!(["codegen", "security"]))
    );
    let task = bed.lease().await;
    assert_eq!(task[0]["agent"], "security");
    assert!(
        task[0]["context"]["reason"]
            .as_str()
            .unwrap()
            .ends_with("The scores were close, and a model chose security.")
    );
    assert_eq!(bed.fakes.count::<GiveFeedback>(), 0, "a model's word teaches nothing");
}

#[tokio::test]
async fn a_name_that_is_none_of_the_two_is_no_choice() {
    let bed = bed();
    bed.world.set(|world| {
        (world.unsure_with, world.tie_breaker) = (Some("security".into()), Some("pm".into()));
    });
    bed.telegram(1, "look at the login").await;
    assert_eq!(bed.event("1").await["state"], "parked");
    assert!(bed.sent("/sendMessage")[0].contains("I am not sure which agent should answer"));
}
