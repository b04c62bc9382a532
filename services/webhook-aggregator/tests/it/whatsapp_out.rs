//! WhatsApp, out: texts, buttons, what stands in the place of edits, and refusals.

use crate::bed::{Bed, OPERATOR, bed, bed_with, config};
use crate::whatsapp::{INES, NUMBER, post, says, signature};
use platform::config::Report;
use platform::memory::MemoryOutbound;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use webhook_aggregator::Config;
use webhook_aggregator::channels::Setup;
use webhook_aggregator::channels::enrol::{Account, Checked, Note, Weight};

fn bodies(bed: &Bed) -> Vec<Value> {
    bed.sent("/messages").iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

/// Those that show something, and not that we are writing.
fn shown(bed: &Bed) -> Vec<Value> {
    bodies(bed).into_iter().filter(|body| body.get("status").is_none()).collect()
}

/// A platform that numbers what it takes.
fn numbered(bed: &Bed) {
    let number = AtomicUsize::new(0);
    bed.outbound.answer(move |_| {
        let id = format!("wamid.out{}", number.fetch_add(1, Ordering::Relaxed));
        Ok(MemoryOutbound::json(200, &json!({ "messages": [{ "id": id }] })))
    });
}

/// A platform that answers everything with this error.
fn refuses(bed: &Bed, status: u16, code: i64) {
    let body = json!({ "error": { "message": "(#1) no", "code": code, "error_data": { "details": "Because." } } });
    bed.outbound.answer(move |_| Ok(MemoryOutbound::json(status, &body)));
}

async fn deliver(bed: &Bed, revision: u32, text: &str, buttons: Value) -> Value {
    let target = json!({ "channel": "whatsapp", "endpoint": NUMBER, "chat": INES, "replyTo": "wamid.asked" });
    let delivery = json!({ "id": "ask-1", "revision": revision, "target": target, "text": text, "buttons": buttons });
    let (status, answer) = bed
        .post("/internal/outbox", "secret-personal-assistant", &json!({ "deliveries": [delivery] }))
        .await;
    assert_eq!(status, 200);
    bed.settle().await;
    answer
}

#[tokio::test]
async fn answer_is_one_message_and_progress_shows_that_we_are_writing() {
    let bed = bed();
    numbered(&bed);
    says(&bed, "wamid.1", &json!({})).await;
    let task = bed.lease().await.remove(0);
    for line in ["reading", "writing"] {
        let renew = json!({ "epoch": task["epoch"], "progress": line });
        let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
        assert_eq!(bed.post(&path, crate::bed::GATEWAY, &renew).await.0, 200);
        bed.clock.advance(6_000);
        webhook_aggregator::pump(&bed.deps, &format!("whatsapp.{NUMBER}").as_str().into())
            .await
            .unwrap();
        bed.settle().await;
    }
    let writing = bodies(&bed);
    assert_eq!(writing.len(), 3, "{writing:?}");
    for body in &writing {
        let expected = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1", "typing_indicator": { "type": "text" } });
        assert_eq!(body, &expected);
    }
    bed.finish(&task, "success", "It is **done**: `x`").await;
    let expected = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": INES, "type": "text",
        "context": { "message_id": "wamid.1" },
        "text": { "preview_url": false, "body": "It is *done*: `x`" },
    });
    assert_eq!(shown(&bed), [expected]);
    assert_eq!(bed.event("wamid.1").await["state"], "done");
    let sent = bed.outbound.sent().pop().unwrap();
    assert_eq!(sent.url, format!("http://127.0.0.1:1/wa/{NUMBER}/messages"));
    assert!(sent.headers.contains(&("authorization".into(), "Bearer EAAtest".into())));
    // A reply to the answer is known as one.
    let context = json!({ "from": "15550783881", "id": "wamid.out3" });
    says(&bed, "wamid.2", &json!({ "context": context, "text": { "body": "thanks, and now?" } }))
        .await;
    assert_eq!(bed.event("wamid.2").await["state"], "running");
}

/// That we are writing cannot be shown: no loss.
#[tokio::test]
async fn refused_sign_of_writing_costs_no_answer() {
    let bed = bed();
    refuses(&bed, 400, 131_009);
    says(&bed, "wamid.1", &json!({})).await;
    let task = bed.lease().await.remove(0);
    numbered(&bed);
    bed.finish(&task, "success", "done").await;
    assert_eq!(shown(&bed).len(), 1);
}

