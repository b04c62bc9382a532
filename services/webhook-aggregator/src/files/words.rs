//! The words of recordings: a message that is only a recording becomes what it says, if the owner
//! has configured transcription.

use crate::Deps;
use bytes::Bytes;
use contracts::FileId;
use contracts::calls::personal_assistant::Transcribe;
use contracts::files::FileOf;
use inbox::{KeptFile, StoredEvent};
use platform::ports::calls::Patience;

/// Maximum wait for the words, below the lease of the step.
const PATIENCE: Patience = Patience(50_000);

/// The outcome for a recording.
pub(super) enum Heard {
    /// It is none, its message has words, or no transcription is configured.
    Nothing,
    Words(String),
    /// The reason that there are no words.
    Missed(String),
}

/// Has a recording transcribed. It is the file at this place of its message.
pub(super) async fn of(
    deps: &Deps,
    event: &StoredEvent,
    (place, file): (usize, &KeptFile),
    content: Bytes,
) -> Heard {
    let is_recording = file.refused.is_none() && file.kind.starts_with("audio/");
    if !is_recording || !event.origin.wordless || event.data.message.is_some() {
        return Heard::Nothing;
    }
    let id = FileId::of(&event.id, FileOf::Message(place));
    match deps.calls.give_bytes::<Transcribe>(&id, content, Some(PATIENCE)).await {
        Ok(said) => match (said.text, said.why) {
            (Some(text), _) if !text.trim().is_empty() => Heard::Words(text),
            (_, Some(why)) => Heard::Missed(why),
            _ => Heard::Nothing,
        },
        Err(error) => {
            tracing::warn!("event.id" = %event.id, %error, "a recording was not transcribed");
            Heard::Missed("the assistant did not answer".to_owned())
        }
    }
}
