//! The owner's agents from a phone: each kind of agent works in a git repository on another
//! machine, asks before it writes, is answered by a button in Telegram after the server was killed
//! in between, is stopped by a button, and is charged to the micro-dollar.

use crate::bed::{
    Home, PATIENCE, Server, TELEGRAM_SECRET, processes, telegram_config, telegram_update, until,
};
use crate::fake::Fake;
use crate::gateways::Joined;
use crate::workspaces::{git, repository};
use serde_json::{Value, json};
use std::process::Stdio;

const OWNER: u64 = 700_100_200;
const ACP: &str = include_str!("../agents/acp.py");
const CLAUDE: &str = include_str!("../agents/claude.py");

/// A kind of agent: its configuration, and the cost in dollars of the work and of the run that is
/// stopped.
struct Kind {
    program: &'static str,
    keys: &'static str,
    chosen: &'static str,
    cost: f64,
    cost_when_stopped: f64,
}

const KINDS: [Kind; 2] = [
    Kind {
        program: ACP,
        keys: "runner = \"acp\"\nestimated_cost = 0.05",
        chosen: "chosen: o-allow_once",
        cost: 0.02,
        // It reports $0.30 for the session, of which the first run has paid $0.02.
        cost_when_stopped: 0.28,
    },
    Kind {
        program: CLAUDE,
        // 1,000 tokens in and 100 out are $0.003 and $0.0015.
        keys: "runner = \"claude-code\"\ninput_price = 3.0\noutput_price = 15.0",
        chosen: "behavior: allow",
        cost: 0.02,
        cost_when_stopped: 0.0045,
    },
];

/// Telegram, which numbers the messages that it takes from 1,000 on.
fn telegram() -> Fake {
    let next = std::sync::atomic::AtomicU64::new(1_000);
    Fake::start(move |call, body| {
        let is_sent = call.ends_with("/sendMessage");
        let number = if is_sent {
            next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        } else {
            body["message_id"].as_u64().unwrap_or(1)
        };
        let chat = json!({ "id": OWNER, "type": "private" });
        let message = json!({ "message_id": number, "chat": chat, "date": 1 });
        (200, "", json!({ "ok": true, "result": message }))
    })
}

/// The owner's chat.
struct Phone {
    telegram: Fake,
    updates: u64,
}

