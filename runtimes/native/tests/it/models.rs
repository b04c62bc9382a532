//! A fake of Anthropic's Messages API, which streams: agents that are models, the chat with memory
//! over restarts, prices and halts.

use crate::bed::{Home, until};
use crate::exchange::Request;
use serde_json::{Value, json};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Script = dyn Fn(&Value) -> Says + Send + Sync;

enum Says {
    Text(String),
    /// Begins to answer and never ends.
    Hangs,
}

struct Anthropic {
    base_url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Anthropic {
    fn start(script: impl Fn(&Value) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (script, asked): (Arc<Script>, Arc<Mutex<Vec<Value>>>) =
            (Arc::new(script), Arc::default());
        let fake = Self { base_url, asked: asked.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, asked) = (script.clone(), asked.clone());
                std::thread::spawn(move || answer(stream, &*script, &asked));
            }
        });
        fake
    }
    /// A configuration with this model for these uses.
    fn config(&self, uses: &str, more: &str) -> String {
        format!(
            "[models.claude]\napi = \"anthropic\"\nbase_url = \"{}\"\napi_key = \"sk-test-key\"\nmodel = \"claude-opus-5-5\"\nuses = [{uses}]\n{more}",
            self.base_url
        )
    }
    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, script: &Script, asked: &Mutex<Vec<Value>>) -> Option<()> {
    let mut write = stream.try_clone().ok()?;
    let request = Request::read(&mut BufReader::new(stream))?;
    assert_eq!(request.call, "POST /v1/messages");
    let body = request.json();
    asked.lock().unwrap().push(body.clone());
    let says = script(&body);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    write.write_all(head.as_bytes()).ok()?;
    let mut send = |event: Value| {
        let text = format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        write.write_all(text.as_bytes()).and_then(|()| write.flush()).ok()
    };
    send(json!({"type": "message_start", "message": {"model": "claude-opus-5-5", "content": [],
        "usage": {"input_tokens": 1000, "output_tokens": 1}}}))?;
    send(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    )?;
    let text = match says {
        Says::Text(text) => text,
        Says::Hangs => loop {
            send(json!({"type": "ping"}))?;
            std::thread::sleep(Duration::from_millis(50));
        },
    };
    for word in text.split_inclusive(' ') {
        send(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}),
        )?;
    }
    send(json!({"type": "content_block_stop", "index": 0}))?;
    send(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}}),
    )?;
    send(json!({"type": "message_stop"}))
}

/// The last thing that the owner said.
fn message(body: &Value) -> String {
    let parts = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    parts.as_array().unwrap().last().unwrap()["text"].as_str().unwrap().to_owned()
}

/// Knows the name that it was told, wherever that stands.
fn knows_the_name(body: &Value) -> Says {
    let asks = message(body).contains("what is my name");
    Says::Text(match (asks, body.to_string().contains("Ana")) {
        (true, true) => "Your name is Ana.".to_owned(),
        (true, false) => "I do not know.".to_owned(),
        (false, _) => "Nice to meet you.".to_owned(),
    })
}

/// $4 for a million tokens read and $20 for a million written: 1,000 and 10 of a call.
const CALL: f64 = 0.0042;

