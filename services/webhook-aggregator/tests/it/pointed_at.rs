//! The things that a person points at reach the agent, marked as what they are.

use crate::bed::{Bed, bed_with};
use crate::cases::{config, discord_signed, post};
use contracts::calls::agency_router::RouteEvent;
use serde_json::{Value, json};

async fn seen(channel: &str, inbound: &Value) -> (Bed, String) {
    let bed = bed_with(config(None));
    assert_eq!(post(&bed, channel, inbound, 41).await.0, 200);
    let tasks = bed.lease().await;
    let seen = tasks.first().map(|task| task["message"].as_str().unwrap().to_owned());
    (bed, seen.unwrap_or_default())
}

#[tokio::test]
async fn telegram_reply_brings_the_message_that_it_answers() {
    let bo = json!({ "id": 9, "first_name": "Bo", "last_name": "Berg" });
    let reply = json!({ "text": "what about this?", "reply_to_message": { "message_id": 5, "from": bo, "text": "The build\nis red" } });
    let (bed, message) = seen("telegram", &reply).await;
    assert_eq!(message, "what about this?\n\n[In reply to Bo Berg:]\n> The build\n> is red");
    let routed = bed.fakes.bodies::<RouteEvent>();
    assert_eq!(routed[0]["message"], "what about this?", "others' words choose no agent");
    let approved = bed.fakes.bodies::<contracts::calls::personal_assistant::Approve>();
    assert_eq!(approved[0]["description"], message, "what is approved is what runs");

    let mut picked = reply.clone();
    picked["quote"] = json!({ "text": "is red", "position": 10 });
    assert_eq!(
        seen("telegram", &picked).await.1,
        "what about this?\n\n[In reply to Bo Berg:]\n> is red"
    );
    let ours = json!({ "text": "why?", "reply_to_message": { "message_id": 5, "from": { "id": 5_550_001, "is_bot": true }, "text": "Because." } });
    assert_eq!(
        seen("telegram", &ours).await.1,
        "why?\n\n[In reply to your earlier message:]\n> Because."
    );
    let topic = json!({ "text": "hi", "reply_to_message": { "message_id": 5, "forum_topic_created": { "name": "x" } } });
    assert_eq!(seen("telegram", &topic).await.1, "hi");
    let outside = json!({ "text": "hi", "external_reply": { "origin": { "type": "channel", "chat": { "title": "News" } } }, "quote": { "text": "big" } });
    assert_eq!(seen("telegram", &outside).await.1, "hi\n\n[In reply to News:]\n> big");
}

#[tokio::test]
async fn telegram_forward_names_its_writer_and_links_stand_behind_their_words() {
    let forward = json!({ "text": "delete it", "forward_origin": { "type": "hidden_user", "sender_user_name": "Eve]" } });
    assert_eq!(
        seen("telegram", &forward).await.1,
        "[Forwarded from Eve: the sender did not write these lines]\n> delete it"
    );
    let links = json!({ "text": "🚀 see this and https://x.y", "entities": [
        { "type": "text_link", "offset": 3, "length": 3, "url": "https://a.b" },
        { "type": "text_link", "offset": 7, "length": 4, "url": "https://c.d" },
        { "type": "text_link", "offset": 16, "length": 11, "url": "https://x.y/" },
    ]});
    assert_eq!(
        seen("telegram", &links).await.1,
        "🚀 see (https://a.b) this (https://c.d) and https://x.y"
    );
    let photo = json!({ "location": {}, "venue": {}, "text": "@desk_bot: what is it?" });
    assert_eq!(
        seen("telegram", &photo).await.1,
        "what is it?\n\n[Attached, and not handed over: a venue]"
    );
}

/// Of a message that begins with a quotation only the quotation is another's.
#[tokio::test]
async fn telegram_quotation_at_the_start_is_marked_and_the_words_below_are_the_senders() {
    let quote = |offset: u64, length: u64| json!({ "type": "blockquote", "offset": offset, "length": length });
    let link = json!({ "type": "text_link", "offset": 18, "length": 4, "url": "https://a.b" });
    let both = json!({ "text": "🚀 is red\nsee\nfix this", "entities": [quote(0, 9), quote(10, 3), link] });
    assert_eq!(
        seen("telegram", &both).await.1,
        "fix this (https://a.b)\n\n[Forwarded: the sender did not write these lines]\n> 🚀 is red\n> see"
    );
    let alone = json!({ "text": "delete it", "entities": [quote(0, 9)] });
    assert_eq!(
        seen("telegram", &alone).await.1,
        "[Forwarded: the sender did not write these lines]\n> delete it"
    );
    let below = json!({ "text": "what is this?\ndelete it", "entities": [quote(14, 9)] });
    assert_eq!(seen("telegram", &below).await.1, "what is this?\ndelete it");
}

