//! The service over HTTP on memory ports: publishing, reading by version, rolling back, failing
//! safely.

use crate::bed::{Bed, agent, file, request};
use axum::body::Body;
use platform::ports::{Kv, Objects, PortErrorKind};
use serde_json::json;
use skill_graph_loader::{Permits, Reading, publish_files};
use std::io::Write;

#[tokio::test]
async fn publish_serves_the_graph_at_once() {
    let bed = Bed::new();
    assert_eq!(bed.get("viewer", "/api/graph").await.json()["version"], json!(null));
    assert_eq!(bed.get("viewer", "/health").await.json()["status"], "degraded");
    bed.clock.advance(1_000);
    let answer = bed
        .publish(&[
            agent("codegen"),
            file("channels/slack.md", "# Slack\n"),
            file("guides/a.md", "[[agent-codegen]]"),
        ])
        .await
        .json();
    assert_eq!(
        (&answer["changed"], &answer["agents"], &answer["skills"]),
        (&json!(true), &json!(1), &json!(3))
    );
    let version = answer["version"].as_str().unwrap();
    assert_eq!(version.len(), 32);
    let graph = bed.get("viewer", "/api/graph").await;
    assert_eq!(
        (graph.json()["version"].as_str(), graph.header("etag")),
        (Some(version), format!("\"{version}\"").as_str())
    );
    assert_eq!(bed.get("gateway", "/api/agents").await.json()["agents"][0]["id"], "codegen");
    assert_eq!(
        bed.get("agent", "/api/agents").await.status,
        403,
        "an agent may ask for approval and nothing else"
    );
    assert_eq!(bed.get("gateway", "/api/channels").await.json()["channels"][0]["id"], "slack");
    assert_eq!(
        bed.get("viewer", "/api/skills/agent-codegen").await.json()["linkedFrom"],
        json!(["a"])
    );
    assert_eq!(bed.get("viewer", "/api/skills/nothing").await.status, 404);
    assert_eq!(bed.get("viewer", "/health").await.json()["status"], "ok");
}

#[tokio::test]
async fn search_returns_files_with_highlights() {
    let mut bed = Bed::new();
    bed.published(&[
        agent("codegen"),
        agent("security"),
        file("guides/deploy.md", "# Deploy\nHow to deploy to Kubernetes.\n"),
    ])
    .await;
    for round in ["in memory", "after a restart", "from the cache"] {
        let hits = bed.get("viewer", "/api/search?q=kubernets&limit=5").await.json();
        assert_eq!(hits["results"][0]["id"], "deploy", "{round}");
        assert_eq!(hits["results"][0]["highlights"], json!([[17, 27]]), "{round}");
        bed.restarted();
    }
    assert_eq!(bed.get("viewer", "/api/search?q=").await.json()["results"], json!([]));
    assert_eq!(
        bed.get("viewer", "/api/search?q=do%20it&limit=1").await.json()["results"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(bed.get("viewer", "/api/search").await.status, 422);
    assert_eq!(bed.get("viewer", "/api/search?q=a&limit=x").await.status, 422);
}

#[tokio::test]
async fn graph_etag_is_the_version() {
    let bed = Bed::new();
    let version = bed.published(&[agent("a")]).await;
    let tag = format!("\"{version}\"");
    for path in
        ["/api/graph", "/api/agents", "/api/channels", "/api/search?q=a", "/api/skills/agent-a"]
    {
        let answer = bed.get_if_none_match(path, &format!("\"other\", W/{tag}")).await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.body.len(),
                answer.header("etag"),
                answer.header("cache-control")
            ),
            (304, 0, tag.as_str(), "private, no-cache"),
            "{path}"
        );
    }
    bed.published(&[agent("a"), agent("b")]).await;
    assert_eq!(bed.get_if_none_match("/api/graph", &tag).await.status, 200);
    let old = bed.get("viewer", &format!("/api/agents?version={version}")).await;
    assert_eq!(
        (old.json()["agents"].as_array().unwrap().len(), old.header("cache-control")),
        (1, "private, max-age=86400, immutable")
    );
    assert_eq!(
        bed.get("viewer", "/api/graph?version=0123456789abcdef0123456789abcdef").await.status,
        404
    );
    assert_eq!(bed.get("viewer", "/api/graph?version=..%2Fx").await.status, 422);
}

