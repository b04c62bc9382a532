//! Every example is started and used, with stand-ins for programs, models and platforms.

use crate::bed::{Home, Server, until};
use crate::exchange::Request;
use crate::gateways::Joined;
use serde_json::{Value, json};
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CLAUDE: &str = include_str!("../agents/claude.py");
const ACP: &str = include_str!("../agents/acp.py");

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// A file of an example, each `from` replaced; one that is not there is a mistake of the test.
fn file(example: &str, name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(folder(example).join(name)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{example}/{name} has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

fn home(example: &str, changes: &[(&str, &str)]) -> Home {
    Home::with_config(&file(example, "quintet.toml", changes))
}

/// Puts the configuration of an example into a home that has its programs already.
fn configure(home: &Home, example: &str, changes: &[(&str, &str)]) {
    std::fs::write(home.path("quintet.toml"), file(example, "quintet.toml", changes)).unwrap();
}

/// A repository with one commit.
fn repository(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::write(path.join("main.txt"), "first").unwrap();
    for args in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=I", "-c", "user.email=i@example.org", "commit", "-qm", "first"],
    ] {
        assert!(Command::new("git").args(args).current_dir(path).status().unwrap().success());
    }
}

/// A server of a platform or a model on this machine: `answer` gives the response of each request.
fn serve(answer: impl Fn(&Request) -> (&'static str, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut write = stream.try_clone().unwrap();
                let Some(request) = Request::read(&mut BufReader::new(stream)) else { return };
                let (kind, body) = answer(&request);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = write
                    .write_all(head.as_bytes())
                    .and_then(|()| write.write_all(body.as_bytes()));
            });
        }
    });
    address
}

/// The Bot API: nobody writes, and every message is taken.
fn telegram() -> String {
    serve(|request| {
        let result = match request.method() {
            "getMe" => json!({"id": 1, "is_bot": true, "first_name": "B", "username": "b_bot"}),
            "getUpdates" => {
                std::thread::sleep(std::time::Duration::from_millis(200));
                json!([])
            }
            _ => json!({"message_id": 1, "chat": {"id": 700_100_200}, "date": 0}),
        };
        ("application/json", json!({"ok": true, "result": result}).to_string())
    })
}

#[test]
fn claude_code_on_a_repository_asks_before_it_writes_and_shows_what_changed() {
    let home = Home::with_config("");
    let claude = home.program("claude", CLAUDE);
    repository(&home.path("home/code/app"));
    let runner = format!("runner = \"claude-code\"\ncommand = [\"{}\"]", claude.display());
    configure(&home, "claude-code-on-a-repository", &[("runner = \"claude-code\"", &runner)]);
    let home = home.and("ANTHROPIC_API_KEY", "sk-example");
    let server = home.up();
    let waits =
        home.run(&["send", "telegram", "@codegen fix the failing test, case=edit", "--wait", "0"]);
    assert_eq!(waits.code, 1, "{waits:?}");
    let asked = until("it asks before it writes", || {
        let list = home.run(&["approvals", "--json"]).json()["approvals"].as_array()?.clone();
        list.into_iter().find(|one| one["type"] == "tool-call")
    });
    assert!(asked["arguments"].to_string().contains("main.txt"), "{asked}");
    home.run(&["approve", asked["id"].as_str().unwrap()]).ok();
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=1");
    let event = server.event_in(list["events"][0]["id"].as_str().unwrap(), "done");
    assert!(event["replies"][0]["text"].as_str().unwrap().contains("main.txt"), "{event}");
    assert_eq!(std::fs::read_to_string(home.path("home/code/app/main.txt")).unwrap(), "first");
    assert!(home.run(&["work"]).ok().contains("codegen-"));
}

