//! WhatsApp, in: Meta's question for the address, and messages of people.

use crate::bed::{Bed, bed, bed_with, config};
use contracts::calls::personal_assistant::Press;
use hmac::{Hmac, KeyInit, Mac};
use platform::config::Report;
use platform::memory::{MemoryOutbound, Sent};
use platform::ports::{OutboundResponse, PortErrorKind};
use serde_json::{Value, json};
use sha2::Sha256;
use webhook_aggregator::Config;

pub const NUMBER: &str = "106540352242922";
pub const INES: &str = "15550001111";
const SECRET: &str = "wa_app_S3cret_0123456789abcdef";

/// `X-Hub-Signature-256` of a body.
pub fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A signed webhook with these messages and statuses.
pub async fn post(bed: &Bed, messages: Value, statuses: Value) -> u16 {
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550783881", "phone_number_id": NUMBER },
        "contacts": [{ "profile": { "name": "Ines" }, "wa_id": INES }],
        "messages": messages, "statuses": statuses,
    });
    let changes = json!([{ "field": "messages", "value": value }]);
    let entry = json!([{ "id": "1", "changes": changes }]);
    let body = json!({ "object": "whatsapp_business_account", "entry": entry }).to_string();
    let signature = signature(SECRET, &body);
    let headers = [("x-hub-signature-256", signature.as_str())];
    let status = bed.ask("POST", &format!("/whatsapp/{NUMBER}"), "", &headers, body).await.0;
    bed.settle().await;
    status
}

