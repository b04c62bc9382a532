//! "Yes, for this task" and "Always" under a tool call, and questions longer than a message.

use crate::kit::*;
use crate::mcp::{asked, asked_by, bash, call_of_run, pending};
use contracts::outbox::Delivery;
use serde_json::{Value, json};

const CHAT: &str = "700100200";

/// A run of a chat that was begun: with the token of its claim.
async fn run(bed: &Bed, task: &str) -> Value {
    let approval = bed.ask_in_chat(task, 0.5).await;
    bed.claim(&approval).await.1["claimToken"].clone()
}

/// The last question in the chat, with the press data under a label.
async fn last(bed: &Bed) -> Delivery {
    bed.background().await;
    bed.deliveries().pop().unwrap()
}

fn data(question: &Delivery, label: &str) -> String {
    let buttons = question.buttons.clone().unwrap();
    let mut all = buttons.two().into_iter().chain(buttons.rest());
    let found = all.find(|button| button.label == label);
    found.unwrap_or_else(|| panic!("no button {label}")).data.to_owned()
}

async fn press(bed: &Bed, token: &str) -> Value {
    let body = json!({"token": token, "channel": "telegram", "endpoint": "main", "chat": CHAT,
        "actor": format!("telegram:main:{CHAT}")});
    let (status, answer) = bed.post(AGGREGATOR, "/internal/press", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Asks for a call and answers it by this button.
async fn answered(bed: &Bed, token: &Value, call: Value, label: &str) {
    let (waits, _) = asked_by(bed, token, "request_approval", call).await;
    let question = last(bed).await;
    assert_eq!(press(bed, &data(&question, label)).await["outcome"], "decided");
    bed.background().await;
    assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], label != "No");
}

async fn is_allowed(bed: &Bed, token: &Value, call: &Value) -> bool {
    let answer = call_of_run(bed, token, "request_approval", call).await;
    let said = &answer["structuredContent"];
    assert!(said["approved"].is_boolean(), "{answer}");
    said["approved"] == true
}

/// Whether the owner is asked.
async fn is_asked(bed: &Bed, token: &Value, call: Value) -> bool {
    let request = crate::mcp::of_run(token, "request_approval", &call);
    let waits = tokio::spawn(tower::ServiceExt::oneshot(bed.router.clone(), request));
    bed.background().await;
    let is_asked = !waits.is_finished();
    waits.abort();
    is_asked
}

async fn rules(bed: &Bed) -> Vec<Value> {
    bed.get(OPERATOR, "/api/tool-rules").await["rules"].as_array().unwrap().clone()
}

#[tokio::test]
async fn tool_call_has_four_buttons_and_says_what_the_wider_ones_allow() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    asked_by(&bed, &token, "request_approval", bash()).await;
    let question = last(&bed).await;
    let buttons = question.buttons.clone().unwrap();
    let more: Vec<_> = buttons.more.iter().map(|button| button.label.as_str()).collect();
    assert_eq!(
        (buttons.two().iter().map(|button| button.label).collect::<Vec<_>>(), more.as_slice()),
        (vec!["Yes", "No"], ["Yes, for this task", "Always"].as_slice())
    );
    assert!(buttons.more.iter().all(|button| button.data.len() <= 64));
    assert!(question.text.contains("again with exactly these arguments"), "{}", question.text);
    // No run stands behind a program with a token of its own: there is nothing to bind a rule to.
    asked(&bed, "request_approval", json!({"tool": "Read"})).await;
    bed.approver(CHAT);
    asked(&bed, "request_approval", json!({"tool": "Write"})).await;
    assert!(last(&bed).await.buttons.unwrap().more.is_empty());
    let id = pending(&bed).await[0]["id"].clone();
    let path = format!("/api/approvals/{}/decide", id.as_str().unwrap());
    let always = json!({"decision": "approve", "extent": "always"});
    assert_eq!(bed.post(OPERATOR, &path, always).await.0, 422);
}

#[tokio::test]
async fn yes_for_this_task_holds_for_the_same_call_of_this_task_alone() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Yes, for this task").await;
    for _ in 0..3 {
        assert!(is_allowed(&bed, &token, &bash()).await);
    }
    let rule = rules(&bed).await.remove(0);
    assert_eq!((&rule["agent"], &rule["tool"]), (&json!("codegen"), &json!("Bash")));
    assert_eq!(
        (&rule["taskId"], &rule["arguments"]),
        (&json!(EVENT), &json!({"command": "rm -rf build"}))
    );
    let row = bed.get(OPERATOR, "/api/approvals?state=consumed").await["approvals"][0].clone();
    assert!(row["policies"].as_array().unwrap().contains(&json!("toolRule")), "{row}");
    assert!(row["reason"].as_str().unwrap().contains(rule["id"].as_str().unwrap()), "{row}");
    // The comment of a command may differ, the command may not, nor may anything be added.
    let noted =
        json!({"tool": "Bash", "arguments": {"command": "rm -rf build", "description": "Tidy"}});
    assert!(is_allowed(&bed, &token, &noted).await);
    for other in [
        json!({"tool": "Bash", "arguments": {"command": "rm -rf build", "timeout": 1}}),
        json!({"tool": "Bash", "arguments": {"command": "rm -rf build "}}),
        json!({"tool": "Shell", "arguments": {"command": "rm -rf build"}}),
        json!({"tool": "Bash", "arguments": {"command": "rm -rf build"}, "estimatedCost": 0.01}),
    ] {
        assert!(is_asked(&bed, &token, other.clone()).await, "{other}");
    }
    let other_task = run(&bed, "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAZ").await;
    assert!(is_asked(&bed, &other_task, bash()).await);
    bed.settle(EVENT, &token, Some(0.1), "success").await;
    assert!(rules(&bed).await.is_empty(), "the task has ended");
    let path = format!("/api/tool-rules/{}", rule["id"].as_str().unwrap());
    assert_eq!(
        bed.send(OPERATOR, "DELETE", &path, Value::Null).await.0,
        404,
        "it is closed, not only hidden"
    );
}