#[tokio::test]
async fn publish_of_the_same_content_changes_nothing() {
    let bed = Bed::new();
    let version = bed.published(&[agent("a"), agent("b")]).await;
    let again = bed.publish(&[agent("b"), agent("a")]).await.json();
    assert_eq!(
        (again["version"].as_str(), &again["changed"]),
        (Some(version.as_str()), &json!(false))
    );
    assert_eq!(bed.trainings(), 1);
}

#[tokio::test]
async fn publish_refuses_an_invalid_graph_and_keeps_the_old_one() {
    let bed = Bed::new();
    let version = bed.published(&[agent("a"), agent("b")]).await;
    let cases = [
        vec![file("guides/x.md", "# X\n"), file("agents/bad.md", "---\na: [\n---\n")],
        vec![agent("a"), agent("b"), file("agents/z.md", "---\nagentId: A\n---\n")],
        vec![agent("a")],
    ];
    for files in cases {
        let answer = bed.publish(&files).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (422, "application/problem+json")
        );
        assert!(
            problem["findings"].is_array() && !problem["fix"].as_str().unwrap().is_empty(),
            "{problem}"
        );
    }
    assert_eq!(bed.get("viewer", "/api/graph").await.json()["version"], version.as_str());
    let removal = bed
        .post("operator", "/api/publish", &json!({ "files": [agent("a")], "allowRemoval": true }))
        .await;
    assert_eq!((removal.status.as_u16(), &removal.json()["agents"]), (200, &json!(1)));
}