/// A message of the approver with these members.
pub fn message(id: &str, with: &Value) -> Value {
    let mut message = json!({
        "from": INES, "id": id, "timestamp": "1790000000", "type": "text",
        "text": { "body": "fix it" },
    });
    for (key, value) in with.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

pub async fn says(bed: &Bed, id: &str, with: &Value) -> u16 {
    post(bed, json!([message(id, with)]), json!([])).await
}

#[tokio::test]
async fn address_is_proven_to_whom_the_verify_token_is_known() {
    let bed = bed();
    let path = format!("/whatsapp/{NUMBER}");
    let ask = async |query: &str| {
        let (head, body) = bed.answer("GET", &format!("{path}{query}"), "", &[], "").await;
        let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (
            head.status.as_u16(),
            kind.unwrap_or_default(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    };
    let query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wa_verify_T0ken";
    let expected = (200, "text/plain; charset=utf-8".to_owned(), "1158201444".to_owned());
    assert_eq!(ask(query).await, expected);
    assert_eq!(
        ask(&query.replace("hub.challenge=1158201444", "hub.challenge=%3Cb%3E")).await.2,
        "<b>"
    );
    for wrong in [
        String::new(),
        query.replace("wa_verify_T0ken", "wa_verify_T0keN"),
        query.replace("&hub.verify_token=wa_verify_T0ken", ""),
        query.replace("subscribe", "unsubscribe"),
        query.replace("&hub.challenge=1158201444", ""),
        query.replace("1158201444", &"1".repeat(300)),
    ] {
        let (status, _, body) = ask(&wrong).await;
        assert!(status == 403 && !body.contains("1158201444"), "{wrong}: {status} {body}");
    }
    assert_eq!(bed.ask("GET", &format!("/whatsapp/none{query}"), "", &[], "").await.0, 404);
    // No other channel is asked.
    assert_eq!(bed.ask("GET", &format!("/telegram/main{query}"), "", &[], "").await.0, 405);
    assert!(bed.get("/api/events").await["events"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn several_messages_of_one_webhook_are_each_taken_once_and_acknowledged_together() {
    let bed = bed();
    let two = json!([
        message("wamid.1", &json!({})),
        message("wamid.2", &json!({ "from": "15559998888" }))
    ]);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    assert_eq!(post(&bed, two.clone(), json!([])).await, 503, "nothing is stored");
    assert_eq!(post(&bed, two.clone(), json!([])).await, 200);
    assert_eq!(post(&bed, two, json!([])).await, 200);
    let events = bed.get("/api/events").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");
    assert_eq!(bed.lease().await.len(), 1);
    assert_eq!(bed.event("wamid.2").await["reason"], "unknown_sender");
}

#[tokio::test]
async fn edit_changes_a_message_that_waits() {
    let bed = bed();
    says(&bed, "wamid.1", &json!({ "text": { "body": "first" } })).await;
    says(&bed, "wamid.2", &json!({ "text": { "body": "book Lisbon" } })).await;
    let text = json!({ "type": "text", "text": { "body": "book Porto" } });
    let edit = json!({ "original_message_id": "wamid.2", "message": text });
    says(&bed, "wamid.3", &json!({ "type": "edit", "edit": edit })).await;
    assert_eq!(bed.event("wamid.2").await["text"], "book Porto");
    assert_eq!(bed.event("wamid.3").await["reason"], "edit_taken");
}

/// Who hides the number has an id in its place; the configuration may name either.
#[tokio::test]
async fn person_is_known_by_the_number_or_by_the_id_that_stands_for_it() {
    let hidden = "DE.13491208655302741918";
    for (approver, heard) in [(INES, [true, true, false]), (hidden, [false, true, true])] {
        let mut config = config();
        config["endpoints"]["whatsapp"][NUMBER]["approvers"] = json!([approver]);
        let bed = bed_with(config);
        let messages = json!([
            message("wamid.number", &json!({})),
            message("wamid.both", &json!({ "from_user_id": hidden })),
            message("wamid.hidden", &json!({ "from": null, "from_user_id": hidden })),
        ]);
        post(&bed, messages, json!([])).await;
        for (id, heard) in ["wamid.number", "wamid.both", "wamid.hidden"].iter().zip(heard) {
            let event = bed.event(id).await;
            assert_eq!(event["reason"] != "unknown_sender", heard, "{approver}: {event}");
        }
        let to = if approver == hidden { "recipient" } else { "to" };
        let task = bed.lease().await.remove(0);
        bed.finish(&task, "success", "done").await;
        let sent = bed.sent("/messages");
        let sent = sent.iter().find(|body| body.contains("done")).unwrap();
        let sent: Value = serde_json::from_str(sent).unwrap();
        assert_eq!(sent[to], approver, "{sent}");
    }
}

#[tokio::test]
async fn press_reaches_the_assistant_with_the_chat_and_is_answered_below_the_question() {
    let bed = bed();
    let reply = json!({ "id": "a1:abcdefghijklmnopqrstuv:y", "title": "Approve" });
    let interactive = json!({ "type": "button_reply", "button_reply": reply });
    let context = json!({ "from": "15550783881", "id": "wamid.question" });
    let with = json!({ "type": "interactive", "interactive": interactive, "context": context });
    says(&bed, "wamid.1", &with).await;
    let press = bed.fakes.bodies::<Press>().remove(0);
    assert_eq!(
        (&press["chat"], &press["token"]),
        (&json!(INES), &json!("a1:abcdefghijklmnopqrstuv:y"))
    );
    let sent: Value = serde_json::from_str(&bed.sent("/messages")[0]).unwrap();
    assert_eq!(
        (&sent["text"]["body"], &sent["context"]["message_id"]),
        (&json!("Approved"), &json!("wamid.question"))
    );
}

fn with_file(sent: &Sent) -> OutboundResponse {
    let json = |body: Value| MemoryOutbound::json(200, &body);
    match sent.method.as_str() {
        "GET" if sent.url.contains("/654634531?") => json(
            json!({ "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", "mime_type": "image/png" }),
        ),
        "GET" if sent.url.contains("/654634532?") => {
            json(json!({ "url": "https://evil.example/whatsapp_business/?mid=2" }))
        }
        "GET" => OutboundResponse {
            status: 200,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(b"\x89PNG\r\n\x1a\n a picture"),
        },
        _ if sent.url.ends_with("/media") => json(json!({ "id": "778899001" })),
        _ => json(json!({ "messages": [{ "id": "wamid.sent" }] })),
    }
}

#[tokio::test]
async fn files_go_both_ways_and_the_token_goes_to_metas_hosts_alone() {
    let bed = bed();
    bed.outbound.answer(|sent| Ok(with_file(sent)));
    let image = |id: &str| json!({ "type": "image", "image": { "id": id, "mime_type": "image/png", "caption": "look" } });
    says(&bed, "wamid.1", &image("654634531")).await;
    says(&bed, "wamid.2", &image("654634532")).await;
    let gets: Vec<Sent> =
        bed.outbound.sent().into_iter().filter(|sent| sent.method == "GET").collect();
    let asked: Vec<&str> = gets.iter().map(|sent| sent.url.as_str()).collect();
    assert_eq!(asked[0], format!("http://127.0.0.1:1/wa/654634531?phone_number_id={NUMBER}"));
    assert!(asked[1].starts_with("https://lookaside.fbsbx.com/") && asked.len() <= 3, "{asked:?}");
    for sent in &gets {
        assert!(sent.headers.contains(&("authorization".into(), "Bearer EAAtest".into())));
    }
    assert!(gets[1].headers.contains(&("user-agent".into(), "quintet".into())));
    let task = bed.lease().await.remove(0);
    assert!(task["message"].as_str().unwrap().contains("in/photo.png (image/png"), "{task}");

    let path = format!("/api/tasks/{}/files", task["taskId"].as_str().unwrap());
    let stored = bed.ask("PUT", &path, crate::bed::GATEWAY, &[], "a,b\n").await.1;
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let files = json!([{ "name": "out.csv", "sha256": stored["sha256"] }]);
    let result = json!({ "epoch": task["epoch"], "outcome": "success", "text": "Here.", "actualCost": 0.0, "files": files });
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    assert_eq!(bed.post(&path, crate::bed::GATEWAY, &result).await.0, 200);
    bed.settle().await;
    let media = bed.sent("/media");
    assert_eq!(media.len(), 1);
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp",
        "name=\"type\"\r\n\r\ntext/plain",
        "filename=\"out.csv\"\r\ncontent-type: text/plain",
        "a,b\n",
    ] {
        assert!(media[0].contains(part), "{part} is missing in {}", media[0]);
    }
    let sent = bed.sent("/messages");
    let document = sent.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    let document: Vec<Value> = document.filter(|body| body["type"] == "document").collect();
    assert_eq!(document[0]["document"], json!({ "id": "778899001", "filename": "out.csv" }));
    assert_eq!(document.len(), 1);
    assert_eq!(bed.event("wamid.1").await["state"], "done");
    // The other file's address is none of Meta's: it is not requested, and its sender is told.
    assert!(bed.outbound.sent().iter().all(|sent| !sent.url.contains("evil")));
    let told = bed.sent("/messages");
    assert!(
        told.iter().any(|body| body.contains("its address is not on Meta's file server")),
        "{told:?}"
    );
}

#[test]
fn number_is_named_by_the_endpoint_or_by_its_key() {
    let read = |name: &str, with: Value| {
        let mut endpoint = json!({ "app_secret": "s", "verify_token": "v", "access_token": "t" });
        for (key, value) in with.as_object().unwrap() {
            endpoint[key] = value.clone();
        }
        let report = Report::default();
        Config::read(&json!({ "endpoints": { "whatsapp": { name: endpoint } } }), &report);
        report.into_problems().into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert!(read(NUMBER, json!({})).is_empty());
    assert!(read("main", json!({ "phone_number_id": NUMBER })).is_empty());
    let of = |key: &str| vec![format!("endpoints.whatsapp.main.{key}")];
    assert_eq!(read("main", json!({})), of("phone_number_id"));
    assert_eq!(read("main", json!({ "phone_number_id": "+1555" })), of("phone_number_id"));
    let wrong = json!({ "phone_number_id": NUMBER, "approvers": ["+15550001111"] });
    assert_eq!(read("main", wrong), of("approvers"));
    let open = json!({ "phone_number_id": NUMBER, "senders": ["*"] });
    assert!(read("main", open).is_empty());
}
