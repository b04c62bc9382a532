//! Several gateways: which one gets a task, what happens when it cannot or does not come, and
//! taking one out of service.

use crate::bed::{Bed, GATEWAY, OPERATOR, bed, bed_with, config};
use contracts::Shard;
use contracts::approval::{ApprovalState, GivenUp};
use contracts::calls::agency_router::{ChooseInstance, ReportOutcome, RouteEvent};
use contracts::calls::personal_assistant::{Approve, ReportGivenUp, ReportStopped};
use serde_json::{Value, json};

const HOME: &str = "home";
const OFFICE: &str = "office";

async fn lease(bed: &Bed, gateway: &str) -> Vec<Value> {
    let (status, leased) = bed
        .post(
            "/api/tasks/lease",
            GATEWAY,
            &json!({ "gatewayId": gateway, "agents": ["codegen"], "capacity": 8 }),
        )
        .await;
    assert_eq!(status, 200, "{leased}");
    leased.as_array().unwrap().clone()
}

/// How many tasks the home machine gets that waits already when so many milliseconds go by.
async fn leased_by_who_waits(bed: &Bed, ms: i64) -> usize {
    let ask = json!({ "gatewayId": HOME, "agents": ["codegen"], "capacity": 1, "wait": 20 });
    let waiting = bed.post("/api/tasks/lease", GATEWAY, &ask);
    let later = async {
        bed.settle().await;
        bed.clock.advance(ms);
        webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    };
    let ((status, leased), ()) = tokio::join!(waiting, later);
    assert_eq!(status, 200, "{leased}");
    leased.as_array().unwrap().len()
}

/// Both have asked for work, and the router's pool likes this one better.
async fn two_gateways(chosen: &str) -> Bed {
    two_gateways_of(bed(), chosen).await
}

/// The same with a bot that three people may write to.
async fn bed_with_chats() -> Bed {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["senders"] =
        json!(["700100200", "700100201", "700100202"]);
    two_gateways_of(bed_with(config), OFFICE).await
}

async fn two_gateways_of(bed: Bed, chosen: &str) -> Bed {
    bed.world.set(|answers| answers.instance = Some(chosen.to_owned()));
    lease(&bed, HOME).await;
    lease(&bed, OFFICE).await;
    bed
}

async fn drain(bed: &Bed, gateway: &str, drained: bool) -> (u16, Value) {
    bed.post(&format!("/api/gateways/{gateway}/drain"), OPERATOR, &json!({ "drained": drained }))
        .await
}

#[tokio::test]
async fn a_task_is_for_the_gateway_that_the_pool_chose() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    assert_eq!(lease(&bed, HOME).await.len(), 0);
    let asked = bed.fakes.bodies::<ChooseInstance>();
    assert_eq!(
        asked[0],
        json!({ "agent": "codegen", "among": [{ "gateway": HOME, "inHand": 0 }, { "gateway": OFFICE, "inHand": 0 }] })
    );
    assert_eq!(lease(&bed, OFFICE).await.len(), 1);
}

#[tokio::test]
async fn what_a_gateway_has_and_what_waits_for_it_counts() {
    let bed = bed_with_chats().await;
    let in_hand =
        |nth: usize| bed.fakes.bodies::<ChooseInstance>()[nth]["among"][1]["inHand"].clone();
    bed.telegram(1, "one").await;
    bed.telegram_from(2, 700_100_201, "two").await;
    assert_eq!((in_hand(0), in_hand(1)), (json!(0), json!(1)), "the first waits for it");
    assert_eq!(lease(&bed, OFFICE).await.len(), 2);
    bed.telegram_from(3, 700_100_202, "three").await;
    assert_eq!(in_hand(2), json!(2), "it has both");
}

#[tokio::test]
async fn when_the_chosen_gateway_does_not_come_another_takes_it() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    assert_eq!(lease(&bed, HOME).await.len(), 0);
    bed.clock.advance(3_001);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    assert_eq!(lease(&bed, HOME).await.len(), 1);
}

#[tokio::test]
async fn who_waits_is_called_when_a_kept_task_becomes_free() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    assert_eq!(leased_by_who_waits(&bed, 3_001).await, 1);
}

