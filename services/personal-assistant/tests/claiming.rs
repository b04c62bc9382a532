//! Claiming an approval, the only way to start work.

use crate::kit::*;
use serde_json::json;

#[tokio::test]
async fn claim_returns_its_token_once() {
    let bed = Bed::new();
    let approval = bed.ask("t1", 1.0).await;
    let (status, claim) = bed.claim(&approval).await;
    assert_eq!((status, &claim["costLimit"]), (200, &json!(1.0)));
    assert_eq!(claim["claimToken"].as_str().unwrap().len(), 64);
    assert!(bed.rows("SELECT token_hash FROM claim").await[0]["token_hash"] != claim["claimToken"]);
    let (status, problem) = bed.claim(&approval).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
}

#[tokio::test]
async fn claim_needs_a_valid_approval() {
    let bed = Bed::new();
    let pending = bed.ask("t1", 5.0).await;
    assert_eq!(bed.claim(&pending).await.1["code"], "not_approved");
    bed.decide(&pending["approvalId"], "reject").await;
    let (status, problem) = bed.claim(&pending).await;
    assert_eq!((status, &problem["code"]), (403, &json!("not_approved")));
    let approved = bed.ask("t2", 1.0).await;
    bed.clock.advance(15 * 60_000);
    assert_eq!(bed.claim(&approved).await.1["code"], "not_approved", "its time is over");
    assert_eq!(
        bed.post(GATEWAY, "/api/approvals/apr_none/claim", json!({"digest": "x"})).await.0,
        404
    );
}

#[tokio::test]
async fn claim_refuses_another_digest_and_other_callers() {
    let bed = Bed::new();
    let mut approval = bed.ask("t1", 1.0).await;
    for token in [OPERATOR, AGENT, DASHBOARD, AGGREGATOR] {
        let path = format!("/api/approvals/{}/claim", approval["approvalId"].as_str().unwrap());
        assert_eq!(
            bed.post(token, &path, json!({"digest": approval["digest"]})).await.0,
            403,
            "{token}"
        );
    }
    approval["digest"] = json!("0".repeat(64));
    assert_eq!(bed.claim(&approval).await.0, 409);
}

#[tokio::test]
async fn claim_may_follow_an_expired_one_while_the_approval_is_valid() {
    let bed = Bed::new();
    let approval = bed.ask("t1", 1.0).await;
    let first = bed.claim(&approval).await.1["claimToken"].clone();
    bed.clock.advance(34_999);
    assert_eq!(bed.claim(&approval).await.0, 409);
    bed.clock.advance(1);
    let second = bed.claim(&approval).await.1["claimToken"].clone();
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(1.0), &json!(1.0)), "the first may have run");
    assert_eq!(bed.settle("t1", &second, Some(0.4), "success").await.0, 200);
    // The first run reports after all.
    let (status, late) = bed.settle("t1", &first, Some(0.3), "success").await;
    assert_eq!((status, &late["posted"]), (200, &json!(0.3)));
    assert_eq!(bed.day().await["spent"], 0.7);
    assert_eq!(bed.claim(&approval).await.0, 409);
}

#[tokio::test]
async fn second_claim_needs_money_of_its_own() {
    let bed = Bed::with(json!({"budget": {"daily": 1.5}}));
    let approval = bed.ask("t1", 1.0).await;
    let first = bed.claim(&approval).await.1["claimToken"].clone();
    bed.clock.advance(35_000);
    let (status, problem) = bed.claim(&approval).await;
    assert_eq!((status, &problem["code"]), (402, &json!("budget_exhausted")));
    // The first cost less than was posted for it.
    bed.settle("t1", &first, Some(0.5), "failed").await;
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(0.5), &json!(0.0)));
    assert_eq!(bed.claim(&approval).await.0, 409, "its run has ended after all");
}

#[tokio::test]
async fn claim_of_a_released_lease_is_refused() {
    let bed = Bed::new();
    let approval = bed.ask("t1", 1.0).await;
    let id = approval["approvalId"].as_str().unwrap().to_owned();
    let given_up = |epoch: u32| {
        bed.post(AGGREGATOR, "/internal/given-up", json!({"approvalId": id, "epoch": epoch}))
    };
    let path = format!("/api/approvals/{id}/claim");
    let claim = |epoch: u32| {
        bed.post(GATEWAY, &path, json!({"digest": approval["digest"], "epoch": epoch}))
    };
    assert_eq!(given_up(1).await, (200, json!({"was": "open"})));
    let (status, problem) = claim(1).await;
    assert_eq!((status, &problem["code"]), (409, &json!("stale_epoch")));
    assert_eq!(claim(2).await.0, 200);
    assert_eq!(
        given_up(2).await,
        (200, json!({"was": "begun", "cost": 1.0})),
        "what was claimed may have been done"
    );
    bed.clock.advance(36_000);
    assert_eq!(claim(2).await.1["code"], "stale_epoch", "it cannot start a second time either");
    bed.clock.advance(60 * 60_000);
    assert_eq!(given_up(2).await.1["was"], "begun");
    assert_eq!(
        bed.post(AGGREGATOR, "/internal/given-up", json!({"approvalId": "apr_none", "epoch": 1}))
            .await
            .0,
        404
    );
    assert_eq!(
        bed.post(GATEWAY, "/internal/given-up", json!({"approvalId": id, "epoch": 1})).await.0,
        404,
        "for the aggregator only"
    );
}

