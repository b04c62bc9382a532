//! The pages of the rules and of the budget's limits.

use super::bed::Bed;
use contracts::audit::{AuditEntry, AuditList, AuditVerdict};
use contracts::calls::personal_assistant::{
    ListAudit, ReadPolicy, UpdateBudget, UpdatePolicy, VerifyAudit,
};
use contracts::policy::{Policy, PolicyChange};
use fakes::Neighbours;
use serde_json::{Value, json};

const HASH: &str = "h1";

fn policy() -> Policy {
    serde_json::from_value(json!({
        "costThreshold": 10.0, "riskTolerance": "balanced", "allowedAgencies": [], "blockedOperations": ["drop"],
        "requiresHumanApproval": ["deploy", "mail"], "fromFile": [], "changed": ["costThreshold"], "hash": HASH,
        "rules": [{"id": "pol_1", "effect": "allow", "agents": ["codegen"], "upTo": 5.0, "until": "2027-01-01T00:00:00Z", "note": "<script>alert(1)</script>", "madeBy": "api"}],
    }))
    .unwrap()
}

fn trial() -> Value {
    let counts = |approve| json!({"approve": approve, "ask": 2, "reject": 0});
    json!({
        "days": 30, "requests": 7, "isCut": false, "changed": 1, "before": counts(5), "after": counts(6),
        "differences": [{"approvalId": "apr_1", "agentType": "codegen", "operation": "run", "requestedAt": "2026-11-20T10:00:00Z", "amount": 3.0,
            "before": "ask", "after": "approve", "policies": ["pol_1"], "reason": "Your rule <script> says so."}],
    })
}

pub fn answer(fakes: &Neighbours) {
    fakes.on::<ReadPolicy>(|(), ()| Ok(policy()));
    fakes.on::<UpdatePolicy>(|(), update| {
        let trial = update.dry_run.then(|| serde_json::from_value(trial()).unwrap());
        let warnings = vec!["Rule pol_1 names <script>, which is no agent.".to_owned()];
        Ok(PolicyChange { saved: !update.dry_run, policy: policy(), warnings, trial })
    });
    fakes.on::<UpdateBudget>(|(), _| Ok(super::day::budget()));
    fakes.on::<ListAudit>(|(), _| {
        let entry = AuditEntry {
            id: "aud_1".to_owned(),
            seq: Some(1),
            at: "2026-11-20T10:00:00Z".to_owned(),
            actor: "telegram:main:<script>".to_owned(),
            action: "approval.rejected".to_owned(),
            subject: "apr_1".to_owned(),
            detail: json!({"agent": "codegen", "amountMicros": 5_000_000, "reason": "<script>no"}),
            hash: Some("ab".to_owned()),
        };
        Ok(AuditList { entries: vec![entry] })
    });
    fakes.on::<VerifyAudit>(|(), ()| {
        Ok(AuditVerdict {
            intact: true,
            sealed: 1,
            unsealed: 0,
            head: Some("ab".to_owned()),
            broken_at: None,
            message: "The only entry is as it was written.".to_owned(),
        })
    });
}

const CHANGE: &str = "/dashboard/rules/change";

#[tokio::test]
async fn rules_page_shows_the_rules_and_the_log_and_no_markup_of_others() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/rules", &cookie).await;
    for part in [
        "value=\"10\"",
        "value=\"deploy, mail\"",
        "approve without asking codegen, up to $5.00",
        "Go back to the configuration",
        "/dashboard/rules?verify=1#log",
        "Refused",
        "up to $5.00",
    ] {
        assert!(page.text.contains(part), "{part}");
    }
    assert!(!page.text.contains("entry is as it was written"), "the whole log is read when asked");
    let checked = bed.get("/dashboard/rules?verify=1", &cookie).await;
    assert!(checked.text.contains("The only entry is as it was written."), "{}", checked.text);
    assert!(!page.text.contains("<script>alert") && !page.text.contains("<script>no"));
}

