//! Every message of an answer is within its platform's limits as it is sent, and together they hold
//! all of it.

use contracts::ChannelKind;
use contracts::outbox::{DeliveryState, Target};
use inbox::{OutboxRow, Part};
use platform::config::Report;
use platform::ports::OutboundResponse;
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;
use webhook_aggregator::Config;
use webhook_aggregator::channels::{Aim, Connection, SendResult};
use webhook_aggregator::render::of_markdown;

fn connection(channel: ChannelKind) -> Arc<dyn Connection> {
    let config = Config::read(&crate::bed::config(), &Report::default());
    let endpoint = config.endpoints.into_iter().find(|endpoint| endpoint.channel == channel);
    endpoint.and_then(|endpoint| endpoint.connection).unwrap()
}

fn row(text: &str) -> OutboxRow {
    OutboxRow {
        id: "re:1".to_owned(),
        event_id: None,
        target: Target { chat: "1".to_owned(), ..Target::default() },
        text: text.to_owned(),
        buttons: None,
        kind: "reply".to_owned(),
        file: None,
        revision: 1,
        sent_revision: -1,
        parts: Vec::new(),
        state: DeliveryState::Sending,
        attempts: 1,
        expires_ms: None,
        error: None,
        created_ms: 0,
        updated_ms: 0,
        plain: false,
    }
}

/// The bodies of all requests that bring a text to a chat.
fn sent(connection: &dyn Connection, text: &str) -> Vec<Value> {
    let mut row = row(text);
    let mut bodies = Vec::new();
    while let Some(attempt) = connection.next(&row, 0) {
        let body = &attempt.request.body;
        bodies.push(serde_json::from_slice(body).unwrap_or_else(|_| {
            let form = form_urlencoded::parse(body).into_owned();
            form.map(|(name, value)| (name, Value::from(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }));
        let Aim::Send { shows, .. } = attempt.aim else { panic!("no new message") };
        let id = row.parts.len().to_string();
        row.parts.push(Part::new(id, "1".to_owned(), shows));
        assert!(bodies.len() <= 20);
    }
    bodies
}

/// The channels whose messages are cut by a number of characters.
const CUT: [ChannelKind; 4] =
    [ChannelKind::Telegram, ChannelKind::Slack, ChannelKind::Discord, ChannelKind::WhatsApp];

fn letters(text: &str) -> String {
    text.chars().filter(|ch| ch.is_alphanumeric()).collect()
}

/// The text of a body, its limit, and its size in the platform's own units.
fn text(channel: ChannelKind, body: &Value) -> (String, usize, usize) {
    let (key, most) = match channel {
        ChannelKind::Telegram => ("text", 4096),
        ChannelKind::Slack => ("text", 3000),
        ChannelKind::WhatsApp => ("body", 4096),
        _ => ("content", 2000),
    };
    let body = if channel == ChannelKind::WhatsApp { &body["text"] } else { body };
    let text = body[key].as_str().unwrap().to_owned();
    let size = match channel {
        ChannelKind::Slack => text.chars().count(),
        _ => text.encode_utf16().count(),
    };
    (text, most, size)
}

/// Answers of some length: prose, marks, code, quotes and lists.
fn answer() -> impl Strategy<Value = String> {
    let block = prop_oneof![
        "[a-zé🚀<&>]{1,12}( [a-z*_~]{1,9}){20,300}",
        "(`[a-z*]{1,5}` \\*\\*[a-z]{1,9}\\*\\* ){10,90}",
        "```rust\n([ ]{0,8}if a < b \\&\\& c > [0-9]{1,3} \\{\n){10,120}```",
        "(> [a-z]{3,9} [a-z]{3,9}\n){3,60}",
        "(- [a-z]{3,9}\n  - [0-9]{3,9}\n){3,60}",
    ];
    prop::collection::vec(block, 1..4).prop_map(|blocks| blocks.join("\n\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_within_the_limits_as_sent_and_hold_everything(answer in answer()) {
        let whole = letters(&of_markdown(&answer).text);
        for channel in CUT {
            let bodies = sent(connection(channel).as_ref(), &answer);
            let mut all = String::new();
            let count = bodies.len();
            for (index, body) in bodies.iter().enumerate() {
                let (text, most, size) = text(channel, body);
                prop_assert!(size <= most, "{channel}: {size} > {most}");
                prop_assert!(!text.trim().is_empty());
                prop_assert!(body["entities"].as_array().map_or(0, Vec::len) <= 100);
                prop_assert_eq!(text.matches("```").count() % 2, 0, "{}: {}", channel, text);
                let number = format!("\n({}/{count})", index + 1);
                let text = text.strip_suffix(&number).unwrap_or(&text).to_owned();
                let text = text.replace("```rust\n", "```\n").replace("&lt;", "").replace("&gt;", "").replace("&amp;", "");
                all.push_str(&letters(&text));
            }
            prop_assert_eq!(&all, &whole, "{}", channel);
        }
    }
}

#[test]
fn code_that_grows_by_its_escapes_still_fits_on_slack() {
    let code = "if (a<b && c>d) { x = y && z; }\n".repeat(90);
    let bodies = sent(connection(ChannelKind::Slack).as_ref(), &format!("```c\n{code}```"));
    assert!(bodies.len() > 1 && bodies.len() <= 4);
    for body in bodies {
        let text = body["text"].as_str().unwrap();
        assert!(
            text.chars().count() <= 3000 && text.starts_with("```\n") && text.ends_with("\n```")
        );
    }
}

/// A name that the platform echoes may be cut within an emoji.
#[test]
fn response_with_half_an_emoji_is_still_read() {
    let aim = || Aim::Send { shows: String::new(), known_as: None };
    for (channel, body) in [
        (
            ChannelKind::Telegram,
            r#"{"ok":true,"result":{"message_id":"m","chat":{"id":"c","title":"\ud83d"}}}"#,
        ),
        (
            ChannelKind::Slack,
            r#"{"ok":true,"ts":"m","channel":"c","message":{"username":"\ud83d"}}"#,
        ),
        (ChannelKind::Discord, r#"{"id":"m","channel_id":"c","author":{"username":"\ud83d"}}"#),
    ] {
        let answer =
            OutboundResponse { status: 200, headers: http::HeaderMap::new(), body: body.into() };
        let shown = connection(channel).judge(&aim(), &answer);
        let expected = SendResult::Shown { message: "m".to_owned(), chat: "c".to_owned() };
        assert_eq!(shown, expected, "{channel}");
    }
}

#[test]
fn answer_without_text_is_a_dash() {
    for channel in CUT {
        for answer in ["", "```\n```", " \n"] {
            let bodies = sent(connection(channel).as_ref(), answer);
            assert_eq!((bodies.len(), text(channel, &bodies[0]).0.as_str()), (1, "–"));
        }
    }
}