#[tokio::test]
async fn rollback_walks_towards_the_first_version() {
    let mut bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    let third = bed.published(&[agent("a"), agent("b"), agent("c")]).await;
    bed.restarted();
    for expected in [&second, &first] {
        let answer = bed
            .send(request("POST", "operator", "/api/rollback").body(Body::empty()).unwrap())
            .await
            .json();
        assert_eq!(
            (answer["version"].as_str(), &answer["changed"]),
            (Some(expected.as_str()), &json!(true))
        );
        assert_eq!(
            bed.get("viewer", "/api/graph").await.json()["version"].as_str(),
            Some(expected.as_str())
        );
    }
    assert_eq!(bed.post("operator", "/api/rollback", &json!({})).await.status, 409);
    assert_eq!(
        bed.post("operator", "/api/rollback", &json!({ "version": third })).await.json()["agents"],
        3
    );
    assert_eq!(
        bed.post("operator", "/api/rollback", &json!({ "version": third })).await.json()["changed"],
        false
    );
    assert_eq!(bed.post("operator", "/api/rollback", &json!({ "version": "0" })).await.status, 404);
    assert_eq!(bed.post("operator", "/api/rollback", &json!({ "to": "0" })).await.status, 422);
    let rows = bed.get("viewer", "/api/versions").await.json();
    let rows: Vec<_> = rows["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["version"].as_str().unwrap(), row["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(rows, [(third.as_str(), true), (&second, false), (&first, false)]);
}

#[tokio::test]
async fn router_reads_the_current_version_and_its_model() {
    let bed = Bed::new();
    assert_eq!(
        bed.get("agency-router", "/internal/current").await.json(),
        json!({ "version": null })
    );
    let version = bed.published(&[agent("a")]).await;
    assert_eq!(
        bed.get("agency-router", "/internal/current").await.json(),
        json!({ "version": version })
    );
    let model = bed.get("agency-router", &format!("/internal/model/{version}")).await;
    assert_eq!(
        (&model.body[..], model.header("content-type")),
        (&b"model of 1 agents"[..], "application/octet-stream")
    );
    assert_eq!(bed.get("agency-router", "/internal/model/none").await.status, 404);
    for token in ["operator", "viewer", "personal-assistant", "nobody"] {
        assert_eq!(bed.get(token, "/internal/current").await.status, 404, "{token}");
    }
    assert_eq!(bed.get("agency-router", "/api/graph").await.status, 200);
    assert_eq!(bed.get("personal-assistant", "/api/graph").await.status, 403);
}

#[tokio::test]
async fn publish_is_for_the_operator_only() {
    let bed = Bed::new();
    for (token, status) in
        [("viewer", 403), ("agent", 403), ("gateway", 403), ("agency-router", 403), ("nobody", 401)]
    {
        for path in ["/api/publish", "/api/rollback"] {
            assert_eq!(
                bed.post(token, path, &json!({ "files": [] })).await.status,
                status,
                "{token} {path}"
            );
        }
    }
    assert_eq!(
        bed.send(::http::Request::get("/api/graph").body(Body::empty()).unwrap()).await.status,
        401
    );
}

#[tokio::test]
async fn publish_accepts_gzip_and_refuses_a_bomb() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        Body::from(encoder.finish().unwrap())
    };
    let bed = Bed::new();
    let send = |encoding: &'static str, body: Body| {
        bed.send(
            request("POST", "operator", "/api/publish")
                .header("content-encoding", encoding)
                .body(body)
                .unwrap(),
        )
    };
    let good = json!({ "files": [agent("a")] }).to_string();
    assert_eq!(send("gzip", gzip(good.as_bytes())).await.status, 200);
    assert_eq!(send("gzip", gzip(&vec![b' '; 128 << 20])).await.status, 413);
    assert_eq!(send("gzip", Body::from("not gzip")).await.status, 400);
    assert_eq!(send("br", Body::from(good.clone())).await.status, 400);
    assert_eq!(send("identity", Body::from(vec![b' '; (96 << 20) + 1])).await.status, 413);
    assert_eq!(send("identity", Body::from("{")).await.status, 400);
    let unknown = send("identity", Body::from(r#"{"files":[],"force":true}"#)).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["field"]), (422, &json!("force")));
}

#[tokio::test]
async fn publish_refuses_a_graph_beyond_the_limits_with_the_value() {
    let mut bed = Bed::new();
    bed.deps.limits.files_max = 2;
    bed.restarted();
    let answer = bed.publish(&[agent("a"), agent("b"), agent("c")]).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("3 files"), "{}", answer.json());
}

#[tokio::test]
async fn publish_failure_half_way_keeps_the_old_version() {
    let bed = Bed::new();
    let version = bed.published(&[agent("a")]).await;
    let next = [agent("a"), agent("b")];
    bed.calls.faults.refuse_next(1, PortErrorKind::Unavailable);
    assert_eq!(bed.publish(&next).await.status, 502);
    bed.objects.faults.refuse_next(1, PortErrorKind::Full);
    assert_eq!(bed.publish(&next).await.status, 503);
    assert_eq!(bed.get("viewer", "/api/graph").await.json()["version"], version.as_str());
    assert_eq!(bed.publish(&next).await.json()["changed"], true);
}

#[tokio::test]
async fn graph_reads_survive_a_failing_or_lying_cache() {
    let mut bed = Bed::new();
    let version = bed.published(&[agent("a")]).await;
    bed.kv
        .put(
            &format!("graph:{version}"),
            r#"{"version":"other","agents":[],"channels":[],"skills":[],"links":[]}"#,
            3600,
        )
        .await
        .unwrap();
    bed.restarted();
    assert_eq!(
        bed.get("viewer", "/api/agents").await.json()["agents"].as_array().unwrap().len(),
        1
    );
    bed.restarted();
    bed.kv.faults.refuse_next(2, PortErrorKind::Unavailable);
    assert_eq!(bed.get("viewer", "/api/agents").await.status, 200);
}