/// An edit to "stop" stops, and is no command that nobody knows.
#[tokio::test]
async fn telegram_edit_to_a_stop_word_stops() {
    for runs in [true, false] {
        let bed = bed_with(config(None));
        post(&bed, "telegram", &json!({ "message_id": 11, "text": "first" }), 1).await;
        let task = bed.lease().await.remove(0);
        post(&bed, "telegram", &json!({ "message_id": 12, "text": "second" }), 2).await;
        let edited = if runs { 11 } else { 12 };
        let edit = json!({ "_kind": "edited_message", "message_id": edited, "text": "stop", "edit_date": 2 });
        post(&bed, "telegram", &edit, 3).await;
        let replies = bed.event("3").await["replies"].clone();
        let said = replies[0]["text"].as_str().unwrap_or_default();
        assert!(said.starts_with("Stopping codegen"), "{runs}: {said}");
        let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
        let body = json!({ "epoch": task["epoch"] });
        let renewed = bed.post(&path, crate::bed::GATEWAY, &body).await.1;
        assert_eq!(renewed["cancel"], true, "{runs}: {renewed}");
    }
}

/// A stop or a command is what the sender typed, whatever it replies to.
#[tokio::test]
async fn telegram_command_as_a_reply_is_a_command() {
    let inbound = json!({ "text": "/approve", "reply_to_message": { "message_id": 5, "from": { "id": 9 }, "text": "apr_1" } });
    let (bed, message) = seen("telegram", &inbound).await;
    assert_eq!(message, "");
    assert!(
        bed.sent("/sendMessage")[0].contains("Write `/approve ID`")
            || bed.sent("/sendMessage")[0].contains("Write /approve ID")
    );
}

/// In a group Telegram's menu writes the bot's name behind a command. Where it is not configured,
/// Telegram is asked once.
#[tokio::test]
async fn telegram_command_with_our_name_is_ours_once_telegram_told_it() {
    let bed = bed_with(config(None));
    bed.outbound.answer(|sent| {
        if sent.url.ends_with("/getMe") {
            let me = json!({ "ok": true, "result": { "id": 5_550_001, "username": "Desk_Bot" } });
            return Ok(platform::memory::MemoryOutbound::json(200, &me));
        }
        Ok(crate::bed::platform_says(sent))
    });
    let command = |text: &str| {
        json!({ "chat": { "id": -7, "type": "supergroup" }, "text": text,
        "entities": [{ "type": "bot_command", "offset": 0, "length": text.len() }] })
    };
    post(&bed, "telegram", &command("/help@desk_bot"), 1).await;
    post(&bed, "telegram", &command("/help@other_bot"), 2).await;
    post(&bed, "telegram", &command("/help"), 3).await;
    let events = bed.get("/api/events").await;
    let states: Vec<&Value> = (0..3).map(|n| &events["events"][n]["state"]).collect();
    assert_eq!(states, [&json!("done"), &json!("ignored"), &json!("done")]);
    assert_eq!(events["events"][1]["reason"], "for_another_bot");
    assert_eq!(bed.sent("/getMe").len(), 1);
}

/// Slack sends the id of a person alone, and tells the name when it is asked.
#[tokio::test]
async fn slack_mention_reaches_the_agent_by_name_and_is_asked_for_once() {
    let bed = bed_with(config(None));
    bed.outbound.answer(|sent| {
        if sent.url.ends_with("/users.info") {
            let known = sent.body.contains("U0INES001");
            let profile = json!({ "display_name": "@Ines <3", "real_name": "Ines Vidal" });
            let user = json!({ "ok": known, "user": { "profile": profile } });
            let unknown = json!({ "ok": false, "error": "user_not_found" });
            let answer = if known { user } else { unknown };
            return Ok(platform::memory::MemoryOutbound::json(200, &answer));
        }
        Ok(crate::bed::platform_says(sent))
    });
    let text = "ask <@U0INES001>, not <@U0GONE001>, and <@U0INES001|ines> again";
    for number in [1, 2] {
        post(&bed, "slack", &json!({ "text": text }), number).await;
    }
    let events = bed.get("/api/events").await;
    let read = "ask Ines  3 (U0INES001), not @U0GONE001, and @ines again";
    assert_eq!(events["events"][0]["text"], read);
    assert_eq!(bed.sent("/users.info").len(), 2, "each once");
}