#[tokio::test]
async fn a_gateway_that_cannot_begin_is_passed_over_and_the_agent_stays() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    let task = lease(&bed, OFFICE).await;
    bed.finish(&task[0], "unavailable", "not installed here").await;
    assert_eq!(lease(&bed, OFFICE).await.len(), 0, "not again where it could not begin");
    let again = lease(&bed, HOME).await;
    assert_eq!(
        (again[0]["agent"].as_str(), again[0]["taskId"].as_str().unwrap().ends_with("~2")),
        (Some("codegen"), true)
    );
    assert_eq!(bed.fakes.count::<RouteEvent>(), 1, "who does it is not decided again");
    bed.finish(&again[0], "unavailable", "not here either").await;
    assert_eq!(
        bed.fakes.bodies::<RouteEvent>()[1]["exclude"],
        json!(["codegen"]),
        "then another agent takes it"
    );
}

#[tokio::test]
async fn the_last_gateway_may_try_again_when_the_others_are_gone() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    let task = lease(&bed, OFFICE).await;
    bed.finish(&task[0], "unavailable", "just now").await;
    bed.clock.advance(60_001);
    assert_eq!(lease(&bed, OFFICE).await.len(), 1);
}

#[tokio::test]
async fn a_drained_gateway_gets_no_task_until_it_is_put_back() {
    let bed = two_gateways(HOME).await;
    let (status, row) = drain(&bed, HOME, true).await;
    assert_eq!((status, &row["gatewayId"], &row["drained"]), (200, &json!(HOME), &json!(true)));
    bed.telegram(1, "work").await;
    assert_eq!(bed.fakes.count::<ChooseInstance>(), 0, "one is left: nothing to choose");
    assert_eq!(lease(&bed, HOME).await.len(), 0);
    let drained: Vec<bool> = bed.get("/api/gateways").await["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["drained"] == true)
        .collect();
    assert_eq!(drained, [true, false]);
    assert_eq!(drain(&bed, HOME, false).await.1["drained"], false);
    assert_eq!(lease(&bed, HOME).await.len(), 1);
}

#[tokio::test]
async fn draining_lets_what_runs_end() {
    let bed = two_gateways(HOME).await;
    bed.telegram(1, "work").await;
    let task = lease(&bed, HOME).await;
    drain(&bed, HOME, true).await;
    let path = format!("/api/tasks/{}/renew", task[0]["taskId"].as_str().unwrap());
    let (status, renewed) = bed.post(&path, GATEWAY, &json!({ "epoch": 1 })).await;
    assert_eq!((status, &renewed["cancel"]), (200, &json!(false)));
    assert_eq!(bed.finish(&task[0], "success", "done").await, 200);
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn only_the_operator_drains_and_only_what_is_known() {
    let bed = two_gateways(HOME).await;
    assert_eq!(
        bed.post("/api/gateways/home/drain", GATEWAY, &json!({ "drained": true })).await.0,
        403
    );
    assert_eq!(bed.post("/api/gateways/home/drain", "", &json!({ "drained": true })).await.0, 401);
    assert_eq!(drain(&bed, "nobody", true).await.0, 404);
    let (status, problem) = bed.post("/api/gateways/home/drain", OPERATOR, &json!({})).await;
    assert_eq!((status, &problem["field"]), (422, &json!("drained")));
}

#[tokio::test]
async fn the_pool_hears_what_a_run_took_of_what_kind_of_work() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    let task = lease(&bed, OFFICE).await;
    let path = format!("/api/tasks/{}/result", task[0]["taskId"].as_str().unwrap());
    let usage = json!({ "input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100 });
    bed.post(
        &path,
        GATEWAY,
        &json!({ "epoch": 1, "outcome": "success", "text": "done", "usage": usage }),
    )
    .await;
    bed.settle().await;
    let told = bed.fakes.bodies::<ReportOutcome>().pop().unwrap();
    assert_eq!(
        (&told["complexity"], &told["tokens"]),
        (&json!("simple"), &json!({ "input": 105, "output": 7 }))
    );
}

#[tokio::test]
async fn the_pool_hears_where_a_run_was_and_that_a_gateway_was_lost() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    lease(&bed, OFFICE).await;
    bed.clock.advance(30_001);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    let told: Vec<(Value, Value)> = bed
        .fakes
        .bodies::<ReportOutcome>()
        .iter()
        .map(|report| (report["gateway"].clone(), report["outcome"].clone()))
        .collect();
    assert_eq!(told, [(json!(OFFICE), json!("started")), (json!(OFFICE), json!("failed"))]);
}

/// The office machine leases and falls silent until its lease is over.
async fn lost_at_the_office(bed: &Bed) -> Value {
    bed.telegram(1, "work").await;
    let task = lease(bed, OFFICE).await.remove(0);
    bed.clock.advance(30_001);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    task
}

#[tokio::test]
async fn what_was_leased_and_never_begun_goes_to_the_next_gateway_whatever_the_agent() {
    let mut config = config();
    config["agents"] = json!({ "codegen": { "runner": "command", "command": ["x"] } });
    let bed = two_gateways_of(bed_with(config), OFFICE).await;
    bed.given_up(GivenUp::Open);
    let lost = lost_at_the_office(&bed).await;
    assert_eq!(bed.event("1").await["state"], "running");
    let again = lease(&bed, HOME).await;
    assert_eq!(
        (&again[0]["taskId"], &again[0]["approvalId"], &again[0]["epoch"]),
        (&lost["taskId"], &lost["approvalId"], &json!(2)),
        "one approval"
    );
    assert_eq!(bed.fakes.count::<Approve>(), 1, "nobody is asked twice");
    assert_eq!(bed.finish(&lost, "success", "late").await, 409);
    assert_eq!(bed.finish(&again[0], "success", "done").await, 200);
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn waiting_gateway_is_woken_when_a_task_is_requeued() {
    let bed = two_gateways(OFFICE).await;
    bed.given_up(GivenUp::Open);
    bed.telegram(1, "work").await;
    lease(&bed, OFFICE).await;
    bed.clock.advance(29_000);
    assert_eq!(leased_by_who_waits(&bed, 1_001).await, 1);
}

#[tokio::test]
async fn a_task_that_no_gateway_ever_begins_is_not_handed_out_for_ever() {
    let bed = two_gateways(OFFICE).await;
    bed.given_up(GivenUp::Open);
    bed.telegram(1, "work").await;
    for _ in 0..40 {
        bed.clock.advance(3_001);
        lease(&bed, OFFICE).await;
        bed.clock.advance(30_001);
        webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    }
    assert_eq!(
        (&bed.event("1").await["state"], &bed.event("1").await["reason"]),
        (&json!("dead"), &json!("gateway_lost"))
    );
}

#[tokio::test]
async fn what_no_gateway_began_in_time_is_approved_anew_whatever_the_agent_and_what_was_stopped_is_not()
 {
    let mut config = config();
    config["agents"] = json!({ "codegen": { "runner": "command", "command": ["x"] } });
    let bed = two_gateways_of(bed_with(config.clone()), OFFICE).await;
    bed.given_up(GivenUp::Lapsed);
    lost_at_the_office(&bed).await;
    bed.clock.advance(3_001);
    assert!(lease(&bed, HOME).await[0]["taskId"].as_str().unwrap().ends_with("~2"));
    assert_eq!(bed.fakes.count::<Approve>(), 2);
    let told: Vec<Value> = bed
        .fakes
        .bodies::<ReportOutcome>()
        .iter()
        .map(|report| report["outcome"].clone())
        .collect();
    assert!(
        !told.contains(&json!("failed")),
        "who came too late for an approval has not failed: {told:?}"
    );
    let bed = two_gateways_of(bed_with(config), OFFICE).await;
    bed.given_up(GivenUp::Ended);
    lost_at_the_office(&bed).await;
    assert_eq!(
        (&bed.event("1").await["state"], &bed.event("1").await["reason"]),
        (&json!("halted"), &json!("halted"))
    );
}

#[tokio::test]
async fn while_the_assistant_cannot_say_whether_a_lost_run_began_nothing_is_decided() {
    let bed = two_gateways(OFFICE).await;
    bed.fakes.raw::<ReportGivenUp>(200, r#"{"was": "unheard of"}"#);
    lost_at_the_office(&bed).await;
    assert_eq!(bed.event("1").await["state"], "running");
    bed.given_up(GivenUp::Open);
    bed.clock.advance(60_000);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    assert_eq!(lease(&bed, HOME).await.len(), 1);
}

#[tokio::test]
async fn what_a_lost_run_still_says_changes_nothing_once_the_next_one_is_begun() {
    for outcome in ["cancelled", "success", "unavailable"] {
        let bed = two_gateways(OFFICE).await;
        let lost = lost_at_the_office(&bed).await;
        bed.clock.advance(3_001);
        let next = lease(&bed, HOME).await;
        assert_eq!(bed.finish(&lost, outcome, "late").await, 409, "{outcome}");
        assert_eq!(bed.event("1").await["state"], "running", "{outcome}");
        assert_eq!(bed.fakes.count::<ReportStopped>(), 0, "nobody halted anything");
        bed.finish(&next[0], "success", "done").await;
        assert_eq!(bed.event("1").await["state"], "done", "{outcome}");
    }
}

#[tokio::test]
async fn a_lost_run_is_in_nobody_s_hands() {
    let bed = two_gateways(OFFICE).await;
    lost_at_the_office(&bed).await;
    let running: Vec<Value> = bed.get("/api/gateways").await["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["running"].clone())
        .collect();
    assert_eq!(running, [json!(0), json!(0)]);
    assert_eq!(bed.fakes.bodies::<ChooseInstance>().pop().unwrap()["among"][1]["inHand"], 0);
}

#[tokio::test]
async fn a_run_that_must_not_be_repeated_is_in_nobody_s_hands_either_and_may_still_answer() {
    let mut config = config();
    config["agents"] = json!({ "codegen": { "runner": "command", "command": ["x"] } });
    let bed = two_gateways_of(bed_with(config), OFFICE).await;
    let lost = lost_at_the_office(&bed).await;
    assert_eq!(bed.event("1").await["state"], "dead");
    assert_eq!(bed.get("/api/gateways").await["gateways"][1]["running"], 0);
    assert_eq!(bed.finish(&lost, "success", "late, and done").await, 200);
    assert_eq!(bed.event("1").await["state"], "answered");
}

#[tokio::test]
async fn a_restart_of_the_server_is_no_failure_of_its_gateway() {
    let bed = two_gateways(OFFICE).await;
    bed.telegram(1, "work").await;
    lease(&bed, OFFICE).await;
    webhook_aggregator::recover(&bed.deps, &OFFICE.into()).await.unwrap();
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    assert_eq!(
        bed.fakes
            .bodies::<ReportOutcome>()
            .iter()
            .filter(|report| report["outcome"] == "failed")
            .count(),
        0
    );
    assert_eq!(bed.event("1").await["state"], "running", "it is begun again all the same");
}

#[tokio::test]
async fn when_no_gateway_can_begin_the_last_run_is_another_agent_s() {
    let bed = two_gateways(OFFICE).await;
    let all = ["a", "b", "c", "d", "e"];
    for gateway in all {
        lease(&bed, gateway).await;
    }
    bed.telegram(1, "work").await;
    for _ in 0..3 {
        bed.clock.advance(3_001);
        for gateway in [HOME, OFFICE].into_iter().chain(all) {
            if let Some(task) = lease(&bed, gateway).await.first() {
                bed.finish(task, "unavailable", "not here").await;
                break;
            }
        }
    }
    assert_eq!(bed.fakes.bodies::<RouteEvent>().pop().unwrap()["exclude"], json!(["codegen"]));
}

#[tokio::test]
async fn approval_is_asked_for_exactly_what_the_gateways_would_start() {
    let mut config = config();
    config["agents"] = json!({ "codegen": { "runner": "command", "command": ["x"] } });
    let people: Vec<u64> = (700_100_200..700_100_204).collect();
    config["endpoints"]["telegram"]["main"]["senders"] =
        json!(people.iter().map(u64::to_string).collect::<Vec<_>>());
    let bed = bed_with(config);
    let runs = |program: &str| {
        json!({ "runner": "command", "program": [program, "-p"], "workspace": "~/src/app", "worktree": true,
            "model": "opus", "sandbox": "strict", "network": "internet", "env": ["LANG"], "timeoutS": 900,
            "memoryBytesMax": 1 << 30, "workBytesMax": 1 << 30 })
    };
    let offered = async |gateway: &str, program: &str| {
        let all = json!({ "Codegen": runs(program), "other": runs("no") });
        let ask = json!({ "gatewayId": gateway, "agents": ["*"], "capacity": 1, "runs": all });
        assert_eq!(bed.post("/api/tasks/lease", GATEWAY, &ask).await.0, 200);
    };
    let arguments = || bed.fakes.bodies::<Approve>().pop().unwrap()["arguments"].clone();
    bed.telegram_from(1, people[0], "work").await;
    assert_eq!(arguments(), json!({ "message": "work" }), "nobody has said what it starts");
    offered(HOME, "claude").await;
    offered(OFFICE, "claude").await;
    bed.telegram_from(2, people[1], "work").await;
    assert_eq!(arguments(), json!({ "message": "work", "runs": [runs("claude")] }));
    offered(OFFICE, "/opt/claude").await;
    bed.telegram_from(3, people[2], "work").await;
    let both = json!([runs("claude"), runs("/opt/claude")]);
    assert_eq!(arguments(), json!({ "message": "work", "runs": both }));
    assert_eq!(drain(&bed, HOME, true).await.0, 200);
    bed.telegram_from(4, people[3], "work").await;
    assert_eq!(arguments()["runs"], json!([runs("/opt/claude")]));
}

fn unready(gateway: &str, agents: &Value) -> Value {
    json!({ "gatewayId": gateway, "agents": ["*"], "capacity": 8, "unready": agents })
}

#[tokio::test]
async fn agent_that_is_ready_nowhere_is_told_without_asking_the_owner() {
    let mut config = config();
    config["agents"] = json!({ "codegen": { "runner": "command", "command": ["x"] } });
    let bed = bed_with(config);
    let missing =
        json!([{ "agent": "codegen", "why": "its program x is not there", "fix": "install x" }]);
    assert_eq!(bed.post("/api/tasks/lease", GATEWAY, &unready(HOME, &missing)).await.0, 200);
    let row = bed.get("/api/gateways").await["gateways"][0].clone();
    assert_eq!(row["unready"], missing);
    let mut refused = fakes::approve_answer(ApprovalState::Rejected);
    refused.code = Some("agent_unavailable".to_owned());
    bed.world.set(|world| world.approve = Some(refused));
    bed.telegram(1, "fix it").await;
    let asked = &bed.fakes.bodies::<Approve>()[0]["channelContext"];
    assert_eq!(asked["cannotStart"], "its program x is not there. To fix it, install x.");
    let event = bed.event("1").await;
    assert_eq!(
        (&event["state"], &event["reason"]),
        (&json!("failed"), &json!("agent_unavailable")),
        "{event}"
    );
    let told = event["replies"][0]["text"].as_str().unwrap();
    assert!(
        told.contains("codegen is not available right now: its program x is not there"),
        "{told}"
    );
    assert_eq!(bed.fakes.bodies::<RouteEvent>()[1]["exclude"], json!(["codegen"]));

    // Another machine has it.
    bed.world.set(|world| world.approve = None);
    assert_eq!(bed.post("/api/tasks/lease", GATEWAY, &unready(OFFICE, &json!([]))).await.0, 200);
    bed.telegram(2, "fix it").await;
    let asked = bed.fakes.bodies::<Approve>().pop().unwrap();
    assert!(asked["channelContext"].get("cannotStart").is_none(), "{asked}");
    assert_eq!(bed.post("/api/tasks/lease", GATEWAY, &unready(HOME, &json!([]))).await.0, 200);
    let rows = bed.get("/api/gateways").await;
    assert!(rows["gateways"].as_array().unwrap().iter().all(|row| row.get("unready").is_none()));
}

#[tokio::test]
async fn list_of_unready_agents_is_bounded() {
    let bed = bed();
    let agent = |why: &str| json!({ "agent": "codegen", "why": why, "fix": "" });
    for list in [vec![agent("x"); 101], vec![agent(&"x".repeat(1_001))]] {
        let (status, problem) =
            bed.post("/api/tasks/lease", GATEWAY, &unready(HOME, &json!(list))).await;
        assert_eq!((status, &problem["field"]), (422, &json!("unready")), "{problem}");
    }
    assert_eq!(bed.get("/api/gateways").await["gateways"], json!([]));
}
