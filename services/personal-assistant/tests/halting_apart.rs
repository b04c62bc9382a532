//! Halts of one agent or of one endpoint.

use crate::kit::*;
use contracts::ErrorCode;
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::calls::webhook_aggregator::ListEndpoints;
use contracts::endpoint::{EndpointList, EndpointView, LinkState};
use contracts::graph::AgentList;
use platform::edge::ApiError;
use serde_json::{Value, json};

/// Work that came in by this endpoint, as the aggregator asks for it.
async fn asked_from(bed: &Bed, task: &str, agent: &str, endpoint: &str) -> Value {
    let mut body = request(task, 0.5);
    body["agentType"] = json!(agent);
    let event = format!("{endpoint}.01ARZ3NDEKTSV4RRFFQ69G5FAV");
    body["channelContext"] = json!({"channel": "telegram", "endpoint": "main", "eventId": event});
    bed.post(AGGREGATOR, "/api/approve", body).await.1
}

#[tokio::test]
async fn halt_of_an_agent_stops_its_work_alone_until_its_resume() {
    let bed = Bed::new();
    let running = asked_from(&bed, "t1", "codegen", "telegram.main").await;
    assert_eq!(bed.claim(&running).await.0, 200);
    let waiting = asked_from(&bed, "t2", "codegen", "telegram.main").await;
    let other = asked_from(&bed, "t3", "security", "telegram.main").await;
    let halt = json!({"agent": "CodeGen", "reason": "it went wild"});
    let (status, answer) = bed.post(OPERATOR, "/api/halt", halt.clone()).await;
    assert_eq!((status, &answer["level"]), (202, &json!("accepted")), "{answer}");
    assert_eq!(bed.claim(&waiting).await.1["code"], "halted");
    assert_eq!(bed.claim(&other).await.0, 200);
    let held = async || bed.rows("SELECT task FROM hold WHERE exp > 0").await;
    let before = held().await;
    assert_eq!(asked_from(&bed, "t4", "codegen", "telegram.main").await["code"], "halted");
    assert_eq!(held().await, before, "what is not done holds no money");
    assert_eq!(asked_from(&bed, "t5", "security", "slack.T0").await["state"], "approved");
    assert_eq!(bed.renew("t1", 0.1).await["cancel"], true);
    let check =
        json!({"tasks": ["t1", "t3", "t6"], "agent": "codegen", "endpoint": "telegram.main"});
    let (_, found) = bed.post(AGGREGATOR, "/internal/halts/check", check).await;
    assert_eq!(
        (&found["all"], &found["halted"], &found["held"]),
        (&json!(false), &json!(["t1"]), &json!(true))
    );
    assert_eq!(found["by"]["actor"], "api");
    // It counts as stopped once nothing of it runs.
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"][0]["level"], "accepted");
    bed.clock.advance(120_000);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"][0]["level"], "stopped");
    assert_eq!(bed.post(OPERATOR, "/api/halt", halt).await.0, 200);
    let (_, resumed) = bed.post(OPERATOR, "/api/resume", json!({"agent": "codegen"})).await;
    assert_eq!(resumed["message"], "The agent codegen may start again.");
    assert_eq!(asked_from(&bed, "t7", "codegen", "telegram.main").await["state"], "approved");
}

#[tokio::test]
async fn halt_of_an_endpoint_stops_what_came_in_there_and_is_its_approvers_own() {
    let bed = Bed::new();
    let order = |actor: &str| json!({"endpoint": "telegram.main", "actor": actor});
    let (status, _) = bed.post(AGGREGATOR, "/api/halt", order("telegram:other:7")).await;
    assert_eq!(status, 404, "another endpoint's approver");
    assert_eq!(bed.post(AGGREGATOR, "/api/halt", order("telegram:main:7")).await.0, 202);
    assert_eq!(asked_from(&bed, "t1", "codegen", "telegram.main").await["code"], "halted");
    assert!(bed.rows("SELECT task FROM hold").await.is_empty(), "what is not done holds no money");
    assert_eq!(asked_from(&bed, "t2", "codegen", "telegram.mainx").await["state"], "approved");
    assert_eq!(bed.ask("t3", 0.5).await["state"], "approved");
    let check = json!({"tasks": [], "agent": "codegen", "endpoint": "telegram.main"});
    let (_, found) = bed.post(AGGREGATOR, "/internal/halts/check", check).await;
    assert_eq!((&found["held"], &found["endpointHeld"]), (&json!(true), &json!(true)));
    let (_, all) = bed.post(OPERATOR, "/api/resume", json!({})).await;
    let said = all["message"].as_str().unwrap();
    assert!(
        said.starts_with("Nothing was halted, except") && said.contains("endpoint telegram.main"),
        "{said}"
    );
    let (_, lifted) = bed.post(AGGREGATOR, "/api/resume", order("telegram:main:7")).await;
    assert_eq!(lifted["success"], true, "{lifted}");
}

