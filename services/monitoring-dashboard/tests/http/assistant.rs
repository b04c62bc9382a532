//! The page of the assistant: chat and memory.

use super::bed::Bed;
use serde_json::json;

#[tokio::test]
async fn assistant_page_shows_chat_and_memory_as_text() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/assistant", &cookie).await;
    assert_eq!(page.status, http::StatusCode::OK);
    assert!(page.text.contains("What waits for me?") && page.text.contains("Nothing waits."));
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is escaped");
    assert!(!page.text.contains("<script>alert"));
    assert!(page.text.contains("your words"));
}

#[tokio::test]
async fn assistant_is_asked_and_facts_are_pinned_and_forgotten_by_forms_of_the_page_alone() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/assistant", &cookie).await;
    let say = page.token("/dashboard/assistant/say", "");
    let done = bed
        .post("/dashboard/assistant/say", &cookie, &[("token", &say), ("text", "And now?")])
        .await;
    assert_eq!(
        (done.status, done.location()),
        (http::StatusCode::SEE_OTHER, "/monitoring-dashboard/dashboard/assistant")
    );
    let pin = page.token("/dashboard/assistant/pin", "mem_1");
    let fields = [("token", pin.as_str()), ("fact", "mem_1"), ("pinned", "true")];
    assert_eq!(
        bed.post("/dashboard/assistant/pin", &cookie, &fields).await.status,
        http::StatusCode::SEE_OTHER
    );
    let forget = page.token("/dashboard/assistant/forget", "mem_1");
    let fields = [("token", forget.as_str()), ("fact", "mem_1")];
    assert_eq!(
        bed.post("/dashboard/assistant/forget", &cookie, &fields).await.status,
        http::StatusCode::SEE_OTHER
    );
    let all = bed.changed();
    let paths: Vec<_> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/api/chat", "/api/memory/mem_1", "/api/memory/mem_1"]);
    assert_eq!(all[0].1, json!({"message": "And now?", "sessionKey": "dashboard"}));

    let wrong = [("token", pin.as_str()), ("fact", "mem_2"), ("pinned", "true")];
    assert_eq!(
        bed.post("/dashboard/assistant/pin", &cookie, &wrong).await.status,
        http::StatusCode::FORBIDDEN
    );
    assert_eq!(bed.changed().len(), 3, "a token is for one fact");
}