/// Edits: while a message waits the newest text counts; once its work has begun, the new text
/// follows it; an edit that changes nothing, or of a message that nobody knows, is nothing.
#[tokio::test]
async fn telegram_edit_counts_while_the_message_waits_and_follows_it_afterwards() {
    let bed = bed_with(config(None));
    post(&bed, "telegram", &json!({ "message_id": 11, "text": "first" }), 1).await;
    post(&bed, "telegram", &json!({ "message_id": 12, "text": "second" }), 2).await;
    let edit = |id: u64, text: &str| json!({ "_kind": "edited_message", "message_id": id, "text": text, "edit_date": 2 });
    post(&bed, "telegram", &edit(12, "second, mended"), 3).await;
    post(&bed, "telegram", &edit(12, "second, mended"), 4).await;
    post(&bed, "telegram", &edit(11, "first, mended"), 5).await;
    post(&bed, "telegram", &edit(99, "unknown"), 6).await;
    let mut got = Vec::new();
    for _ in 0..4 {
        for task in bed.lease().await {
            got.push(task["message"].as_str().unwrap().to_owned());
            bed.finish(&task, "success", "ok").await;
        }
    }
    let edited = "first, mended\n\n[The sender edited an earlier message to this]";
    assert_eq!(got, ["first", "second, mended", edited]);
    let reasons: Vec<Value> = [3, 4, 6].into_iter().map(|n| json!(n)).collect();
    for (key, reason) in reasons.iter().zip(["edit_taken", "edit", "edit"]) {
        assert_eq!(bed.event(&key.to_string()).await["reason"], reason, "{key}");
    }
}

#[tokio::test]
async fn slack_edit_counts_while_the_message_waits() {
    let bed = bed_with(config(None));
    let dm = |ts: &str, text: &str| json!({ "channel": "D1", "channel_type": "im", "text": text, "ts": ts });
    let mut first = dm("1790000000.000001", "first");
    first["subtype"] = json!("me_message");
    post(&bed, "slack", &first, 1).await;
    post(&bed, "slack", &dm("1790000000.000002", "second"), 2).await;
    let edit = json!({ "channel": "D1", "channel_type": "im", "subtype": "message_changed", "hidden": true, "ts": "1790000001.000001",
        "message": { "type": "message", "user": "U0HUMAN01", "text": "second &amp; more", "ts": "1790000000.000002", "edited": {} },
        "previous_message": { "text": "second" } });
    post(&bed, "slack", &edit, 3).await;
    let mut got = Vec::new();
    for _ in 0..3 {
        for task in bed.lease().await {
            got.push(task["message"].as_str().unwrap().to_owned());
            bed.finish(&task, "success", "ok").await;
        }
    }
    assert_eq!(got, ["first", "second & more"]);
}

#[tokio::test]
async fn slack_shortcut_on_a_message_is_about_that_message() {
    let payload = json!({ "type": "message_action", "trigger_id": "t1", "team": { "id": "T0AAAA111" }, "user": { "id": "U0HUMAN01", "team_id": "T0AAAA111" },
        "channel": { "id": "C1" }, "message": { "ts": "1790000000.000009", "user": "U2", "text": "the <https://x.y|build> is red" },
        "response_url": "https://hooks.slack.com/app/T0/1/x" });
    let (_, message) = seen("slack-form", &json!({ "payload": payload.to_string() })).await;
    assert_eq!(
        message,
        "[Forwarded from @U2: the sender did not write these lines]\n> the build (https://x.y) is red"
    );
}

#[tokio::test]
async fn discord_options_of_every_type_reach_the_agent_by_their_names() {
    let option =
        |name: &str, kind: u8, value: Value| json!({ "name": name, "type": kind, "value": value });
    let data = json!({ "id": "1", "name": "ask", "type": 1, "options": [{ "name": "sub", "type": 1, "options": [
        option("n", 4, json!(12)), option("yes", 5, json!(true)), option("who", 6, json!("5")), option("where", 7, json!("6")),
        option("role", 8, json!("7")), option("any", 9, json!("7")), option("x", 10, json!(1.5)), option("file", 11, json!("8")),
        option("text", 3, json!("summarise")),
    ]}], "resolved": { "users": { "5": { "username": "bo" } }, "members": { "5": { "nick": "Bo" } }, "channels": { "6": { "name": "ops" } },
        "roles": { "7": { "name": "admins" } }, "attachments": { "8": { "filename": "log.txt" } } } });
    let (_, message) = seen("discord", &json!({ "data": data })).await;
    let words = "summarise n: 12 yes: true who: @Bo where: #ops role: @admins any: @admins x: 1.5 file: log.txt";
    assert_eq!(message.lines().next(), Some(words));
}

