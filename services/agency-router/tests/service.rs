//! The service over HTTP on memory ports, with a fake skill-graph-loader.

#[path = "service/world.rs"]
mod world;

use contracts::ServiceName;
use serde_json::{Value, json};
use world::World;

#[tokio::test]
async fn route_is_answered_with_reasons_and_recorded() {
    let world = World::with_graph();
    let answer = world.ok("POST", "/api/route", json!({"message": "scan the server for vulnerabilities", "channel": "telegram", "userId": "u1"})).await;
    assert_eq!(answer["agent"], "security");
    assert!(answer["confidence"].as_f64().unwrap() > 0.3);
    assert_eq!(answer["graphVersion"], "v1");
    assert_eq!(answer["estimatedCost"], 0.5);
    assert_eq!(
        (&answer["cached"], &answer["fallback"], &answer["outOfScope"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert!(
        answer["routingLatency"].is_number()
            && answer["timestamp"].as_str().unwrap().ends_with('Z')
    );
    let row = world
        .ok(
            "GET",
            &format!("/api/decisions/{}", answer["decisionId"].as_str().unwrap()),
            Value::Null,
        )
        .await;
    assert_eq!(row["reason"], answer["reason"]);
    assert_eq!(
        (&row["message"], &row["channel"], &row["userId"]),
        (&json!("scan the server for vulnerabilities"), &json!("telegram"), &json!("u1"))
    );
}

#[tokio::test]
async fn route_error_names_the_field_and_the_fix() {
    let world = World::with_graph();
    for (body, field) in [
        (json!({}), "message"),
        (json!({"message": "  "}), "message"),
        (json!({"message": "x".repeat(16_001)}), "message"),
        (json!({"message": "x", "complexity": "huge"}), "complexity"),
        (json!({"message": "x", "speed": 1}), "speed"),
    ] {
        let (status, problem) = world.call("POST", "/api/route", body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
        assert!(!problem["fix"].as_str().unwrap().is_empty());
    }
    let (status, _) =
        world.call("POST", "/api/route", json!({"message": "ж".repeat(16_000)})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn analyze_returns_the_scoring_and_records_nothing() {
    let world = World::with_graph();
    let analysis =
        world.ok("POST", "/api/analyze", json!({"message": "fix the failing build"})).await;
    assert_eq!(analysis["agent"], "codegen");
    assert_eq!(analysis["probabilities"].as_array().unwrap().len(), 4);
    assert!(
        analysis["inScope"].is_number()
            && analysis["spokeForWinner"].is_array()
            && analysis.get("decisionId").is_none()
    );
    let list = world.ok("GET", "/api/decisions", Value::Null).await;
    assert_eq!(list, json!({"decisions": [], "cursor": null}));
}

#[tokio::test]
async fn route_estimates_the_cost_from_prices_and_earlier_runs() {
    let world = World::with_graph();
    let ask = json!({"message": "fix the failing build", "complexity": "moderate"});
    let analysis = world.ok("POST", "/api/analyze", ask.clone()).await;
    assert_eq!(
        (&analysis["estimatedTokens"], &analysis["estimatedCost"]),
        (&json!({"input": 40_006, "output": 5_000}), &json!(0.195_018))
    );
    let took = |input: u64| json!({"agent": "codegen", "outcome": "succeeded", "complexity": "moderate", "tokens": {"input": input, "output": 1_000}});
    for input in [9_000, 10_000, 11_000] {
        world.internal("/internal/outcomes", took(input)).await;
    }
    assert_eq!(world.ok("POST", "/api/route", ask).await["estimatedCost"], 0.045);
    let other = world
        .ok(
            "POST",
            "/api/analyze",
            json!({"message": "fix the failing build", "complexity": "complex"}),
        )
        .await;
    assert_eq!(other["estimatedTokens"]["output"], 20_000, "only for work of that kind");
    let free = world.ok("POST", "/api/analyze", json!({"message": "@pm plan the sprint"})).await;
    assert_eq!((&free["estimatedTokens"], &free["estimatedCost"]), (&Value::Null, &json!(0.0)));
}

#[tokio::test]
async fn route_ignores_internal_members_from_outside() {
    let world = World::with_graph();
    let body = json!({"message": "fix the failing build", "exclude": ["codegen"], "stickyAgent": "pm", "eventId": "web.console.01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    assert_eq!(world.ok("POST", "/api/route", body.clone()).await["agent"], "codegen");
    let (status, _) = world.call("POST", "/internal/route", body.clone()).await;
    assert_eq!(status, 404);
    assert_eq!(world.internal("/internal/route", body).await["agent"], "security");
}

#[tokio::test]
async fn route_decides_an_event_once_per_exclude_list() {
    let world = World::with_graph();
    let body = json!({"message": "fix the failing build", "eventId": "web.console.01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    let first = world.internal("/internal/route", body.clone()).await;
    let mut again = world.internal("/internal/route", body.clone()).await;
    assert_eq!((&first["cached"], &again["cached"]), (&json!(false), &json!(true)));
    again["cached"] = json!(false);
    assert_eq!(first, again);
    let mut other = body;
    other["exclude"] = json!(["codegen"]);
    let third = world.internal("/internal/route", other).await;
    assert_ne!(third["decisionId"], first["decisionId"]);
    assert_eq!((&third["agent"], &third["fallback"]), (&json!("security"), &json!(true)));
    assert_eq!(
        world.ok("GET", "/api/decisions", Value::Null).await["decisions"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn pool_removes_an_agent_after_three_failures_until_a_trial_run_succeeds() {
    let world = World::with_graph();
    let ask = json!({"message": "fix the failing build"});
    let report =
        |outcome: &str| json!({"agent": "codegen", "outcome": outcome, "latencyMs": 1200.0});
    for _ in 0..3 {
        world.internal("/internal/outcomes", report("started")).await;
        world.internal("/internal/outcomes", report("failed")).await;
    }
    let stand_in = world.ok("POST", "/api/route", ask.clone()).await;
    assert_eq!((&stand_in["agent"], &stand_in["fallback"]), (&json!("security"), &json!(true)));
    assert!(
        stand_in["reason"].as_str().unwrap().contains("codegen is down, so it goes to security")
    );
    let rows = world.ok("GET", "/api/agents", Value::Null).await;
    let row = rows["agents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["agent"] == "codegen")
        .unwrap()
        .clone();
    assert_eq!(
        (&row["available"], &row["breaker"], &row["inFlight"], &row["failures"]),
        (&json!(false), &json!("open"), &json!(0), &json!(3))
    );
    assert!(row["retryAt"].is_string());
    world.clock.advance(7_000);
    world.internal("/internal/outcomes", report("started")).await;
    world.internal("/internal/outcomes", report("succeeded")).await;
    assert_eq!(world.ok("POST", "/api/route", ask).await["agent"], "codegen");
}

#[tokio::test]
async fn pool_keeps_an_agent_up_on_one_gateway_and_chooses_the_better_one() {
    let world = World::with_graph();
    let report = |gateway: &str, outcome: &str| json!({"agent": "codegen", "gateway": gateway, "outcome": outcome, "latencyMs": 1200.0});
    for _ in 0..3 {
        world.internal("/internal/outcomes", report("office", "failed")).await;
    }
    world.internal("/internal/outcomes", report("home", "succeeded")).await;
    assert_eq!(
        world.ok("POST", "/api/route", json!({"message": "fix the failing build"})).await["agent"],
        "codegen"
    );
    let rows = world.ok("GET", "/api/agents", Value::Null).await;
    let row = rows["agents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["agent"] == "codegen")
        .unwrap()
        .clone();
    let instances: Vec<_> = row["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["gateway"].clone(), it["breaker"].clone()))
        .collect();
    assert_eq!(instances, [(json!("home"), json!("closed")), (json!("office"), json!("open"))]);
    let among = json!({"agent": "codegen", "among": [{"gateway": "office", "inHand": 0}, {"gateway": "home", "inHand": 5}]});
    assert_eq!(world.internal("/internal/instances/choose", among).await["gateway"], "home");
    assert_eq!(
        world
            .internal("/internal/instances/choose", json!({"agent": "codegen", "among": []}))
            .await["gateway"],
        Value::Null
    );
}

#[tokio::test]
async fn decisions_are_paged_newest_first_over_http() {
    let world = World::with_graph();
    for n in 0..5 {
        world.clock.advance(10);
        world.ok("POST", "/api/route", json!({"message": format!("fix build {n}")})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/api/decisions?limit=2".to_owned();
    loop {
        let page = world.ok("GET", &path, Value::Null).await;
        seen.extend(
            page["decisions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["message"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/decisions?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["fix build 4", "fix build 3", "fix build 2", "fix build 1", "fix build 0"]);
    for bad in ["limit=0", "limit=201", "limit=x"] {
        assert_eq!(
            world.call("GET", &format!("/api/decisions?{bad}"), Value::Null).await.0,
            422,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn feedback_is_counted_as_accuracy() {
    let world = World::with_graph();
    let mut ids = Vec::new();
    for message in ["fix the failing build", "hello there", "plan the next sprint"] {
        let answer = world.ok("POST", "/api/route", json!({"message": message})).await;
        ids.push((answer["decisionId"].clone(), answer["agent"].clone()));
    }
    world.ok("POST", "/api/feedback", json!({"decisionId": ids[0].0, "correct": true})).await;
    let row = world
        .ok(
            "POST",
            "/api/feedback",
            json!({"decisionId": ids[2].0, "correct": false, "agent": "Security"}),
        )
        .await;
    assert_eq!((&row["correct"], &row["correctAgent"]), (&json!(false), &json!("security")));
    let stats = world.ok("GET", "/api/routing-stats", Value::Null).await;
    assert_eq!(
        (&stats["decisions"], &stats["labelled"], &stats["accuracy"]),
        (&json!(3), &json!(2), &json!(0.5))
    );
    assert!(stats["p99LatencyMs"].is_number());
    for (body, status) in [
        (json!({"decisionId": "dec_none", "correct": true}), 404),
        (json!({"decisionId": ids[0].0, "correct": false, "agent": "nobody"}), 422),
        (json!({"decisionId": ids[0].0, "correct": true, "agent": "pm"}), 422),
    ] {
        assert_eq!(world.call("POST", "/api/feedback", body).await.0, status);
    }
}

#[tokio::test]
async fn built_in_assistant_answers_without_a_graph() {
    let world = World::empty();
    let answer = world.ok("POST", "/api/route", json!({"message": "scan the server"})).await;
    assert_eq!(
        (&answer["agent"], &answer["outOfScope"], &answer["graphVersion"]),
        (&json!("assistant"), &json!(true), &Value::Null)
    );
    let health = world.ok("GET", "/health", Value::Null).await;
    assert_eq!(health["status"], "degraded");
}

#[tokio::test]
async fn graph_source_sees_a_publish_within_two_seconds_and_survives_the_loaders_absence() {
    let world = World::empty();
    assert_eq!(
        world.ok("POST", "/api/route", json!({"message": "scan the server"})).await["agent"],
        "assistant"
    );
    world.publish("v1");
    world.clock.advance(2_000);
    assert_eq!(
        world
            .ok("POST", "/api/route", json!({"message": "scan the server for vulnerabilities"}))
            .await["agent"],
        "security"
    );
    world.neighbours.down(ServiceName::SkillGraphLoader);
    world.clock.advance(60_000);
    let answer = world
        .ok("POST", "/api/route", json!({"message": "scan the server for vulnerabilities"}))
        .await;
    assert_eq!((&answer["agent"], &answer["graphVersion"]), (&json!("security"), &json!("v1")));
}

#[tokio::test]
async fn training_is_deterministic_and_for_the_loader_only() {
    let world = World::with_graph();
    let body = json!({"graph": world::graph("v2")});
    let (status, _) = world.call("POST", "/internal/train", body.clone()).await;
    assert_eq!(status, 404);
    let first = world.as_loader("/internal/train", body.clone()).await;
    let second = world.as_loader("/internal/train", body).await;
    assert_eq!(first["modelBase64"], second["modelBase64"]);
    assert!(first["modelBase64"].as_str().unwrap().len() > 10_000);
    let tried = &first["findings"][0];
    assert_eq!(
        (&tried["code"], &tried["severity"], &tried["path"]),
        (&json!("held_out_accuracy"), &json!("hint"), &json!("")),
        "{first}"
    );
    assert!(
        tried["message"].as_str().unwrap().contains(" of 32 examples find their agent"),
        "{tried}"
    );
}

#[tokio::test]
async fn more_agents_than_a_model_takes_are_refused() {
    let world = World::with_graph();
    let mut graph = serde_json::to_value(world::graph("v2")).unwrap();
    let agent = graph["agents"][0].clone();
    let many = (0..2_001).map(|number| {
        let mut agent = agent.clone();
        agent["id"] = format!("agent-{number}").into();
        agent
    });
    graph["agents"] = many.collect();
    let body = json!({ "graph": graph });
    let (status, problem) =
        world.call_as("skill-graph-loader", "POST", "/internal/train", body).await;
    assert_eq!(status, 422);
    assert_eq!(problem["field"], "graph", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("2001 agents"), "{problem}");
}

#[tokio::test]
async fn tokens_allow_exactly_their_scope() {
    let world = World::with_graph();
    let ask = json!({"message": "hello"});
    assert_eq!(world.call_as("", "POST", "/api/route", ask.clone()).await.0, 401);
    assert_eq!(world.call_as("viewer", "POST", "/api/route", ask.clone()).await.0, 403);
    assert_eq!(world.call_as("viewer", "POST", "/api/analyze", ask).await.0, 200);
    assert_eq!(world.call_as("", "GET", "/health", Value::Null).await.0, 200);
    assert_eq!(world.call_as("agent", "GET", "/api/decisions", Value::Null).await.0, 403);
}

#[tokio::test]
async fn route_is_refused_when_it_cannot_be_recorded() {
    let world = World::with_graph();
    world.ok("POST", "/api/route", json!({"message": "hello"})).await;
    world.sql.faults.refuse_next(1, platform::ports::PortErrorKind::Unavailable);
    let (status, problem) = world.call("POST", "/api/route", json!({"message": "hello"})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
}

#[tokio::test]
async fn graph_source_uses_the_copies_after_a_restart_without_the_loader() {
    let mut world = World::with_graph();
    let ask = json!({"message": "scan the server for vulnerabilities"});
    let before = world.ok("POST", "/api/route", ask.clone()).await;
    world.restarted();
    world.neighbours.down(contracts::ServiceName::SkillGraphLoader);
    let answer = world.ok("POST", "/api/route", ask.clone()).await;
    assert_eq!(
        (&answer["agent"], &answer["graphVersion"], &answer["confidence"]),
        (&before["agent"], &before["graphVersion"], &before["confidence"])
    );
    // A day later only the built-in assistant is left, which is better than an unconfirmed graph.
    world.restarted();
    world.clock.advance(25 * 3_600_000);
    assert_eq!(world.ok("POST", "/api/route", ask).await["graphVersion"], Value::Null);
}

#[tokio::test]
async fn graph_source_never_hides_a_publish_behind_a_stale_copy() {
    let mut world = World::with_graph();
    let ask = json!({"message": "fix the failing build"});
    world.ok("POST", "/api/route", ask.clone()).await;
    world.publish("v2");
    world.restarted();
    // KV still names v1 as current, so the loader is asked.
    assert_eq!(world.ok("POST", "/api/route", ask).await["graphVersion"], "v2");
}

#[tokio::test]
async fn graph_source_on_workers_asks_every_two_seconds_and_after_a_publish() {
    let mut world = World::with_graph();
    world.on_workers();
    let ask = json!({"message": "fix the failing build"});
    let version = async |world: &World| {
        world.ok("POST", "/api/route", ask.clone()).await["graphVersion"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(version(&world).await, "v1");
    world.publish("v2");
    world.clock.advance(1_999);
    assert_eq!(version(&world).await, "v1");
    world.clock.advance(1);
    assert_eq!(version(&world).await, "v2");
    world.publish("v3");
    assert_eq!(world.told("/internal/published").await, 204);
    assert_eq!(version(&world).await, "v3");
}

#[tokio::test]
async fn address_of_no_agent_is_reported_to_the_dispatcher_and_not_decided() {
    let world = World::with_graph();
    let ask = |message: &str, in_group: bool| json!({"message": message, "eventId": "e1", "inGroup": in_group});
    for repeat in 0..2 {
        let answer = world.internal("/internal/route", ask("@codgen fix it", true)).await;
        assert_eq!(answer["unknownAgent"]["name"], "codgen", "{repeat}");
        assert_eq!(answer["unknownAgent"]["nearest"], json!(["codegen"]));
    }
    let list = world.ok("GET", "/api/decisions", Value::Null).await;
    assert_eq!(list["decisions"], json!([]));
    let thanks = ask("@ines thanks", true);
    let answer = world.internal("/internal/route", thanks).await;
    assert!(answer.get("unknownAgent").is_none(), "{answer}");
    let analysis = world.ok("POST", "/api/route", json!({"message": "@blorf fix it"})).await;
    let reason = analysis["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("No agent is called “blorf”. The agents are @assistant,"),
        "{reason}"
    );
}
