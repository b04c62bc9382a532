//! A greeting is answered with what this installation has.

use crate::bed::{bed, bed_with, config};
use platform::ports::Clock;
use serde_json::json;

#[tokio::test]
async fn greeting_brings_the_agent_what_is_here_and_the_next_step() {
    let bed = bed();
    bed.telegram(1, "hello, who are you?").await;
    let task = bed.lease().await.remove(0);
    let about = task["context"]["about"].as_str().unwrap().to_owned();
    for words in [
        "- @codegen – Writes code (quotes the skill graph)",
        "(not available now)",
        "telegram.main",
        "Budget: The budget of",
        "Next step: no agent has a program yet",
        "`/help`",
    ] {
        assert!(about.contains(words), "{words}: {about}");
    }
    bed.finish(&task, "success", "I am here.").await;
    bed.telegram(2, "fix the login page").await;
    assert!(bed.lease().await[0]["context"].get("about").is_none(), "work is no small talk");
}

#[tokio::test]
async fn greeting_in_a_group_shows_no_budget_and_no_chats() {
    let bed = bed();
    let mention = json!({ "type": "mention", "offset": 0, "length": 9 });
    let message = json!({ "message_id": 1, "from": { "id": 700_100_200 }, "date": bed.clock.now_ms() / 1000,
        "chat": { "id": -100, "type": "supergroup" }, "text": "@desk_bot hello", "entities": [mention] });
    bed.telegram_update(&json!({ "update_id": 1, "message": message })).await;
    let task = bed.lease().await.remove(0);
    let about = task["context"]["about"].as_str().unwrap();
    assert!(about.contains("@codegen") && !about.contains("Budget") && !about.contains("Chats"));
}

#[tokio::test]
async fn greeting_of_a_sender_shows_no_budget_and_of_the_public_nothing() {
    for (senders, shown) in [(json!(["700100200", "4242"]), true), (json!(["*"]), false)] {
        let mut config = config();
        config["endpoints"]["telegram"]["main"]["senders"] = senders;
        let bed = bed_with(config);
        bed.telegram_from(1, 4242, "hello").await;
        let task = bed.lease().await.remove(0);
        let about = task["context"]["about"].as_str();
        assert_eq!(about.is_some(), shown, "{task}");
        assert!(about.is_none_or(|text| !text.contains("Budget") && !text.contains("Next step")));
    }
}