#[tokio::test]
async fn simple_rules_are_tried_first_and_saved_as_they_were_tried() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/rules", &cookie).await;
    let token = page.token(CHANGE, "Ask me above");
    let fields = |token: &'static str, only: &'static str| {
        [
            ("token", token),
            ("kind", "simple"),
            ("hash", HASH),
            ("threshold", "4.5"),
            ("tolerance", "conservative"),
            ("always", " deploy,, pay "),
            ("blocked", ""),
            ("agents", ""),
            ("only", only),
        ]
    };
    let token: &'static str = Box::leak(token.into_boxed_str());
    let tried = bed.post(CHANGE, &cookie, &fields(token, "try")).await;
    assert_eq!(tried.status, 200);
    for part in
        ["Tried, not saved", "7 requests", "Save this change", "Your rule &lt;script&gt; says so."]
    {
        assert!(tried.text.contains(part), "{part}");
    }
    let again = tried.token(CHANGE, "Save this change");
    let again: &'static str = Box::leak(again.into_boxed_str());
    let saved = bed.post(CHANGE, &cookie, &fields(again, "")).await;
    assert!(saved.location().ends_with("/dashboard/rules?note=ruled"));
    let sent: Vec<Value> = bed.changed().into_iter().map(|(_, body)| body).collect();
    let expected = |dry_run| json!({"costThreshold": 4.5, "riskTolerance": "conservative", "allowedAgencies": [], "blockedOperations": [], "requiresHumanApproval": ["deploy", "pay"], "reset": false, "dryRun": dry_run, "hash": HASH});
    assert_eq!(sent, [expected(true), expected(false)]);
}

#[tokio::test]
async fn rule_is_added_and_removed_with_the_token_of_that_change_alone() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/rules", &cookie).await;
    let add = page.token(CHANGE, "approves without asking");
    let fields = [
        ("token", add.as_str()),
        ("kind", "add"),
        ("hash", HASH),
        ("effect", "forbid"),
        ("agents", "pm"),
        ("dollars", "20"),
        ("until", "2027-02-01T12:30"),
    ];
    assert_eq!(bed.post(CHANGE, &cookie, &fields).await.status, 303);
    let (_, sent) = bed.changed().pop().unwrap();
    assert_eq!(sent["rules"][0]["id"], "pol_1", "those that are there stay");
    assert_eq!(
        sent["rules"][1],
        json!({"effect": "forbid", "agents": ["pm"], "above": 20.0, "until": "2027-02-01T12:30:00Z"})
    );
    let count = bed.changed().len();
    let stolen = [("token", add.as_str()), ("kind", "remove:pol_1"), ("hash", HASH)];
    assert_eq!(bed.post(CHANGE, &cookie, &stolen).await.status, 403);
    let stale = [("token", add.as_str()), ("kind", "add"), ("hash", "h0"), ("effect", "ask")];
    assert_eq!(bed.post(CHANGE, &cookie, &stale).await.status, 403);
    let remove = page.token(CHANGE, "remove:pol_1");
    let fields = [("token", remove.as_str()), ("kind", "remove:pol_1"), ("hash", HASH)];
    assert_eq!(bed.post(CHANGE, &cookie, &fields).await.status, 303);
    assert_eq!(bed.changed().len(), count + 1);
    assert_eq!(bed.changed().pop().unwrap().1["rules"], json!([]));
    for (field, value) in [("effect", "permit"), ("dollars", "much")] {
        let fields = [
            ("token", add.as_str()),
            ("kind", "add"),
            ("hash", HASH),
            ("effect", "ask"),
            (field, value),
        ];
        assert_eq!(bed.post(CHANGE, &cookie, &fields).await.status, 422, "{field}");
    }
}

