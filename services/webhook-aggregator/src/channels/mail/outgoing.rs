//! Letters. None can be changed once it is sent: there is one for the answer, and none for
//! progress.

use super::desk::{Desk, is_id};
use super::incoming::thread_of;
use super::words;
use crate::channels::{Addressed, html};
use crate::render::{of_markdown, of_question};
use bytes::Bytes;
use inbox::{KeptFile, OutboxRow, only_stops};
use platform::ports::mail::{Letter, SentFile};
use platform::secret::digest_hex;
use platform::text::{printable, short};

/// Maximum characters of a subject of ours.
const SUBJECT_CHARS_MAX: usize = 80;

/// The letter that a message still takes.
pub(super) fn letter(
    desk: &Desk,
    row: &OutboxRow,
    file: Option<(&KeptFile, &Bytes)>,
) -> Option<Addressed> {
    // Progress, and that a message waits: the word `stop` in a reply is enough.
    let is_progress = row.buttons.as_ref().is_some_and(only_stops);
    let is_ask = row.kind == "ask";
    // The outcome of a question was said to who answered it.
    let is_outcome = is_ask && row.buttons.is_none() && row.sent_revision >= 0;
    if is_progress || is_outcome {
        return None;
    }
    let (text, html) = words_of(row);
    let shows: String = digest_hex(text.as_bytes()).chars().take(16).collect();
    if row.parts.last().is_some_and(|part| part.shows == shows) {
        return None;
    }
    let thread = thread_of(&row.target);
    let answered = row.target.reply_to.as_deref().filter(|id| is_id(id));
    let root = thread.and_then(|(root, _)| root).filter(|root| Some(*root) != answered);
    let letter = Letter {
        message_id: desk.id(&row.id, &shows, is_ask),
        in_reply_to: answered.map(str::to_owned),
        references: root.into_iter().chain(answered).map(str::to_owned).collect(),
        to: row.target.chat.clone(),
        subject: match thread {
            Some((_, subject)) => format!("Re: {subject}").trim_end().to_owned(),
            None => first_line(&text),
        },
        text,
        html,
        file: file.map(|(file, content)| SentFile {
            name: file.name.clone(),
            kind: file.kind.clone(),
            content: content.clone(),
        }),
    };
    Some(Addressed { letter, shows })
}

/// The text as it is written, and in HTML where that shows more.
fn words_of(row: &OutboxRow) -> (String, Option<String>) {
    let is_ask = row.kind == "ask";
    let mut rich = if is_ask { of_question(&row.text) } else { of_markdown(&row.text) };
    let mut text = if is_ask { rich.text.clone() } else { row.text.clone() };
    if let Some(buttons) = &row.buttons {
        let line = format!("\n\n{}", words::line(buttons));
        text.push_str(&line);
        rich.push(&line);
    }
    let html = html::of(&rich).map(|html| format!("<html><body>{html}</body></html>"));
    (text, html)
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Quintet");
    short(&printable(line), SUBJECT_CHARS_MAX)
}