#[test]
fn chat_knows_the_name_in_another_conversation_after_a_restart() {
    let model = Anthropic::start(knows_the_name);
    let home = Home::with_config(&model.config("\"chat\"", ""));
    let server = home.up();
    let chat = |session: &str, text: &str| home.run(&["chat", "--session", session, text]).ok();
    assert_eq!(chat("one", "what is my name?").trim(), "I do not know.");
    assert_eq!(chat("one", "my name is Ana").trim(), "Nice to meet you.");
    assert_eq!(home.today()["spent"], CALL * 2.0);
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    assert_eq!(chat("two", "what is my name?").trim(), "Your name is Ana.");
    assert_eq!(home.today()["spent"], 0.0126);

    let list = home.run(&["memory", "search", "name", "--json"]).json();
    assert_eq!(list["facts"][0]["text"], "my name is Ana");
    let id = list["facts"][0]["id"].as_str().unwrap().to_owned();
    let why = home.run(&["memory", "why", &id]).ok();
    assert!(why.contains("from 20") && why.contains("“my name is Ana”"), "{why}");
    assert!(home.run(&["memory", "forget", &id]).ok().starts_with("forgotten: my name is Ana"));
    assert_eq!(chat("three", "what is my name?").trim(), "I do not know.");
    let unknown = home.run(&["memory", "forget", &id]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    drop(server);
    assert!(!home.log("err.log").contains("sk-test-key"));
}

#[test]
fn with_one_key_and_no_program_four_agents_answer_as_themselves() {
    let model = Anthropic::start(|body| {
        let system = body["system"][0]["text"].as_str().unwrap();
        let agents = ["codegen", "security", "pm", "assistant"];
        let named = |agent: &&&str| system.contains(&format!(" ({agent})\n"));
        let agent = agents.iter().find(named).unwrap();
        Says::Text(format!("{agent} read: {}", message(body)))
    });
    let home = Home::with_config(&model.config("\"agents\"", ""));
    let server = home.up();
    for agent in ["codegen", "security", "pm", "assistant"] {
        let text = format!("@{agent} how do you work?");
        let said = home.run(&["send", "telegram", &text]).ok();
        assert!(said.contains(&format!("{agent} read: ")), "{said}");
    }
    let events = server.get("/webhook-aggregator/api/events?channel=telegram")["events"].clone();
    for event in events.as_array().unwrap() {
        assert_eq!(event["costMicros"], 4_200, "{event}");
    }
    assert_eq!(home.today()["spent"], 0.0168);
}

#[test]
fn model_streams_into_the_run_and_a_halt_ends_its_call() {
    let model = Anthropic::start(|_| Says::Hangs);
    let config = model.config("", "[agents.codegen]\nrunner = \"anthropic\"\n");
    let home = Home::with_config(&config);
    let server = home.up();
    let event = server.say("@codegen never end");
    until("asked", || (model.asked().len() == 1).then_some(()));
    assert_eq!(home.run(&["halt"]).code, 0);
    let halted = until("halted", || {
        let event = server.event(&event);
        (event["state"] == "halted").then_some(event)
    });
    // 4,096 tokens of answer at $20 are $0.082: a call that is cut off counts as its ceiling.
    let cost = halted["costMicros"].as_i64().unwrap();
    assert!((82_000..110_000).contains(&cost), "{halted}");
}

#[test]
fn model_for_reviews_is_measured_by_a_hundred_requests() {
    let model = Anthropic::start(|body| {
        let text = message(body);
        let verdict =
            if text.contains("pprov") || text.contains("eploy") { "pass" } else { "approve" };
        Says::Text(json!({"verdict": verdict, "risk": "As I see it."}).to_string())
    });
    let home = Home::with_config(&model.config("\"review\"", ""));
    let server = home.up();
    let found = home.run(&["eval", "approvals", "--json"]).json();
    assert_eq!((&found["fine"]["of"], &found["hostile"]["of"]), (&json!(30), &json!(40)));
    assert_eq!(found["fine"]["approved"], 30);
    let wrong = found["wronglyApproved"].as_array().unwrap().len() as u64;
    let approved = |label: &str| found[label]["approved"].as_u64().unwrap();
    assert!(wrong > 0 && wrong == approved("hostile") + approved("ask"), "{found}");
    assert_eq!(found["cost"], 0.42);
    assert_eq!(home.today()["spent"], 0.42);
    let table = home.run(&["eval", "approvals"]).ok();
    assert!(table.contains("wrongly approved (hostile): "), "{table}");
    drop(server);
}

#[test]
fn prices_are_listed_updated_and_missing_ones_refused() {
    let home = Home::with_config(
        "[models.own]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"own-1\"\n",
    );
    let refused = home.run(&[
        "up",
        "--listen",
        "127.0.0.1:0",
        "--config",
        home.path("quintet.toml").to_str().unwrap(),
    ]);
    assert_ne!(refused.code, 0);
    assert!(
        refused.err.contains(
            "models.own.input_price: is missing, and the list of prices does not have \"own-1\""
        ),
        "{refused:?}"
    );
    let config = home.path("quintet.toml");
    let config = config.to_str().unwrap();
    let mut list = home.run(&["models", "prices", "--json", "--config", config]).json();
    list["checked"] = "2030-01-01".into();
    let row = json!({"model": "own-1", "input": 1, "output": 2});
    list["models"].as_array_mut().unwrap().push(row);
    let new = home.path("new.json");
    std::fs::write(&new, list.to_string()).unwrap();
    let new = new.to_str().unwrap();
    let done = home.run(&["models", "prices", "--update", new, "--config", config]).ok();
    assert!(done.contains("of 2030-01-01"), "{done}");
    let listed = home.run(&["models", "--json", "--config", config]).json();
    assert_eq!(listed["models"][0]["inputPrice"], 1.0);
    std::fs::write(new, "{}").unwrap();
    let odd = home.run(&["models", "prices", "--update", new, "--config", config]);
    assert_eq!(odd.code, 2);
    assert!(odd.err.contains("is no list of prices"), "{odd:?}");
    drop(home.up());
}
