//! Files both ways: fetched after the acknowledgement, kept with a digest, handed to the gateway,
//! and sent from an answer.

use crate::bed::{Bed, GATEWAY, OPERATOR, bed_with, config, platform_says};
use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use platform::memory::{MemoryOutbound, Sent};
use platform::ports::{Clock, Objects, OutboundResponse};
use platform::secret::digest_hex;
use serde_json::{Value, json};
use sha2::Sha256;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a picture";
const OGG: &[u8] = b"OggS a voice";
const PDF: &[u8] = b"%PDF-1.7 a document";

fn bytes(body: &[u8]) -> OutboundResponse {
    OutboundResponse { status: 200, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body) }
}

fn status(status: u16, body: &Value) -> OutboundResponse {
    MemoryOutbound::json(status, body)
}

/// The platforms with these three files, and every upload.
fn with_files(sent: &Sent) -> OutboundResponse {
    let contents = [("picture", PNG), ("voice", OGG), ("document", PDF)];
    let of = |text: &str| contents.iter().find(|(name, _)| text.contains(name));
    if sent.url.ends_with("/getFile") {
        let (name, _) = of(&sent.body).unwrap();
        return status(200, &json!({ "ok": true, "result": { "file_path": format!("f/{name}") } }));
    }
    if sent.method == "GET" {
        return bytes(of(&sent.url).unwrap().1);
    }
    match sent.url.rsplit('/').next().unwrap() {
        "files.getUploadURLExternal" => status(
            200,
            &json!({ "ok": true, "upload_url": "http://127.0.0.1:1/upload/1", "file_id": "F9" }),
        ),
        "1" => bytes(b"OK"),
        "files.completeUploadExternal" => status(200, &json!({ "ok": true, "files": [] })),
        _ => platform_says(sent),
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn bed_of_files(section: &Value) -> Bed {
    let mut config = config();
    config["endpoints"]["discord"]["820000000000000001"]["public_key"] =
        hex::encode(key().verifying_key().to_bytes()).into();
    config["files"] = section.clone();
    let bed = bed_with(config);
    bed.clock.set(1_790_000_000_000);
    bed.outbound.answer(|sent| Ok(with_files(sent)));
    bed
}

/// A message of the approver with these members.
pub async fn telegram(bed: &Bed, id: u64, with: Value) {
    let from = json!({ "id": 700_100_200 });
    let chat = json!({ "id": 700_100_200, "type": "private" });
    let mut message =
        json!({ "message_id": id, "from": from, "chat": chat, "date": 1_790_000_000 });
    for (key, value) in with.as_object().unwrap() {
        message[key] = value.clone();
    }
    let update = json!({ "update_id": id, "message": message });
    assert_eq!(bed.telegram_update(&update).await, 200);
}

pub async fn slack(bed: &Bed, text: &str, files: Value) {
    let event = json!({ "type": "message", "subtype": "file_share", "channel": "D0IM00001", "channel_type": "im", "user": "U0HUMAN01", "text": text, "ts": "1790000000.000300", "files": files });
    let body = json!({ "team_id": "T0AAAA111", "type": "event_callback", "event_id": "1", "event": event }).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"5f1d3a9c0b7e42d6a8c4e9f2b1d07c63").unwrap();
    mac.update(format!("v0:1790000000:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [("x-slack-request-timestamp", "1790000000"), ("x-slack-signature", &signature)];
    assert_eq!(bed.ask("POST", "/slack/T0AAAA111", "", &headers, body).await.0, 200);
    bed.settle().await;
}

async fn discord(bed: &Bed, text: &str, attachments: Value) {
    let option = json!({ "name": "m", "type": 3, "value": text });
    let body = json!({
        "id": "1", "type": 2, "token": "tok", "channel_id": "830", "application_id": "910000000000000001",
        "user": { "id": "810000000000000001" },
        "data": { "id": "1", "type": 1, "name": "ask", "options": [option], "resolved": { "attachments": attachments } },
    })
    .to_string();
    let signature = hex::encode(key().sign(format!("1790000000{body}").as_bytes()).to_bytes());
    let headers =
        [("x-signature-timestamp", "1790000000"), ("x-signature-ed25519", signature.as_str())];
    let path = "/discord/820000000000000001";
    assert_eq!(bed.ask("POST", path, "", &headers, body).await.0, 200);
    bed.settle().await;
}

/// Stores a file for a task and finishes it with that file.
async fn finish_with(bed: &Bed, task: &Value, name: &str, content: &'static [u8]) {
    let id = task["taskId"].as_str().unwrap();
    let path = format!("/api/tasks/{id}/files");
    let (code, stored) = bed.ask("PUT", &path, GATEWAY, &[], content).await;
    assert_eq!(code, 200, "{stored:?}");
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["sha256"], digest_hex(content));
    let result = json!({ "epoch": task["epoch"], "outcome": "success", "text": "Here it is.", "actualCost": 0.0,
        "files": [{ "name": name, "sha256": stored["sha256"] }] });
    let path = format!("/api/tasks/{id}/result");
    for _ in 0..2 {
        assert_eq!(bed.post(&path, GATEWAY, &result).await.0, 200);
        bed.settle().await;
    }
}

/// The three files of a message, as the gateway gets them.
async fn has_all_three(bed: &Bed, task: &Value) {
    let given = task["context"]["attachments"].as_array().unwrap().clone();
    assert_eq!(given.len(), 3, "{task}");
    for (attachment, content) in given.iter().zip([PNG, OGG, PDF]) {
        let path = format!("/api/files/{}", attachment["id"].as_str().unwrap());
        for token in [GATEWAY, OPERATOR] {
            let (head, body) = bed.answer("GET", &path, token, &[], "").await;
            assert_eq!((head.status.as_u16(), &body[..]), (200, content));
            assert_eq!(head.headers["content-type"], "application/octet-stream");
            assert_eq!(head.headers["x-content-type-options"], "nosniff");
        }
        assert_eq!(attachment["sha256"], digest_hex(content));
        assert_eq!(attachment["bytes"], content.len());
    }
    assert_eq!(bed.event("1").await["attachments"], Value::from(given));
}

#[tokio::test]
async fn telegram_files_reach_the_agent_and_a_file_comes_back_once() {
    let bed = bed_of_files(&json!({}));
    let photo = json!([{ "file_id": "picture", "width": 90 }]);
    let document = json!({ "file_id": "document", "file_name": "../Rechnung ä.pdf", "mime_type": "application/pdf" });
    telegram(&bed, 1, json!({ "caption": "what is this?", "photo": photo, "document": document, "voice": { "file_id": "voice" } })).await;
    let task = bed.lease().await.remove(0);
    let message = task["message"].as_str().unwrap();
    assert!(
        message.starts_with("what is this?\n\n[Files of this message]\nin/photo.jpg ("),
        "{message}"
    );
    assert!(message.contains("in/Rechnung ä.pdf (application/pdf, 19 bytes)"), "{message}");
    finish_with(&bed, &task, "out.csv", b"a,b\n1,2\n").await;
    let sent = bed.sent("/sendDocument");
    assert_eq!(sent.len(), 1, "{sent:?}");
    for part in ["name=\"chat_id\"\r\n\r\n700100200", "filename=\"out.csv\"", "a,b\n1,2\n"] {
        assert!(sent[0].contains(part), "{part} is missing in {}", sent[0]);
    }
    let event = bed.event("1").await;
    assert_eq!(event["state"], "done");
    assert_eq!(event["answerFiles"][0]["name"], "out.csv");
    let path = format!("/api/files/{}", event["answerFiles"][0]["id"].as_str().unwrap());
    assert_eq!(&bed.ask("GET", &path, OPERATOR, &[], "").await.1[..], b"a,b\n1,2\n");
}

#[tokio::test]
async fn telegram_files_are_kept_with_their_digests() {
    let bed = bed_of_files(&json!({}));
    let file = |id: &str, kind: &str| json!({ "file_id": id, "mime_type": kind });
    telegram(&bed, 1, json!({ "document": file("picture", "image/png"), "voice": file("voice", "audio/ogg"), "audio": file("document", "application/pdf") })).await;
    let task = bed.lease().await.remove(0);
    has_all_three(&bed, &task).await;
    assert!(bed.event("1").await["text"].as_str().unwrap().starts_with("[Sent without words: "));
}

#[tokio::test]
async fn slack_files_go_both_ways_by_its_own_calls() {
    let bed = bed_of_files(&json!({}));
    let file = |name: &str, kind: &str| json!({ "id": "F1", "name": name, "mimetype": kind, "size": 9, "url_private_download": format!("http://127.0.0.1:1/files/{name}") });
    slack(
        &bed,
        "look",
        json!([
            file("picture", "image/png"),
            file("voice", "audio/ogg"),
            file("document", "application/pdf")
        ]),
    )
    .await;
    let task = bed.lease().await.remove(0);
    has_all_three(&bed, &task).await;
    let asked = bed.outbound.sent();
    let downloads: Vec<_> = asked.iter().filter(|sent| sent.method == "GET").collect();
    assert_eq!(downloads.len(), 3);
    for download in downloads {
        let token = ("authorization".to_owned(), "Bearer xoxb-test".to_owned());
        assert!(download.headers.contains(&token));
    }
    finish_with(&bed, &task, "out.csv", b"a,b\n").await;
    assert_eq!(bed.sent("/files.getUploadURLExternal"), ["filename=out.csv&length=4"]);
    assert_eq!(bed.sent("/upload/1"), ["a,b\n"]);
    let complete = bed.sent("/files.completeUploadExternal");
    assert_eq!(complete.len(), 1);
    assert!(complete[0].contains("channel_id=D0IM00001"), "{complete:?}");
    assert!(complete[0].contains("F9"), "{complete:?}");
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn discord_files_go_both_ways_by_its_own_calls() {
    let bed = bed_of_files(&json!({}));
    let file = |name: &str, kind: &str| json!({ "id": "1", "filename": name, "content_type": kind, "size": 9, "url": format!("http://127.0.0.1:1/cdn/{name}") });
    discord(&bed, "look", json!({ "1": file("picture", "image/png"), "2": file("voice", "audio/ogg"), "3": file("document", "application/pdf") })).await;
    let task = bed.lease().await.remove(0);
    has_all_three(&bed, &task).await;
    finish_with(&bed, &task, "out.csv", b"a,b\n").await;
    let sent: Vec<_> =
        bed.outbound.sent().into_iter().filter(|sent| sent.body.contains("files[0]")).collect();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].url.ends_with("/webhooks/910000000000000001/tok"), "{}", sent[0].url);
    assert!(sent[0].body.contains("a,b\n"));
    // After the token of the interaction, the bot sends.
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn address_elsewhere_is_never_requested() {
    let bed = bed_of_files(&json!({}));
    let evil = |name: &str| json!({ "name": name, "mimetype": "image/png", "url_private": format!("https://evil.example/{name}") });
    slack(&bed, "look", json!([evil("picture")])).await;
    let asked = bed.outbound.sent();
    assert!(asked.iter().all(|sent| !sent.url.contains("evil")), "{asked:?}");
    let said = bed.sent("/chat.postMessage");
    assert!(
        said.iter().any(|body| body.contains("Not%20taken") && body.contains("picture")),
        "{said:?}"
    );
    let task = bed.lease().await.remove(0);
    assert!(task["message"].as_str().unwrap().contains("not taken: picture, its address is not"));
}

#[tokio::test]
async fn files_that_cannot_be_taken_are_said_once_in_one_line() {
    let limits = json!({ "bytes_max": 15, "per_message_max": 3, "types": ["image/*", "audio/*"] });
    let bed = bed_of_files(&limits);
    let file = |id: &str, kind: &str| json!({ "file_id": id, "file_name": id, "mime_type": kind });
    telegram(
        &bed,
        1,
        json!({
            "text": "see these",
            // Larger than it says.
            "document": { "file_id": "picture", "file_name": "picture", "mime_type": "image/png", "file_size": 3 },
            "audio": file("document", "application/pdf"),
            "voice": file("voice", "audio/ogg"),
            "video": file("voice", "video/mp4"),
        }),
    )
    .await;
    let notices: Vec<_> =
        bed.sent("/sendMessage").into_iter().filter(|body| body.contains("Not taken")).collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    for part in [
        "picture: a file may have 15 bytes",
        "document: files of the type application/pdf",
        "a message may bring 3 files",
    ] {
        assert!(notices[0].contains(part), "{part} is missing in {}", notices[0]);
    }
    let task = bed.lease().await.remove(0);
    assert_eq!(task["context"]["attachments"].as_array().unwrap().len(), 1);
    assert!(task["message"].as_str().unwrap().starts_with("see these"));
    assert_eq!(bed.finish(&task, "success", "ok").await, 200);
    // Without words and without a file there is nothing to do.
    telegram(&bed, 2, json!({ "document": file("document", "application/pdf") })).await;
    let event = bed.event("2").await;
    assert_eq!(
        (event["state"].as_str(), event["reason"].as_str()),
        (Some("refused"), Some("no_file_taken"))
    );
}

#[tokio::test]
async fn false_type_is_refused_by_the_content() {
    let bed = bed_of_files(&json!({}));
    telegram(&bed, 1, json!({ "text": "x", "document": { "file_id": "document", "file_name": "cat.png", "mime_type": "image/png" } })).await;
    let task = bed.lease().await.remove(0);
    assert!(
        task["message"]
            .as_str()
            .unwrap()
            .contains("not taken: cat.png, its content is no image/png")
    );
}

#[tokio::test]
async fn fetch_goes_on_after_failures_and_gives_up_after_five() {
    let bed = bed_of_files(&json!({}));
    bed.outbound.answer(|sent| {
        let is_fetch = sent.url.ends_with("/getFile");
        Ok(if is_fetch { status(502, &json!({})) } else { with_files(sent) })
    });
    telegram(&bed, 1, json!({ "text": "x", "voice": { "file_id": "voice" } })).await;
    assert_eq!(bed.event("1").await["state"], "received", "the message was acknowledged before");
    bed.outbound.answer(|sent| Ok(with_files(sent)));
    bed.clock.advance(60_000);
    webhook_aggregator::pump(&bed.deps, &"telegram.main".into()).await.unwrap();
    bed.settle().await;
    assert_eq!(bed.lease().await[0]["context"]["attachments"][0]["name"], "voice.ogg");

    let bed = bed_of_files(&json!({}));
    bed.outbound.answer(|sent| {
        let is_fetch = sent.url.ends_with("/getFile");
        Ok(if is_fetch { status(502, &json!({})) } else { with_files(sent) })
    });
    telegram(&bed, 1, json!({ "text": "x", "voice": { "file_id": "voice" } })).await;
    for _ in 0..8 {
        bed.clock.advance(400_000);
        webhook_aggregator::pump(&bed.deps, &"telegram.main".into()).await.unwrap();
        bed.settle().await;
    }
    let tries = bed.sent("/getFile").len();
    assert_eq!(tries, 5);
    assert!(bed.lease().await[0]["message"].as_str().unwrap().contains("could not be fetched"));
}

#[tokio::test]
async fn file_of_an_unknown_sender_is_never_fetched() {
    let bed = bed_of_files(&json!({}));
    telegram(&bed, 1, json!({ "from": { "id": 666 }, "voice": { "file_id": "voice" } })).await;
    assert_eq!(bed.event("1").await["reason"], "unknown_sender");
    assert_eq!(bed.outbound.sent().len(), 0);
    let event = bed.event("1").await;
    assert_eq!(event.get("attachments"), None);
}

#[tokio::test]
async fn file_that_a_chat_refuses_is_kept_and_said() {
    let bed = bed_of_files(&json!({}));
    bed.telegram(1, "make a table").await;
    let task = bed.lease().await.remove(0);
    bed.outbound.answer(|sent| {
        let refused = json!({ "ok": false, "description": "Bad Request: file is evil" });
        let is_upload = sent.url.ends_with("/sendDocument");
        Ok(if is_upload { status(400, &refused) } else { platform_says(sent) })
    });
    finish_with(&bed, &task, "out.csv", b"a,b\n").await;
    let told: Vec<_> = bed
        .sent("/sendMessage")
        .into_iter()
        .filter(|body| body.contains("did not reach this chat"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("out.csv") && told[0].contains("file is evil"), "{told:?}");
    let event = bed.event("1").await;
    assert_eq!(event["state"], "done", "the answer itself has arrived");
    let path = format!("/api/files/{}", event["answerFiles"][0]["id"].as_str().unwrap());
    assert_eq!(bed.ask("GET", &path, OPERATOR, &[], "").await.0, 200);
    // Sent again, the answer comes with the file that was missing, and with that one once.
    bed.outbound.answer(|sent| Ok(platform_says(sent)));
    let again = format!("/api/events/{}/deliver", event["id"].as_str().unwrap());
    for uploads in [2, 2] {
        assert_eq!(bed.ask("POST", &again, OPERATOR, &[], "").await.0, 200);
        bed.settle().await;
        assert_eq!(bed.sent("/sendDocument").len(), uploads);
    }
}

#[tokio::test]
async fn result_names_only_stored_files_and_an_ended_task_stores_none() {
    let bed = bed_of_files(&json!({ "bytes_max": 4 }));
    bed.telegram(1, "x").await;
    let task = bed.lease().await.remove(0);
    let id = task["taskId"].as_str().unwrap();
    let path = format!("/api/tasks/{id}/files");
    assert_eq!(bed.ask("PUT", &path, GATEWAY, &[], "12345").await.0, 413);
    assert_eq!(bed.ask("PUT", &path, OPERATOR, &[], "1").await.0, 403);
    let absent = digest_hex(b"1");
    let result = json!({ "epoch": task["epoch"], "outcome": "success", "text": "x", "files": [{ "name": "a", "sha256": absent }] });
    let (code, problem) = bed.post(&format!("/api/tasks/{id}/result"), GATEWAY, &result).await;
    assert_eq!((code, problem["field"].as_str()), (422, Some("files")), "{problem}");
    let sly = json!({ "epoch": task["epoch"], "outcome": "success", "text": "x", "files": [{ "name": "a", "sha256": "../other" }] });
    assert_eq!(bed.post(&format!("/api/tasks/{id}/result"), GATEWAY, &sly).await.0, 422);
    assert_eq!(bed.finish(&task, "success", "ok").await, 200);
    assert_eq!(bed.ask("PUT", &path, GATEWAY, &[], "1").await.0, 409);
    for odd in ["x", "telegram.main.X-m0", "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAV-m0"] {
        assert_eq!(bed.ask("GET", &format!("/api/files/{odd}"), OPERATOR, &[], "").await.0, 404);
    }
}

#[tokio::test]
async fn replay_uses_the_kept_files_and_notices_damage() {
    let bed = bed_of_files(&json!({}));
    telegram(&bed, 1, json!({ "text": "x", "voice": { "file_id": "voice" } })).await;
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "ok").await, 200);
    let id = bed.event("1").await["id"].as_str().unwrap().to_owned();
    assert_eq!(bed.post(&format!("/api/events/{id}/replay"), OPERATOR, &json!({})).await.0, 200);
    bed.settle().await;
    let again = bed.lease().await.remove(0);
    assert_eq!(again["context"]["attachments"], task["context"]["attachments"]);
    assert_eq!(bed.sent("/getFile").len(), 1);
    let object = format!("files/{id}/{}", digest_hex(OGG));
    bed.objects.put(&object, Bytes::from_static(b"damaged")).await.unwrap();
    let path = format!("/api/files/{id}-m0");
    assert_eq!(bed.ask("GET", &path, OPERATOR, &[], "").await.0, 404);
    assert!(bed.clock.now_ms() > 0);
}

#[tokio::test]
async fn album_is_one_message_with_all_of_its_files() {
    let bed = bed_of_files(&json!({}));
    let file = |id: &str, kind: &str| json!({ "file_id": id, "file_name": id, "mime_type": kind });
    telegram(&bed, 1, json!({ "media_group_id": "g", "document": file("picture", "image/png") }))
        .await;
    telegram(&bed, 2, json!({ "media_group_id": "g", "document": file("document", "application/pdf"), "caption": "compare them" })).await;
    telegram(&bed, 3, json!({ "text": "another message" })).await;
    assert!(bed.lease().await.is_empty(), "it waits a moment for the rest");
    bed.clock.advance(1_600);
    webhook_aggregator::pump(&bed.deps, &"telegram.main".into()).await.unwrap();
    bed.settle().await;
    let task = bed.lease().await.remove(0);
    assert!(task["message"].as_str().unwrap().starts_with("compare them"), "{task}");
    let names: Vec<_> = task["context"]["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["picture", "document"]);
    assert_eq!(bed.event("2").await["reason"], "part_of_an_album");
    assert_eq!(bed.finish(&task, "success", "ok").await, 200);
    assert_eq!(bed.lease().await[0]["message"], "another message");
}

/// Anyone may write to such an endpoint, and files are kept before anybody decides.
#[tokio::test]
async fn files_of_the_public_are_never_fetched() {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["senders"] = json!(["*"]);
    let bed = bed_with(config);
    bed.outbound.answer(|sent| Ok(with_files(sent)));
    bed.clock.set(1_790_000_000_000);
    let photo = json!([{ "file_id": "picture", "width": 90 }]);
    telegram(&bed, 1, json!({ "from": { "id": 666 }, "caption": "look", "photo": photo })).await;
    let fetched = bed.outbound.sent().into_iter().filter(|sent| sent.url.contains("getFile"));
    assert_eq!(fetched.count(), 0);
    let told = bed.sent("/sendMessage");
    assert!(told.iter().any(|body| body.contains("from known senders only")), "{told:?}");
}

#[tokio::test]
async fn halted_run_sends_no_files_and_surplus_ones_are_counted() {
    let bed = bed_of_files(&json!({ "per_message_max": 2 }));
    for (id, outcome, sent, words) in [
        (1, "cancelled", 0, "Stopped by the owner."),
        (2, "success", 2, "3 more files were not sent"),
    ] {
        bed.telegram(id, "x").await;
        let task = bed.lease().await.remove(0);
        let path = format!("/api/tasks/{}", task["taskId"].as_str().unwrap());
        let (code, _) = bed.ask("PUT", &format!("{path}/files"), GATEWAY, &[], "1").await;
        assert_eq!(code, 200);
        let file =
            |name: usize| json!({ "name": format!("{name}.txt"), "sha256": digest_hex(b"1") });
        let files: Vec<Value> = (0..5).map(file).collect();
        let result = json!({ "epoch": task["epoch"], "outcome": outcome, "text": "x", "actualCost": 0.0,
            "reason": (outcome == "cancelled").then_some("halted"), "files": files });
        assert_eq!(bed.post(&format!("{path}/result"), GATEWAY, &result).await.0, 200);
        bed.settle().await;
        assert_eq!(bed.sent("/sendDocument").len(), sent);
        let said = bed.sent("/editMessageText");
        assert!(said.last().unwrap().contains(words), "{said:?}");
    }
}

/// A photo without words is a message like another.
#[tokio::test]
async fn telegram_photo_keeps_what_it_answers_and_whose_it_is() {
    let photo = json!([{ "file_id": "picture", "file_size": 10, "width": 1, "height": 1 }]);
    let bo = json!({ "id": 9, "first_name": "Bo" });
    for (with, marked) in [
        (
            json!({ "photo": photo, "reply_to_message": { "message_id": 5, "from": bo, "text": "How does it look?" } }),
            "[In reply to Bo:]\n> How does it look?",
        ),
        (
            json!({ "photo": photo, "forward_origin": { "type": "hidden_user", "sender_user_name": "Eve" } }),
            "[Forwarded from Eve: the sender did not write these lines]\n> a photo",
        ),
        (
            json!({ "text": "what is it?", "reply_to_message": { "message_id": 5, "from": bo, "photo": photo, "caption": "Look" } }),
            "[In reply to Bo:]\n> [a photo] Look",
        ),
    ] {
        let bed = bed_of_files(&json!({}));
        telegram(&bed, 1, with).await;
        let message = bed.lease().await[0]["message"].to_string().replace("\\n", "\n");
        assert!(message.contains(marked), "{message}");
    }
}
