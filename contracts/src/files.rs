//! Files that people send and that agents leave for them.

use crate::{EventId, FileId};
use serde::{Deserialize, Serialize};

/// Maximum bytes of one file, whatever the configuration says.
pub const FILE_BYTES_CEILING: u64 = 50 << 20;

/// A file of a message or of its answer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub id: FileId,
    /// A name without path parts, unique in its message.
    pub name: String,
    /// The media type, by its content where that shows it.
    #[serde(rename = "type")]
    pub kind: String,
    pub bytes: u64,
    /// Lower-case hex SHA-256 of the content.
    pub sha256: String,
}

/// A file of an answer, whose content was stored before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerFile {
    pub name: String,
    /// The digest that storing it returned.
    pub sha256: String,
}

/// Response of storing a file of a running task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    pub bytes: u64,
    /// Lower-case hex SHA-256 of the content.
    pub sha256: String,
}

/// The words of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Transcription {
    /// None if there are none.
    pub text: Option<String>,
    /// Why there are none. Without a reason the owner has configured no transcription.
    pub why: Option<String>,
}

/// Which file of a message a [`FileId`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOf {
    /// One of the message, by its place from 0.
    Message(usize),
    /// One of the answer, by its place from 0.
    Answer(usize),
}

impl FileId {
    /// The id of a file.
    pub fn of(event: &EventId, file: FileOf) -> Self {
        match file {
            FileOf::Message(place) => Self::new(format!("{event}-m{place}")),
            FileOf::Answer(place) => Self::new(format!("{event}-a{place}")),
        }
    }
    /// The message and which of its files; `None` for any other text.
    pub fn parts(&self) -> Option<(EventId, FileOf)> {
        let (event, file) = self.as_str().rsplit_once('-')?;
        let place = |text: &str| text.parse::<usize>().ok();
        let file = match (file.strip_prefix('m'), file.strip_prefix('a')) {
            (Some(text), _) => FileOf::Message(place(text)?),
            (_, Some(text)) => FileOf::Answer(place(text)?),
            _ => return None,
        };
        Some((EventId::new(event), file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_id_names_its_message_and_its_place() {
        let event = EventId::new("telegram.my-bot.01ARZ3NDEKTSV4RRFFQ69G5FAV");
        for file in [FileOf::Message(0), FileOf::Answer(12)] {
            assert_eq!(FileId::of(&event, file).parts(), Some((event.clone(), file)));
        }
        for odd in ["", "x", "telegram.main.X", "telegram.main.X-z1", "telegram.main.X-m"] {
            assert_eq!(FileId::new(odd).parts(), None, "{odd}");
        }
    }
}
