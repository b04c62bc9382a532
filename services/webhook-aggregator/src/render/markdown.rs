//! Markdown to [`Rich`]. A parser of CommonMark says where the marks are; they are taken out, and
//! every other character of the source stays: `2**10`, blank lines, indentation and list markers.

use super::emphasis::is_emphasis;
use super::rich::{Mark, Rich};
use super::table::Table;
use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// The text and the marks of an answer.
pub fn of_markdown(source: &str) -> Rich {
    trimmed(read(source))
}

/// The same for a question of ours: the lines that it quotes are shown with every mark in them.
pub fn of_question(source: &str) -> Rich {
    let mut rich = Rich::default();
    let lines: Vec<&str> = source.lines().collect();
    for (number, lines) in lines.chunk_by(|a, b| is_quoted(a) == is_quoted(b)).enumerate() {
        if number > 0 {
            rich.push("\n");
        }
        let (from, text) = (rich.text.len(), lines.join("\n"));
        if lines.first().is_some_and(|line| is_quoted(line)) {
            rich.push(&text);
            rich.mark(from, Mark::Verbatim);
        } else {
            rich.append(read(&text));
        }
    }
    trimmed(rich)
}

fn is_quoted(line: &str) -> bool {
    line.starts_with('>')
}

fn trimmed(mut rich: Rich) -> Rich {
    let end = rich.text.trim_end().len();
    rich.remove(end..rich.text.len());
    let start = rich.text.len() - rich.text.trim_start_matches('\n').len();
    rich.remove(0..start);
    rich
}

fn read(source: &str) -> Rich {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader {
        source: &source,
        at: 0,
        out: Rich::default(),
        open: Vec::new(),
        quotes: 0,
        quote_mark: QuoteMark::Taken,
        code: None,
        table: None,
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        reader.take(event, range);
    }
    reader.keep(source.len());
    let mut rich = reader.out;
    close_loose_bold(&mut rich);
    rich
}

/// Where the `>` of a quoted line is to be found.
#[derive(Clone, Copy, PartialEq)]
enum QuoteMark {
    /// It is the next one.
    Next,
    /// It may begin this line.
    AtLineStart,
    Taken,
}

/// Maximum marks around one character; deeper ones are text. Each is looked at for each line that
/// it covers.
const OPEN_MAX: usize = 16;
/// Maximum lines of a text whose bold is mended.
const LOOSE_BOLD_MAX: usize = 100;

/// A mark that is open, from a byte of the output on.
struct Open {
    from: usize,
    kind: Kind,
}

enum Kind {
    /// With the length of its delimiters.
    Inline(Mark, usize),
    Heading(u8),
    Link(String),
    Quote,
    /// Its delimiters are text.
    Text,
}

