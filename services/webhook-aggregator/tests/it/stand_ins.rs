//! Who answers for an agent whose program cannot start: nobody for one that was named, and a
//! related one that says its program and price.

use crate::bed::{Bed, GATEWAY, bed, bed_with, config};
use contracts::calls::agency_router::{ReportOutcome, RouteEvent};

use serde_json::json;

/// The agent's program cannot start.
async fn cannot_start(bed: &Bed) {
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "unavailable", "The program claude is not there.").await;
}

#[tokio::test]
async fn agent_without_a_stand_in_is_told_to_be_unavailable_and_why() {
    let bed = bed();
    bed.telegram(1, "@codegen fix it").await;
    // The router names codegen again: the message is for it alone.
    cannot_start(&bed).await;
    let event = bed.event("1").await;
    assert_eq!(
        (&event["state"], &event["reason"], &event["agent"]),
        (&json!("failed"), &json!("agent_unavailable"), &json!("codegen"))
    );
    let told = bed.sent("/editMessageText").pop().unwrap();
    assert!(told.contains("codegen is not available right now"), "{told}");
    assert!(told.contains("The program claude is not there."), "{told}");
    assert!(bed.lease().await.is_empty(), "no other agent gets it");
    assert_eq!(bed.fakes.count::<RouteEvent>(), 2);
}

#[tokio::test]
async fn reason_of_an_agent_that_is_unavailable_is_whole_and_said_once() {
    let bed = bed();
    bed.telegram(1, "@codegen fix it").await;
    let task = bed.lease().await.remove(0);
    let fix = format!("Run HOME=~/{} claude and try again.", "folder/".repeat(40));
    let why = format!("its program is not signed in. {fix}");
    bed.finish(&task, "unavailable", &format!("codegen is not available: {why}")).await;
    let event = bed.event("1").await;
    assert_eq!(event["reason"], "agent_unavailable", "{event}");
    let told = bed.sent("/editMessageText").pop().unwrap();
    assert!(told.contains(&fix), "{told}");
    assert_eq!(told.matches("not available").count(), 1, "{told}");
    let noted = event["stages"].to_string();
    assert!(
        noted.contains("codegen is not available: its program") && noted.contains('…'),
        "{noted}"
    );
}

#[tokio::test]
async fn binding_holds_also_after_its_agent_could_not_start() {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["agent"] = "codegen".into();
    let bed = bed_with(config);
    bed.telegram(1, "fix it").await;
    cannot_start(&bed).await;
    let routed = bed.fakes.bodies::<RouteEvent>();
    assert_eq!(
        (&routed[1]["boundAgent"], &routed[1]["exclude"]),
        (&json!("codegen"), &json!(["codegen"]))
    );
}

#[tokio::test]
async fn agent_that_a_person_chose_is_not_replaced() {
    let bed = bed();
    bed.world.set(|answers| answers.unsure_with = Some("security".to_owned()));
    bed.telegram(1, "check it").await;
    bed.telegram(2, "security").await;
    bed.world.set(|answers| answers.unsure_with = None);
    cannot_start(&bed).await;
    let event = bed.event("1").await;
    assert_eq!(
        (&event["reason"], &event["agent"]),
        (&json!("agent_unavailable"), &json!("security"))
    );
    assert!(bed.lease().await.is_empty());
}

#[tokio::test]
async fn stand_in_names_its_program_and_price() {
    let mut config = config();
    config["agents"]["security"] =
        json!({ "runner": "command", "command": ["/bin/scan"], "estimated_cost": 0.75 });
    let bed = bed_with(config);
    bed.telegram(1, "fix it").await;
    bed.world.set(|answers| answers.agent = Some("security".to_owned()));
    cannot_start(&bed).await;
    let says = "codegen is not available right now; security (command, $0.75 a run) is answering";
    let task = bed.lease().await.remove(0);
    let before = bed.sent("/editMessageText").pop().unwrap();
    assert!(before.contains(says) && before.contains("Working on it"), "before it runs: {before}");
    bed.finish(&task, "success", "Fixed.").await;
    let told = bed.sent("/editMessageText").pop().unwrap();
    assert!(told.contains(says) && told.contains("Fixed."), "{told}");
}

#[tokio::test]
async fn the_pool_hears_until_when_an_account_is_at_its_limit() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let limit = json!({ "until": "2026-11-27T17:00:00.000Z" });
    let result = json!({ "epoch": 1, "outcome": "failed", "text": "no more", "usageLimit": limit });
    assert_eq!(bed.post(&path, GATEWAY, &result).await.0, 200);
    bed.settle().await;
    let told = bed.fakes.bodies::<ReportOutcome>().pop().unwrap();
    assert_eq!((&told["outcome"], &told["restUntil"]), (&json!("failed"), &limit["until"]));
}
