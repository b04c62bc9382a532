//! In a group with several bots only what is meant for ours is ours.

use crate::bed::{Bed, bed_with, platform_says};
use crate::cases::{config, post};
use contracts::calls::personal_assistant::Halt;
use platform::memory::MemoryOutbound;
use serde_json::{Value, json};

fn named_bed(name: Option<&str>) -> Bed {
    let bed = bed_with(config(name));
    bed.outbound.answer(|sent| {
        if sent.url.ends_with("/getMe") {
            let me = json!({ "ok": true, "result": { "id": 5_550_001, "username": "Desk_Bot" } });
            return Ok(MemoryOutbound::json(200, &me));
        }
        Ok(platform_says(sent))
    });
    bed
}

/// A message of the approver with the entities that Telegram gives it.
fn said(group: bool, text: &str) -> Value {
    let mut at = 0;
    let mut entities = Vec::new();
    for word in text.split(' ') {
        let kind = match word.chars().next() {
            Some('@') => Some("mention"),
            Some('/') => Some("bot_command"),
            _ => None,
        };
        let length = word.trim_end_matches([',', ':']).len();
        entities.extend(kind.map(|kind| json!({ "type": kind, "offset": at, "length": length })));
        at += word.len() + 1;
    }
    let mut message = json!({ "text": text, "entities": entities });
    if group {
        message["chat"] = json!({ "id": -7, "type": "supergroup" });
    }
    message
}

#[tokio::test]
async fn telegram_message_that_begins_with_another_bots_name_is_not_ours() {
    for name in [None, Some("bot_username = \"desk_bot\"")] {
        for (group, text) in [
            (true, "@other_bot /halt"),
            (true, "@other_bot, stop"),
            (true, "/halt @other_bot"),
            (false, "/halt @other_bot"),
            (false, "/resume @other_bot"),
        ] {
            let bed = named_bed(name);
            post(&bed, "telegram", &said(group, text), 1).await;
            assert_eq!(bed.fakes.count::<Halt>(), 0, "{text}");
            let event = bed.event("1").await;
            let seen = (&event["state"], &event["reason"]);
            assert_eq!(seen, (&json!("ignored"), &json!("for_another_bot")), "{text}");
        }
        let mut reply = said(true, "@other_bot /halt");
        reply["reply_to_message"] = json!({ "message_id": 5, "text": "x",
            "from": { "id": 5_550_001, "is_bot": true, "username": "Desk_Bot" } });
        let bed = named_bed(name);
        post(&bed, "telegram", &reply, 1).await;
        assert_eq!(bed.event("1").await["reason"], "for_another_bot");
        assert_eq!(bed.fakes.count::<Halt>(), 0);
    }
    let bed = named_bed(Some("bot_username = \"desk_bot\""));
    let mut work = said(true, "@other_bot fix it");
    work["reply_to_message"] = json!({ "message_id": 5, "from": { "id": 5_550_001 } });
    post(&bed, "telegram", &work, 1).await;
    assert_eq!(bed.event("1").await["reason"], "for_another_bot");
}

#[tokio::test]
async fn telegram_message_that_names_us_is_ours() {
    for name in [None, Some("bot_username = \"desk_bot\"")] {
        for text in ["@desk_bot /halt", "/halt @desk_bot", "/halt@desk_bot", "/halt"] {
            for group in [true, false] {
                let bed = named_bed(name);
                post(&bed, "telegram", &said(group, text), 1).await;
                assert_eq!(bed.fakes.count::<Halt>(), 1, "{text}");
            }
        }
    }
    for (group, text, seen) in [
        (true, "@desk_bot, fix it", "fix it"),
        (true, "@other_bot and @desk_bot fix it", "@other_bot and @desk_bot fix it"),
        (false, "@other_bot is down", "@other_bot is down"),
    ] {
        let bed = named_bed(Some("bot_username = \"desk_bot\""));
        post(&bed, "telegram", &said(group, text), 1).await;
        assert_eq!(bed.lease().await[0]["message"], seen);
    }
}

fn texts(bed: &Bed) -> Vec<String> {
    let bodies = bed.sent("/sendMessage");
    let read = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    read.map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sender_of_a_message_without_words_is_told_once_in_a_minute() {
    let bed = bed_with(config(Some("bot_username = \"desk_bot\"")));
    let sticker = json!({ "sticker": { "file_id": "s" } });
    let told = "A sticker came without words; write what you need.";
    for n in 1..=3 {
        post(&bed, "telegram", &sticker, n).await;
    }
    assert_eq!(texts(&bed), [told]);
    bed.clock.advance(60_000);
    post(&bed, "telegram", &json!({ "location": {}, "venue": {} }), 4).await;
    post(&bed, "telegram", &sticker, 4).await;
    let venue = "A venue came without words; write what you need.";
    assert_eq!(texts(&bed), [told, venue]);
    // Elsewhere: by its name alone in a group, and not for what is not meant for us.
    post(&bed, "telegram", &said(true, "@desk_bot"), 5).await;
    let bare = "Your message came without words; write what you need.";
    assert_eq!(texts(&bed), [told, venue, bare]);
    for (n, other) in [
        json!({ "sticker": {}, "chat": { "id": -9, "type": "supergroup" } }),
        json!({ "sticker": {}, "from": { "id": 666 }, "chat": { "id": 666, "type": "private" } }),
        json!({ "pinned_message": {}, "chat": { "id": 700_100_200, "type": "private" } }),
    ]
    .into_iter()
    .enumerate()
    {
        bed.clock.advance(60_000);
        post(&bed, "telegram", &other, 6 + n as u64).await;
    }
    assert_eq!(texts(&bed).len(), 3, "{:?}", texts(&bed));
}
