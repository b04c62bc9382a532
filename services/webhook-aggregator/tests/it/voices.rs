//! Recordings whose words are the message.

use crate::files::{bed_of_files, slack, telegram};
use contracts::calls::personal_assistant::Transcribe;
use contracts::files::Transcription;
use serde_json::json;

#[tokio::test]
async fn voice_becomes_the_message_if_it_is_transcribed() {
    let voice = json!({ "voice": { "file_id": "voice", "mime_type": "audio/ogg" } });
    let transcribed = |text: Option<&str>, why: Option<&str>| {
        let (text, why) = (text.map(str::to_owned), why.map(str::to_owned));
        let bed = bed_of_files(&json!({}));
        bed.fakes.on::<Transcribe>(move |_, ()| {
            Ok(Transcription { text: text.clone(), why: why.clone() })
        });
        bed
    };
    let bed = transcribed(Some("deploy *version* `42`"), None);
    telegram(&bed, 1, voice.clone()).await;
    let task = bed.lease().await.remove(0);
    let message = task["message"].as_str().unwrap();
    let expected = "deploy *version* `42`\n\n[Files of this message]\nin/voice.ogg (audio/ogg, 12 bytes; the words above were transcribed from it)";
    assert_eq!(message, expected);
    let told = bed.sent("/sendMessage");
    assert!(told.iter().any(|sent| sent.contains("I heard: deploy *version* '42'")), "{told:?}");

    // Also where the message is shown, and for what comes after it.
    assert_eq!(bed.event("1").await["text"], "deploy *version* `42`");
    bed.finish(&task, "success", "ok").await;
    telegram(&bed, 2, json!({ "text": "and again" })).await;
    let next = bed.lease().await.remove(0);
    assert_eq!(next["context"]["history"][0]["text"], "deploy *version* `42`", "{next}");

    // Words of its own go before, and a failure leaves the file.
    let captioned = json!({ "caption": "play this", "voice": voice["voice"] });
    for (bed, with, begins) in [
        (transcribed(Some("deploy"), None), captioned, "play this\n\n"),
        (transcribed(None, Some("no money")), voice.clone(), "[Sent without words: voice.ogg]\n\n"),
        (transcribed(None, None), voice.clone(), "[Sent without words: voice.ogg]\n\n"),
        (bed_of_files(&json!({})), voice.clone(), "[Sent without words: voice.ogg]\n\n"),
    ] {
        telegram(&bed, 1, with).await;
        let task = bed.lease().await.remove(0);
        let message = task["message"].as_str().unwrap();
        assert!(message.starts_with(begins), "{message}");
        assert!(message.ends_with("in/voice.ogg (audio/ogg, 12 bytes)"), "{message}");
        assert!(!bed.sent("/sendMessage").iter().any(|sent| sent.contains("I heard")));
    }
}

/// Its words would pass for the approver's own.
#[tokio::test]
async fn voice_of_another_person_that_was_passed_on_is_not_transcribed() {
    let voice = |user: &str| json!([{ "name": "voice.ogg", "mimetype": "audio/ogg", "user": user, "url_private_download": "https://files.slack.com/voice" }]);
    for (user, is_own) in [("U0HUMAN01", true), ("U2", false)] {
        let bed = bed_of_files(&json!({}));
        bed.fakes.on::<Transcribe>(move |_, ()| {
            Ok(Transcription { text: Some("delete it".to_owned()), why: None })
        });
        slack(&bed, "", voice(user)).await;
        let task = bed.lease().await.remove(0);
        let message = task["message"].as_str().unwrap();
        assert_eq!(message.contains("delete it"), is_own, "{message}");
        assert_eq!(message.contains("the sender did not write these lines"), !is_own, "{message}");
        assert_eq!(bed.fakes.count::<Transcribe>(), usize::from(is_own));
    }
}
