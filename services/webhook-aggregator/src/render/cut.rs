//! Cuts a text into pieces by their size as sent: at paragraphs, else lines, else words, else
//! between the characters that people see. A mark that reaches over a cut is open on both sides.

use super::rich::{Mark, Rich, Span};
use std::ops::Range;
use unicode_segmentation::GraphemeCursor;

/// The size of a message in one channel.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    /// Maximum size, in the channel's own units.
    pub units: usize,
    /// Size of a text as it is sent, markup and escapes included, in the same units.
    pub size: &'a dyn Fn(&Rich) -> usize,
}

impl Room<'_> {
    /// The same with some units kept free.
    #[must_use]
    pub fn without(self, units: usize) -> Self {
        Self { units: self.units.saturating_sub(units), ..self }
    }
    fn takes(&self, rich: &Rich) -> bool {
        (self.size)(rich) <= self.units
    }
}

/// The ranges of the pieces, in order and none empty. Only blanks and line ends lie between them.
/// One more than `most` is enough to know that there are too many; the rest is not cut.
pub fn cut(rich: &Rich, room: Room<'_>, most: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < rich.text.len() && pieces.len() <= most {
        let reach = longest(rich, from, room);
        if reach >= rich.text.len() {
            pieces.push(from..rich.text.len());
            break;
        }
        let end = place(rich, from, reach);
        let in_code = rich.block_at(end.min(reach)).is_some_and(|block| block.range.start < end);
        let head = rich.text.get(from..end).unwrap_or_default();
        let kept = if in_code { head } else { head.trim_end() };
        if !kept.trim().is_empty() {
            pieces.push(from..from + kept.len());
        }
        from = next(rich, end, in_code);
    }
    pieces
}

/// The first byte of the next piece. Inside code the indentation of a line belongs to it; a line
/// end alone is eaten.
fn next(rich: &Rich, end: usize, in_code: bool) -> usize {
    let tail = rich.text.get(end..).unwrap_or_default();
    if in_code {
        return end + usize::from(tail.starts_with('\n'));
    }
    let blanks = tail.len() - tail.trim_start_matches(' ').len();
    let rest = tail.get(blanks..).unwrap_or_default();
    let lines = rest.len() - rest.trim_start_matches('\n').len();
    // Blanks before a word at which a line was cut go; the indentation of a new line stays.
    if lines > 0 || blanks > 0 { end + blanks + lines } else { end }
}

/// The last byte up to which a message that begins at `from` fits, between two characters.
fn longest(rich: &Rich, from: usize, room: Room<'_>) -> usize {
    let tail = rich.text.get(from..).unwrap_or_default();
    // No rendering is shorter than its text.
    let ends: Vec<usize> = tail
        .char_indices()
        .take(room.units + 1)
        .map(|(at, ch)| from + at + ch.len_utf8())
        .collect();
    let fits = |count: usize| match count.checked_sub(1).and_then(|last| ends.get(last)) {
        Some(end) => room.takes(&rich.slice(from..*end)),
        None => true,
    };
    let (mut low, mut high) = (1, ends.len());
    if fits(high) {
        return ends.last().copied().unwrap_or(rich.text.len());
    }
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    ends.get(low.saturating_sub(1)).copied().unwrap_or(rich.text.len())
}

/// Where to cut a piece of at most `from..most`.
fn place(rich: &Rich, from: usize, most: usize) -> usize {
    // A break right behind the longest piece costs nothing.
    let reach = rich.text.get(most..).and_then(|rest| rest.chars().next());
    let seen = most + reach.filter(|ch| ch.is_whitespace()).map_or(0, char::len_utf8);
    let head = rich.text.get(from..seen).unwrap_or_default();
    let late = head.len() / 2;
    let here = |span: &&Span| {
        matches!(span.mark, Mark::Pre(_)) && span.range.start < seen && from < span.range.end
    };
    let blocks: Vec<&Range<usize>> = rich.spans.iter().filter(here).map(|s| &s.range).collect();
    let in_code =
        |at: usize| blocks.iter().any(|block| block.start < from + at && from + at < block.end);
    let last = |pattern: &str, least: usize, code: bool| {
        let found = head.rmatch_indices(pattern).map(|(at, _)| at);
        let mut found = found.take_while(|at| *at > least);
        found.find(|at| code || !in_code(*at))
    };
    let found = last("\n\n", late, false)
        .or_else(|| last("\n", late, false))
        .or_else(|| last("\n", late, true))
        .or_else(|| last("\n", 0, true).filter(|at| in_code(*at)))
        .or_else(|| last_blank(head).filter(|at| *at > 0));
    match found {
        Some(at) => from + at,
        None => whole_character(&rich.text, from, most),
    }
}

fn last_blank(head: &str) -> Option<usize> {
    head.rfind(char::is_whitespace).filter(|at| {
        // Only blanks before it would make an empty piece.
        head.get(..*at).is_some_and(|before| !before.trim().is_empty())
    })
}

/// The last edge between two characters as people see them, after `from` and up to `most`.
fn whole_character(text: &str, from: usize, most: usize) -> usize {
    let mut cursor = GraphemeCursor::new(most, text.len(), true);
    let edge = match cursor.is_boundary(text, 0) {
        Ok(true) => Some(most),
        _ => cursor.prev_boundary(text, 0).ok().flatten(),
    };
    // One that is longer than a message is cut between its code points.
    edge.filter(|at| *at > from).unwrap_or(most)
}