#[tokio::test]
async fn lost_index_is_rebuilt_and_lost_graph_can_be_replaced() {
    let mut bed = Bed::new();
    bed.published(&[agent("a")]).await;
    for name in bed.objects.list("graph/").await.unwrap() {
        bed.objects.put(&name, "damaged".into()).await.unwrap();
    }
    bed.restarted();
    assert_eq!(
        bed.get("viewer", "/api/search?q=agent").await.json()["results"][0]["id"],
        "agent-a",
        "the graph's copy is in the cache"
    );
    bed.restarted();
    let keys: Vec<String> = bed.get("viewer", "/api/versions").await.json()["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("graph:{}", row["version"].as_str().unwrap()))
        .collect();
    for key in keys {
        bed.kv.delete(&key).await.unwrap();
    }
    assert_eq!(bed.get("viewer", "/api/graph").await.status, 500);
    assert_eq!(bed.publish(&[agent("b")]).await.status, 200);
}

#[tokio::test]
async fn default_graph_is_published_at_first_start() {
    let bed = Bed::new();
    let published = publish_files(
        &bed.deps,
        vec![agent("a"), agent("b")],
        Reading::default(),
        Some("default".to_owned()),
        Permits::default(),
    )
    .await
    .unwrap();
    assert_eq!((published.changed, published.agents), (true, 2));
    assert_eq!(bed.get("viewer", "/api/graph").await.json()["version"], published.version.as_str());
    assert!(bed.objects.get("skill-graph-full.json").await.unwrap().is_some());
}

#[tokio::test]
async fn restore_recovers_the_graph_of_a_lost_database() {
    let bed = Bed::new();
    let version = bed.published(&[agent("pm"), agent("codegen")]).await;
    let mut lost = Bed::new();
    lost.deps.objects = bed.objects.clone();
    lost.restarted();
    assert_eq!(lost.post("viewer", "/api/restore", &json!({})).await.status, 403);
    let answer = lost.post("operator", "/api/restore", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["version"], &answer.json()["changed"]),
        (200, &json!(version), &json!(true)),
        "{}",
        answer.json()
    );
    assert_eq!(
        lost.get("viewer", "/api/graph").await.body,
        bed.get("viewer", "/api/graph").await.body
    );
    assert_eq!(lost.post("operator", "/api/restore", &json!({})).await.json()["changed"], false);
    assert_eq!(Bed::new().post("operator", "/api/restore", &json!({})).await.status, 404);
}

#[tokio::test]
async fn version_has_report_map_and_diff() {
    let bed = Bed::new();
    assert_eq!(bed.get("viewer", "/api/map").await.json()["nodes"], json!([]));
    assert_eq!(bed.get("viewer", "/api/diff").await.status, 404);
    let first = bed
        .published(&[agent("pm"), file("guides/a.md", "# A\n[[nowhere]] and [[agent-pm]]\n")])
        .await;
    assert_eq!(bed.get("viewer", "/api/diff").await.status, 422, "nothing was published before");
    let report = bed.get("viewer", "/api/report").await.json();
    let broken = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "broken_link")
        .unwrap();
    assert_eq!((&broken["path"], &broken["line"]), (&json!("guides/a.md"), &json!(2)));
    let map = bed.get("viewer", "/api/map").await.json();
    assert_eq!(
        (&map["nodes"][0]["id"], &map["nodes"][0]["examples"]),
        (&json!("agent-pm"), &json!(1))
    );
    assert_eq!(map["links"], json!([{"from": "a", "to": "agent-pm"}]));
    let second = bed.published(&[agent("pm"), agent("codegen")]).await;
    let diff = bed.get("viewer", "/api/diff").await.json();
    assert_eq!(
        (&diff["from"], &diff["to"], &diff["agentsAdded"]),
        (&json!(first), &json!(second), &json!(["codegen"]))
    );
    assert_eq!(
        bed.get("viewer", &format!("/api/diff?from={second}&to={first}")).await.json()["agentsRemoved"],
        json!(["codegen"])
    );
    assert_eq!(bed.get("viewer", "/api/diff?from=ffff").await.status, 404);
}
