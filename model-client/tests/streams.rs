//! Recorded streams, cut at every byte; and every way in which a server fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use bytes::Bytes;
use contracts::{Micros, TokenUsage};
use futures_util::StreamExt;
use model_client::{
    AskError, Client, Format, Held, Image, Message, Part, Question, RETRIES, Reservation, Role,
    Stop, Tool,
};
use platform::config::Report;
use platform::memory::ManualClock;
use platform::models::{Model, Models};
use platform::ports::{
    Outbound, OutboundRequest, OutboundResponse, OutboundStream, PortError, PortErrorKind,
    PortResult,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// 2026-11-20.
const NOW: i64 = 1_795_132_800_000;

const TEXT: &str = include_str!("recorded/anthropic-text.sse");
const TOOLS: &str = include_str!("recorded/anthropic-tools.sse");
const CHAT: &str = include_str!("recorded/openai-text.sse");
const CHAT_TOOLS: &str = include_str!("recorded/openai-tools.sse");

struct Dollars(f64);
impl Held for Dollars {
    fn held(&self) -> Micros {
        Micros::from_dollars(self.0).unwrap()
    }
}

/// The behaviour of a server with one request.
enum Does {
    Stream(Vec<Bytes>),
    /// Sends this, then cuts the connection.
    Cuts(String),
    Answers(u16, Vec<(&'static str, &'static str)>, Value),
    Unreachable,
    Silent,
}

/// A request: its address, headers and body.
type Seen = (String, Vec<(&'static str, String)>, Value);

#[derive(Default)]
struct Server {
    does: Mutex<VecDeque<Does>>,
    asked: Mutex<Vec<Seen>>,
}

impl Server {
    fn that(does: impl IntoIterator<Item = Does>) -> Arc<Self> {
        Arc::new(Self { does: Mutex::new(does.into_iter().collect()), asked: Mutex::default() })
    }
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
    fn seen(&self) -> Vec<Seen> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Outbound for Server {
    async fn send_within(&self, _: OutboundRequest, _: usize) -> PortResult<OutboundResponse> {
        unreachable!("a model is asked for a stream")
    }
    async fn open(&self, request: OutboundRequest) -> PortResult<OutboundStream> {
        let body = serde_json::from_slice(&request.body).unwrap();
        self.asked.lock().unwrap().push((request.url, request.headers, body));
        let does = self.does.lock().unwrap().pop_front().expect("one more request than planned");
        let mut headers = http::HeaderMap::new();
        let (status, parts) = match does {
            Does::Stream(parts) => (200, parts.into_iter().map(Ok).collect()),
            Does::Cuts(text) => {
                let cut = PortError::unknown(PortErrorKind::Unavailable, "the connection failed");
                (200, vec![Ok(text.into()), Err(cut)])
            }
            Does::Answers(status, given, body) => {
                for (name, value) in given {
                    headers.insert(name, value.parse().unwrap());
                }
                (status, vec![Ok(body.to_string().into())])
            }
            Does::Unreachable => {
                return Err(PortError::clean(PortErrorKind::Unavailable, "refused"));
            }
            Does::Silent => {
                return Err(PortError::unknown(PortErrorKind::Timeout, "no answer in time"));
            }
        };
        Ok(OutboundStream { status, headers, body: futures_util::stream::iter(parts).boxed() })
    }
}

fn models() -> Models {
    let report = Report::default();
    let file = json!({"models": {
        "claude": {"api": "anthropic", "api_key": "key-a", "model": "claude-opus-5-5", "fallback": "local"},
        "local": {"api": "openai", "base_url": "http://127.0.0.1:11434/v1", "model": "llama4", "input_price": 1, "output_price": 2},
    }});
    let models = Models::read(&file, &report);
    assert!(report.into_problems().is_empty());
    models
}

struct Asked {
    reply: Result<model_client::Reply, AskError>,
    heard: String,
    spent: Micros,
}

async fn ask_with(server: &Arc<Server>, chain: &[&str], question: &Question, held: f64) -> Asked {
    let clock = Arc::new(ManualClock::at(NOW));
    let client = Client { outbound: server.clone(), clock: clock.clone(), retries: RETRIES };
    let models = models();
    let chain: Vec<&Model> = chain.iter().map(|name| models.get(name).unwrap()).collect();
    let mut reservation = Reservation::of(&Dollars(held));
    let mut heard = String::new();
    let mut hear = |text: &str| heard.push_str(text);
    let asking = client.ask(&chain, question, &mut reservation, &mut hear);
    let turning = async {
        loop {
            clock.advance(100);
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::select! {
        reply = asking => reply,
        () = turning => unreachable!(),
    };
    Asked { reply, heard, spent: reservation.spent() }
}

async fn ask(server: &Arc<Server>, name: &str) -> Asked {
    ask_with(server, &[name], &hello(), 1.0).await
}

fn hello() -> Question {
    Question {
        system: "You help.".to_owned(),
        messages: vec![Message::text(Role::User, "Hello")],
        ..Question::default()
    }
}

fn in_two(text: &str, cut: usize) -> Vec<Bytes> {
    let bytes = text.as_bytes();
    vec![bytes[..cut].to_vec().into(), bytes[cut..].to_vec().into()]
}

#[tokio::test]
async fn recorded_answer_is_the_same_wherever_it_is_cut() {
    let cases = [
        (TEXT, "claude", Stop::End),
        (TOOLS, "claude", Stop::Calls),
        (CHAT, "local", Stop::End),
        (CHAT_TOOLS, "local", Stop::Calls),
    ];
    for (text, name, stop) in cases {
        let whole = ask(&Server::that([Does::Stream(vec![text.into()])]), name).await;
        let expected = whole.reply.unwrap();
        assert_eq!(expected.stop, stop, "{text}");
        assert_eq!(whole.heard, expected.text());
        for cut in 0..=text.len() {
            let asked = ask(&Server::that([Does::Stream(in_two(text, cut))]), name).await;
            assert_eq!(asked.reply.unwrap(), expected, "cut at {cut} of {text}");
            assert_eq!((asked.heard, asked.spent), (whole.heard.clone(), whole.spent));
        }
    }
}

#[tokio::test]
async fn usage_is_in_buckets_that_do_not_overlap_and_costs_to_the_micro_dollar() {
    let asked = ask(&Server::that([Does::Stream(vec![TEXT.into()])]), "claude").await;
    let reply = asked.reply.unwrap();
    let usage = TokenUsage {
        input: 25,
        output: 15,
        cache_read: 2_000,
        cache_write: 300,
        cache_write_1h: 100,
    };
    assert_eq!(reply.usage, Some(usage));
    // 25 × $4 + 15 × $20 + 2,000 × $0.20 + 300 × $5 + 100 × $8, for a million each.
    assert_eq!((reply.cost, asked.spent), (Micros(100 + 300 + 400 + 1_500 + 800), Micros(3_100)));

    let asked = ask(&Server::that([Does::Stream(vec![CHAT.into()])]), "local").await;
    let reply = asked.reply.unwrap();
    let usage = TokenUsage { input: 9, output: 3, cache_read: 10, ..TokenUsage::default() };
    assert_eq!((reply.usage, reply.cost), (Some(usage), Micros(9 + 6 + 10)));
    assert_eq!(reply.text(), "Hello, wörld 👋");
}

#[tokio::test]
async fn calls_come_with_their_arguments_and_sealed_parts_go_back_as_they_came() {
    let server = Server::that([Does::Stream(vec![TOOLS.into()])]);
    let reply = ask(&server, "claude").await.reply.unwrap();
    let calls: Vec<_> = reply.calls().collect();
    assert_eq!(calls, [("toolu_01", "search_skills", &json!({"query": "on call", "limit": 3}))]);
    let sealed = json!({"type": "thinking", "thinking": "Look it up.", "signature": "c2ln"});
    assert_eq!(reply.parts[0], Part::Sealed(sealed.clone()));

    let mut question = hello();
    question.messages.push(Message { role: Role::Model, parts: reply.parts });
    let result = Part::Result { id: "toolu_01".into(), text: "nothing".into(), is_error: true };
    question.messages.push(Message { role: Role::User, parts: vec![result] });
    let server = Server::that([Does::Stream(vec![TEXT.into()])]);
    ask_with(&server, &["claude"], &question, 1.0).await.reply.unwrap();
    let asked = server.seen();
    let sent = &asked[0].2["messages"];
    assert_eq!(sent[1]["content"][0], sealed);
    assert_eq!(sent[1]["content"][2]["input"], json!({"query": "on call", "limit": 3}));
    let marked = json!({"type": "tool_result", "tool_use_id": "toolu_01", "content": "nothing",
        "is_error": true, "cache_control": {"type": "ephemeral"}});
    assert_eq!(sent[2]["content"][0], marked);

    let reply = ask(&Server::that([Does::Stream(vec![CHAT_TOOLS.into()])]), "local").await.reply;
    let reply = reply.unwrap();
    let calls: Vec<_> = reply.calls().map(|(id, name, given)| (id, name, given.clone())).collect();
    assert_eq!(
        calls,
        [
            ("call_a", "search_skills", json!({"query": "on call"})),
            ("call_1", "budget_status", json!({}))
        ]
    );
}

#[tokio::test]
async fn request_is_that_of_each_protocol_and_has_the_key_in_one_header_only() {
    let mut question = hello();
    question.tools =
        vec![Tool { name: "t".into(), description: "d".into(), schema: json!({"type": "object"}) }];
    question.format = Some(Format { name: "verdict", schema: json!({"type": "object"}) });
    question.output_max = Some(7);
    let image = Image { kind: "image/png".into(), bytes: Bytes::from_static(b"\x89PNG") };
    question.messages[0].parts.push(Part::Image(image));

    let server = Server::that([Does::Stream(vec![TEXT.into()])]);
    ask_with(&server, &["claude"], &question, 1.0).await.reply.unwrap();
    let asked = server.seen();
    let (url, headers, body) = &asked[0];
    assert_eq!(url, "https://api.anthropic.com/v1/messages");
    assert!(headers.contains(&("x-api-key", "key-a".to_owned())), "{headers:?}");
    assert!(headers.contains(&("anthropic-version", "2023-06-01".to_owned())));
    assert!(!body.to_string().contains("key-a") && !url.contains("key-a"));
    assert_eq!((&body["max_tokens"], &body["stream"]), (&json!(7), &json!(true)));
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object"}));
    assert_eq!(body["messages"][0]["content"][1]["source"]["data"], "iVBORw==");
    assert!(body.get("temperature").is_none(), "newer versions refuse it");

    let server = Server::that([Does::Stream(vec![CHAT.into()])]);
    ask_with(&server, &["local"], &question, 1.0).await.reply.unwrap();
    let asked = server.seen();
    let (url, headers, body) = &asked[0];
    assert_eq!(url, "http://127.0.0.1:11434/v1/chat/completions");
    assert!(headers.iter().all(|(name, _)| *name != "authorization"), "it has no key");
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "You help."}));
    assert_eq!(body["messages"][1]["content"], "Hello\n\n(a picture, which you cannot see)");
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["max_tokens"], 7);
}

#[tokio::test]
async fn call_that_may_cost_more_than_is_held_is_not_sent() {
    let server = Server::that([]);
    let asked = ask_with(&server, &["claude"], &hello(), 0.01).await;
    let AskError::Short { needed } = asked.reply.unwrap_err() else { panic!("another error") };
    // 4,096 tokens of answer at $20 alone are $0.08192.
    assert!(needed > Micros(81_920) && needed < Micros(90_000), "{needed}");
    assert_eq!((server.asked(), asked.spent), (0, Micros::ZERO));
}

#[tokio::test]
async fn busy_server_is_asked_again_as_it_says_and_costs_nothing() {
    for (status, given) in [
        (429, vec![("retry-after", "2")]),
        (529, vec![]),
        (503, vec![("retry-after-ms", "1")]),
        (408, vec![]),
        (400, vec![("x-should-retry", "true")]),
    ] {
        let busy = Does::Answers(
            status,
            given,
            json!({"type": "error", "error": {"message": "Overloaded"}}),
        );
        let server = Server::that([busy, Does::Stream(vec![TEXT.into()])]);
        let asked = ask(&server, "claude").await;
        assert!(asked.reply.is_ok(), "{status}");
        assert_eq!((server.asked(), asked.spent), (2, Micros(3_100)), "{status}");
    }
}

#[tokio::test]
async fn refused_call_is_not_repeated_and_says_why() {
    for (status, given, message) in [
        (400, vec![], "max_tokens: too large"),
        (401, vec![], "invalid x-api-key"),
        (404, vec![], "model: nope"),
        (429, vec![("x-should-retry", "false")], "your credit is used up"),
        (429, vec![("retry-after", "3600")], "try later"),
    ] {
        let body = json!({"type": "error", "error": {"type": "x", "message": message}});
        let server = Server::that([Does::Answers(status, given, body)]);
        let asked = ask(&server, "claude").await;
        let error = asked.reply.unwrap_err();
        assert_eq!(error.to_string(), format!("it answered with status {status}: {message}"));
        assert!(error.is_without_effect());
        assert_eq!((server.asked(), asked.spent), (1, Micros::ZERO));
    }
}

#[tokio::test]
async fn attempts_of_unknown_effect_count_as_their_ceilings() {
    let server = Server::that([Does::Silent, Does::Answers(500, vec![], json!({})), Does::Silent]);
    let asked = ask(&server, "claude").await;
    assert!(matches!(asked.reply, Err(AskError::Port(_))), "{:?}", asked.reply);
    let clock = Arc::new(ManualClock::at(NOW));
    let client = Client { outbound: server.clone(), clock, retries: RETRIES };
    let ceiling = client.ceiling(models().get("claude").unwrap(), &hello());
    assert_eq!((server.asked(), asked.spent), (3, Micros(ceiling.0 * 3)));

    // Where another one does not fit, it is not made, and the fallback is asked where that fits.
    let server = Server::that([Does::Silent]);
    let asked = ask_with(&server, &["claude"], &hello(), 0.1).await;
    assert!(matches!(asked.reply, Err(AskError::Port(_))), "the reason itself is told");
    assert_eq!((server.asked(), asked.spent), (1, ceiling));
    let server = Server::that([Does::Silent, Does::Stream(vec![CHAT.into()])]);
    let asked = ask_with(&server, &["claude", "local"], &hello(), 0.1).await;
    assert_eq!(asked.reply.unwrap().name, "local");
    assert_eq!((server.asked(), asked.spent), (2, ceiling.plus(Micros(25))));

    let server = Server::that([Does::Unreachable, Does::Unreachable, Does::Unreachable]);
    let asked = ask(&server, "claude").await;
    assert!(matches!(asked.reply, Err(AskError::Port(_))));
    assert_eq!((server.asked(), asked.spent), (3, Micros::ZERO), "nothing was received");
}

#[tokio::test]
async fn answer_that_breaks_off_keeps_its_text_and_is_not_asked_again() {
    let begun = &TEXT[..TEXT.find("event: message_delta").unwrap()];
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for (does, why) in [
        (Does::Cuts(begun.to_owned()), "broke off: the connection failed"),
        (Does::Stream(vec![begun.to_owned().into()]), "ended in the middle"),
        (Does::Stream(vec![format!("{begun}{error}").into()]), "broke off: Overloaded"),
        (Does::Stream(vec![format!("{begun}data: {{nonsense\n\n").into()]), "no JSON"),
    ] {
        let server = Server::that([does]);
        let asked = ask_with(&server, &["claude", "local"], &hello(), 1.0).await;
        let error = asked.reply.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(asked.heard, "Hello, wörld 👋");
        assert!(!error.is_without_effect() && asked.spent > Micros(80_000), "{}", asked.spent);
        assert_eq!(server.asked(), 1);
    }
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    for text in [
        "",
        "<html>Bad gateway</html>",
        "{}",
        "[]",
        "{\"error\": \"no such model\"}",
        "data: {}\n\n",
        "data: 7\n\n",
        "\u{0}\u{1}",
    ] {
        for name in ["claude", "local"] {
            let plan = (0..3).map(|_| Does::Stream(vec![text.to_owned().into()]));
            let asked = ask(&Server::that(plan), name).await;
            assert!(
                matches!(asked.reply, Err(AskError::Broken(_))),
                "{name} {text}: {:?}",
                asked.reply
            );
            assert_eq!(asked.heard, "");
        }
    }
}

#[tokio::test]
async fn server_that_does_not_stream_is_read_too() {
    let whole = json!({"id": "msg_1", "type": "message", "model": "claude-opus-5-5",
        "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 10, "output_tokens": 2}});
    let asked = ask(&Server::that([Does::Answers(200, vec![], whole)]), "claude").await;
    let reply = asked.reply.unwrap();
    assert_eq!(
        (reply.text().as_str(), asked.heard.as_str(), &reply.stop),
        ("Hi", "Hi", &Stop::Calls)
    );
    assert_eq!(reply.calls().count(), 1);
    assert_eq!(asked.spent, Micros(40 + 40));

    let whole = json!({"model": "llama4", "choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2}});
    let asked = ask(&Server::that([Does::Answers(200, vec![], whole)]), "local").await;
    let reply = asked.reply.unwrap();
    assert_eq!(
        (reply.text().as_str(), &reply.stop, asked.spent),
        ("Hi", &Stop::Length, Micros(14))
    );
}

#[tokio::test]
async fn server_without_options_of_a_stream_is_asked_without_them() {
    let refused = json!({"error": {"message": "extra_forbidden: stream_options.include_usage"}});
    let server =
        Server::that([Does::Answers(422, vec![], refused), Does::Stream(vec![CHAT.into()])]);
    let asked = ask(&server, "local").await;
    assert!(asked.reply.is_ok());
    let seen = server.seen();
    assert!(seen[0].2.get("stream_options").is_some() && seen[1].2.get("stream_options").is_none());
}

#[tokio::test]
async fn turn_without_a_letter_is_not_sent() {
    let mut question = hello();
    question.messages.push(Message::text(Role::Model, "\n\n"));
    question.messages.push(Message::text(Role::User, "Go on"));
    let server = Server::that([Does::Stream(vec![TEXT.into()])]);
    ask_with(&server, &["claude"], &question, 1.0).await.reply.unwrap();
    let sent = server.seen()[0].2["messages"].clone();
    assert_eq!(sent.as_array().unwrap().len(), 2, "{sent}");
}

#[tokio::test]
async fn every_stop_is_told() {
    for (reason, stop) in [
        ("end_turn", Stop::End),
        ("stop_sequence", Stop::End),
        ("max_tokens", Stop::Length),
        ("refusal", Stop::Refusal),
        ("model_context_window_exceeded", Stop::Context),
        ("pause_turn", Stop::Other("pause_turn".to_owned())),
    ] {
        let text = TEXT.replace("\"end_turn\"", &format!("\"{reason}\""));
        let reply = ask(&Server::that([Does::Stream(vec![text.into()])]), "claude").await.reply;
        assert_eq!(reply.unwrap().stop, stop);
    }
    for (reason, stop) in [("length", Stop::Length), ("content_filter", Stop::Refusal)] {
        let text = CHAT.replace("\"stop\"", &format!("\"{reason}\""));
        let reply = ask(&Server::that([Does::Stream(vec![text.into()])]), "local").await.reply;
        assert_eq!(reply.unwrap().stop, stop);
    }
}

#[tokio::test]
async fn answer_without_usage_counts_as_its_ceiling() {
    let lines: Vec<&str> =
        CHAT.lines().filter(|line| !line.contains("prompt_tokens\":19")).collect();
    let asked = ask(&Server::that([Does::Stream(vec![lines.join("\n").into()])]), "local").await;
    let reply = asked.reply.unwrap();
    assert_eq!((reply.usage, reply.cost), (None, asked.spent));
    assert!(asked.spent > Micros(8_000), "{}", asked.spent);
}

#[tokio::test]
async fn fallback_is_asked_where_the_first_cannot_answer() {
    for does in [
        (0..3).map(|_| Does::Unreachable).collect::<Vec<_>>(),
        (0..3).map(|_| Does::Answers(529, vec![], json!({}))).collect(),
        vec![Does::Answers(401, vec![], json!({}))],
    ] {
        let server = Server::that(does.into_iter().chain([Does::Stream(vec![CHAT.into()])]));
        let asked = ask_with(&server, &["claude", "local"], &hello(), 1.0).await;
        let reply = asked.reply.unwrap();
        assert_eq!((reply.name.as_str(), reply.model.as_str()), ("local", "llama4"));
        assert_eq!(asked.spent, Micros(25));
    }
    let server = Server::that([Does::Answers(400, vec![], json!({}))]);
    let asked = ask_with(&server, &["claude", "local"], &hello(), 1.0).await;
    assert!(
        matches!(asked.reply, Err(AskError::Status { status: 400, .. })),
        "a bad request is bad everywhere"
    );
}
