//! Files of a chat reach an agent in its sandbox, and its files come back.

use crate::bed::{Home, telegram_update, within};
use crate::discord::{DISCORD_OWNER, Discord};
use crate::recorder::Recorder;
use crate::shelf::{Given, Sent};
use crate::slack::{SLACK_OWNER, Slack};
use platform::secret::digest_hex;
use serde_json::{Value, json};
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const PATIENCE: Duration = Duration::from_mins(1);
const PHOTO: &[u8] = include_bytes!("../../../../fakes/files/photo.jpg");
const VOICE: &[u8] = include_bytes!("../../../../fakes/files/voice.ogg");
const NOTE: &[u8] = include_bytes!("../../../../fakes/files/note.pdf");
/// Above the limit of the configuration.
const LARGE: &[u8] = &[b'x'; 2001];
const WORDS: &str = "@codegen look at these";

/// The files that a person sends, in this order.
fn given() -> [Given; 4] {
    [
        Given { name: "photo.jpg", content_type: "image/jpeg", content: PHOTO.to_vec() },
        Given { name: "voice.ogg", content_type: "audio/ogg", content: VOICE.to_vec() },
        Given { name: "../note.pdf", content_type: "application/pdf", content: NOTE.to_vec() },
        Given { name: "video.mp4", content_type: "video/mp4", content: LARGE.to_vec() },
    ]
}

/// A home with this endpoint and a program that lists its files with their digests, and writes one.
fn home_with(endpoint: &str) -> Home {
    let home = Home::with_config("");
    let program = "cat > message; cat message; (cd in; sha256sum *)\n\
                   cat in/note.pdf > out/copy.pdf; ln -s /etc/passwd out/sly";
    let program = home.script("agent.sh", program);
    let config = format!(
        "{endpoint}[files]\nbytes_max = 2000\n\
         [agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
        program.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    home
}

/// A chat with the message of [`given`], as its owner sees it.
struct Chat<'a> {
    channel: &'a str,
    id: &'a str,
    /// Every text that was shown in it.
    shown: &'a dyn Fn() -> Vec<String>,
    /// The files that came for it.
    uploads: &'a dyn Fn() -> Vec<Sent>,
}