#[tokio::test]
async fn budget_page_changes_the_limits_and_resets_them() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/budget", &cookie).await;
    let token = page.token("/dashboard/budget", "A day, in dollars");
    let set = [("token", token.as_str()), ("daily", "12.5"), ("monthly", "")];
    assert!(
        bed.post("/dashboard/budget", &cookie, &set).await.location().ends_with("note=budgeted")
    );
    assert_eq!(bed.changed().pop().unwrap().1["daily"], 12.5);
    let empty = [("token", token.as_str()), ("daily", "")];
    assert_eq!(bed.post("/dashboard/budget", &cookie, &empty).await.status, 422);
    let odd = [("token", token.as_str()), ("daily", "-1")];
    assert_eq!(bed.post("/dashboard/budget", &cookie, &odd).await.status, 422);
    let reset = [("token", token.as_str()), ("daily", "9"), ("reset", "true")];
    assert_eq!(bed.post("/dashboard/budget", &cookie, &reset).await.status, 303);
    let (_, body) = bed.changed().pop().unwrap();
    assert_eq!((&body["reset"], &body["daily"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn agent_is_halted_and_resumed_by_its_button_alone() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/agents", &cookie).await;
    let token = page.token("/dashboard/agents/halt", "value=\"codegen\"");
    let of = |agent: &'static str, halts: &'static str| {
        [("token", token.as_str()), ("agent", agent), ("halts", halts)]
    };
    assert_eq!(
        bed.post("/dashboard/agents/halt", &cookie, &of("security", "true")).await.status,
        403
    );
    assert_eq!(
        bed.post("/dashboard/agents/halt", &cookie, &of("codegen", "false")).await.status,
        403
    );
    assert_eq!(bed.changed(), []);
    let halted = bed.post("/dashboard/agents/halt", &cookie, &of("codegen", "true")).await;
    assert!(halted.location().ends_with("note=agent_halted"));
    let (path, sent) = bed.changed().pop().unwrap();
    assert_eq!(
        (path.as_str(), &sent["agent"], &sent["all"]),
        ("/api/halt", &json!("codegen"), &json!(false))
    );
    bed.world.halts.lock().unwrap().halts.push(
        serde_json::from_value(json!({"target": "agent:codegen", "reason": "x", "by": "api", "at": "2026-11-20T10:00:00Z", "level": "accepted", "resumedAt": null})).unwrap(),
    );
    let page = bed.get("/dashboard/agents", &cookie).await;
    assert!(page.text.contains("halted"));
    let token = page.token("/dashboard/agents/halt", "Resume");
    let fields = [("token", token.as_str()), ("agent", "codegen"), ("halts", "false")];
    assert!(
        bed.post("/dashboard/agents/halt", &cookie, &fields)
            .await
            .location()
            .ends_with("note=resumed")
    );
}

#[tokio::test]
async fn every_halt_that_holds_something_is_on_every_page_with_its_resume() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let row = |target: &str, level: &str| json!({"target": target, "reason": "<b>", "by": "api", "at": "2026-11-20T10:00:00Z", "level": level, "resumedAt": null});
    let rows = json!([
        row("endpoint:telegram.main", "accepted"),
        row("agent:codegen", "stopped"),
        row("task:job-7", "stopped"),
        row("task:job-8", "accepted"),
    ]);
    bed.world.halts.lock().unwrap().halts = serde_json::from_value(rows).unwrap();
    let page = bed.get("/dashboard/graph", &cookie).await;
    for part in [
        "The endpoint telegram.main is halted",
        "waiting for running work to stop",
        "The agent codegen is halted",
        "all of its work has stopped",
        "The task job-8 is halted",
    ] {
        assert!(page.text.contains(part), "{part}");
    }
    assert!(!page.text.contains("job-7") && !page.text.contains("<b>"), "{}", page.text);
    let token = page.token("/dashboard/resume", "endpoint:telegram.main");
    let fields = |target: &'static str| [("token", token.as_str()), ("target", target)];
    assert_eq!(bed.post("/dashboard/resume", &cookie, &fields("all")).await.status, 403);
    let resumed = bed.post("/dashboard/resume", &cookie, &fields("endpoint:telegram.main")).await;
    assert_eq!(resumed.status, 303);
    let (_, sent) = bed.changed().pop().unwrap();
    assert_eq!((&sent["endpoint"], &sent["all"]), (&json!("telegram.main"), &json!(false)));
}
