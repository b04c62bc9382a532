//! Writes a text for a chat that has markup of its own: line by line, so that no mark crosses a
//! line end, with the marks properly inside each other.

use super::rich::{Mark, Rich, Span};
use std::ops::Range;

/// The markup of one chat.
pub trait Markup {
    /// Adds text in which no character means anything.
    fn text(&self, out: &mut String, text: &str);
    /// The delimiter of bold, italic or strike, between these characters; `None` where the chat
    /// would show it as text.
    fn delimiter(&self, mark: &Mark, around: [Option<char>; 2]) -> Option<&'static str>;
    /// Adds a piece of code within a line.
    fn code(&self, out: &mut String, code: &str, around: [Option<char>; 2]);
    /// Adds a link.
    fn link(&self, out: &mut String, words: &str, address: &str);
    /// Adds a block of code, without line ends around it.
    fn pre(&self, out: &mut String, language: &str, code: &str);
    /// Begins the line of a heading; `None` if it is written in bold.
    fn heading(&self, level: u8) -> Option<&'static str>;
    /// Adds quoted lines in which every character is shown.
    fn verbatim(&self, out: &mut String, lines: &str);
}

/// The text in a chat's markup.
pub fn write(rich: &Rich, markup: &dyn Markup) -> String {
    let is_block = |mark: &Mark| matches!(mark, Mark::Pre(_) | Mark::Verbatim);
    let mut blocks: Vec<_> = rich.spans.iter().filter(|span| is_block(&span.mark)).collect();
    blocks.sort_by_key(|span| span.range.start);
    let mut out = String::new();
    let mut at = 0;
    for block in blocks {
        lines(rich, at..block.range.start, markup, &mut out);
        let inner = rich.text.get(block.range.clone()).unwrap_or_default();
        match &block.mark {
            Mark::Pre(language) => {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
                markup.pre(&mut out, language, inner);
                let rest = rich.text.get(block.range.end..).unwrap_or_default();
                if !rest.is_empty() && !rest.starts_with('\n') {
                    out.push('\n');
                }
            }
            _ => markup.verbatim(&mut out, inner),
        }
        at = block.range.end;
    }
    lines(rich, at..rich.text.len(), markup, &mut out);
    out
}

fn lines(rich: &Rich, range: Range<usize>, markup: &dyn Markup, out: &mut String) {
    let text = rich.text.get(range.clone()).unwrap_or_default();
    let mut from = range.start;
    // By their start, so that a line looks at those that reach it and no others.
    let mut waiting: Vec<(usize, &Span)> = rich.spans.iter().enumerate().collect();
    waiting.sort_by_key(|(_, span)| span.range.start);
    let mut waiting = waiting.into_iter().peekable();
    let mut reaching: Vec<(usize, &Span)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let place = from..from + bare.len();
        let begun = |(_, span): &(usize, &Span)| span.range.start < place.end.max(place.start + 1);
        while let Some(span) = waiting.next_if(begun) {
            reaching.push(span);
        }
        reaching.retain(|(_, span)| span.range.end > place.start);
        let mut over = reaching.clone();
        over.sort_by_key(|(order, _)| *order);
        let over: Vec<&Span> = over.into_iter().map(|(_, span)| span).collect();
        write_line(rich, place, &over, markup, out);
        if bare.len() < line.len() {
            out.push('\n');
        }
        from += line.len();
    }
}

/// Writes one line; `over` are the marks on it, in their order in the text.
fn write_line(
    rich: &Rich,
    line: Range<usize>,
    over: &[&Span],
    markup: &dyn Markup,
    out: &mut String,
) {
    if over.iter().any(|span| span.mark == Mark::Quote) {
        out.push_str("> ");
    }
    let level = over.iter().find_map(|span| match span.mark {
        Mark::Heading(level) => Some(level),
        _ => None,
    });
    let heading = level.map(|level| markup.heading(level));
    out.push_str(heading.flatten().unwrap_or_default());
    let mut marks: Vec<Shown> = Vec::new();
    if heading == Some(None) {
        marks.extend(Shown::of(rich, &line, &line, &Mark::Bold, markup));
    }
    for span in over {
        let is_heading = level.is_some() && span.mark == Mark::Bold;
        if !is_heading && matches!(span.mark, Mark::Bold | Mark::Italic | Mark::Strike) {
            marks.extend(Shown::of(rich, &line, &span.range, &span.mark, markup));
        }
    }
    let mut atoms: Vec<_> =
        over.iter().filter(|span| matches!(span.mark, Mark::Code | Mark::Link(_))).collect();
    atoms.sort_by_key(|span| (span.range.start, usize::MAX - span.range.end));
    let mut writer = Writer { rich, markup, out, marks, open: Vec::new() };
    let mut at = line.start;
    for atom in atoms {
        let inner = atom.range.start.max(line.start)..atom.range.end.min(line.end);
        if inner.start < at {
            // Code in the words of a link.
            continue;
        }
        writer.text(at..inner.start);
        writer.atom(&inner, &atom.mark);
        at = inner.end;
    }
    writer.text(at..line.end);
    writer.close_all();
}

