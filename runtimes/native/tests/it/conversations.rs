//! "My word is kangaroo", a restart, "which word?": by a program that is handed the last turns, and
//! by one that keeps a session of its own.

use crate::bed::{Home, Server};
use std::fs::File;
use std::time::Duration;

const CHANNELS: [&str; 3] = ["telegram", "slack", "discord"];

/// Knows the word only from an earlier turn.
const READS_TURNS: &str = r#"
if grep '^> user: ' | grep -q kangaroo; then echo "Your word is kangaroo."; else echo "I do not know."; fi
"#;

/// Plays Claude Code: a session is a file in the folder that it works in.
const KEEPS_SESSIONS: &str = r#"
session=
while [ $# -gt 0 ]; do
  if [ "$1" = --resume ]; then session=$2; fi
  shift
done
if [ -n "$session" ] && [ ! -f "session-$session" ]; then
  echo '{"type":"result","subtype":"error_during_execution","is_error":true,"total_cost_usd":0,"errors":["No conversation found with session ID: '"$session"'"]}'
  exit 1
fi
how=resumed
[ -n "$session" ] || { how=new; session=$(cat /proc/sys/kernel/random/uuid); }
cat >> "session-$session"; echo >> "session-$session"
if grep -q kangaroo "session-$session"; then word=kangaroo; else word=none; fi
echo '{"type":"system","subtype":"init","session_id":"'"$session"'"}'
echo '{"type":"result","subtype":"success","result":"'"$how: $word"'","total_cost_usd":0.02,"session_id":"'"$session"'"}'
"#;

fn with_agents() -> Home {
    let home = Home::with_config("");
    let reads = home.script("reads.sh", READS_TURNS);
    let keeps = home.script("keeps.sh", KEEPS_SESSIONS);
    let config = format!(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"{}\"]\nestimated_cost = 0.0\n\
         [agents.security]\nrunner = \"claude-code\"\ncommand = [\"{}\"]\nestimated_cost = 0.1\n",
        reads.display(),
        keeps.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    home
}

fn ask(home: &Home, channel: &str, text: &str) -> String {
    let done = home.run(&["send", channel, text]);
    assert_eq!(done.code, 0, "{done:?}");
    done.out.trim().to_owned()
}

/// The answer to a message that was written on the web console.
fn on_the_console(server: &Server, text: &str) -> String {
    let event = server.event_in(&server.say_in(Some("desk"), text), "done");
    event["replies"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap().to_owned()
}

#[test]
fn word_is_remembered_over_a_restart_in_every_channel() {
    let home = with_agents();
    let server = home.up();
    for channel in CHANNELS {
        let said = ask(&home, channel, "@codegen My word is kangaroo.");
        assert_eq!(said, "I do not know.", "{channel}");
        let said = ask(&home, channel, "@security My word is kangaroo.");
        assert_eq!(said, "new: kangaroo", "{channel}");
    }
    assert_eq!(on_the_console(&server, "@codegen My word is kangaroo."), "I do not know.");
    assert_eq!(on_the_console(&server, "@security My word is kangaroo."), "new: kangaroo");
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    assert_eq!(on_the_console(&server, "@codegen Which word?"), "Your word is kangaroo.");
    assert_eq!(on_the_console(&server, "@security Which word?"), "resumed: kangaroo");
    for channel in CHANNELS {
        let said = ask(&home, channel, "@codegen Which word?");
        assert_eq!(said, "Your word is kangaroo.", "{channel}");
        let said = ask(&home, channel, "@security Which word?");
        assert_eq!(said, "resumed: kangaroo", "{channel}");
    }
    ask(&home, "telegram", "/new");
    assert_eq!(ask(&home, "telegram", "@codegen Which word?"), "I do not know.");
    assert_eq!(ask(&home, "telegram", "@security Which word?"), "new: none");
}

#[test]
fn session_that_is_gone_is_told_and_begun_with_the_turns() {
    let home = with_agents();
    let server = home.up();
    assert_eq!(ask(&home, "telegram", "@security My word is kangaroo."), "new: kangaroo");
    let work = home.path("home/.cache/quintet-work");
    for folder in std::fs::read_dir(work).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    let said = ask(&home, "telegram", "@security Which word?");
    assert!(
        said.contains("The earlier session is gone") && said.contains("new: kangaroo"),
        "{said}"
    );
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=1");
    let conversation = list["events"][0]["conversation"].as_str().unwrap();
    let path = format!("/webhook-aggregator/api/conversations/{conversation}/sessions");
    let sessions = server.get(&path)["sessions"].as_array().unwrap().clone();
    let current: Vec<_> = sessions.iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [true, false], "{sessions:?}");
}

#[test]
fn command_finds_the_files_of_its_conversation_again_and_no_others() {
    let home = Home::with_config("");
    let script =
        home.script("notes.sh", "cat notes 2>/dev/null; cat >> notes; echo >> notes; echo kept");
    let config = format!(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"{}\"]\nestimated_cost = 0.0\nhistory = 0\n",
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let server = home.up();
    assert_eq!(ask(&home, "telegram", "@codegen milk"), "kept");
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    assert_eq!(ask(&home, "telegram", "@codegen bread"), "milk\nkept");
    assert_eq!(ask(&home, "slack", "@codegen salt"), "kept", "another conversation");
    server.stop();
    // A folder that no run has used for 30 days goes at the next start, and no other.
    let folders = || std::fs::read_dir(home.path("home/.cache/quintet-work")).unwrap().flatten();
    let kept = |folder: &std::fs::DirEntry| folder.path().join("notes").is_file();
    let old = folders().filter(kept).find(|folder| {
        std::fs::read_to_string(folder.path().join("notes")).unwrap().contains("bread")
    });
    let old = File::open(old.unwrap().path()).unwrap();
    let now = old.metadata().unwrap().modified().unwrap();
    old.set_modified(now - Duration::from_hours(30 * 24 - 1)).unwrap();
    home.up().stop();
    assert_eq!(folders().filter(kept).count(), 2);
    old.set_modified(now - Duration::from_hours(30 * 24)).unwrap();
    let _server = home.up();
    assert_eq!(ask(&home, "telegram", "@codegen flour"), "kept", "its folder is gone");
    assert_eq!(ask(&home, "slack", "@codegen pepper"), "salt\nkept");
}

/// Asks once in a session, and says in which session it was answered.
const ASKS_FIRST: &str = r#"
session=
while [ $# -gt 0 ]; do
  if [ "$1" = --resume ]; then session=$2; fi
  shift
done
if [ -n "$session" ]; then
  said="Session $session has your answer."
else
  session=s-1; said="Which way?\n\n- A: patch it\n- B: rewrite it"
fi
printf '%s\n' '{"type":"system","subtype":"init","session_id":"'"$session"'"}'
printf '%s\n' '{"type":"result","subtype":"success","result":"'"$said"'","total_cost_usd":0.02,"session_id":"'"$session"'"}'
"#;

#[test]
fn short_answer_reaches_the_session_of_the_agent_that_asked() {
    let home = Home::with_config("");
    let asks = home.script("asks.sh", ASKS_FIRST);
    let config = format!(
        "[agents.security]\nrunner = \"claude-code\"\ncommand = [\"{}\"]\nestimated_cost = 0.1\n",
        asks.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let server = home.up();
    for (channel, answer) in [("telegram", "A"), ("slack", "fix the failing build")] {
        let said = ask(&home, channel, "@security go");
        assert!(said.starts_with("Which way?"), "{channel}: {said}");
        let said = ask(&home, channel, answer);
        assert_eq!(said, "Session s-1 has your answer.", "{channel}: {answer}");
    }
    ask(&home, "discord", "@security go");
    let other = ask(&home, "discord", "@codegen fix it");
    assert!(!other.contains("Session"), "{other}");
    assert_eq!(server.stop(), Some(0));
}
