//! Files of a chat reach an agent in its sandbox, and its files come back.

use crate::bed::{Home, telegram_update, within};
use crate::recorder::Recorder;
use serde_json::{Value, json};
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn files_of_telegram_reach_the_agent_and_its_file_comes_back_once() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    let text = "cat > message; cat message; ls in; cat in/note.pdf > out/copy.pdf; ln -s /etc/passwd out/sly";
    let script = home.script("agent.sh", text);
    let config = format!(
        "[endpoints.telegram.main]\nbot_token = \"5550001:TEST\"\napi_base = \"{}\"\napprovers = [\"{OWNER}\"]\n\
         [files]\nbytes_max = 100\n\
         [agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
        recorder.api_base,
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    recorder.keeps("photo-1", b"\xff\xd8\xff a photo");
    recorder.keeps("voice-1", b"OggS a voice");
    recorder.keeps("pdf-1", b"%PDF-1.7 the note");
    recorder.keeps("big-1", &[b'x'; 101]);
    let mut update: Value = serde_json::from_str(&telegram_update(1, OWNER, "")).unwrap();
    let message = update["message"].as_object_mut().unwrap();
    message.remove("text");
    message.insert("caption".to_owned(), json!("@codegen look at these"));
    message.insert("photo".to_owned(), json!([{ "file_id": "photo-1", "width": 100 }]));
    message.insert("voice".to_owned(), json!({ "file_id": "voice-1" }));
    let document =
        json!({ "file_id": "pdf-1", "file_name": "../note.pdf", "mime_type": "application/pdf" });
    message.insert("document".to_owned(), document);
    message.insert("video".to_owned(), json!({ "file_id": "big-1" }));
    recorder.hands_over(&update.to_string());
    let server = home.up();
    within(PATIENCE, "the file comes back", || (!recorder.uploads().is_empty()).then_some(()));
    assert!(
        recorder.shows(1, |text| text.contains("look at these")
            && text.contains("in/note.pdf (application/pdf, 17 bytes)")
            && text.ends_with("note.pdf\nphoto.jpg\nvoice.ogg")),
        "{:?}",
        recorder.messages()
    );
    let told = recorder.messages();
    let told = told.iter().filter(|shown| shown.texts[0].starts_with("Not taken: video.mp4"));
    assert_eq!(told.count(), 1);
    within(PATIENCE, "it is done", || {
        let list = server.get("/webhook-aggregator/api/events?channel=telegram");
        (list["events"][0]["state"] == "done").then_some(())
    });
    let uploads = recorder.uploads();
    assert_eq!(uploads.len(), 1, "{uploads:?}");
    assert!(
        uploads[0].contains("filename=\"copy.pdf\"") && uploads[0].contains("%PDF-1.7 the note")
    );
    let list = server.get("/webhook-aggregator/api/events?channel=telegram");
    let id = list["events"][0]["id"].as_str().unwrap();
    let event = server.get(&format!("/webhook-aggregator/api/events/{id}"));
    let names = |key: &str| -> Vec<String> {
        let files = event[key].as_array().unwrap().iter();
        files.map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("attachments"), ["photo.jpg", "note.pdf", "voice.ogg"]);
    assert_eq!(names("answerFiles"), ["copy.pdf"]);
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
