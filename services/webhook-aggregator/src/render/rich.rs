//! A text as it is shown, and the marks on it.

use std::ops::Range;

/// Meaning of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Bold,
    Italic,
    Strike,
    Code,
    /// With its address.
    Link(String),
    /// A block of code, with its language or nothing.
    Pre(String),
    Quote,
    /// With its level, from 1.
    Heading(u8),
    /// Quoted lines that are shown with every character in them, the `>` of each included.
    Verbatim,
}

/// A mark on a range of the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub range: Range<usize>,
    pub mark: Mark,
}

/// A text without any markup in it, and the marks on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rich {
    pub text: String,
    pub spans: Vec<Span>,
}

impl Rich {
    /// Adds text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
    /// Marks everything from this byte on, unless that is nothing.
    pub fn mark(&mut self, from: usize, mark: Mark) {
        let range = from..self.text.len();
        if !range.is_empty() {
            self.spans.push(Span { range, mark });
        }
    }
    /// Adds another text with its marks.
    pub fn append(&mut self, other: Self) {
        let by = self.text.len();
        self.text.push_str(&other.text);
        let moved = other.spans.into_iter().map(|span| Span {
            range: span.range.start + by..span.range.end + by,
            mark: span.mark,
        });
        self.spans.extend(moved);
    }
    /// A piece of the text. Marks that reach beyond it end at its edges, so that the next piece
    /// opens them again.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        let clip = |at: usize| at.clamp(range.start, range.end) - range.start;
        let clipped = |span: &Span| clip(span.range.start)..clip(span.range.end);
        let within = self.spans.iter().filter(|span| !clipped(span).is_empty());
        let spans = within.map(|span| Span { range: clipped(span), mark: span.mark.clone() });
        Self { text, spans: spans.collect() }
    }
    /// Takes bytes out of the text.
    pub fn remove(&mut self, gone: Range<usize>) {
        let length = gone.len();
        self.text.replace_range(gone.clone(), "");
        let moved = |at: usize| match at {
            at if at >= gone.end => at - length,
            at => at.min(gone.start),
        };
        for span in &mut self.spans {
            span.range = moved(span.range.start)..moved(span.range.end);
        }
        self.spans.retain(|span| !span.range.is_empty());
    }
    /// Takes the end of the text off, where the last marks are: as `remove`, without a look at all
    /// the marks before them.
    pub fn truncate(&mut self, length: usize) {
        if length >= self.text.len() {
            return;
        }
        self.text.truncate(length);
        let ends_here = |span: &&mut Span| span.range.end > length || span.mark == Mark::Quote;
        for span in self.spans.iter_mut().rev().take_while(ends_here) {
            span.range = span.range.start.min(length)..span.range.end.min(length);
        }
        while self.spans.last().is_some_and(|span| span.range.is_empty()) {
            self.spans.pop();
        }
    }
    /// The block of code, or the quoted lines, that this byte is in.
    pub fn block_at(&self, at: usize) -> Option<&Span> {
        let is_block = |span: &&Span| matches!(span.mark, Mark::Pre(_) | Mark::Verbatim);
        self.spans.iter().filter(is_block).find(|span| span.range.contains(&at))
    }
    /// Whether this byte is in code.
    pub fn is_code(&self, at: usize) -> bool {
        let is_code = |span: &&Span| matches!(span.mark, Mark::Pre(_) | Mark::Code);
        self.spans.iter().filter(is_code).any(|span| span.range.contains(&at))
    }
    /// Text and marks as one string, the same for the same content only.
    pub fn fingerprint(&self) -> String {
        format!("{}\u{0}{:?}", self.text, self.spans)
    }
}