impl Phone {
    fn post(&mut self, server: &Server, update: &str) {
        let headers = [TELEGRAM_SECRET, ("content-type", "application/json")];
        let answer = server.ask("POST", "/webhook-aggregator/telegram/main", &headers, update);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    /// Returns the event's id.
    fn says(&mut self, server: &Server, text: &str) -> String {
        self.updates += 1;
        let update = telegram_update(self.updates, OWNER, text);
        self.post(server, &update);
        let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=1");
        list["events"][0]["id"].as_str().unwrap().to_owned()
    }
    /// Waits for the newest button with this label; its data.
    fn button(&self, label: &str) -> String {
        self.waits(&format!("button {label}"), || {
            let calls = self.telegram.calls();
            let bodies =
                calls.iter().rev().map(|(_, body)| &body["reply_markup"]["inline_keyboard"]);
            let mut buttons =
                bodies.filter_map(Value::as_array).flatten().filter_map(Value::as_array).flatten();
            let button = buttons.find(|button| button["text"] == label)?;
            Some(button["callback_data"].as_str().unwrap().to_owned())
        })
    }
    fn presses(&mut self, server: &Server, data: &str) {
        self.updates += 1;
        let person = json!({ "id": OWNER, "is_bot": false, "first_name": "P" });
        let under =
            json!({ "message_id": 1_000, "chat": { "id": OWNER, "type": "private" }, "date": 1 });
        let press = json!({ "id": format!("press-{}", self.updates), "from": person, "data": data, "message": under });
        let update = json!({ "update_id": self.updates, "callback_query": press });
        self.post(server, &update.to_string());
    }
    /// Whether a message with these words was sent or edited.
    fn was_told(&self, words: &str) -> bool {
        self.texts().iter().any(|text| text.contains(words))
    }
    fn texts(&self) -> Vec<String> {
        let calls = self.telegram.calls();
        calls.iter().filter_map(|(_, body)| Some(body["text"].as_str()?.to_owned())).collect()
    }
    /// Waits for a message with these words.
    fn hears(&self, words: &str) {
        self.waits(&format!("words {words:?}"), || self.was_told(words).then_some(()));
    }
    /// Waits; a wait that fails shows the chat.
    fn waits<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = std::time::Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "no {what}: {:#?}", self.texts());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn micros(dollars: f64) -> Value {
    json!((dollars * 1e6).round() as i64)
}

/// Everything that was spent today, in micro-dollars.
fn spent(home: &Home) -> Value {
    micros(home.today()["spent"].as_f64().unwrap())
}

/// A server, and a gateway whose agent works in the owner's repository. The server has the same
/// agent for its price, and starts none itself.
fn office(home: &Home, phone: &Phone, kind: &Kind) -> (Server, Joined) {
    let program = home.program("agent-program", kind.program);
    let agent = format!(
        "[agents.codegen]\ncommand = [\"{}\"]\nworkspace = \"~/src/app\"\nisolation = \"worktree\"\n{}\n",
        program.display(),
        kind.keys
    );
    let chat = telegram_config(&phone.telegram.api_base, OWNER, &[]);
    std::fs::write(home.path("quintet.toml"), format!("{agent}{chat}")).unwrap();
    std::fs::write(home.path("office.toml"), agent).unwrap();
    let server = home.up();
    let gateways = || home.run(&["gateways", "--json"]).json()["gateways"].clone();
    let own = until("the server's own gateway", || {
        gateways()[0]["gatewayId"].as_str().map(str::to_owned)
    });
    let control = format!("http://{}", server.address);
    let mut command = home.command(&["gateway", "--control", &control]);
    command.arg("--config").arg(home.path("office.toml")).arg("--data").arg(home.path("office"));
    command.env("QUINTET_GATEWAY_TOKEN", home.token("gateway"));
    command.env("QUINTET_AGENT_TOKEN", home.token("agent"));
    let joined = Joined(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the office joins", || gateways().as_array().filter(|all| all.len() == 2).map(|_| ()));
    home.run(&["gateways", "--drain", &own]).ok();
    (server, joined)
}

fn works_for_its_owner(kind: &Kind) {
    let home = Home::with_config("");
    let app = repository(&home);
    let mut phone = Phone { telegram: telegram(), updates: 0 };
    let (server, _joined) = office(&home, &phone, kind);

    let event = phone.says(&server, "@codegen case=edit file=main.txt");
    let yes = phone.button("Yes");
    assert!(phone.was_told("main.txt") && phone.was_told("edited"), "the exact arguments");
    let address = server.address.clone();
    server.kill();
    let server = home.up_at(&address);
    phone.presses(&server, &yes);
    let event = server.event_in(&event, "done");
    assert_eq!(event["costMicros"], micros(kind.cost), "{event}");
    phone.hears(kind.chosen);
    assert_eq!(git(&home, &app, &["show", "main:main.txt"]), "one\ntwo", "the owner's own branch");
    let keep = phone.button("Keep");
    phone.presses(&server, &keep);
    until("its work is a commit on a branch of its own", || {
        let branch = git(&home, &app, &["branch", "--list", "quintet/*", "--format=%(refname)"]);
        let is_kept = !branch.is_empty()
            && git(&home, &app, &["show", &format!("{branch}:main.txt")]) == "edited";
        is_kept.then_some(())
    });
    assert_eq!(spent(&home), micros(kind.cost));

    let event = phone.says(&server, "@codegen case=test");
    phone.hears("Run the tests");
    let stop = phone.button("Stop");
    phone.presses(&server, &stop);
    let event = server.event_in(&event, "done");
    assert_eq!(event["costMicros"], micros(kind.cost_when_stopped), "{event}");
    until("no process is left", || (processes(&home.path("agent-program")) == 0).then_some(()));
    assert_eq!(spent(&home), micros(kind.cost + kind.cost_when_stopped));
}

#[test]
fn acp_agent_is_asked_stopped_and_paid_from_the_phone() {
    works_for_its_owner(&KINDS[0]);
}

#[test]
fn claude_code_is_asked_stopped_and_paid_from_the_phone() {
    works_for_its_owner(&KINDS[1]);
}