/// A mark as it is written on one line.
struct Shown {
    range: Range<usize>,
    delimiter: &'static str,
}

impl Shown {
    fn of(
        rich: &Rich,
        line: &Range<usize>,
        span: &Range<usize>,
        mark: &Mark,
        markup: &dyn Markup,
    ) -> Option<Self> {
        let (start, end) = (span.start.max(line.start), span.end.min(line.end));
        let inner = rich.text.get(start..end)?;
        let start = start + (inner.len() - inner.trim_start().len());
        let range = start..start + inner.trim().len();
        if range.is_empty() {
            return None;
        }
        let delimiter = markup.delimiter(mark, around(rich, &range))?;
        Some(Self { range, delimiter })
    }
}

fn around(rich: &Rich, range: &Range<usize>) -> [Option<char>; 2] {
    let before = rich.text.get(..range.start).and_then(|text| text.chars().next_back());
    let after = rich.text.get(range.end..).and_then(|text| text.chars().next());
    [before, after]
}

struct Writer<'a> {
    rich: &'a Rich,
    markup: &'a dyn Markup,
    out: &'a mut String,
    marks: Vec<Shown>,
    /// The marks that are open, by their index.
    open: Vec<usize>,
}

impl Writer<'_> {
    fn text(&mut self, range: Range<usize>) {
        let edges = self.marks.iter().flat_map(|mark| [mark.range.start, mark.range.end]);
        let mut edges: Vec<usize> = edges.filter(|at| range.contains(at)).collect();
        edges.extend([range.start, range.end]);
        edges.sort_unstable();
        edges.dedup();
        for pair in edges.windows(2) {
            let [from, to] = *pair else { continue };
            self.turn(from, to);
            let piece = self.rich.text.get(from..to).unwrap_or_default();
            self.markup.text(self.out, piece);
        }
        self.close_ended(range.end);
    }

    fn atom(&mut self, range: &Range<usize>, mark: &Mark) {
        self.turn(range.start, range.end);
        let inner = self.rich.text.get(range.clone()).unwrap_or_default();
        match mark {
            Mark::Link(address) => self.markup.link(self.out, inner, address),
            _ => self.markup.code(self.out, inner, around(self.rich, range)),
        }
        self.close_ended(range.end);
    }

    /// Closes and opens marks so that exactly those over `from..to` are open.
    fn turn(&mut self, from: usize, to: usize) {
        let wanted = |mark: &Shown| {
            mark.range.start <= from && to <= mark.range.end && from < mark.range.end
        };
        let keeps = self
            .open
            .iter()
            .take_while(|index| self.marks.get(**index).is_some_and(wanted))
            .count();
        self.close_down_to(keeps);
        let missing: Vec<usize> = self
            .marks
            .iter()
            .enumerate()
            .filter(|(index, mark)| wanted(mark) && !self.open.contains(index))
            .map(|(index, _)| index)
            .collect();
        let same = |a: &usize, b: &usize| {
            let of = |index: &usize| self.marks.get(*index).map(|mark| mark.delimiter);
            of(a) == of(b)
        };
        let mut missing: Vec<usize> = missing
            .iter()
            .enumerate()
            .filter(|(at, index)| {
                // The same mark within itself is shown once.
                !missing.iter().take(*at).chain(&self.open).any(|other| same(other, index))
            })
            .map(|(_, index)| *index)
            .collect();
        // The one that ends last is outside.
        missing.sort_by_key(|index| {
            usize::MAX - self.marks.get(*index).map_or(0, |mark| mark.range.end)
        });
        for index in missing {
            if let Some(mark) = self.marks.get(index) {
                self.out.push_str(mark.delimiter);
            }
            self.open.push(index);
        }
    }

    /// Closes marks that end here, before a blank follows.
    fn close_ended(&mut self, at: usize) {
        let lasts = |index: &&usize| self.marks.get(**index).is_some_and(|m| m.range.end > at);
        let keeps = self.open.iter().take_while(lasts).count();
        self.close_down_to(keeps);
    }

    fn close_down_to(&mut self, keeps: usize) {
        while self.open.len() > keeps {
            let mark = self.open.pop().and_then(|index| self.marks.get(index));
            self.out.push_str(mark.map_or("", |mark| mark.delimiter));
        }
    }

    fn close_all(&mut self) {
        self.close_down_to(0);
    }
}
