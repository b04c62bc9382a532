//! A bot on Matrix at home: connected by one command, asked for by `/sync`, and nothing is lost or
//! said twice when the server is killed.

use crate::bed::{Home, within};
use crate::fake::{Fake, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const BOT: &str = "@desk:example.org";
const OWNER: &str = "@ines:example.org";
const ROOM: &str = "!room:example.org";

#[derive(Default)]
struct Seen {
    is_joined: bool,
    /// Messages of the owner; the place of one is its index plus one.
    said: Vec<Value>,
    /// The newest texts of the bot's messages by what they reply to, and requests by their names.
    shown: BTreeMap<String, Vec<String>>,
    by_id: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
}

/// A homeserver with one room, to which the owner has invited the bot.
#[derive(Clone, Default)]
struct Homeserver(Arc<Mutex<Seen>>);

impl Homeserver {
    fn start(&self) -> Fake {
        let own = self.clone();
        Fake::start(move |call, body| own.answer(call, body))
    }
    fn says(&self, id: &str, text: &str) {
        let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        self.0.lock().unwrap().said.push(json!({
            "type": "m.room.message", "event_id": id, "sender": OWNER, "origin_server_ts": now_ms,
            "content": { "msgtype": "m.text", "body": text, "m.mentions": {} },
        }));
    }
    fn is_joined(&self) -> bool {
        self.0.lock().unwrap().is_joined
    }
    /// The messages that reply to this one, with their newest texts.
    fn replies(&self, to: &str) -> Vec<String> {
        self.0.lock().unwrap().shown.get(to).cloned().unwrap_or_default()
    }
    fn answer(&self, call: &str, body: &Value) -> Reply {
        let mut seen = self.0.lock().unwrap();
        let path = call.split_once(' ').unwrap().1;
        let path = path.trim_start_matches("/_matrix/client/v3/");
        let ok = |body: Value| (200, "", body);
        if path.starts_with("account/whoami") {
            return ok(json!({ "user_id": BOT }));
        }
        if path.starts_with("profile/") {
            return ok(json!({ "displayname": "Desk" }));
        }
        if path.starts_with("joined_rooms") {
            return ok(json!({ "joined_rooms": [] }));
        }
        if path.starts_with("sync") {
            return ok(sync(&seen, path));
        }
        if path.ends_with("/join") {
            seen.is_joined = true;
            return ok(json!({ "room_id": ROOM }));
        }
        if path.ends_with("/joined_members") {
            return ok(json!({ "joined": { BOT: {}, OWNER: { "display_name": "Ines" } } }));
        }
        let Some((_, name)) = path.split_once("/send/m.room.message/") else {
            return (404, "", json!({ "errcode": "M_UNRECOGNIZED" }));
        };
        let id = seen.names.get(name).cloned().unwrap_or_else(|| seen.take(name, body));
        ok(json!({ "event_id": id }))
    }
}

impl Seen {
    /// A message, or an edit of one; a request of the same name changes nothing.
    fn take(&mut self, name: &str, content: &Value) -> String {
        let relation = &content["m.relates_to"];
        let id = format!("$sent{}", self.names.len());
        self.names.insert(name.to_owned(), id.clone());
        let text = |content: &Value| content["body"].as_str().unwrap().to_owned();
        if relation["rel_type"] == "m.replace" {
            let edited = relation["event_id"].as_str().unwrap();
            let key = self.by_id[edited].clone();
            *self.shown.get_mut(&key).unwrap().last_mut().unwrap() =
                text(&content["m.new_content"]);
        } else {
            let to = relation["m.in_reply_to"]["event_id"].as_str().unwrap_or("nothing").to_owned();
            self.by_id.insert(id.clone(), to.clone());
            self.shown.entry(to).or_default().push(text(content));
        }
        id
    }
}

fn sync(seen: &Seen, path: &str) -> Value {
    let since = path.split_once("since=s").map(|(_, rest)| rest.split('&').next().unwrap());
    let from: usize = since.map_or(0, |place| place.parse().unwrap());
    let news: Vec<&Value> = seen.said.iter().skip(from).collect();
    let invited = json!({ "type": "m.room.member", "state_key": BOT, "sender": OWNER, "content": { "membership": "invite" } });
    let name = json!({ "type": "m.room.member", "state_key": OWNER, "sender": OWNER, "content": { "membership": "join", "displayname": "Ines" } });
    let rooms = if seen.is_joined {
        let timeline =
            json!({ "events": news, "limited": false, "prev_batch": format!("s{from}") });
        if news.is_empty() {
            json!({})
        } else {
            json!({ "join": { ROOM: { "timeline": timeline } } })
        }
    } else {
        json!({ "invite": { ROOM: { "invite_state": { "events": [name, invited] } } } })
    };
    json!({ "next_batch": format!("s{}", seen.said.len()), "rooms": rooms })
}

fn setup(home: &Home, args: &[&str], input: &str) -> (i32, String) {
    use std::io::Write;
    let mut command = home.command(&[&["setup", "matrix"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("syt_secret"), "the token is shown: {text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn matrix_is_set_up_by_a_token_an_invitation_and_a_yes_and_answered_once_over_kills() {
    let homeserver = Homeserver::default();
    let fake = homeserver.start();
    let home = Home::new();
    let token = ["--token", "syt_secret", "--no-start"];
    let (code, said) = setup(&home, &token, "");
    assert!(code == 2 && said.contains("--homeserver"), "{code} {said}");
    let address = ["--homeserver", fake.api_base.as_str()];
    let (code, said) = setup(&home, &[&token[..], &address[..]].concat(), "y\n");
    assert!(
        code == 0 && said.contains("Is this you: Ines, id @ines:example.org?"),
        "{code} {said}"
    );
    let file = home.data().join("quintet.toml");
    let script = home.script("agent.sh", "cat; echo; echo done");
    let config = std::fs::read_to_string(&file).unwrap();
    for line in
        ["user = \"@desk:example.org\"", "mode = \"sync\"", "approvers = [\"@ines:example.org\"]"]
    {
        assert!(config.contains(line), "{config}");
    }
    let agent = format!(
        "\n[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
        script.display()
    );
    std::fs::write(&file, config + &agent).unwrap();

    let server = home.up();
    within(PATIENCE, "the invitation is accepted", || homeserver.is_joined().then_some(()));
    let answered = |id: &str| {
        within(PATIENCE, &format!("{id} is answered"), || {
            homeserver.replies(id).iter().any(|text| text.contains("done")).then_some(())
        });
    };
    homeserver.says("$1", "@codegen fix one");
    answered("$1");
    server.kill();
    (2..=6).for_each(|number| {
        homeserver.says(&format!("${number}"), &format!("@codegen fix {number}"));
    });
    let server = home.up();
    within(PATIENCE, "one more is stored", || {
        let list = server.get("/webhook-aggregator/api/events?channel=matrix");
        (list["events"].as_array()?.len() > 1).then_some(())
    });
    server.kill();
    let server = home.up();
    (2..=6).for_each(|number| answered(&format!("${number}")));
    let list = server.get("/webhook-aggregator/api/events?channel=matrix&limit=500");
    assert_eq!(list["events"].as_array().unwrap().len(), 6, "each is stored once: {list}");
    let done = home.run(&["doctor"]);
    assert!(done.out.contains("the homeserver knows it as @desk:example.org"), "{done:?}");
}
