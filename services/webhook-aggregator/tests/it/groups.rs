//! Places with several people that are no plain channels: group direct messages of Slack and posts
//! in forums of Discord.

use crate::bed::{Bed, bed_with};
use crate::cases;
use crate::discord_gateway::{BOT_USER, Discord, NAME, OWNER, dispatch, in_server};
use serde_json::{Value, json};

const GROUP: &str = "G0MPIM001";
const FORUM: &str = "830000000000000050";
/// The thread of the post; its first message has the same id.
const POST: &str = "990000000000000500";

/// The fields of the newest form that was sent to this method of Slack.
fn form(bed: &Bed, method: &str) -> Vec<(String, String)> {
    let body = bed.sent(method).pop().unwrap_or_else(|| panic!("nothing was sent to {method}"));
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn in_group(text: &str, ts: &str) -> Value {
    json!({ "type": "message", "channel": GROUP, "channel_type": "mpim", "text": text, "ts": ts, "event_ts": ts })
}

async fn events(bed: &Bed, channel: &str) -> Vec<Value> {
    bed.get(&format!("/api/events?channel={channel}&limit=500")).await["events"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn slack_group_message_that_names_the_bot_is_answered_in_its_thread() {
    const TS: &str = "1790000000.000001";
    let bed = bed_with(cases::config(None));
    let asked = in_group("<@U0BOT0001> fix it", TS);
    assert_eq!(cases::post(&bed, "slack", &asked, 1).await.0, 200);
    // Slack may tell of the same message as a mention too.
    let mut mention = asked.clone();
    mention["type"] = "app_mention".into();
    mention.as_object_mut().unwrap().remove("channel_type");
    assert_eq!(cases::post(&bed, "slack", &mention, 2).await.0, 200);
    let event = bed.event("Ev1").await;
    assert_eq!(event["text"], "fix it");
    let conversation = format!("slack:T0AAAA111:T0AAAA111:{GROUP}:{TS}");
    assert_eq!(event["conversation"], conversation);
    let mut tasks = bed.lease().await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    let placeholder = form(&bed, "/chat.postMessage");
    let place = [field(&placeholder, "channel"), field(&placeholder, "thread_ts")];
    assert_eq!(place, [Some(GROUP), Some(TS)]);
    bed.finish(&tasks.remove(0), "success", "Fixed.").await;
    let answer = form(&bed, "/chat.update");
    assert!(field(&answer, "text").unwrap().contains("Fixed."), "{answer:?}");

    // The thread goes on without our name.
    let mut more = in_group("and the tests?", "1790000000.000003");
    more["thread_ts"] = TS.into();
    assert_eq!(cases::post(&bed, "slack", &more, 3).await.0, 200);
    let task = bed.lease().await.remove(0);
    assert_eq!(task["message"], "and the tests?");
    assert_eq!(bed.event("Ev3").await["conversation"], conversation);
    assert_eq!(field(&form(&bed, "/chat.postMessage"), "thread_ts"), Some(TS));
}

#[tokio::test]
async fn slack_group_message_for_others_is_not_heard() {
    let bed = bed_with(cases::config(None));
    for (n, text) in (1..).zip(["lunch?", "<@U0HUMAN02> lunch?"]) {
        let said = in_group(text, &format!("1790000000.00000{n}"));
        assert_eq!(cases::post(&bed, "slack", &said, n).await.0, 200);
        let event = bed.event(&format!("Ev{n}")).await;
        assert_eq!(
            (&event["state"], &event["reason"]),
            (&json!("ignored"), &json!("not_addressed"))
        );
    }
    assert!(bed.lease().await.is_empty());
    assert!(bed.outbound.sent().is_empty(), "{:?}", bed.outbound.sent());
}

#[tokio::test]
async fn slack_group_command_is_answered_in_its_group() {
    let bed = bed_with(cases::config(None));
    let command = json!({ "command": "/quintet", "text": "fix it", "user_id": "U0HUMAN01", "team_id": "T0AAAA111",
        "channel_id": GROUP, "channel_name": "mpdm-ines--bo--quintet-1", "trigger_id": "t1",
        "response_url": "https://hooks.slack.com/commands/T0/1/x" });
    assert_eq!(cases::post(&bed, "slack-form", &command, 1).await.0, 200);
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Fixed.").await;
    assert_eq!(
        bed.event("T0AAAA111:t1").await["conversation"],
        format!("slack:T0AAAA111:T0AAAA111:{GROUP}")
    );
    let answer = form(&bed, "/chat.update");
    assert!(field(&answer, "text").unwrap().contains("Fixed."), "{answer:?}");
    assert_eq!(field(&form(&bed, "/chat.postMessage"), "channel"), Some(GROUP));
}

/// A message in the post. Discord does not name the forum in it.
fn in_post(id: &str, text: &str) -> Value {
    let mut message = in_server(1, text, true);
    message["id"] = id.into();
    message["channel_id"] = POST.into();
    message
}

/// Requests to messages of this channel.
fn sent_to(bed: &Bed, channel: &str) -> Vec<Value> {
    let part = format!("/channels/{channel}/messages");
    let sent = bed.outbound.sent().into_iter().filter(|sent| sent.url.contains(&part));
    sent.map(|sent| serde_json::from_str(&sent.body).unwrap()).collect()
}

#[tokio::test]
async fn discord_forum_post_is_a_conversation_and_is_answered_in_it() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    let peer = discord.dial.last();
    let thread = json!({ "id": POST, "type": 11, "guild_id": "820000000000000001", "parent_id": FORUM,
        "name": "The build is broken", "owner_id": OWNER, "newly_created": true, "message_count": 0,
        "thread_metadata": { "archived": false, "locked": false } });
    peer.says(dispatch(2, "THREAD_CREATE", &thread));
    peer.says(dispatch(3, "MESSAGE_CREATE", &in_post(POST, &format!("<@{BOT_USER}> fix it"))));
    bed.settle().await;
    let event = bed.event(POST).await;
    assert_eq!(event["text"], "fix it");
    let conversation = format!("discord:{NAME}:820000000000000001:{POST}");
    assert_eq!(event["conversation"], conversation);
    let task = bed.lease().await.remove(0);
    let placeholder = sent_to(&bed, POST).remove(0);
    assert!(placeholder["content"].as_str().unwrap().starts_with("Working on it"), "{placeholder}");
    bed.finish(&task, "success", "Fixed.").await;
    let shown = sent_to(&bed, POST).pop().unwrap();
    assert!(shown["content"].as_str().unwrap().contains("Fixed."), "{shown}");

    // The next message of the post follows it, and another post is another conversation.
    let next = "990000000000000501";
    peer.says(dispatch(4, "MESSAGE_CREATE", &in_post(next, &format!("<@{BOT_USER}> and now?"))));
    let mut other = in_post("990000000000000600", &format!("<@{BOT_USER}> hello"));
    other["channel_id"] = "990000000000000600".into();
    peer.says(dispatch(5, "MESSAGE_CREATE", &other));
    bed.settle().await;
    assert_eq!(bed.event(next).await["conversation"], conversation);
    let other = &bed.event("990000000000000600").await["conversation"];
    assert_eq!(*other, format!("discord:{NAME}:820000000000000001:990000000000000600"));
    assert_eq!(events(&bed, "discord").await.len(), 3, "the thread itself is no message");
    assert!(sent_to(&bed, FORUM).is_empty(), "a forum has posts only");
}

#[tokio::test]
async fn discord_command_in_a_forum_post_is_answered_in_it_after_its_token() {
    let bed = bed_with(cases::config(None));
    let command = json!({ "channel_id": POST, "guild_id": "820000000000000001",
        "channel": { "id": POST, "type": 11, "parent_id": FORUM, "name": "The build is broken" } });
    assert_eq!(cases::post(&bed, "discord", &command, 1).await.0, 200);
    let event = bed.event("990001").await;
    assert_eq!(event["conversation"], format!("discord:{NAME}:820000000000000001:{POST}"));
    let task = bed.lease().await.remove(0);
    bed.clock.advance(16 * 60_000);
    bed.finish(&task, "success", "Fixed.").await;
    let shown = sent_to(&bed, POST).pop().unwrap();
    assert!(shown["content"].as_str().unwrap().contains("Fixed."), "{shown}");
    assert!(sent_to(&bed, FORUM).is_empty());
}
