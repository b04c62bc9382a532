//! A refused answer goes another way; one that cannot go any way is kept and can be sent again.

use crate::bed::{Bed, OPERATOR, bed, bed_with};
use crate::cases::{config, post, scripted};
use serde_json::{Value, json};

async fn answer(bed: &Bed, text: &str) {
    for task in bed.lease().await {
        bed.finish(&task, "success", text).await;
    }
}

async fn newest(bed: &Bed) -> Value {
    bed.get("/api/events").await["events"][0].clone()
}

fn sent_json(bed: &Bed, end: &str) -> Vec<Value> {
    bed.sent(end).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn telegram_error(description: &str) -> Value {
    json!({ "ok": false, "error_code": 400, "description": format!("Bad Request: {description}") })
}

#[tokio::test]
async fn telegram_answer_without_its_message_or_topic_is_sent_without_it() {
    for (refused, description, member) in [
        ("reply_parameters", "message to be replied not found", "reply_parameters"),
        ("reply_parameters", "REPLY_MESSAGE_ID_INVALID", "reply_parameters"),
        ("message_thread_id", "TOPIC_CLOSED", "message_thread_id"),
        ("message_thread_id", "message thread not found", "message_thread_id"),
    ] {
        let bed = bed_with(config(None));
        let script = json!([{ "body_contains": refused, "status": 400, "body": telegram_error(description) }]);
        scripted(&bed, &script);
        let inbound = json!({ "chat": { "id": -100, "type": "supergroup", "is_forum": true }, "message_thread_id": 77,
            "is_topic_message": true, "text": "/help" , "entities": [{ "type": "bot_command", "offset": 0, "length": 5 }] });
        post(&bed, "telegram", &inbound, 41).await;
        let last = sent_json(&bed, "/sendMessage").pop().unwrap();
        assert_eq!(last.get(member), None, "{last}");
        assert_eq!(last["chat_id"], -100);
        assert_eq!(newest(&bed).await["replies"], Value::Null);
    }
}

/// A group that becomes a supergroup has another id: for this answer, for later ones, for the
/// conversation and for the configuration.
#[tokio::test]
async fn telegram_group_that_moved_stays_one_conversation_with_its_agent() {
    let mut config = config(Some("bot_username = \"desk_bot\""));
    config["endpoints"]["telegram"]["main"]["chats"] = json!({ "-4455": "security" });
    let bed = bed_with(config);
    let body = json!({ "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": { "migrate_to_chat_id": -1_002_200_i64 } });
    scripted(&bed, &json!([{ "body_contains": "\"chat_id\":-4455", "status": 400, "body": body }]));
    let message = |chat: i64| {
        json!({ "chat": { "id": chat, "type": "supergroup" }, "text": "@desk_bot fix it",
        "entities": [{ "type": "mention", "offset": 0, "length": 9 }] })
    };
    post(&bed, "telegram", &message(-4455), 1).await;
    answer(&bed, "ok").await;
    let first = newest(&bed).await;
    assert_eq!(first["state"], "done", "{first}");
    let tries = bed.outbound.sent().len();
    post(&bed, "telegram", &message(-1_002_200), 2).await;
    answer(&bed, "ok").await;
    let second = newest(&bed).await;
    assert_eq!(
        (&second["state"], &second["conversation"]),
        (&json!("done"), &first["conversation"])
    );
    let routed = bed.fakes.bodies::<contracts::calls::agency_router::RouteEvent>();
    assert!(routed.iter().all(|request| request["boundAgent"] == "security"), "{routed:?}");
    let later = bed.outbound.sent().split_off(tries);
    assert!(later.iter().all(|sent| !sent.body.contains("\"chat_id\":-4455")), "{later:?}");
}

#[tokio::test]
async fn telegram_service_message_tells_the_new_id_before_any_refusal() {
    let mut config = config(Some("bot_username = \"desk_bot\""));
    config["endpoints"]["telegram"]["main"]["chats"] = json!({ "-1002200": "security" });
    let bed = bed_with(config);
    let message = |text: &str, chat: i64| {
        json!({ "chat": { "id": chat, "type": "supergroup" }, "text": text,
        "entities": [{ "type": "mention", "offset": 0, "length": 9 }] })
    };
    post(&bed, "telegram", &message("@desk_bot one", -4455), 1).await;
    let moved =
        json!({ "chat": { "id": -4455, "type": "group" }, "migrate_to_chat_id": -1_002_200 });
    post(&bed, "telegram", &moved, 2).await;
    answer(&bed, "first").await;
    let sent = sent_json(&bed, "/sendMessage");
    assert_eq!(sent.last().unwrap()["chat_id"], -4455, "the placeholder was there before");
    post(&bed, "telegram", &message("@desk_bot two", -1_002_200), 3).await;
    answer(&bed, "second").await;
    let events = bed.get("/api/events").await;
    assert_eq!(events["events"][0]["conversation"], events["events"][2]["conversation"]);
    let routed = bed.fakes.bodies::<contracts::calls::agency_router::RouteEvent>();
    assert_eq!(routed.last().unwrap()["boundAgent"], "security");
}

#[tokio::test]
async fn discord_answer_finds_its_way_without_placeholder_and_token() {
    let gone = |code: i64, message: &str| json!({ "message": message, "code": code });
    for (script, way) in [
        // The placeholder is deleted: a follow-up.
        (
            json!([{ "path_contains": "@original", "after": 1, "status": 404, "body": gone(10008, "Unknown Message") }]),
            "/webhooks/910000000000000001/tok41",
        ),
        // The token died early, at the first request or at a later one: the bot, with a mention.
        (
            json!([{ "path_contains": "/webhooks/", "status": 401, "body": gone(50027, "Invalid Webhook Token") }]),
            "/channels/",
        ),
        (
            json!([{ "path_contains": "/webhooks/", "after": 1, "status": 404, "body": gone(10015, "Unknown Webhook") }]),
            "/channels/",
        ),
    ] {
        let bed = bed_with(config(None));
        scripted(&bed, &script);
        post(&bed, "discord", &json!({}), 41).await;
        answer(&bed, "the answer").await;
        assert_eq!(newest(&bed).await["state"], "done");
        let mut shown =
            bed.outbound.sent().into_iter().filter(|sent| sent.body.contains("the answer"));
        let last = shown.next_back().unwrap();
        assert!(last.url.contains(way), "{} is not {way}", last.url);
        let by_bot = way.starts_with("/channels");
        assert!(
            !by_bot || last.method == "PATCH" || last.body.contains("<@810000000000000001>"),
            "{}",
            last.body
        );
    }
}

#[tokio::test]
async fn telegram_text_whose_marks_are_refused_is_sent_without_them() {
    for description in ["can't parse entities: unexpected end", "ENTITY_BOUNDS_INVALID"] {
        let bed = bed_with(config(None));
        let script = json!([{ "body_contains": "\"entities\"", "status": 400, "body": telegram_error(description) }]);
        scripted(&bed, &script);
        post(&bed, "telegram", &json!({ "text": "fix it" }), 41).await;
        answer(&bed, "it is **done**").await;
        assert_eq!(newest(&bed).await["state"], "done");
        let last = sent_json(&bed, "/editMessageText").pop().unwrap();
        assert_eq!((&last["text"], last.get("entities")), (&json!("it is done"), None));
    }
}

#[tokio::test]
async fn discord_answer_that_the_channel_refuses_goes_to_the_person() {
    for code in [50_001, 50_013, 10_003] {
        let bed = bed_with(config(None));
        let body = json!({ "message": "Missing Access", "code": code });
        let gone = json!({ "message": "Unknown Webhook", "code": 10015 });
        scripted(
            &bed,
            &json!([
                { "path_contains": "/webhooks/", "after": 1, "status": 404, "body": gone },
                { "path_contains": "/channels/830", "status": 403, "body": body },
            ]),
        );
        post(&bed, "discord", &json!({}), 41).await;
        answer(&bed, "the answer").await;
        let event = newest(&bed).await;
        let urls: Vec<String> = bed.outbound.sent().into_iter().map(|sent| sent.url).collect();
        assert_eq!(event["state"], "done", "{code}: {event} {urls:?}");
        assert!(urls.iter().any(|url| url.ends_with("/users/@me/channels")), "{urls:?}");
        // One answer went another way; the channel has not moved.
        let before = bed.outbound.sent().len();
        post(&bed, "discord", &json!({}), 42).await;
        answer(&bed, "the next answer").await;
        let urls: Vec<String> = bed.outbound.sent().into_iter().map(|sent| sent.url).collect();
        assert!(urls[before..].iter().any(|url| url.contains("/channels/830")), "{urls:?}");
    }
}

#[tokio::test]
async fn slack_command_in_a_channel_that_refuses_the_bot_is_answered_in_at_most_five_posts() {
    for word in
        ["restricted_action_read_only_channel", "no_permission", "access_denied", "missing_scope"]
    {
        let bed = bed_with(config(None));
        let refusal = json!({ "ok": false, "error": word });
        scripted(&bed, &json!([{ "path_contains": "/chat.", "status": 200, "body": refusal }]));
        let form = json!({ "team_id": "T0AAAA111", "channel_id": "C0PRIV001", "user_id": "U0HUMAN01", "command": "/ask",
            "text": "fix it", "response_url": "https://hooks.slack.com/commands/T0/1/xyz", "trigger_id": "tr" });
        post(&bed, "slack-form", &form, 1).await;
        answer(&bed, &"A line of words.\n".repeat(1_500)).await;
        assert_eq!(newest(&bed).await["state"], "done", "{word}");
        let sent = bed.outbound.sent();
        let replies: Vec<_> = sent.iter().filter(|sent| sent.url.contains("/commands/")).collect();
        assert_eq!(replies.len(), 4, "{word}");
        assert!(replies[3].body.contains("Cut here: "), "{}", replies[3].body);
    }
}

#[tokio::test]
async fn slack_command_where_the_bot_is_no_member_is_answered_to_its_sender() {
    let bed = bed_with(config(None));
    let refusal = json!({ "ok": false, "error": "channel_not_found" });
    scripted(&bed, &json!([{ "path_contains": "/chat.", "status": 200, "body": refusal }]));
    let form = json!({ "team_id": "T0AAAA111", "channel_id": "C0PRIV001", "user_id": "U0HUMAN01", "command": "/ask",
        "text": "fix it", "response_url": "http://evil.example:9/commands/T0/1/xyz", "trigger_id": "tr" });
    post(&bed, "slack-form", &form, 1).await;
    answer(&bed, "**done**, see <here>").await;
    assert_eq!(newest(&bed).await["state"], "done");
    let replies: Vec<_> =
        bed.outbound.sent().into_iter().filter(|sent| sent.url.contains("/commands/")).collect();
    // Of the address only the path counts, and a placeholder takes none of the five replies.
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].url, "http://127.0.0.1:1/commands/T0/1/xyz");
    let body: Value = serde_json::from_str(&replies[0].body).unwrap();
    assert_eq!(
        (&body["text"], &body["response_type"]),
        (&json!("*done*, see &lt;here&gt;"), &json!("ephemeral"))
    );
}