struct Reader<'a> {
    source: &'a str,
    /// Everything before this byte of the source is done.
    at: usize,
    out: Rich,
    open: Vec<Open>,
    quotes: usize,
    quote_mark: QuoteMark,
    /// The block of code that is being read.
    code: Option<String>,
    table: Option<Table>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        if let Some(code) = &mut self.code {
            match event {
                Event::Text(text) => code.push_str(&text),
                Event::End(TagEnd::CodeBlock) => self.end_code(range),
                _ => {}
            }
            return;
        }
        if self.table.is_some() {
            self.take_in_table(event, range);
            return;
        }
        match event {
            Event::Text(text) => {
                self.keep(range.start);
                // The backslash of an escape is a mark.
                if self.out.text.ends_with('\\') && self.follows_a_backslash(range.start) {
                    self.out.text.pop();
                }
                self.out.push(&text);
                self.drop_to(range.end);
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                self.keep(range.start);
                self.out.push(&text);
                self.drop_to(range.end);
                if text.ends_with('\n') {
                    self.begin_line();
                }
            }
            Event::Code(code) => {
                self.keep(range.start);
                let from = self.out.text.len();
                self.out.push(&code);
                self.out.mark(from, Mark::Code);
                self.drop_to(range.end);
            }
            Event::SoftBreak | Event::HardBreak => {
                self.keep(range.start);
                self.truncate(self.out.text.trim_end_matches(' ').len());
                self.out.push("\n");
                self.begin_line();
                self.drop_to(range.end);
            }
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            _ => self.keep(range.end),
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        self.keep(range.start);
        let rest = self.source.get(range.start..).unwrap_or_default();
        let (kind, length) = match tag {
            Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Image { .. }
                if self.open.len() >= OPEN_MAX =>
            {
                (Kind::Text, 0)
            }
            Tag::Emphasis | Tag::Strong if !is_emphasis(self.source, &range) => (Kind::Text, 0),
            Tag::Emphasis => (Kind::Inline(Mark::Italic, 1), 1),
            Tag::Strong => (Kind::Inline(Mark::Bold, 2), 2),
            // One tilde alone is mostly an approximation.
            Tag::Strikethrough if rest.starts_with("~~") => (Kind::Inline(Mark::Strike, 2), 2),
            Tag::Strikethrough => (Kind::Text, 0),
            Tag::Heading { level, .. } => {
                let bare = rest.trim_start_matches('#');
                let marks = rest.len() - bare.trim_start_matches([' ', '\t']).len();
                (Kind::Heading(level as u8), if bare.len() < rest.len() { marks } else { 0 })
            }
            Tag::Link { link_type, dest_url, .. } => {
                let address = match link_type {
                    LinkType::Email => format!("mailto:{dest_url}"),
                    _ => dest_url.into_string(),
                };
                (Kind::Link(address), 1)
            }
            Tag::Image { dest_url, .. } => (Kind::Link(dest_url.into_string()), 2),
            Tag::BlockQuote(_) => {
                self.quotes += 1;
                if self.quotes > 1 {
                    return;
                }
                self.quote_mark = QuoteMark::Next;
                (Kind::Quote, 0)
            }
            Tag::Item if rest.starts_with(['*', '+']) => {
                self.out.push("-");
                return self.drop_to(range.start + 1);
            }
            Tag::CodeBlock(_) => return self.start_code(tag),
            Tag::Table(alignments) => {
                self.table = Some(Table { alignments, rows: Vec::new() });
                return;
            }
            _ => return,
        };
        self.open.push(Open { from: self.out.text.len(), kind });
        self.drop_to(range.start + length);
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        if matches!(tag, TagEnd::BlockQuote(_)) {
            self.quotes = self.quotes.saturating_sub(1);
            if self.quotes > 0 {
                return;
            }
        }
        let is_mark = matches!(
            tag,
            TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Heading(_)
                | TagEnd::Link
                | TagEnd::Image
                | TagEnd::BlockQuote(_)
        );
        let Some(open) = is_mark.then(|| self.open.pop()).flatten() else { return };
        match open.kind {
            Kind::Text => self.keep(range.end),
            Kind::Inline(mark, length) => {
                self.keep(range.end.saturating_sub(length));
                self.out.mark(open.from, mark);
                self.drop_to(range.end);
            }
            Kind::Heading(level) => {
                self.truncate(self.out.text.trim_end().len().max(open.from));
                self.out.mark(open.from, Mark::Heading(level));
                self.drop_but_line_end(range.end);
            }
            Kind::Link(address) => {
                self.drop_to(range.end);
                self.link(open.from, &address);
            }
            Kind::Quote => {
                let end = self.out.text.trim_end().len().max(open.from);
                let quote = open.from..end;
                if !quote.is_empty() {
                    self.out.spans.push(super::rich::Span { range: quote, mark: Mark::Quote });
                }
                self.quote_mark = QuoteMark::Taken;
            }
        }
    }

    /// A link, if chats can show it as one; else its address stands behind its words. Words that
    /// are another address themselves never hide the one that is opened.
    fn link(&mut self, from: usize, address: &str) {
        let words = self.out.text.get(from..).unwrap_or_default().to_owned();
        if words.trim().is_empty() {
            self.out.push(address);
        }
        let is_address = |text: &str| text.contains("://") || text.starts_with("www.");
        let same = words == address || address.strip_prefix("mailto:") == Some(words.as_str());
        if opens(address) && (same || !is_address(&words)) {
            self.out.mark(from, Mark::Link(address.to_owned()));
        } else if !same && !address.is_empty() && !words.trim().is_empty() {
            self.out.push(&format!(" ({address})"));
        }
    }

    fn start_code(&mut self, tag: Tag<'_>) {
        // Indentation before the fence belongs to its place in a list.
        let end = self.out.text.trim_end_matches([' ', '\t']).len();
        if self.out.text.get(..end).is_some_and(|text| text.ends_with('\n')) {
            self.truncate(end);
        }
        let info = match tag {
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => info.into_string(),
            _ => String::new(),
        };
        let is_language = language(&info).is_some() || info.trim().is_empty();
        let name = language(&info).unwrap_or_default().to_owned();
        self.open.push(Open { from: self.out.text.len(), kind: Kind::Inline(Mark::Pre(name), 0) });
        // Words behind a fence that are no language are content that its writer misplaced.
        self.code = Some(if is_language { String::new() } else { format!("{info}\n") });
    }

    fn end_code(&mut self, range: Range<usize>) {
        let code = self.code.take().unwrap_or_default();
        if let Some(Open { from, kind: Kind::Inline(mark, _) }) = self.open.pop() {
            let code = code.strip_suffix('\n').unwrap_or(&code);
            let (code, mark) = match mark {
                // A block of nothing but a word behind its fence: that is the code.
                Mark::Pre(word) if code.trim().is_empty() => (word, Mark::Pre(String::new())),
                mark => (code.to_owned(), mark),
            };
            self.out.push(&code);
            self.out.mark(from, mark);
        }
        self.drop_but_line_end(range.end);
    }

    fn take_in_table(&mut self, event: Event<'_>, range: Range<usize>) {
        let kept = self.delimiter_in_cell(&event, &range);
        let Some(table) = &mut self.table else { return };
        if let Some(delimiter) = kept {
            table.cell().into_iter().for_each(|cell| cell.push_str(&delimiter));
            return;
        }
        match event {
            Event::Start(Tag::TableHead | Tag::TableRow) => table.rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                table.rows.last_mut().into_iter().for_each(|row| row.push(String::new()));
            }
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) => {
                table.cell().into_iter().for_each(|cell| cell.push_str(&text));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let kind = Kind::Link(dest_url.into_string());
                self.open.push(Open { from: 0, kind });
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let Some(Open { kind: Kind::Link(address), .. }) = self.open.pop() else { return };
                table.cell().filter(|cell| **cell != address).into_iter().for_each(|cell| {
                    cell.push_str(&format!(" ({address})"));
                });
            }
            Event::End(TagEnd::Table) => {
                let (from, drawn) = (self.out.text.len(), table.drawn());
                self.table = None;
                self.out.push(&drawn);
                self.out.mark(from, Mark::Pre(String::new()));
                self.drop_but_line_end(range.end);
            }
            _ => {}
        }
    }

    /// The characters of a delimiter in a cell that are no mark. A cell shows no marks: without its
    /// tildes, struck-out text would read as if it counted.
    fn delimiter_in_cell(&self, event: &Event<'_>, range: &Range<usize>) -> Option<String> {
        let whole = self.source.get(range.clone()).unwrap_or_default();
        let tildes = if whole.starts_with("~~") { 2 } else { 1 };
        let (length, stays) = match event {
            Event::Start(Tag::Emphasis) | Event::End(TagEnd::Emphasis) => {
                (1, !is_emphasis(self.source, range))
            }
            Event::Start(Tag::Strong) | Event::End(TagEnd::Strong) => {
                (2, !is_emphasis(self.source, range))
            }
            Event::Start(Tag::Strikethrough) | Event::End(TagEnd::Strikethrough) => (tildes, true),
            _ => return None,
        };
        let delimiter = match event {
            Event::Start(_) => whole.get(..length),
            _ => whole.get(whole.len().checked_sub(length)?..),
        };
        delimiter.filter(|_| stays).map(str::to_owned)
    }

    /// Takes the source up to this byte over: it has no marks but those of quotes.
    fn keep(&mut self, to: usize) {
        let gap = self.source.get(self.at..to).unwrap_or_default();
        let mut after_mark = false;
        for ch in gap.chars() {
            match ch {
                '\n' => {
                    self.out.push("\n");
                    self.begin_line();
                }
                '>' if self.quotes > 0 && self.is_quote_mark() => {
                    self.quote_mark = QuoteMark::Taken;
                    after_mark = true;
                    continue;
                }
                ' ' if after_mark => {}
                _ => self.out.text.push(ch),
            }
            after_mark = false;
        }
        self.drop_to(to);
    }

    /// Whether a `>` here is the mark of the quote; what stands before it on its line is
    /// indentation and goes too.
    fn is_quote_mark(&mut self) -> bool {
        match self.quote_mark {
            QuoteMark::Next => return true,
            QuoteMark::Taken => return false,
            QuoteMark::AtLineStart => {}
        }
        let line = self.out.text.rfind('\n').map_or(0, |end| end + 1);
        let is_first = self.out.text.get(line..).is_some_and(|text| text.trim().is_empty());
        if is_first {
            self.truncate(line);
        } else {
            self.quote_mark = QuoteMark::Taken;
        }
        is_first
    }

    /// Takes blanks at the end of the output back.
    fn truncate(&mut self, length: usize) {
        if length >= self.out.text.len() {
            return;
        }
        self.out.truncate(length);
        self.open.iter_mut().for_each(|open| open.from = open.from.min(length));
    }

    fn begin_line(&mut self) {
        if self.quotes > 0 {
            self.quote_mark = QuoteMark::AtLineStart;
        }
    }

    fn drop_to(&mut self, to: usize) {
        self.at = self.at.max(to);
    }

    /// Drops the rest of a block, but not the end of its last line.
    fn drop_but_line_end(&mut self, to: usize) {
        let block = self.source.get(..to).unwrap_or_default();
        self.drop_to(to - usize::from(block.ends_with('\n')));
    }

    fn follows_a_backslash(&self, at: usize) -> bool {
        self.source.get(..at).is_some_and(|before| before.ends_with('\\'))
    }
}