#[tokio::test]
async fn released_lease_distinguishes_open_lapsed_and_ended_approvals() {
    let bed = Bed::new();
    let lapsed = bed.ask("t1", 1.0).await;
    let given_up = |approval: &serde_json::Value| {
        bed.post(
            AGGREGATOR,
            "/internal/given-up",
            json!({"approvalId": approval["approvalId"], "epoch": 1}),
        )
    };
    bed.clock.advance(15 * 60_000);
    assert_eq!(given_up(&lapsed).await.1["was"], "lapsed");
    let (_, problem) = bed.claim(&lapsed).await;
    assert_eq!((&problem["code"], &problem["state"]), (&json!("not_approved"), &json!("lapsed")));
    let rejected = bed.ask("t2", 5.0).await;
    bed.decide(&rejected["approvalId"], "reject").await;
    assert_eq!(given_up(&rejected).await.1["was"], "ended");
    for (task, claims) in [("t3", false), ("t4", true)] {
        let halted = bed.ask(task, 1.0).await;
        if claims {
            assert_eq!(bed.claim(&halted).await.0, 200);
        }
        assert!(
            bed.post(OPERATOR, "/api/halt", json!({"taskId": task, "reason": "stop"})).await.0
                < 300
        );
        assert_eq!(given_up(&halted).await.1["was"], "ended", "{task}");
    }
}

#[tokio::test]
async fn hold_lasts_as_long_as_the_task_is_renewed() {
    let bed = Bed::new();
    bed.claimed("t1", 1.0).await;
    for _ in 0..120 {
        bed.clock.advance(10_000);
        let (status, answer) =
            bed.post(AGGREGATOR, "/internal/renewed", json!({"taskId": "t1"})).await;
        assert_eq!((status, &answer["cancel"]), (200, &json!(false)));
    }
    assert_eq!(bed.day().await["held"], 1.0);
    assert_eq!(
        bed.get(OPERATOR, "/api/approvals?state=claimed").await["approvals"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    bed.clock.advance(35_000);
    assert_eq!(bed.day().await["held"], 1.0, "the gateway is gone, and may have spent it");
    personal_assistant::tick(&bed.deps).await;
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(1.0), &json!(0.0)));
    let unknown = bed.post(AGGREGATOR, "/internal/renewed", json!({"taskId": "unknown"})).await.1;
    assert_eq!(unknown["costLimit"], 0.0);
}

#[tokio::test]
async fn expired_hold_is_renewed_only_if_the_budget_covers_it() {
    let bed = Bed::with(json!({"budget": {"daily": 2.0}}));
    let approval = bed.ask("t1", 1.5).await;
    bed.rows("UPDATE hold SET exp = 1 WHERE task = 't1'").await;
    bed.ask("t2", 1.0).await;
    let (status, problem) = bed.claim(&approval).await;
    assert_eq!(
        (status, &problem["code"], &problem["remaining"]),
        (402, &json!("budget_exhausted"), &json!(1.0))
    );
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 2.5})).await;
    assert_eq!(bed.claim(&approval).await.0, 200);
    assert_eq!(bed.day().await["held"], 2.5);
}

#[tokio::test]
async fn claim_starts_only_what_a_person_saw() {
    let bed = Bed::new();
    let runs = |program: &str| {
        json!({"runner": "command", "program": [program], "sandbox": "strict", "network": "none",
            "timeoutS": 900, "memoryBytesMax": 1 << 30, "workBytesMax": 1 << 30})
    };
    let mut body = request("t1", 5.0);
    body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT});
    body["arguments"] = json!({"message": "fix it", "runs": [runs("/bin/one")]});
    let asked = bed.post(AGGREGATOR, "/api/approve", body.clone()).await.1;
    // The same message after a gateway came or changed is the same request.
    body["arguments"]["runs"] = json!([runs("/bin/two")]);
    let again = bed.post(AGGREGATOR, "/api/approve", body).await.1;
    assert_eq!(again["approvalId"], asked["approvalId"], "{again}");
    assert_eq!(bed.decide(&asked["approvalId"], "approve").await.0, 200);
    let approval = bed.get(OPERATOR, "/api/approvals").await["approvals"][0].clone();
    assert_eq!(approval["arguments"]["runs"], json!([runs("/bin/one")]));
    let path = format!("/api/approvals/{}/claim", asked["approvalId"].as_str().unwrap());
    let claim = |program: &str| {
        bed.post(GATEWAY, &path, json!({"digest": asked["digest"], "runs": runs(program)}))
    };
    let (status, problem) = claim("/bin/two").await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert!(problem["detail"].as_str().unwrap().contains("settings have changed"), "{problem}");
    assert_eq!(claim("/bin/one").await.0, 200);
}

#[tokio::test]
async fn claim_of_what_the_rules_approved_follows_the_settings() {
    let bed = Bed::new();
    let mut body = request("t1", 1.0);
    body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT});
    body["arguments"] = json!({"message": "fix it", "runs": []});
    let approved = bed.post(AGGREGATOR, "/api/approve", body).await.1;
    let path = format!("/api/approvals/{}/claim", approved["approvalId"].as_str().unwrap());
    let runs = json!({"runner": "command", "program": ["/bin/new"], "sandbox": "strict", "network": "none",
        "timeoutS": 900, "memoryBytesMax": 1, "workBytesMax": 1});
    let claim = json!({"digest": approved["digest"], "runs": runs});
    assert_eq!(bed.post(GATEWAY, &path, claim).await.0, 200);
}