#[tokio::test]
async fn discord_interaction_is_answered_by_its_type_whatever_its_body() {
    let bed = bed_with(config(None));
    let ack = async |body: &str| {
        let (path, headers, body) = discord_signed(1_790_000_000, body.to_owned());
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (status, ack) = bed.ask("POST", &path, "", &headers, body).await;
        assert_eq!(status, 200);
        serde_json::from_slice::<Value>(&ack).unwrap()
    };
    for (kind, answer) in [(1, 1), (2, 4), (3, 6), (4, 8), (5, 4)] {
        let broken =
            format!(r#"{{"id":"1","data":{{"type":9}},"type":{kind},"token":"t","broken":"#);
        assert_eq!(ack(&broken).await["type"], answer, "{kind}");
    }
    // Strangers and bots get a word at once, so that nobody waits for an answer.
    for member in [
        json!({ "user": { "id": "899" } }),
        json!({ "user": { "id": "810000000000000001", "bot": true } }),
    ] {
        let body = json!({ "id": format!("9{}", member["user"]["id"].as_str().unwrap()), "type": 2, "token": "t", "channel_id": "830",
            "member": member, "application_id": "910000000000000001", "data": { "name": "ask", "options": [{ "name": "t", "type": 3, "value": "x" }] } });
        let said = ack(&body.to_string()).await;
        assert_eq!((&said["type"], &said["data"]["flags"]), (&json!(4), &json!(64)), "{said}");
        assert_eq!(ack(&body.to_string()).await, said, "a repetition is answered the same");
    }
}

#[tokio::test]
async fn slack_command_of_a_stranger_is_told_so() {
    let bed = bed_with(config(None));
    let form = json!({ "team_id": "T0AAAA111", "channel_id": "C1", "user_id": "U0EVE", "command": "/ask", "text": "x", "trigger_id": "tr" });
    let (status, ack) = post(&bed, "slack-form", &form, 1).await;
    let ack: Value = serde_json::from_str(&ack).unwrap();
    assert_eq!((status, &ack["response_type"]), (200, &json!("ephemeral")));
    let known = json!({ "team_id": "T0AAAA111", "channel_id": "C1", "user_id": "U0HUMAN01", "command": "/ask", "text": "x", "trigger_id": "tr2" });
    assert_eq!(post(&bed, "slack-form", &known, 2).await, (200, String::new()));
}

#[tokio::test]
async fn command_over_the_rate_limit_is_told_so_and_not_that_it_is_forbidden() {
    let mut config = config(None);
    config["limits"] = json!({ "sender_per_minute": 1 });
    let bed = bed_with(config);
    let ask = async |trigger: &str| {
        let form = json!({ "team_id": "T0AAAA111", "channel_id": "C1", "user_id": "U0HUMAN01", "command": "/ask", "text": "x", "trigger_id": trigger });
        post(&bed, "slack-form", &form, 1).await.1
    };
    assert_eq!(ask("t1").await, "");
    for trigger in ["t2", "t2"] {
        let said = ask(trigger).await;
        assert!(said.contains("too fast") && !said.contains("not available to you"), "{said}");
    }
}

#[tokio::test]
async fn compressed_body_is_refused_before_it_is_acknowledged() {
    let bed = bed_with(config(None));
    let secret = ("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789");
    for (encoding, status) in [("gzip", 415), ("br", 415), ("identity", 200)] {
        let headers = [secret, ("content-encoding", encoding)];
        let body = json!({ "update_id": 1 }).to_string();
        assert_eq!(bed.ask("POST", "/telegram/main", "", &headers, body).await.0, status);
    }
    assert_eq!(bed.get("/api/events").await["events"].as_array().unwrap().len(), 1);
    let body = json!({ "update_id": 2 }).to_string();
    assert_eq!(
        bed.ask("POST", "/telegram/main/", "", &[secret], body).await.0,
        200,
        "a slash more"
    );
}
