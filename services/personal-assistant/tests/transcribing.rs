//! Recordings become words within the rules and the budget, or not at all.

use crate::kit::{AGGREGATOR, Bed, EVENT, OPERATOR, send_bytes};
use platform::memory::{MemoryOutbound, ScriptedProgram};
use platform::ports::ProgramNetwork;
use serde_json::{Value, json};

/// A recording of Opus in Ogg with 26 packets, so of at most 3.12 seconds.
fn voice() -> &'static [u8] {
    let page = |packets: &[&[u8]]| {
        let mut page = b"OggS\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        page.push(packets.len() as u8);
        page.extend(packets.iter().map(|packet| packet.len() as u8));
        page.extend(packets.concat());
        page
    };
    [page(&[b"OpusHead"]), page(&[b"\x08".as_slice(); 25])].concat().leak()
}

fn bed() -> Bed {
    let bed = Bed::with(
        json!({"transcription": {"base_url": "https://ears.example/v1", "api_key": "sk-hush", "price_per_minute": 0.6}}),
    );
    says(
        &bed,
        &json!({"text": " Deploy version 42. ", "usage": {"type": "duration", "seconds": 2.4}}),
    );
    bed
}

fn says(bed: &Bed, answer: &Value) {
    let answer = answer.clone();
    bed.outbound.answer(move |_| Ok(MemoryOutbound::json(200, &answer)));
}

async fn words_of(bed: &Bed, place: usize, content: &'static [u8]) -> (Value, Value) {
    let path = format!("/internal/transcriptions/{EVENT}-m{place}");
    let (status, said) = send_bytes(&bed.router, AGGREGATOR, &path, content).await;
    assert_eq!(status, 200, "{said}");
    (said["text"].clone(), said["why"].clone())
}

async fn spent_and_held(bed: &Bed) -> (Value, Value) {
    let day = bed.day().await;
    (day["spent"].clone(), day["held"].clone())
}

#[tokio::test]
async fn recording_is_transcribed_and_its_length_is_paid_for() {
    let bed = bed();
    assert_eq!(words_of(&bed, 0, voice()).await.0, "Deploy version 42.");
    let sent = bed.outbound.sent();
    assert_eq!(sent[0].url, "https://ears.example/v1/audio/transcriptions");
    assert!(sent[0].headers.contains(&("authorization".to_owned(), "Bearer sk-hush".to_owned())));
    for part in [
        "name=\"model\"\r\n\r\nwhisper-1\r\n",
        "filename=\"voice.ogg\"\r\ncontent-type: audio/ogg\r\n\r\nOggS",
    ] {
        assert!(sent[0].body.contains(part), "{}", sent[0].body);
    }
    assert_eq!(spent_and_held(&bed).await, (json!(0.03), json!(0.0)), "three seconds");
    // The same recording is not paid for twice.
    assert!(words_of(&bed, 0, voice()).await.1.as_str().unwrap().contains("tried before"));
    assert_eq!(bed.outbound.sent().len(), 1);
}

#[tokio::test]
async fn recording_of_an_unknown_length_counts_as_the_most_it_can_be() {
    let bed = bed();
    says(&bed, &json!({"text": "Hello"}));
    words_of(&bed, 0, voice()).await;
    assert_eq!(spent_and_held(&bed).await, (json!(0.04), json!(0.0)));
    for (failure, cost) in [(429, 0.0), (500, 0.04)] {
        let bed = self::bed();
        bed.outbound.answer(move |_| Ok(MemoryOutbound::json(failure, &json!({}))));
        let (text, why) = words_of(&bed, 0, voice()).await;
        assert_eq!(
            (text, why),
            (Value::Null, json!(format!("the server answered with status {failure}")))
        );
        assert_eq!(spent_and_held(&bed).await, (json!(cost), json!(0.0)));
    }
}

#[tokio::test]
async fn recording_that_the_rules_do_not_approve_is_not_sent_and_nobody_is_asked() {
    for context in [
        json!({"requiresHumanApproval": ["transcription"]}),
        json!({"riskTolerance": "conservative"}),
    ] {
        let bed = bed();
        assert_eq!(bed.send(OPERATOR, "PUT", "/api/context", context.clone()).await.0, 200);
        let (text, why) = words_of(&bed, 0, voice()).await;
        assert_eq!(text, Value::Null, "{context}");
        assert!(why.as_str().unwrap().contains("your rules"), "{why}");
        assert_eq!((bed.outbound.sent().len(), bed.deliveries().len()), (0, 0));
    }
    let halted = bed();
    assert_eq!(halted.post(OPERATOR, "/api/halt", json!({"all": true})).await.0, 202);
    let why = words_of(&halted, 0, voice()).await.1;
    assert_eq!(why, "a halt is in force");
    assert_eq!(halted.outbound.sent().len(), 0);
}

#[tokio::test]
async fn transcription_needs_a_setting_and_a_recording() {
    assert_eq!(words_of(&Bed::new(), 0, voice()).await, (Value::Null, Value::Null));
    let bed = bed();
    let (text, why) = words_of(&bed, 1, b"fLaC hours of silence").await;
    assert_eq!(text, Value::Null);
    assert!(why.as_str().unwrap().starts_with("its length cannot be told"), "{why}");
    let (text, why) = words_of(&bed, 0, b"%PDF-1.7").await;
    assert_eq!((text, why), (Value::Null, json!("its content is no recording")));
    assert_eq!(bed.outbound.sent().len(), 0);
}

#[tokio::test]
async fn program_of_the_owner_transcribes_without_a_network_for_nothing() {
    let bed = Bed::with(
        json!({"transcription": {"command": ["whisper", "-m", "/models/base", "-f", "{file}"], "readable": ["/models"]}}),
    );
    let lines = vec![" Deploy".to_owned(), "version 42. ".to_owned(), String::new()];
    bed.programs.install("whisper", ScriptedProgram { lines, ..ScriptedProgram::default() });
    assert_eq!(words_of(&bed, 0, voice()).await.0, "Deploy\nversion 42.");
    let spec = bed.programs.started().remove(0);
    assert_eq!(spec.args, ["-m", "/models/base", "-f", "in/voice.ogg"]);
    assert_eq!(
        (spec.reach.network, spec.reach.readable),
        (ProgramNetwork::None, vec!["/models".to_owned()])
    );
    let file = spec.exchange.unwrap().files.remove(0);
    assert_eq!((file.name.as_str(), &file.content[..]), ("voice.ogg", voice()));
    assert_eq!(spent_and_held(&bed).await, (json!(0.0), json!(0.0)));
    let stderr = "loading\ncannot decode\n".to_owned();
    bed.programs.install(
        "whisper",
        ScriptedProgram { exit: Some(2), stderr, ..ScriptedProgram::default() },
    );
    assert_eq!(words_of(&bed, 1, voice()).await.1, "the program failed: cannot decode");
}

#[tokio::test]
async fn halt_ends_the_program_that_transcribes() {
    let bed = Bed::with(json!({"transcription": {"command": ["whisper", "{file}"]}}));
    bed.programs.install("whisper", ScriptedProgram { hangs: true, ..ScriptedProgram::default() });
    let halt = async {
        bed.background().await;
        assert_eq!(bed.programs.started().len(), 1);
        assert_eq!(bed.post(OPERATOR, "/api/halt", json!({"all": true})).await.0, 202);
    };
    let (said, ()) = futures_util::future::join(words_of(&bed, 0, voice()), halt).await;
    assert_eq!(said, (Value::Null, json!("everything is halted")));
}