#[test]
fn model_of_your_own_remembers_a_name_and_is_every_agent_for_nothing() {
    let model = serve(|request| {
        let text = request.json().to_string();
        let knows = text.contains("What is my name?") && text.contains("Ana");
        let said = if knows { "Your name is Ana." } else { "Noted." };
        let chunk = |delta: Value, end: Value| json!({"id": "c", "object": "chat.completion.chunk", "model": "llama4", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]});
        let usage = json!({"id": "c", "object": "chat.completion.chunk", "model": "llama4", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}});
        let lines = [
            chunk(json!({"role": "assistant", "content": said}), Value::Null),
            chunk(json!({}), "stop".into()),
            usage,
        ];
        let body: String = lines.iter().map(|line| format!("data: {line}\n\n")).collect();
        ("text/event-stream", format!("{body}data: [DONE]\n\n"))
    });
    let home = home("a-model-of-your-own", &[("http://127.0.0.1:11434", &model)]);
    let _server = home.up();
    home.run(&["chat", "My name is Ana"]).ok();
    assert!(home.run(&["chat", "What is my name?"]).ok().contains("Your name is Ana."));
    let answer = home.run(&["send", "telegram", "Review the login form for injection"]).ok();
    assert!(answer.contains("Noted."), "{answer}");
    assert_eq!(home.today()["spent"], 0.0);
}

#[test]
fn two_clients_have_their_own_agents_limits_rules_and_halts() {
    let home = Home::with_config("");
    let acme = home.script("acme-agent", "echo done for acme");
    let globex = home.script("globex-agent", "echo done for globex");
    let base = telegram();
    let api = format!("\napi_base = \"{base}\"\n");
    configure(
        &home,
        "two-clients",
        &[
            ("\"acme-agent\"", &format!("\"{}\"", acme.display())),
            ("\"globex-agent\"", &format!("\"{}\"", globex.display())),
            ("bot_token = \"1111:from-BotFather\"\n", &format!("bot_token = \"1111:A\"{api}")),
            ("bot_token = \"2222:from-BotFather\"\n", &format!("bot_token = \"2222:B\"{api}")),
        ],
    );
    let graph = folder("two-clients").join("graph");
    let server = home.up_with(&["--graph", graph.to_str().unwrap()]);
    let budget = home.run(&["budget"]).ok();
    for part in
        ["agent:acme", "$15.00", "endpoint:telegram.acme", "$200.00", "endpoint:telegram.globex"]
    {
        assert!(budget.contains(part), "{part}: {budget}");
    }
    assert!(
        home.run(&["send", "telegram", "@acme check the orders"]).ok().contains("done for acme")
    );
    home.run(&["rules", "ask", "--operation", "run", "--in", "telegram.globex", "--above", "0.30"])
        .ok();
    // The way in of the test is an endpoint like the clients' own.
    home.run(&["rules", "forbid", "--agent", "globex", "--in", "telegram.local"]).ok();
    let other = home.run(&["send", "telegram", "@globex print the customers of globex"]);
    assert!(other.code != 0 && !other.out.contains("done for globex"), "{other:?}");
    let list = home.run(&["rules", "--json"]).json();
    let id = list["rules"].as_array().unwrap().last().unwrap()["id"].clone();
    home.run(&["rules", "remove", id.as_str().unwrap()]).ok();
    home.run(&["halt", "--endpoint", "telegram.acme"]).ok();
    let wrong = home.run(&["halt", "--endpoint", "telegram.acm"]);
    assert!(wrong.code == 1 && wrong.err.contains("telegram.acme"), "{wrong:?}");
    home.run(&["resume", "--endpoint", "telegram.acme"]).ok();
    home.run(&["halt", "--agent", "acme"]).ok();
    let held = home.run(&["send", "telegram", "@acme again", "--wait", "3"]);
    assert_ne!(held.code, 0, "{held:?}");
    assert!(home.run(&["send", "telegram", "@globex hello"]).ok().contains("done for globex"));
    home.run(&["resume", "--agent", "acme"]).ok();
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=10");
    let held =
        list["events"].as_array().unwrap().iter().find(|event| event["text"] == "@acme again");
    server.event_in(held.unwrap()["id"].as_str().unwrap(), "done");
}

#[test]
fn openclaw_answers_as_an_agent() {
    let home = Home::with_config("");
    let program = home.program("openclaw", ACP);
    let runner = format!("runner = \"openclaw\"\ncommand = [\"{}\"]", program.display());
    configure(&home, "openclaw", &[("runner = \"openclaw\"", &runner)]);
    let _server = home.up();
    let answer = home.run(&["send", "telegram", "@codegen which word?"]).ok();
    assert!(answer.contains("none"), "{answer}");
}

