//! Programs that post: their messages are content, their answers go where the owner says.

use crate::bed::{Bed, bed_with, vectors};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::ChannelKind;
use contracts::calls::personal_assistant::{Approve, Halt};
use hmac::{Hmac, KeyInit, Mac};
use platform::config::Report;
use platform::ports::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use webhook_aggregator::Config;

const NOW_MS: i64 = 1_790_000_002_000;

fn keys(endpoint: &str) -> Value {
    let file = &vectors()[&ChannelKind::Hook];
    match file["others"].get(endpoint) {
        Some(keys) => keys.clone(),
        None => file["endpoint"]["keys"].clone(),
    }
}

/// The endpoint `builds` with these keys more, beside a bot of Telegram.
fn bed(more: &Value) -> Bed {
    let mut builds = keys("builds");
    for (key, value) in more.as_object().unwrap() {
        builds[key] = value.clone();
    }
    let telegram = vectors()[&ChannelKind::Telegram]["endpoint"]["keys"].clone();
    let hooks = json!({ "builds": builds, "github": keys("github") });
    let bed = bed_with(json!({ "endpoints": { "hook": hooks, "telegram": { "main": telegram } } }));
    bed.clock.set(NOW_MS);
    bed
}

fn signed(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Posts a message as the program of `builds`; the acknowledgement.
async fn post(bed: &Bed, id: &str, text: &str) -> Value {
    let (body, time) = (json!({ "message": text }).to_string(), bed.clock.now_ms() / 1000);
    let time = time.to_string();
    let secret = keys("builds")["secret"].as_str().unwrap().to_owned();
    let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body.as_bytes()];
    let signature = format!("v1,{}", STANDARD.encode(signed(&secret, &parts)));
    let headers =
        [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
    let (status, answer) = bed.ask("POST", "/hook/builds", "", &headers, body).await;
    assert_eq!(status, 200);
    bed.settle().await;
    serde_json::from_slice(&answer).unwrap()
}

#[tokio::test]
async fn answer_for_a_program_is_on_the_events_page_and_nowhere_else() {
    let bed = bed(&json!({}));
    let ack = post(&bed, "msg_1", "the build failed").await;
    assert_eq!(
        post(&bed, "msg_1", "the build failed").await,
        ack,
        "a repetition is the same event"
    );
    let event = bed.event("msg_1").await;
    assert_eq!(ack, json!({ "eventId": event["id"] }));
    assert_eq!(event["sender"], "builder");
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "It is mended.").await, 200);
    let event = bed.get(&format!("/api/events/{}", event["id"].as_str().unwrap())).await;
    assert_eq!(event["state"], "done", "{event}");
    assert_eq!(event["replies"][0]["text"], "It is mended.", "{event}");
    assert_eq!(bed.sent(""), Vec::<String>::new(), "nothing is sent to anybody");
}

#[tokio::test]
async fn answer_for_a_program_goes_to_the_chat_that_its_owner_names() {
    let bed = bed(&json!({ "reply_to": "telegram.main:700100200", "agent": "codegen" }));
    post(&bed, "msg_1", "the build failed").await;
    let asked = &bed.fakes.bodies::<Approve>()[0]["channelContext"];
    assert_eq!(asked["endpoint"], "builds", "{asked}");
    assert_eq!(asked["ask"][0]["channel"], "telegram", "{asked}");
    assert_eq!(asked["ask"][0]["chat"], "700100200", "{asked}");
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "It is mended.").await, 200);
    assert_eq!(bed.event("msg_1").await["state"], "done");
    let placeholder = bed.sent("/sendMessage").remove(0);
    let placeholder: Value = serde_json::from_str(&placeholder).unwrap();
    // A press would be looked up among Telegram's own messages.
    assert_eq!(placeholder["reply_markup"], Value::Null, "{placeholder}");
    assert_eq!(placeholder["chat_id"].to_string().trim_matches('"'), "700100200");
    let answer = bed.sent("/editMessageText").pop().unwrap();
    assert!(answer.contains("It is mended."), "{answer}");
}

#[tokio::test]
async fn commands_and_words_that_stop_are_content_where_a_program_posts() {
    let bed = bed(&json!({}));
    post(&bed, "msg_1", "a long job").await;
    for (id, text) in [("msg_2", "/halt"), ("msg_3", "stop"), ("msg_4", "/approve apr_1")] {
        post(&bed, id, text).await;
        let event = bed.event(id).await;
        assert_eq!((&event["state"], &event["text"]), (&json!("received"), &json!(text)));
    }
    assert_eq!(bed.event("msg_1").await["state"], "running");
    assert_eq!(bed.fakes.count::<Halt>(), 0);
}

#[tokio::test]
async fn likelier_agent_takes_what_a_program_posts() {
    let bed = bed(&json!({ "reply_to": "telegram.main:700100200" }));
    bed.world.set(|answers| answers.unsure_with = Some("pm".to_owned()));
    post(&bed, "msg_1", "the build failed").await;
    let event = bed.event("msg_1").await;
    assert_eq!((&event["state"], &event["agent"]), (&json!("running"), &json!("codegen")));
}

/// GitHub's id is not signed: a recorded request under another id is no new message.
#[tokio::test]
async fn recorded_request_of_github_under_another_id_is_a_duplicate() {
    let bed = bed(&json!({}));
    let body =
        json!({ "issue": { "title": "t", "number": 1 }, "repository": { "full_name": "a/b" } });
    let body = body.to_string();
    let secret = keys("github")["secret"].as_str().unwrap().to_owned();
    let signature =
        format!("sha256={}", hex::encode(signed(secret.as_bytes(), &[body.as_bytes()])));
    for id in ["one", "two"] {
        let headers = [("x-github-delivery", id), ("x-hub-signature-256", signature.as_str())];
        assert_eq!(bed.ask("POST", "/hook/github", "", &headers, body.clone()).await.0, 200);
        bed.settle().await;
    }
    let events = bed.get("/api/events").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
}

#[test]
fn every_mistake_of_a_program_is_listed_with_its_place() {
    let secret = keys("builds")["secret"].clone();
    let root = json!({ "endpoints": { "hook": {
        "a": { "secret": "plain", "scheme": "svix", "text": "message", "conversation": "issue", "approvers": ["1"] },
        "b": { "secret": secret, "reply_to": "telegram.other:1" },
        "c": { "secret": secret, "reply_to": "web.console:1" },
        "d": { "scheme": "github", "secret": "any text", "reply_to": "telegram.main" },
        "e": {},
    } } });
    let report = Report::default();
    Config::read(&root, &report);
    let paths: Vec<_> = report.into_problems().into_iter().map(|problem| problem.path).collect();
    assert_eq!(
        paths,
        [
            "endpoints.hook.a.scheme",
            "endpoints.hook.a.secret",
            "endpoints.hook.a.text",
            "endpoints.hook.a.conversation",
            "endpoints.hook.a.approvers",
            "endpoints.hook.c.reply_to",
            "endpoints.hook.d.reply_to",
            "endpoints.hook.e.secret",
            "endpoints.hook.b.reply_to",
        ]
    );
}