/// Addresses that chats open.
fn opens(address: &str) -> bool {
    let has = |scheme: &&str| {
        address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && address.len() > scheme.len()
    };
    !address.contains(char::is_whitespace)
        && ["https://", "http://", "mailto:", "tel:", "tg://"].iter().any(has)
}

/// The language behind a fence. Attributes may follow it; other words make the line content.
fn language(info: &str) -> Option<&str> {
    let first = info.split([' ', ',', '\t']).next()?;
    let rest = info.get(first.len()..).unwrap_or_default().trim();
    let fits = (1..=30).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+#._-".contains(&byte));
    let only_attributes = rest.is_empty() || rest.starts_with([',', '{']) || rest.contains('=');
    (fits && only_attributes).then_some(first)
}

/// Models often put a blank before the closing `**`. Where a line has one `**` that opens and ends
/// with another, it is bold; elsewhere `**` is an operator.
fn close_loose_bold(rich: &mut Rich) {
    let mut from = 0;
    let mut mended = 0;
    while let Some(line) = rich.text.get(from..).and_then(|rest| rest.split('\n').next()) {
        let (start, end) = (from, from + line.len());
        let line = line.to_owned();
        let found: Vec<usize> = line.match_indices("**").map(|(at, _)| start + at).collect();
        from = end + 1;
        let [open, close] = found[..] else { continue };
        let before = rich.text.get(start..open).and_then(|text| text.chars().next_back());
        let inner = rich.text.get(open + 2..close).unwrap_or_default();
        let is_loose = close + 2 == end
            && inner.ends_with(' ')
            && !inner.starts_with(char::is_whitespace)
            && !inner.starts_with('*')
            && before.is_none_or(char::is_whitespace)
            && !rich.is_code(open)
            && !rich.is_code(close);
        if is_loose && mended < LOOSE_BOLD_MAX {
            mended += 1;
            let inner_end = open + 2 + inner.trim_end().len();
            rich.remove(inner_end..close + 2);
            rich.remove(open..open + 2);
            let range = open..inner_end - 2;
            rich.spans.push(super::rich::Span { range, mark: Mark::Bold });
            from = start
                + rich
                    .text
                    .get(start..)
                    .map_or(0, |rest| rest.find('\n').map_or(rest.len(), |at| at))
                + 1;
        }
        if from > rich.text.len() {
            break;
        }
    }
}