/// A signed delivery of a new issue.
fn issue(server: &Server, secret: &str) -> u16 {
    use hmac::{Hmac, KeyInit, Mac};
    let body = json!({"action": "opened", "issue": {"number": 7, "title": "It crashes", "body": "case=edit"}, "repository": {"full_name": "acme/app"}}).to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "issues"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("content-type", "application/json"),
    ];
    server.ask("POST", "/hook/github", &headers, &body).status
}

#[test]
fn issue_of_github_becomes_a_task_and_its_answer_goes_to_the_chat() {
    let home = Home::with_config("");
    let program = home.script("claude", "read message; echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"I looked at it.\",\"total_cost_usd\":0.01,\"session_id\":\"s\"}'");
    let runner = format!("runner = \"claude-code\"\ncommand = [\"{}\"]", program.display());
    let token = format!("bot_token = \"5550001:T\"\napi_base = \"{}\"\n", telegram());
    configure(
        &home,
        "github-issues",
        &[
            ("runner = \"claude-code\"", &runner),
            ("bot_token = \"5550001:from-BotFather\"\n", &token),
        ],
    );
    let home = home.and("ANTHROPIC_API_KEY", "sk-example");
    let server = home.up();
    assert_eq!(issue(&server, "another secret"), 401);
    assert_eq!(issue(&server, "the secret that you enter on GitHub"), 200);
    let list = server.get("/webhook-aggregator/api/events?channel=hook");
    let id = list["events"][0]["id"].as_str().unwrap();
    let waits = server.event_in(id, "parked");
    home.run(&["approve", waits["approvalId"].as_str().unwrap()]).ok();
    let event = server.event_in(id, "done");
    assert_eq!(
        (&event["agent"], &event["replies"][0]["text"]),
        (&json!("codegen"), &json!("I looked at it."))
    );
    assert!(event["text"].as_str().unwrap().starts_with("New issue in acme/app: It crashes"));
}

#[test]
fn home_of_the_workers_joins_a_control_plane_and_does_its_work() {
    let home = Home::with_config("");
    let agent = home.script("your-agent", "echo done at home");
    let program = format!("\"{}\"", agent.display());
    let token =
        format!("secret_token = \"s\"\nbot_token = \"5550001:T\"\napi_base = \"{}\"\n", telegram());
    configure(
        &home,
        "workers-and-home",
        &[
            ("\"your-agent\"", "\"/nonexistent/your-agent\""),
            (
                "secret_token = \"1-256-characters-of-your-own\"\nbot_token = \"5550001:from-BotFather\"\n",
                &token,
            ),
        ],
    );
    let server = home.up();
    std::fs::write(
        home.path("home.toml"),
        file("workers-and-home", "home.toml", &[("\"your-agent\"", &program)]),
    )
    .unwrap();
    let mut gateway =
        home.command(&["gateway", "--control", &format!("http://{}", server.address)]);
    gateway.arg("--config").arg(home.path("home.toml")).arg("--data").arg(home.path("office"));
    gateway.env("QUINTET_GATEWAY_TOKEN", home.token("gateway"));
    let _joined = Joined(gateway.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the machine has joined", || {
        let list = home.run(&["gateways", "--json"]).json();
        (list["gateways"].as_array()?.len() == 2).then_some(())
    });
    let answer = home.run(&["send", "telegram", "@codegen fix the login flow"]).ok();
    assert!(answer.contains("done at home"), "{answer}");
}

#[test]
fn every_example_is_listed_and_has_a_readme_with_commands() {
    let list = std::fs::read_to_string(folder("README.md")).unwrap();
    for entry in std::fs::read_dir(folder("")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(list.contains(&format!("({name}/README.md)")), "{name}");
            let readme = std::fs::read_to_string(entry.path().join("README.md")).unwrap();
            assert!(readme.contains("```sh"), "{name}");
        }
    }
}