#[tokio::test]
async fn question_has_buttons_and_its_outcome_is_a_reply_to_it() {
    let bed = bed();
    numbered(&bed);
    let quote = "> rm *a*";
    let buttons = json!({ "approve": "a1:x:y", "reject": "a1:x:n" });
    deliver(&bed, 1, &format!("Approval **needed**\n{quote}\n\nCost: $0"), buttons).await;
    let asked = &shown(&bed)[0];
    let reply =
        |id: &str, title: &str| json!({ "type": "reply", "reply": { "id": id, "title": title } });
    let action = json!({ "buttons": [reply("a1:x:y", "Approve"), reply("a1:x:n", "Reject")] });
    let body = format!("Approval *needed*\n```\n{quote}\n```\n\nCost: $0");
    assert_eq!(
        asked["interactive"],
        json!({ "type": "button", "body": { "text": body }, "action": action })
    );
    deliver(&bed, 2, &format!("Approved by Ines: codegen · run\n{quote}\n\napr_1"), Value::Null)
        .await;
    let sent = shown(&bed);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[1]["text"]["body"], "Approved by Ines: codegen · run");
    assert_eq!(sent[1]["context"]["message_id"], "wamid.out0");
    deliver(
        &bed,
        3,
        &format!("Approved by Ines: codegen · run\n{quote}\n\napr_1 again"),
        Value::Null,
    )
    .await;
    assert_eq!(shown(&bed).len(), 2, "the same outcome is said once");
}

#[tokio::test]
async fn long_question_is_shown_in_full_before_its_buttons() {
    let bed = bed();
    numbered(&bed);
    let lines: Vec<String> = (0..60).map(|n| format!("> line{n:03} of the arguments")).collect();
    let more = json!([{ "label": "Yes, for this task", "data": "a1:x:t" }, { "label": "Always", "data": "a1:x:a" }]);
    let buttons =
        json!({ "approve": "a1:x:y", "reject": "a1:x:n", "labels": ["Yes", "No"], "more": more });
    deliver(&bed, 1, &lines.join("\n"), buttons).await;
    let sent = shown(&bed);
    assert_eq!(sent.len(), 2, "{sent:?}");
    let text = sent[0]["text"]["body"].as_str().unwrap();
    assert!((0..60).all(|n| text.contains(&format!("line{n:03}"))), "{text}");
    // Four are too many for buttons: a list.
    let row = |id: &str, title: &str| json!({ "id": id, "title": title });
    let rows = json!([
        row("a1:x:y", "Yes"),
        row("a1:x:n", "No"),
        row("a1:x:t", "Yes, for this task"),
        row("a1:x:a", "Always")
    ]);
    let action = json!({ "button": "Answer", "sections": [{ "rows": rows }] });
    assert_eq!(
        sent[1]["interactive"],
        json!({ "type": "list", "body": { "text": "Choose:" }, "action": action })
    );
    assert_eq!(sent[1].get("context"), None);
}

#[tokio::test]
async fn label_that_is_too_long_for_a_button_is_a_row_with_all_of_it() {
    let bed = bed();
    numbered(&bed);
    let labels = json!(["the-agent-of-the-first-department", "pm"]);
    let buttons = json!({ "approve": "c1:x:1", "reject": "c1:x:2", "labels": labels });
    deliver(&bed, 1, "Which agent?", buttons).await;
    let rows = shown(&bed)[0]["interactive"]["action"]["sections"][0]["rows"].clone();
    let first = json!({ "id": "c1:x:1", "title": "the-agent-of-the-first-…", "description": "the-agent-of-the-first-department" });
    assert_eq!(rows, json!([first, { "id": "c1:x:2", "title": "pm" }]));
}

/// A text has 4096 characters; only the first part replies.
#[tokio::test]
async fn long_answer_is_continued_in_further_messages() {
    let bed = bed();
    numbered(&bed);
    says(&bed, "wamid.1", &json!({})).await;
    let task = bed.lease().await.remove(0);
    let words: Vec<String> = (0..1500).map(|n| format!("word{n}")).collect();
    bed.finish(&task, "success", &words.join(" ")).await;
    let sent = shown(&bed);
    let texts: Vec<&str> = sent.iter().map(|body| body["text"]["body"].as_str().unwrap()).collect();
    assert!(texts.len() >= 3 && texts.iter().all(|text| text.encode_utf16().count() <= 4096));
    assert_eq!(texts.join(" "), words.join(" "));
    let replies: Vec<bool> = sent.iter().map(|body| body.get("context").is_some()).collect();
    assert!(replies[0] && replies[1..].iter().all(|replies| !replies), "{replies:?}");
}

