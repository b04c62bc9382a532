//! An answer that is too long for a chat.

use crate::bed::{Bed, GATEWAY, OPERATOR};
use crate::files::bed_of_files;
use contracts::calls::agency_router::RouteEvent;
use platform::ports::PortErrorKind;
use serde_json::{Value, json};

fn long_text() -> String {
    let words: String = (0..9_000).map(|number| format!("w{number} ")).collect();
    format!("{words}\n\nShall I begin with A or B?")
}

/// A message, and the end of its run; the texts that the chat got for it.
async fn answered(bed: &Bed, id: u64, result: &Value) -> Vec<String> {
    bed.telegram(id, &format!("write a lot, {id}")).await;
    let task = bed.lease().await.remove(0);
    let before = bed.sent("/sendMessage").len();
    let mut result = result.clone();
    result["epoch"] = task["epoch"].clone();
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(bed.post(&path, GATEWAY, &result).await.0, 200);
        bed.settle().await;
    }
    bed.sent("/sendMessage").split_off(before)
}

fn success(text: &str) -> Value {
    json!({ "outcome": "success", "text": text, "actualCost": 0.0 })
}

#[tokio::test]
async fn answer_of_many_messages_is_its_beginning_and_a_file() {
    let bed = bed_of_files(&json!({}));
    let text = long_text();
    let said = answered(&bed, 1, &success(text[..20_000].trim_end())).await;
    assert!(said.len() > 2, "a few messages are no file: {}", said.len());
    assert!(bed.sent("/sendDocument").is_empty());

    let said = answered(&bed, 2, &success(&text)).await;
    assert!(said.len() <= 2, "{}", said.len());
    let last = said.last().unwrap();
    for words in ["Cut here: ", "are in the file below", "dashboard", "Shall I begin with A or B?"]
    {
        assert!(last.contains(words), "{words}: {last}");
    }
    let files = bed.sent("/sendDocument");
    assert_eq!(files.len(), 1);
    assert!(files[0].contains(&text) && files[0].contains("filename=\"answer.md\""));
    let event = bed.event("2").await;
    assert_eq!(
        (&event["state"], &event["answerFiles"][0]["name"]),
        (&json!("done"), &json!("answer.md"))
    );
    let path = format!("/api/conversations/{}/messages", event["conversation"].as_str().unwrap());
    let (_, kept) = bed.ask("GET", &path, OPERATOR, &[], "").await;
    assert!(String::from_utf8_lossy(&kept).contains("w8999"), "the dashboard shows it whole");
}

#[tokio::test]
async fn long_answer_that_is_sent_again_comes_with_its_file() {
    let bed = bed_of_files(&json!({}));
    answered(&bed, 1, &success(&long_text())).await;
    let id = bed.event("1").await["id"].as_str().unwrap().to_owned();
    let again = format!("/api/events/{id}/deliver");
    for uploads in [2, 3] {
        assert_eq!(bed.ask("POST", &again, OPERATOR, &[], "").await.0, 200);
        bed.settle().await;
        assert_eq!(bed.sent("/sendDocument").len(), uploads);
    }
}

#[tokio::test]
async fn reply_to_a_long_answer_is_about_it() {
    let bed = bed_of_files(&json!({}));
    answered(&bed, 1, &success(&long_text())).await;
    let shown = bed.event("1").await["replies"][0]["messageIds"][0].clone();
    let to: u64 = shown.as_str().unwrap().parse().unwrap();
    let person = json!({ "id": 700_100_200, "is_bot": false });
    let chat = json!({ "id": 700_100_200, "type": "private" });
    let replied =
        json!({ "message_id": to, "from": { "id": 5_550_001, "is_bot": true }, "chat": chat });
    let message = json!({ "message_id": 9, "date": 1, "text": "and the second point?", "from": person, "chat": chat, "reply_to_message": replied });
    bed.telegram_update(&json!({ "update_id": 9, "message": message })).await;
    let asked = bed.fakes.bodies::<RouteEvent>().pop().unwrap();
    assert_eq!(asked["previous"]["message"], "write a lot, 1", "{asked}");
}

#[tokio::test]
async fn long_answer_without_a_store_comes_as_messages() {
    let bed = bed_of_files(&json!({}));
    bed.objects.faults.refuse_next(1, PortErrorKind::Unavailable);
    let said = answered(&bed, 1, &success(&long_text())).await;
    assert!(said.len() > 6, "{}", said.len());
    assert!(bed.sent("/sendDocument").is_empty());
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn words_of_a_run_that_a_halt_ended_promise_no_file() {
    let bed = bed_of_files(&json!({}));
    let halted = json!({ "outcome": "cancelled", "reason": "budget", "text": long_text() });
    let said = answered(&bed, 1, &halted).await;
    assert_eq!(bed.event("1").await["state"], "refused");
    assert!(said.iter().all(|text| !text.contains("in the file below")), "{said:?}");
}
