//! The messages of one text. From five messages on each is numbered; text above the maximum is cut,
//! and the last message says so.

use super::cut::{Room, cut};
use super::rich::Rich;
use unicode_segmentation::UnicodeSegmentation;

/// Maximum messages without numbers.
const FEW: usize = 4;
/// Maximum messages of one text.
pub const MESSAGES_MAX: usize = 20;
/// Room for `(12/20)` on a line of its own.
const NUMBER_ROOM: usize = 9;
/// Room for the word that a text is cut.
const NOTE_ROOM: usize = 160;
/// Characters of the end that is shown where the rest is in a file.
const END_CHARS: usize = 300;

/// The messages of a text.
#[derive(Debug)]
pub struct Parts {
    /// In order; none is empty.
    pub messages: Vec<Rich>,
    /// Characters at the end that none of them shows.
    pub left_out: usize,
}

/// Where a person finds what a chat is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    OnDashboard,
    /// In a file that follows.
    InFile,
}

impl Rest {
    const fn told(self) -> &'static str {
        match self {
            Self::OnDashboard => {
                "are too long for this chat. The dashboard shows the whole answer."
            }
            Self::InFile => "are in the file below. The dashboard shows the whole answer too.",
        }
    }
    /// The last paragraph, which may ask something.
    fn end(self, text: &str) -> String {
        if self == Self::OnDashboard {
            return String::new();
        }
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default().trim();
        let characters: Vec<&str> = last.graphemes(true).collect();
        let skipped = characters.len().saturating_sub(END_CHARS);
        let (mark, end) = (if skipped == 0 { "" } else { "…" }, characters.get(skipped..));
        format!("\n\nIt ends:\n{mark}{}", end.unwrap_or_default().concat())
    }
}

/// Cuts a text into `most` messages, or fewer.
pub fn parts(rich: &Rich, room: Room<'_>, most: usize, rest: Rest) -> Parts {
    if rich.text.trim().is_empty() {
        let mut dash = Rich::default();
        dash.push("–");
        return Parts { messages: vec![dash], left_out: 0 };
    }
    let pieces = cut(rich, room, FEW.min(most));
    if pieces.len() <= FEW.min(most) {
        let messages = pieces.into_iter().map(|piece| rich.slice(piece)).collect();
        return Parts { messages, left_out: 0 };
    }
    let mut pieces = cut(rich, room.without(NUMBER_ROOM), most);
    let is_cut = pieces.len() > most;
    let end = rest.end(&rich.text);
    if is_cut {
        pieces.truncate(most);
        if let Some(last) = pieces.pop() {
            let piece = rich.slice(last.clone());
            let mut shown = Rich::default();
            shown.push(&end);
            let note_room = NOTE_ROOM + (room.size)(&shown);
            let shorter = cut(&piece, room.without(NUMBER_ROOM + note_room), 1);
            let stop = shorter.first().map_or(piece.text.len(), |range| range.end);
            pieces.push(last.start..last.start + stop);
        }
    }
    let shown = pieces.last().map_or(0, |last| last.end);
    let left_out = rich.text.get(shown..).unwrap_or_default().trim().chars().count();
    let (count, last) = (pieces.len(), pieces.len().saturating_sub(1));
    let numbered = pieces.into_iter().enumerate().map(|(index, piece)| {
        let mut message = rich.slice(piece);
        if is_cut && index == last {
            let told = rest.told();
            message.push(&format!("\n\nCut here: {left_out} more characters {told}{end}"));
        }
        message.push(&format!("\n({}/{count})", index + 1));
        message
    });
    Parts { messages: numbered.collect(), left_out }
}