#[tokio::test]
async fn rule_of_a_task_is_closed_when_its_run_is_cut_off() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Yes, for this task").await;
    answered(&bed, &token, json!({"tool": "Read", "arguments": {"path": "a"}}), "Always").await;
    bed.clock.advance(20 * 60_000);
    personal_assistant::tick(&bed.deps).await;
    let open = bed.rows("SELECT tool FROM tool_rule WHERE removed_at IS NULL").await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["tool"], "Read");
}

#[tokio::test]
async fn always_is_a_rule_that_the_owner_lists_and_removes() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Always").await;
    let later = run(&bed, "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAZ").await;
    assert!(is_allowed(&bed, &later, &bash()).await);
    // The rule is about this agent.
    let mut body = request("telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAY", 0.1);
    body["agentType"] = json!("security");
    body["channelContext"] = json!({"eventId": "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAY"});
    let approval = bed.post(AGGREGATOR, "/api/approve", body).await.1;
    let other = bed.claim(&approval).await.1["claimToken"].clone();
    assert!(is_asked(&bed, &other, bash()).await, "another agent");
    let rule = rules(&bed).await.remove(0);
    assert_eq!((&rule["endpoint"], rule.get("taskId")), (&json!("telegram.main"), None));
    let made = platform::time::parse_rfc3339(rule["madeAt"].as_str().unwrap()).unwrap();
    let until = platform::time::parse_rfc3339(rule["until"].as_str().unwrap()).unwrap();
    assert_eq!(until - made, 90 * 86_400_000);
    let path = format!("/api/tool-rules/{}", rule["id"].as_str().unwrap());
    for who in [AGENT, GATEWAY, VIEWER] {
        assert_eq!(bed.send(who, "DELETE", &path, Value::Null).await.0, 403);
    }
    let (status, left) = bed.send(OPERATOR, "DELETE", &path, Value::Null).await;
    assert_eq!((status, &left["rules"]), (200, &json!([])));
    assert_eq!(bed.send(OPERATOR, "DELETE", &path, Value::Null).await.0, 404);
    assert!(is_asked(&bed, &later, bash()).await);
}

#[tokio::test]
async fn always_ends_after_90_days() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Always").await;
    let event = |n: i64| format!("telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FB{n}");
    bed.clock.advance(90 * 86_400_000 - 60_000);
    let last = run(&bed, &event(1)).await;
    assert!(is_allowed(&bed, &last, &bash()).await);
    bed.clock.advance(60_001);
    let after = run(&bed, &event(2)).await;
    assert_eq!(rules(&bed).await, Vec::<Value>::new());
    assert!(is_asked(&bed, &after, bash()).await);
}

#[tokio::test]
async fn lasting_rule_does_not_answer_for_a_sender_whom_only_the_star_lets_in() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Always").await;
    let task = "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAY";
    let mut body = request(task, 0.1);
    let target = json!({"channel": "telegram", "endpoint": "main", "chat": CHAT});
    body["channelContext"] =
        json!({"channel": "telegram", "eventId": task, "public": true, "ask": [target]});
    let approval = bed.post(AGGREGATOR, "/api/approve", body).await.1;
    let public = bed.claim(&approval).await.1["claimToken"].clone();
    // The owner is asked all the same; a yes for the task holds for it.
    answered(&bed, &public, bash(), "Yes, for this task").await;
    assert!(is_allowed(&bed, &public, &bash()).await, "for its own task");
}

#[tokio::test]
async fn rule_of_an_approver_holds_for_runs_of_his_endpoint_only() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Always").await;
    let event = "slack.T0.01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let mut body = request(event, 0.5);
    let target = json!({"channel": "slack", "endpoint": "T0", "chat": "C1"});
    body["channelContext"] = json!({"channel": "slack", "eventId": event, "ask": [target]});
    let approval = bed.post(AGGREGATOR, "/api/approve", body).await.1;
    let elsewhere = bed.claim(&approval).await.1["claimToken"].clone();
    assert!(is_asked(&bed, &elsewhere, bash()).await);
    // The owner's own rule holds everywhere.
    let (waits, row) =
        asked_by(&bed, &elsewhere, "request_approval", json!({"tool": "Read"})).await;
    let path = format!("/api/approvals/{}/decide", row["id"].as_str().unwrap());
    let always = json!({"decision": "approve", "extent": "always"});
    assert_eq!(bed.post(OPERATOR, &path, always).await.0, 200);
    waits.await.unwrap();
    assert!(is_allowed(&bed, &token, &json!({"tool": "Read"})).await);
}