/// The answer was paid for: it is kept, the owner is told, and it goes out without another run.
#[tokio::test]
async fn undelivered_answer_is_kept_and_sent_again_without_a_run() {
    let bed = bed_with(config(None));
    let refusal = json!([{ "body_contains": "\"chat_id\":-7", "status": 403, "body": { "ok": false, "error_code": 403, "description": "Forbidden: bot was kicked" } }]);
    scripted(&bed, &refusal);
    let inbound = json!({ "chat": { "id": -7, "type": "supergroup" }, "text": "@desk_bot fix it",
        "entities": [{ "type": "mention", "offset": 0, "length": 9 }] });
    post(&bed, "telegram", &inbound, 41).await;
    answer(&bed, "the answer").await;
    let event = newest(&bed).await;
    let id = event["id"].as_str().unwrap().to_owned();
    assert_eq!(event["state"], "dead");
    assert!(event["reason"].as_str().unwrap().starts_with("reply_failed: Telegram 403"), "{event}");
    let told = sent_json(&bed, "/sendMessage").pop().unwrap();
    assert_eq!(told["chat_id"], 700_100_200, "the approver is told directly");
    assert!(told["text"].as_str().unwrap().contains(&format!("quintet deliver {id}")), "{told}");

    scripted(&bed, &json!([]));
    let path = format!("/api/events/{id}/deliver");
    assert_eq!(bed.ask("POST", &path, OPERATOR, &[], "").await.0, 200);
    bed.settle().await;
    let event = newest(&bed).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("done"), &Value::Null));
    let last = sent_json(&bed, "/sendMessage").pop().unwrap();
    assert_eq!((&last["chat_id"], &last["text"]), (&json!(-7), &json!("the answer")));
    assert!(bed.lease().await.is_empty(), "no second run");
    assert_eq!(bed.fakes.count::<contracts::calls::agency_router::RouteEvent>(), 1);
}

#[tokio::test]
async fn event_without_a_kept_answer_cannot_be_delivered() {
    let bed = bed();
    bed.telegram(1, "work").await;
    bed.telegram_from(2, 666, "stranger").await;
    let deliver = async |key: &str| {
        let id = bed.event(key).await["id"].as_str().unwrap().to_owned();
        bed.ask("POST", &format!("/api/events/{id}/deliver"), OPERATOR, &[], "").await.0
    };
    assert_eq!((deliver("1").await, deliver("2").await), (409, 409));
    let unknown = "/api/events/telegram.main.01J9Z5K2M8Q4R6T8V0X2Z4B6D8/deliver";
    assert_eq!(bed.ask("POST", unknown, OPERATOR, &[], "").await.0, 404);
    answer(&bed, "ok").await;
    assert_eq!(deliver("1").await, 200, "an answer that was sent comes again as a new message");
    bed.settle().await;
    assert_eq!(bed.sent("/sendMessage").iter().filter(|body| body.contains("\"ok\"")).count(), 1);
}
