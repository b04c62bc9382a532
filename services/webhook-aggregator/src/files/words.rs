//! The words of recordings: a message that is only a recording becomes what it says, if the owner
//! has configured transcription. It is a step of its own, after the file is kept.

use super::{content, offered};
use crate::Deps;
use crate::steps::{Stop, port};
use contracts::FileId;
use contracts::calls::personal_assistant::Transcribe;
use contracts::event::Speaker;
use contracts::files::{FileOf, Transcription};
use inbox::{EventData, NewSaid, StoredEvent, line_id};
use platform::ports::calls::Patience;

/// Maximum wait for the words, below the lease of the step.
const PATIENCE: Patience = Patience(50_000);

/// The message after its last file was listened to.
pub(super) struct Heard {
    pub data: EventData,
    pub note: String,
}

/// Whether the last file is a recording of the sender's own in a message without words, and was not
/// listened to yet. The words of others would pass for the sender's.
pub(super) fn waits_for_its_words(event: &StoredEvent, data: &EventData) -> bool {
    let last = data.files.last();
    let offered = offered(event).nth(data.files.len().saturating_sub(1));
    event.origin.wordless
        && offered.is_some_and(|offered| !offered.passed_on)
        && data.message.is_none()
        && last.is_some_and(|file| {
            file.refused.is_none() && !file.heard && file.kind.starts_with("audio/")
        })
}

/// Has the last file transcribed, if it waits for that.
pub(super) async fn of_last(deps: &Deps, event: &StoredEvent) -> Result<Option<Heard>, Stop> {
    if !waits_for_its_words(event, &event.data) {
        return Ok(None);
    }
    let mut data = event.data.clone();
    let place = data.files.len().saturating_sub(1);
    let Some(file) = data.files.last_mut() else { return Ok(None) };
    file.heard = true;
    let said = match port(content(deps, file).await)? {
        Some(content) => {
            let id = FileId::of(&event.id, FileOf::Message(place));
            deps.calls.give_bytes::<Transcribe>(&id, content, Some(PATIENCE)).await
        }
        None => Ok(Transcription::default()),
    };
    let said = said.unwrap_or_else(|error| {
        tracing::warn!("event.id" = %event.id, %error, "a recording was not transcribed");
        let why = "the assistant did not answer".to_owned();
        Transcription { text: None, why: Some(why) }
    });
    let note = match (said.text.filter(|text| !text.trim().is_empty()), said.why) {
        (Some(text), _) => {
            file.transcribed = true;
            let note = format!("transcribed {}", file.name);
            data.message = Some(text);
            note
        }
        (None, Some(why)) => format!("{} is not transcribed: {why}", file.name),
        (None, None) => format!("{} stays a file", file.name),
    };
    Ok(Some(Heard { data, note }))
}

/// The line of the transcript with the spoken words, in place of the file's name.
pub(super) fn spoken(event: &StoredEvent, data: &EventData) -> Option<NewSaid> {
    let is_spoken = data.files.last().is_some_and(|file| file.transcribed);
    let text = data.message.clone().filter(|_| is_spoken)?;
    Some(NewSaid {
        id: line_id(event.channel.as_str(), &event.endpoint, &event.dedupe_key),
        conversation: event.conversation.clone(),
        speaker: Speaker::User,
        agent: None,
        text,
        settled: true,
    })
}