#[tokio::test]
async fn rule_never_widens_what_the_owners_other_rules_say() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Always").await;
    assert!(is_allowed(&bed, &token, &bash()).await);
    let context = async |rules: Value| {
        assert_eq!(bed.send(OPERATOR, "PUT", "/api/context", rules).await.0, 200);
    };
    context(json!({"requiresHumanApproval": ["Bash"]})).await;
    assert!(is_asked(&bed, &token, bash()).await);
    context(json!({"requiresHumanApproval": [], "blockedOperations": ["Bash"]})).await;
    // The open question of before is the same call; another one is refused at once.
    let id = pending(&bed).await[0]["id"].clone();
    bed.decide(&id, "approve").await;
    assert!(is_allowed(&bed, &token, &bash()).await, "the owner has just said so");
    assert!(!is_allowed(&bed, &token, &bash()).await);
}

#[tokio::test]
async fn halt_suspends_a_rule_and_ends_what_was_allowed_for_a_task() {
    for target in [json!({"all": true}), json!({"taskId": EVENT})] {
        let bed = Bed::new();
        let token = run(&bed, EVENT).await;
        answered(&bed, &token, bash(), "Yes, for this task").await;
        answered(&bed, &token, json!({"tool": "Read"}), "Always").await;
        bed.clock.advance(10);
        bed.post(OPERATOR, "/api/halt", target.clone()).await;
        assert!(!is_allowed(&bed, &token, &bash()).await);
        assert!(!is_allowed(&bed, &token, &json!({"tool": "Read"})).await);
        bed.post(OPERATOR, "/api/resume", target).await;
        assert!(is_asked(&bed, &token, bash()).await, "asked anew after the halt");
        assert!(is_allowed(&bed, &token, &json!({"tool": "Read"})).await);
    }
}

#[tokio::test]
async fn rules_outlive_a_restart() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    answered(&bed, &token, bash(), "Yes, for this task").await;
    answered(&bed, &token, json!({"tool": "Read"}), "Always").await;
    // Nothing but the database is left, and the time goes on.
    let fresh = Bed::over(json!({}), bed.sql.clone(), bed.sql.clone());
    let deps = personal_assistant::Deps { clock: bed.clock.clone(), ..fresh.deps.clone() };
    let router = personal_assistant::router(deps.clone());
    let again = Bed { router, deps, clock: bed.clock.clone(), ..fresh };
    assert!(is_allowed(&again, &token, &bash()).await);
    assert!(is_allowed(&again, &token, &json!({"tool": "Read"})).await);
}

#[tokio::test]
async fn long_tool_call_is_shown_in_full_with_every_line_quoted() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    let text: String = (0..9_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let content = format!("{text}\nApproved by the owner\nend of it");
    let write = json!({"tool": "Write", "arguments": {"file_path": "a", "content": content}});
    let (waits, row) = asked_by(&bed, &token, "request_approval", write).await;
    let question = last(&bed).await;
    let quoted: Vec<&str> = question.text.lines().filter(|line| line.starts_with("> ")).collect();
    let whole: String = quoted
        .iter()
        .map(|line| line.trim_start_matches("> ").trim_start_matches("\u{21b3} "))
        .collect();
    assert!(whole.contains(&text) && whole.contains("end of it"), "nothing is left out");
    assert!(
        quoted.contains(&"> Approved by the owner")
            && quoted.iter().all(|line| line.chars().count() < 520)
    );
    assert!(!question.text.contains("not shown"));
    press(&bed, &data(&question, "Yes")).await;
    bed.background().await;
    let said = waits.await.unwrap()["structuredContent"].clone();
    assert_eq!((&said["approved"], &said["approvalId"]), (&json!(true), &row["id"]));
}

#[tokio::test]
async fn tool_call_too_long_for_a_chat_says_so_and_has_no_buttons_there() {
    let bed = Bed::new();
    let token = run(&bed, EVENT).await;
    let content = "x".repeat(40_000);
    let write = json!({"tool": "Write", "arguments": {"content": content}});
    let (_, row) = asked_by(&bed, &token, "request_approval", write).await;
    let question = last(&bed).await;
    assert!(question.buttons.is_none(), "nothing is decided that was not shown");
    let length = row["description"].as_str().unwrap().chars().count();
    let left_out = format!("{} more characters are not shown here.", length - 1_200);
    assert!(question.text.contains(&left_out), "{}", question.text);
    assert_eq!(bed.decide(&row["id"], "approve").await.0, 200, "in the dashboard it is");
}
