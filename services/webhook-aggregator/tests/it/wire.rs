//! Our replies have the wire format of the platforms' own SDKs (recorded in
//! `vectors/outbound-wire.json`).

use crate::bed::bed;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn recorded(url_end: &str, nth: usize) -> Value {
    let file: Value = serde_json::from_str(include_str!("../vectors/outbound-wire.json")).unwrap();
    let requests = file["requests"].as_array().unwrap();
    requests
        .iter()
        .filter(|request| request["url"].as_str().unwrap().ends_with(url_end))
        .nth(nth)
        .unwrap()
        .clone()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn form(body: &str) -> Vec<(String, String)> {
    body.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

async fn ask(bed: &crate::bed::Bed, target: Value, revision: u32, buttons: bool) {
    let buttons = if buttons {
        json!({ "approve": "a1:01J9Z5:y", "reject": "a1:01J9Z5:n" })
    } else {
        Value::Null
    };
    let delivery = json!({ "id": "ask-1", "revision": revision, "target": target, "text": if revision == 1 { "Spend **$40**?" } else { "Approved by Ines" }, "buttons": buttons });
    let (status, _) = bed
        .post("/internal/outbox", "secret-personal-assistant", &json!({ "deliveries": [delivery] }))
        .await;
    assert_eq!(status, 200);
    bed.settle().await;
}

#[tokio::test]
async fn telegram_buttons_and_their_end() {
    let bed = bed();
    let target = json!({ "channel": "telegram", "endpoint": "main", "chat": "1", "thread": "77", "replyTo": "41" });
    ask(&bed, target.clone(), 1, true).await;
    let sent: Value = serde_json::from_str(&bed.sent("/bot5550001:TEST/sendMessage")[0]).unwrap();
    let theirs: Value =
        serde_json::from_str(recorded("/sendMessage", 0)["body"].as_str().unwrap()).unwrap();
    for key in ["chat_id", "reply_parameters", "message_thread_id", "reply_markup"] {
        assert_eq!(sent[key], theirs[key], "{key}");
    }
    // Entities instead of MarkdownV2: nothing to escape.
    assert_eq!((sent["text"].as_str(), sent.get("parse_mode")), (Some("Spend $40?"), None));
    assert_eq!(sent["entities"], json!([{ "type": "bold", "offset": 6, "length": 3 }]));
    assert_eq!(sent["link_preview_options"], json!({ "is_disabled": true }));
    ask(&bed, target, 2, false).await;
    let edit: Value = serde_json::from_str(&bed.sent("/editMessageText")[0]).unwrap();
    assert_eq!(edit["link_preview_options"], json!({ "is_disabled": true }));
    let theirs: Value =
        serde_json::from_str(recorded("/editMessageReplyMarkup", 0)["body"].as_str().unwrap())
            .unwrap();
    assert_eq!(
        (&edit["message_id"], &edit["reply_markup"]),
        (&theirs["message_id"], &theirs["reply_markup"])
    );
}

/// A command between backticks is run; without them it is only printed.
#[tokio::test]
async fn telegram_question_shows_the_words_of_others_with_every_mark() {
    let bed = bed();
    let quote = "> echo `rm -rf build` **now**\n> ```\n> end";
    let target = json!({ "channel": "telegram", "endpoint": "main", "chat": "1" });
    let text = format!("Approval **needed**\n{quote}\n\nCost: $0");
    let delivery = json!({ "id": "ask-1", "revision": 1, "target": target, "text": text });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
    bed.settle().await;
    let sent: Value = serde_json::from_str(&bed.sent("/sendMessage")[0]).unwrap();
    assert_eq!(sent["text"], format!("Approval needed\n{quote}\n\nCost: $0"));
    assert_eq!(sent["entities"], json!([{ "type": "bold", "offset": 9, "length": 6 }]));
}

#[tokio::test]
async fn slack_question_shows_the_words_of_others_as_text_without_marks() {
    let bed = bed();
    let target = json!({ "channel": "slack", "endpoint": "T0AAAA111", "chat": "C0CHAN001" });
    let text = "Approval **needed**\n> rm a**b `x` <!channel>\n> > ```\n\nCost: $0";
    let buttons = json!({ "approve": "a1:y", "reject": "a1:n" });
    let delivery =
        json!({ "id": "ask-1", "revision": 1, "target": target, "text": text, "buttons": buttons });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
    bed.settle().await;
    let body = bed.sent("/chat.postMessage").remove(0);
    let sent: std::collections::HashMap<_, _> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let blocks: Value = serde_json::from_str(&sent["blocks"]).unwrap();
    let kinds: Vec<_> = blocks.as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["section", "rich_text", "section", "actions"]);
    assert_eq!(blocks[0]["text"]["text"], "Approval *needed*");
    let words = &blocks[1]["elements"][0]["elements"];
    assert_eq!(words, &json!([{ "type": "text", "text": "rm a**b `x` <!channel>\n> ```" }]));
    assert!(sent["text"].contains("&gt; rm a**b `x` &lt;!channel&gt;"), "{}", sent["text"]);
}

#[tokio::test]
async fn discord_question_escapes_the_marks_in_the_words_of_others() {
    let bed = bed();
    let target = json!({ "channel": "discord", "endpoint": "820000000000000001", "chat": "830000000000000001" });
    let text = "Approval **needed**\n> echo `rm` **now**\n\nCost: $0";
    let delivery = json!({ "id": "ask-1", "revision": 1, "target": target, "text": text });
    let deliveries = json!({ "deliveries": [delivery] });
    bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
    bed.settle().await;
    let sent: Value = serde_json::from_str(&bed.sent("/messages")[0]).unwrap();
    let expected = "Approval **needed**\n> echo \\`rm\\` \\*\\*now\\*\\*\n\nCost: $0";
    assert_eq!(sent["content"], expected);
}

/// Further buttons stand beside or below the two, under the last part of a text that is longer than
/// a message of the platform.
#[tokio::test]
async fn long_question_is_sent_in_parts_with_all_its_buttons_under_the_last() {
    for (target, path) in [
        (json!({ "channel": "telegram", "endpoint": "main", "chat": "1" }), "/sendMessage"),
        (
            json!({ "channel": "slack", "endpoint": "T0AAAA111", "chat": "C0CHAN001" }),
            "/chat.postMessage",
        ),
        (
            json!({ "channel": "discord", "endpoint": "820000000000000001", "chat": "830000000000000001" }),
            "/messages",
        ),
    ] {
        let bed = bed();
        let text: Vec<String> =
            (0..400).map(|n| format!("> line{n:03} of the arguments")).collect();
        let more = json!([{"label": "Yes, for this task", "data": "a1:01J9Z5:t"}, {"label": "Always", "data": "a1:01J9Z5:a"}]);
        let buttons = json!({ "approve": "a1:01J9Z5:y", "reject": "a1:01J9Z5:n", "labels": ["Yes", "No"], "more": more });
        let delivery = json!({ "id": "ask-1", "revision": 1, "target": target, "text": text.join("\n"), "buttons": buttons });
        let deliveries = json!({ "deliveries": [delivery] });
        bed.post("/internal/outbox", "secret-personal-assistant", &deliveries).await;
        bed.settle().await;
        let parts = bed.sent(path);
        assert!(parts.len() > 2, "{path}: {}", parts.len());
        let (last, others) = parts.split_last().unwrap();
        assert!(others.iter().all(|part| !part.contains("01J9Z5")), "{path}");
        for letter in ["y", "n", "t", "a"] {
            let has =
                |separator: &str| last.contains(&format!("a1{separator}01J9Z5{separator}{letter}"));
            assert!(has(":") || has("%3A"), "{path} {letter}: {last}");
        }
        let all = parts.concat();
        assert!((0..400).all(|n| all.contains(&format!("line{n:03}"))), "{path}: all of it");
    }
}

#[tokio::test]
async fn slack_form_and_blocks() {
    let bed = bed();
    let target = json!({ "channel": "slack", "endpoint": "T0AAAA111", "chat": "C0CHAN001", "thread": "1790000000.000200" });
    ask(&bed, target.clone(), 1, true).await;
    let sent = bed.outbound.sent().remove(0);
    assert!(sent.headers.contains(&("authorization".into(), "Bearer xoxb-test".into())));
    assert!(
        sent.headers.contains(&("content-type".into(), "application/x-www-form-urlencoded".into()))
    );
    let theirs = recorded("/chat.postMessage", 0);
    let (ours, theirs) = (form(&sent.body), form(theirs["body"].as_str().unwrap()));
    let names = |form: &[(String, String)]| {
        form.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    let value = |form: &[(String, String)], name: &str| {
        form.iter().find(|(key, _)| key == name).unwrap().1.clone()
    };
    // The recorded calls ask for previews by leaving both out.
    let quiet = |recorded: &[(String, String)]| {
        let mut names = names(recorded);
        names.extend(["unfurl_links".to_owned(), "unfurl_media".to_owned()]);
        names
    };
    assert_eq!(names(&ours), quiet(&theirs));
    assert_eq!(
        (value(&ours, "unfurl_links"), value(&ours, "unfurl_media")),
        ("false".into(), "false".into())
    );
    assert_eq!(value(&ours, "channel"), value(&theirs, "channel"));
    assert_eq!(value(&ours, "thread_ts"), value(&theirs, "thread_ts"));
    assert_eq!(value(&ours, "text"), "Spend%20*%2440*%3F");
    for piece in [
        "%22action_id%22%3A%22approve%22",
        "%22value%22%3A%22a1%3A01J9Z5%3Ay%22",
        "%22style%22%3A%22danger%22",
    ] {
        assert!(
            value(&ours, "blocks").contains(piece) && value(&theirs, "blocks").contains(piece),
            "{piece}"
        );
    }
    ask(&bed, target, 2, false).await;
    let update = form(&bed.sent("/chat.update")[0]);
    assert_eq!(names(&update), quiet(&form(recorded("/chat.update", 0)["body"].as_str().unwrap())));
    assert_eq!(value(&update, "unfurl_links"), "false");
    assert_eq!(value(&update, "blocks"), "%5B%5D");
    assert_eq!(value(&update, "ts"), "1.2");
}

#[tokio::test]
async fn discord_original_and_bot_messages() {
    let bed = bed();
    let interaction = json!({ "applicationId": "910000000000000001", "token": "tok-cmd-01", "untilMs": 1_790_000_800_000_i64 });
    let target = json!({ "channel": "discord", "endpoint": "820000000000000001", "chat": "830000000000000001", "interaction": interaction });
    ask(&bed, target, 1, true).await;
    let sent = bed.outbound.sent().remove(0);
    let theirs = recorded("/@original", 0);
    assert_eq!(sent.method, "PATCH");
    assert!(sent.url.ends_with(theirs["url"].as_str().unwrap()), "{}", sent.url);
    let (ours, theirs): (Value, Value) = (
        serde_json::from_str(&sent.body).unwrap(),
        serde_json::from_str(theirs["body"].as_str().unwrap()).unwrap(),
    );
    let mut quiet = keys(&theirs);
    quiet.insert("flags".to_owned());
    assert_eq!((keys(&ours), &ours["flags"]), (quiet, &json!(4)));
    assert_eq!(
        (&ours["components"], &ours["allowed_mentions"]),
        (&theirs["components"], &theirs["allowed_mentions"])
    );

    let late = bed_at_the_channel().await;
    let theirs: Value =
        serde_json::from_str(recorded("/messages", 0)["body"].as_str().unwrap()).unwrap();
    assert_eq!(late["enforce_nonce"], theirs["enforce_nonce"]);
    assert_eq!(late["components"], theirs["components"]);
    assert!(late["nonce"].as_str().unwrap().len() <= 25);
}

async fn bed_at_the_channel() -> Value {
    let bed = bed();
    ask(&bed, json!({ "channel": "discord", "endpoint": "820000000000000001", "chat": "830000000000000001" }), 1, true).await;
    let sent = bed.outbound.sent().remove(0);
    assert!(sent.headers.contains(&("authorization".into(), "Bot bot-token".into())));
    serde_json::from_str(&sent.body).unwrap()
}

#[tokio::test]
async fn a_discord_answer_after_its_token_died_goes_to_the_channel_with_a_mention() {
    let bed = bed();
    let interaction =
        json!({ "applicationId": "91", "token": "tok", "untilMs": 1_790_000_010_000_i64 });
    let target = json!({ "channel": "discord", "endpoint": "820000000000000001", "chat": "830000000000000001", "mention": "81", "interaction": interaction });
    ask(&bed, target.clone(), 1, false).await;
    bed.clock.advance(60_000);
    ask(&bed, target, 2, false).await;
    let sent = bed.outbound.sent().pop().unwrap();
    assert!(sent.url.ends_with("/channels/830000000000000001/messages"), "{}", sent.url);
    assert!(sent.body.contains("<@81> Approved by Ines"), "{}", sent.body);
}

#[tokio::test]
async fn a_long_answer_is_edited_in_and_continued() {
    let bed = bed();
    bed.telegram(1, "tell me everything").await;
    let task = bed.lease().await;
    let words: Vec<String> = (0..1500).map(|n| format!("word{n}")).collect();
    bed.finish(&task[0], "success", &words.join(" ")).await;
    let texts: Vec<String> = bed
        .sent("/editMessageText")
        .into_iter()
        .chain(bed.sent("/sendMessage").into_iter().skip(1))
        .map(|body| {
            serde_json::from_str::<Value>(&body).unwrap()["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(texts.len() >= 3 && texts.iter().all(|text| text.encode_utf16().count() <= 4096));
    assert_eq!(texts.join(" "), words.join(" "));
}