#[tokio::test]
async fn waiting_message_is_told_with_its_buttons() {
    let bed = bed();
    numbered(&bed);
    says(&bed, "wamid.1", &json!({ "text": { "body": "one" } })).await;
    says(&bed, "wamid.2", &json!({ "text": { "body": "two" } })).await;
    let told = shown(&bed).pop().unwrap();
    let titles: Vec<&Value> = told["interactive"]["action"]["buttons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|button| &button["reply"]["title"])
        .collect();
    assert_eq!(titles, ["After this", "Stop and do this"]);
}

/// A program's run has no button to stop it: without edits it says nothing before its end.
#[tokio::test]
async fn answer_to_a_program_is_its_only_message() {
    let mut config = config();
    config["endpoints"]["hook"]["github"]["reply_to"] = format!("whatsapp.{NUMBER}:{INES}").into();
    let bed = bed_with(config);
    numbered(&bed);
    let body = json!({ "issue": { "number": 1, "title": "It breaks" }, "repository": { "full_name": "a/b" } }).to_string();
    let signature = signature("gh_S3cret for tests", &body);
    let headers = [("x-github-delivery", "d1"), ("x-hub-signature-256", signature.as_str())];
    assert_eq!(bed.ask("POST", "/hook/github", "", &headers, body).await.0, 200);
    bed.settle().await;
    let task = bed.lease().await.remove(0);
    let renew = json!({ "epoch": task["epoch"], "progress": "reading" });
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    assert_eq!(bed.post(&path, crate::bed::GATEWAY, &renew).await.0, 200);
    bed.settle().await;
    assert!(bodies(&bed).is_empty(), "{:?}", bodies(&bed));
    bed.finish(&task, "success", "Fixed.").await;
    assert_eq!(shown(&bed).len(), 1);
    assert_eq!(shown(&bed)[0]["to"], INES);
}

#[tokio::test]
async fn refusal_is_final_waits_or_has_a_second_way() {
    for (status, code, ends, says) in [
        (400, 131_047, "failed", "24 hours"),
        (400, 131_026, "failed", "cannot deliver"),
        (400, 131_030, "failed", "test recipients"),
        (401, 190, "failed", "access_token"),
        (403, 131_005, "failed", "whatsapp_business_messaging"),
        (400, 131_056, "queued", "Because. (131056)"),
        (400, 130_429, "queued", "(130429)"),
        (400, 80_007, "queued", "(80007)"),
        (500, 131_000, "queued", "(131000)"),
        (400, 132_000, "failed", "Because. (132000)"),
    ] {
        let bed = bed();
        refuses(&bed, status, code);
        deliver(&bed, 1, "one", Value::Null).await;
        let state = deliver(&bed, 1, "one", Value::Null).await["states"][0].clone();
        assert_eq!(state["state"], ends, "{code}: {state}");
        assert!(state["error"].as_str().unwrap().contains(says), "{code}: {state}");
        assert_eq!(bodies(&bed).len(), 1, "{code}");
    }
    for code in [100, 131_009] {
        let bed = bed();
        refuses(&bed, 400, code);
        deliver(&bed, 1, "one", Value::Null).await;
        let sent = bodies(&bed);
        assert_eq!(sent.len(), 2, "{code}");
        assert!(sent[0].get("context").is_some() && sent[1].get("context").is_none(), "{sent:?}");
    }
}

/// Most refusals come later, as the status of a message that Meta took.
#[tokio::test]
async fn answer_that_did_not_arrive_is_kept_and_sent_again_without_a_run() {
    let bed = bed();
    numbered(&bed);
    says(&bed, "wamid.1", &json!({})).await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "the answer").await;
    assert_eq!(bed.event("wamid.1").await["state"], "done");
    let status = json!([{ "id": "wamid.out1", "status": "failed", "recipient_id": INES, "errors": [{ "code": 131_047, "title": "Re-engagement message" }] }]);
    for _ in 0..2 {
        assert_eq!(post(&bed, json!([]), status.clone()).await, 200);
    }
    let event = bed.event("wamid.1").await;
    assert_eq!(event["state"], "dead", "{event}");
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.starts_with("reply_failed: the 24 hours"), "{reason}");
    let told = shown(&bed).pop().unwrap();
    assert!(told["text"]["body"].as_str().unwrap().contains("quintet deliver"), "{told}");
    // The approver's own message may fail too: that is no further message.
    let count = shown(&bed).len();
    let status =
        json!([{ "id": "wamid.out2", "status": "failed", "errors": [{ "code": 131_047 }] }]);
    assert_eq!(post(&bed, json!([]), status).await, 200);
    assert_eq!(shown(&bed).len(), count);

    let path = format!("/api/events/{}/deliver", event["id"].as_str().unwrap());
    assert_eq!(bed.ask("POST", &path, OPERATOR, &[], "").await.0, 200);
    bed.settle().await;
    assert_eq!(bed.event("wamid.1").await["state"], "done");
    assert_eq!(shown(&bed).pop().unwrap()["text"]["body"], "the answer");
    assert!(bed.lease().await.is_empty(), "no second run");
    assert_eq!(bed.get("/api/events").await["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn part_that_did_not_arrive_comes_again_alone() {
    let bed = bed();
    numbered(&bed);
    says(&bed, "wamid.1", &json!({})).await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", &format!("{}\n\n{}", "a".repeat(4_000), "b".repeat(4_000))).await;
    assert_eq!(shown(&bed).len(), 2);
    let status =
        json!([{ "id": "wamid.out2", "status": "failed", "errors": [{ "code": 131_026 }] }]);
    assert_eq!(post(&bed, json!([]), status).await, 200);
    let event = bed.event("wamid.1").await;
    assert_eq!(event["state"], "dead", "{event}");
    let before = shown(&bed).len();
    let path = format!("/api/events/{}/deliver", event["id"].as_str().unwrap());
    assert_eq!(bed.ask("POST", &path, OPERATOR, &[], "").await.0, 200);
    bed.settle().await;
    let again = shown(&bed).split_off(before);
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0]["text"]["body"].as_str().unwrap().starts_with("bbb"));
    assert_eq!(bed.event("wamid.1").await["state"], "done");
}