/// The agents of the graph.
fn agents_are(bed: &Bed, ids: &[&str]) {
    let agent = |id: &&str| {
        let none: [&str; 0] = [];
        json!({"id": id, "skill": id, "title": id, "description": "", "keywords": none, "aliases": none, "bullets": none,
            "examples": none, "negatives": none, "complexity": none, "relatedAgents": none, "relatedChannels": none,
            "model": null, "fallback": false, "public": false})
    };
    let agents: Vec<Value> = ids.iter().map(agent).collect();
    let agents: AgentList =
        serde_json::from_value(json!({"version": null, "agents": agents})).unwrap();
    bed.neighbours.on::<ListAgents>(move |(), _| Ok(agents.clone()));
}

#[tokio::test]
async fn halt_covers_work_however_its_agent_or_endpoint_is_spelled() {
    let bed = Bed::new();
    agents_are(&bed, &["Übersetzer", "codegen"]);
    let endpoint = |name: &str| EndpointView {
        channel: "slack".to_owned(),
        name: name.to_owned(),
        mode: "webhook".to_owned(),
        local: false,
        state: LinkState::Listening,
        why: None,
        fix: None,
        since: None,
    };
    // It was halted when no list was to be had.
    let early = json!({"endpoint": "SLACK.t0aaaa"});
    bed.neighbours
        .on::<ListEndpoints>(|(), ()| Err(ApiError::new(ErrorCode::Unavailable, "not now")));
    assert_eq!(bed.post(OPERATOR, "/api/halt", early.clone()).await.0, 202);
    let list = ["T0AAAA", "T0aaaa"].map(endpoint).to_vec();
    let list = EndpointList { endpoints: list };
    bed.neighbours.on::<ListEndpoints>(move |(), ()| Ok(list.clone()));
    assert_eq!(bed.post(OPERATOR, "/api/resume", early).await.1["success"], true);
    let halt = async |body: Value| bed.post(OPERATOR, "/api/halt", body).await;
    let (_, answer) = halt(json!({"endpoint": "slack.t0aaaa"})).await;
    assert!(answer["message"].as_str().unwrap().contains("from slack.T0AAAA"), "{answer}");
    assert_eq!(asked_from(&bed, "t1", "codegen", "slack.T0AAAA").await["code"], "halted");
    bed.post(OPERATOR, "/api/resume", json!({"endpoint": "SLACK.t0aaaa"})).await;
    assert_eq!(asked_from(&bed, "t2", "codegen", "slack.T0AAAA").await["state"], "approved");
    assert_eq!(halt(json!({"agent": "Übersetzer"})).await.0, 202);
    assert_eq!(asked_from(&bed, "t3", "Übersetzer", "slack.T0AAAA").await["code"], "halted");
    // Of two that differ in their case alone, the one that is named.
    assert_eq!(halt(json!({"endpoint": "slack.T0aaaa"})).await.0, 202);
    assert_eq!(asked_from(&bed, "t4", "codegen", "slack.T0AAAA").await["state"], "approved");
    assert_eq!(asked_from(&bed, "t5", "codegen", "slack.T0aaaa").await["code"], "halted");
    // The console has no configuration, and work all the same.
    assert_eq!(halt(json!({"endpoint": "web.console"})).await.0, 202);
    assert_eq!(halt(json!({"endpoint": "slack.T0BBBB"})).await.0, 404);
}

#[tokio::test]
async fn halt_check_names_the_tasks_that_stay_halted_after_the_resume_of_their_agent() {
    let bed = Bed::new();
    asked_from(&bed, "t1", "codegen", "telegram.main").await;
    asked_from(&bed, "t2", "codegen", "telegram.main").await;
    bed.post(OPERATOR, "/api/halt", json!({"agent": "codegen"})).await;
    bed.post(OPERATOR, "/api/halt", json!({"taskId": "t2"})).await;
    let check = json!({"tasks": ["t1", "t2"]});
    let (_, found) = bed.post(AGGREGATOR, "/internal/halts/check", check).await;
    assert_eq!(
        (&found["halted"], &found["byTask"]),
        (&json!(["t1", "t2"]), &json!(["t2"])),
        "{found}"
    );
}

#[tokio::test]
async fn halt_names_one_target_and_an_agent_that_exists() {
    let bed = Bed::new();
    agents_are(&bed, &["codegen", "security"]);
    let (status, problem) = bed.post(OPERATOR, "/api/halt", json!({"agent": "codgen"})).await;
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().unwrap().contains("There is: codegen"), "{problem}");
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"], json!([]));
    for odd in [
        json!({"agent": "codegen", "all": true}),
        json!({"agent": "codegen", "endpoint": "telegram.main"}),
        json!({}),
    ] {
        assert_eq!(bed.post(OPERATOR, "/api/halt", odd.clone()).await.0, 422, "{odd}");
    }
    let both = json!({"agent": "codegen", "taskId": "t1"});
    assert_eq!(bed.post(OPERATOR, "/api/resume", both).await.0, 422);
}