impl Chat<'_> {
    /// Starts the server, which takes the message, and follows its files to the program and back.
    fn files_go_both_ways(&self, home: &Home) {
        let server = home.up();
        let path = format!("/webhook-aggregator/api/events?channel={}", self.channel);
        within(PATIENCE, "it is done", || {
            (server.get(&path)["events"][0]["state"] == "done").then_some(())
        });
        let shown = (self.shown)();
        let taken = [PHOTO, VOICE, NOTE].map(digest_hex);
        let note = format!("in/note.pdf (application/pdf, {} bytes)", NOTE.len());
        let is_answer = |text: &&String| {
            text.contains("look at these")
                && text.contains(&note)
                && taken.iter().all(|digest| text.contains(digest))
        };
        assert!(shown.iter().any(|text| is_answer(&text)), "{shown:?}");
        let told = shown.iter().filter(|text| text.contains("Not taken: video.mp4"));
        assert_eq!(told.count(), 1, "{shown:?}");
        let uploads = (self.uploads)();
        assert_eq!(uploads.len(), 1, "{uploads:?}");
        let upload = &uploads[0];
        assert_eq!((upload.name.as_str(), upload.chat.as_str()), ("copy.pdf", self.id));
        assert_eq!(upload.content, NOTE);

        let list = server.get(&path);
        let id = list["events"][0]["id"].as_str().unwrap();
        let event = server.event(id);
        let mut names = ["attachments", "answerFiles"].map(|key| {
            let files = event[key].as_array().unwrap().iter();
            files.map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        // Telegram has a member for each kind, in no order.
        names[0].sort();
        assert_eq!(names, [&["note.pdf", "photo.jpg", "voice.ogg"][..], &["copy.pdf"]]);
    }
}

#[test]
fn files_of_telegram_reach_the_agent_and_its_file_comes_back_once() {
    let recorder = Recorder::start();
    let home = home_with(&format!(
        "[endpoints.telegram.main]\nbot_token = \"5550001:TEST\"\napi_base = \"{}\"\napprovers = [\"{OWNER}\"]\n",
        recorder.api_base
    ));
    let mut update: Value = serde_json::from_str(&telegram_update(1, OWNER, "")).unwrap();
    let message = update["message"].as_object_mut().unwrap();
    message.remove("text");
    message.insert("caption".to_owned(), WORDS.into());
    for (kind, file) in ["photo", "voice", "document", "video"].into_iter().zip(given()) {
        recorder.keeps(kind, &file.content);
        let about = match kind {
            "photo" => json!([{ "file_id": kind, "width": 24, "height": 16 }]),
            "document" => {
                json!({ "file_id": kind, "file_name": file.name, "mime_type": file.content_type })
            }
            _ => json!({ "file_id": kind, "mime_type": file.content_type }),
        };
        message.insert(kind.to_owned(), about);
    }
    recorder.hands_over(&update.to_string());
    let shown = || recorder.messages().into_iter().flat_map(|shown| shown.texts).collect();
    let uploads = || recorder.uploads();
    let id = OWNER.to_string();
    let chat = Chat { channel: "telegram", id: &id, shown: &shown, uploads: &uploads };
    chat.files_go_both_ways(&home);
    assert!(recorder.shows(1, |text| text.contains("look at these")), "it replies to the message");
}

#[test]
fn files_of_slack_reach_the_agent_and_its_file_comes_back_once() {
    let slack = Slack::start(1);
    slack.calm();
    let home = home_with(&slack.config());
    slack.files(SLACK_OWNER, WORDS, &given());
    let (shown, uploads) = (|| slack.shown(), || slack.uploads());
    let chat = Chat { channel: "slack", id: "D0IM00001", shown: &shown, uploads: &uploads };
    chat.files_go_both_ways(&home);
}

#[test]
fn files_of_discord_reach_the_agent_and_its_file_comes_back_once() {
    let discord = Discord::start(1);
    discord.calm();
    let home = home_with(&discord.config());
    discord.files(DISCORD_OWNER, WORDS, &given());
    let (shown, uploads) = (|| discord.shown(), || discord.uploads());
    let chat =
        Chat { channel: "discord", id: "830000000000000009", shown: &shown, uploads: &uploads };
    chat.files_go_both_ways(&home);
}

#[test]
fn send_prints_the_answer_and_the_files_that_go_with_it() {
    let home = home_with("");
    let program = "cat >/dev/null; echo Done.; echo one > out/a.txt; echo two > out/b.txt";
    home.script("agent.sh", program);
    let _server = home.up();
    let done = home.run(&["send", "web", "@codegen make two files"]).ok();
    let lines: Vec<&str> = done.lines().collect();
    assert_eq!(lines[0], "Done.", "{lines:?}");
    for name in ["a.txt", "b.txt"] {
        assert!(lines.iter().any(|line| line.contains(name)), "{name}: {lines:?}");
    }
}

#[test]
fn voice_message_is_transcribed_by_a_program_in_the_sandbox() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    let agent = home.script("agent.sh", "cat > message; cat message");
    let ears = home.script("ears.sh", "echo @codegen deploy; wc -c < \"$1\"");
    let config = format!(
        "[endpoints.telegram.main]\nbot_token = \"5550001:TEST\"\napi_base = \"{}\"\napprovers = [\"{OWNER}\"]\n\
         [transcription]\ncommand = [\"{}\", \"{{file}}\"]\n\
         [agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
        recorder.api_base,
        ears.display(),
        agent.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    recorder.keeps("voice-1", b"OggS a voice");
    let mut update: Value = serde_json::from_str(&telegram_update(1, OWNER, "")).unwrap();
    let message = update["message"].as_object_mut().unwrap();
    message.remove("text");
    let voice = json!({ "file_id": "voice-1", "mime_type": "audio/ogg" });
    message.insert("voice".to_owned(), voice);
    recorder.hands_over(&update.to_string());
    let _server = home.up();
    within(PATIENCE, "the words reach the agent", || {
        let answered =
            |text: &str| text.contains("deploy\n12\n\n[Files of this message]\nin/voice.ogg");
        recorder.shows(1, answered).then_some(())
    });
    let told = recorder.messages();
    let quoted = told.iter().filter(|shown| shown.texts[0] == "I heard: @codegen deploy 12");
    assert_eq!(quoted.count(), 1, "{told:?}");
}