#[test]
fn setup_sets_the_webhook_of_this_number_alone() {
    let config = Config::read(&config(), &Report::default());
    let connection = config.endpoint("whatsapp", NUMBER).unwrap().connection.clone().unwrap();
    let plain = connection.set_up("/whatsapp/main", Some("http://q.example"));
    assert!(matches!(plain, Setup::Refused(_)), "{plain:?}");
    let set = connection.set_up("/whatsapp/main", Some("https://q.example"));
    let Setup::Request { request, agrees, .. } = set else { panic!("one request does it") };
    assert_eq!(request.url, format!("http://127.0.0.1:1/wa/{NUMBER}"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({ "override_callback_uri": "https://q.example/whatsapp/main", "verify_token": "wa_verify_T0ken" });
    assert_eq!(body, json!({ "webhook_configuration": expected }));
    assert_eq!(agrees(&MemoryOutbound::json(200, &json!({ "success": true }))), Ok(()));
    let no = json!({ "error": { "code": 2200, "message": "Callback verification failed" } });
    let refused = agrees(&MemoryOutbound::json(400, &no)).unwrap_err();
    assert_eq!(refused, "Meta says: Callback verification failed (2200)");
}

async fn examined(status: u16, body: Value) -> Vec<Note> {
    let outbound = MemoryOutbound::new(move |sent| {
        assert!(
            sent.url.starts_with(&format!("https://api.test/{NUMBER}?fields=")),
            "{}",
            sent.url
        );
        Ok(MemoryOutbound::json(status, &body))
    });
    let account = Account {
        outbound: &outbound,
        api_base: "https://api.test".to_owned(),
        bot_token: platform::secret::Secret::new("EAAtest"),
        app_token: None,
    };
    let keys = vec![("phone_number_id", NUMBER.to_owned())];
    let checked = Checked { name: "main".to_owned(), keys, ..Checked::default() };
    let whatsapp = webhook_aggregator::channels::examine(contracts::ChannelKind::WhatsApp).unwrap();
    whatsapp.examine(&account, &checked).await
}

#[tokio::test]
async fn number_is_examined_by_its_token_and_its_webhook() {
    let number = |url: Value| json!({ "display_phone_number": "+1 555-078-3881", "verified_name": "Desk", "webhook_configuration": url });
    let notes = examined(200, number(json!({ "phone_number": "https://q.example/whatsapp/main", "application": "https://old.example" }))).await;
    assert_eq!((notes.len(), notes[0].weight), (1, Weight::Fine));
    assert!(notes[0].what.contains("+1 555-078-3881 (Desk)"), "{notes:?}");
    let elsewhere =
        examined(200, number(json!({ "application": "https://old.example/hook" }))).await;
    assert_eq!(elsewhere[1].weight, Weight::Error, "{elsewhere:?}");
    assert!(
        elsewhere[1].what.contains("https://old.example/hook")
            && elsewhere[1].fix.contains("quintet setup whatsapp")
    );
    assert_eq!(examined(200, number(Value::Null)).await[1].weight, Weight::Warning);
    let refused = examined(401, json!({ "error": { "code": 190, "message": "expired" } })).await;
    assert!(
        refused[0].weight == Weight::Error && refused[0].what.contains("access_token"),
        "{refused:?}"
    );
    assert_eq!(examined(503, json!({})).await[0].weight, Weight::Warning);
}
