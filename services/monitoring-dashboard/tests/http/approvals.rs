//! Decisions on the approvals page: each form changes exactly what it showed.

use super::bed::{BASE, Bed, Page};
use contracts::approval::{ApprovalState, Choice};
use serde_json::json;

const DECIDE: &str = "/dashboard/approvals/apr_01J8B1/decide";
const REJECT: &str = "value=\"reject\"";
const APPROVE: &str = "value=\"approve\"";

async fn approvals(bed: &Bed, cookie: &str) -> Page {
    bed.get("/dashboard/approvals", cookie).await
}

fn decision<'a>(token: &'a str, word: &'a str, version: &'a str) -> [(&'a str, &'a str); 3] {
    [("token", token), ("decision", word), ("version", version)]
}

#[tokio::test]
async fn approval_page_approves_exactly_what_it_showed() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let token = approvals(&bed, &cookie).await.token(DECIDE, APPROVE);
    let answer = bed.post(DECIDE, &cookie, &decision(&token, "approve", "3")).await;
    assert_eq!(answer.location(), "/monitoring-dashboard/dashboard/approvals?note=approved");
    let body = json!({ "decision": "approve", "reason": null, "version": 3, "actor": "dashboard" });
    assert_eq!(bed.changed(), [("/api/approvals/apr_01J8B1/decide".to_owned(), body)]);
}

#[tokio::test]
async fn form_token_of_another_session_approval_version_or_decision_is_refused() {
    let bed = Bed::new();
    let (cookie, other) = (bed.sign_in().await, bed.sign_in().await);
    let page = approvals(&bed, &cookie).await;
    let reject = page.token(DECIDE, REJECT);
    let of_another = page.token("/dashboard/approvals/apr_01J8B2/decide", APPROVE);
    let approve = page.token(DECIDE, APPROVE);
    for (session, fields) in [
        (&other, decision(&approve, "approve", "3")),
        (&cookie, decision(&of_another, "approve", "3")),
        (&cookie, decision(&approve, "approve", "4")),
        (&cookie, decision(&reject, "approve", "3")),
        (&cookie, decision("", "approve", "3")),
    ] {
        let answer = bed.post(DECIDE, session, &fields).await;
        assert_eq!(answer.status, 403, "{fields:?}");
        assert!(answer.text.contains("nothing was changed"));
    }
    assert!(bed.changed().is_empty());
}

#[tokio::test]
async fn tool_call_is_allowed_once_for_its_task_or_always() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    assert!(!approvals(&bed, &cookie).await.text.contains("For this task"), "a run has one yes");
    bed.world.approvals.lock().unwrap()[0].choice = Choice::ToolCall;
    for extent in ["task", "always"] {
        let page = approvals(&bed, &cookie).await;
        let once = page.token(DECIDE, APPROVE);
        let token = page.token(DECIDE, &format!("name=\"extent\" value=\"{extent}\""));
        let fields = |token| {
            let mut fields = decision(token, "approve", "3").to_vec();
            fields.push(("extent", extent));
            fields
        };
        let forged = bed.post(DECIDE, &cookie, &fields(&once)).await;
        assert_eq!(forged.status, 403, "the token of one call allows no more");
        bed.post(DECIDE, &cookie, &fields(&token)).await;
        bed.world.approvals.lock().unwrap()[0].state = ApprovalState::Pending;
        let (_, body) = bed.changed().pop().unwrap();
        assert_eq!((&body["decision"], &body["extent"]), (&json!("approve"), &json!(extent)));
    }
    assert_eq!(bed.changed().len(), 2);
}

#[tokio::test]
async fn question_is_answered_on_the_page() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let labels = ["$2.00 more".to_owned(), "Stop".to_owned()];
    bed.world.approvals.lock().unwrap()[0].choice = Choice::Two { labels };
    let page = approvals(&bed, &cookie).await;
    let place = |label: &str| page.text.find(&format!("<button>{label}</button>")).unwrap();
    assert!(place("$2.00 more") < place("Stop"), "in their order, and without the focus");
    assert!(page.text.contains("Exactly this is asked"));
    bed.world.approvals.lock().unwrap()[0].choice = Choice::Words;
    let token = approvals(&bed, &cookie).await.token(DECIDE, "name=\"answer\"");
    let mut fields = decision(&token, "approve", "3").to_vec();
    fields.push(("answer", "the blue one"));
    bed.post(DECIDE, &cookie, &fields).await;
    let (_, body) = bed.changed().pop().unwrap();
    assert_eq!((&body["decision"], &body["answer"]), (&json!("approve"), &json!("the blue one")));
}

#[tokio::test]
async fn approval_page_shows_the_first_decision_to_the_second() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let token = approvals(&bed, &cookie).await.token(DECIDE, REJECT);
    bed.world.approvals.lock().unwrap()[0].state = contracts::approval::ApprovalState::Approved;
    let answer = bed.post(DECIDE, &cookie, &decision(&token, "reject", "3")).await;
    let page = bed.get(answer.location().strip_prefix(BASE).unwrap(), &cookie).await;
    assert!(page.text.contains("that decision stands"));
}
