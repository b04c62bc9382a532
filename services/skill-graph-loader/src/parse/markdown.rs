//! Parses Markdown into an outline: headings, list items, paragraphs, table rows and links, each
//! with its line; without comments and code.

use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Maximum bytes of a link.
const LINK_BYTES_MAX: usize = 512;

/// A heading. `line` counts from 1 in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Heading {
    pub level: u8,
    pub text: String,
    pub line: u32,
}

/// The kind of a text block.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockKind {
    Paragraph,
    Item,
    /// A table row: the header's cells, then its own.
    Row {
        header: Vec<String>,
        cells: Vec<String>,
    },
}

/// A piece of text below a heading (an index into [`Outline::headings`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub kind: BlockKind,
    /// Plain text; soft line breaks stay line breaks.
    pub text: String,
    pub line: u32,
    pub section: Option<usize>,
}

/// A link as written, not yet resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct RawLink {
    pub target: String,
    pub line: u32,
    /// `[[…]]`, as opposed to `[…](…)`.
    pub wiki: bool,
}

/// The text of a file without markup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    pub headings: Vec<Heading>,
    pub blocks: Vec<Block>,
    pub links: Vec<RawLink>,
}

/// Parses the Markdown of a file whose body starts at `first_line`.
pub fn outline(body: &str, first_line: u32) -> Outline {
    let uncommented = without_comments(body);
    let text = uncommented.as_deref().unwrap_or(body);
    let mut reader = Reader { lines: Lines::new(text, first_line), ..Reader::default() };
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        reader.event(event, range);
    }
    let masked = mask(text, &reader.code);
    let mut outline = reader.outline;
    wiki_links(&masked, &reader.lines, &mut outline.links);
    for block in &mut outline.blocks {
        block.text = tidy(&block.text);
    }
    outline
        .blocks
        .retain(|block| !block.text.is_empty() || matches!(block.kind, BlockKind::Row { .. }));
    outline
}

/// Plain text on one line for snippets: with code, without comments and markup.
pub fn plain_text(text: &str) -> String {
    let uncommented = without_comments(text);
    let text = uncommented.as_deref().unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(&text),
            Event::SoftBreak
            | Event::HardBreak
            | Event::End(TagEnd::TableCell | TagEnd::CodeBlock) => out.push(' '),
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableRow,
            ) => out.push(' '),
            // A list item's text may come without a paragraph around it.
            Event::Start(Tag::List(_) | Tag::Item) => out.push(' '),
            _ => {}
        }
    }
    tidy(&out).replace('\n', " ")
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// The text without `%%comments%%` (same lines), or `None` if it has none.
fn without_comments(text: &str) -> Option<String> {
    if !text.contains("%%") {
        return None;
    }
    let mut code = Vec::new();
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        if matches!(event, Event::Code(_) | Event::Start(Tag::CodeBlock(_))) {
            code.push(range);
        }
    }
    let masked = mask(text, &code);
    let marks: Vec<usize> = masked.match_indices("%%").map(|(at, _)| at).collect();
    let comments: Vec<Range<usize>> = marks
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [start, end] => Some(*start..*end + 2),
            _ => None,
        })
        .collect();
    (!comments.is_empty()).then(|| without(text, &comments))
}

/// The text without these ranges, keeping their line breaks. (Spaces would turn the rest of a line
/// into indented code.)
fn without(text: &str, ranges: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        out.push_str(text.get(from..range.start).unwrap_or_default());
        out.extend(text.get(range.clone()).unwrap_or_default().matches('\n'));
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The text with these ranges blanked byte for byte, keeping line breaks.
fn mask(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        for byte in bytes.get_mut(range.clone()).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Maps byte offsets to lines.
#[derive(Default)]
struct Lines {
    starts: Vec<usize>,
    first: u32,
}

impl Lines {
    fn new(text: &str, first: u32) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { starts, first }
    }
    fn at(&self, offset: usize) -> u32 {
        let before = self.starts.partition_point(|start| *start <= offset);
        self.first + u32::try_from(before).unwrap_or(u32::MAX / 2)
    }
}

#[derive(Default)]
struct Reader {
    outline: Outline,
    lines: Lines,
    code: Vec<Range<usize>>,
    /// Open list items, as block indexes.
    items: Vec<usize>,
    paragraph: Option<usize>,
    heading: Option<Heading>,
    table: Option<(Vec<String>, Vec<String>)>,
    in_table_head: bool,
    code_block: bool,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if !self.code_block => self.push(&text),
            Event::Code(text) => {
                self.code.push(range);
                self.push(&text);
            }
            Event::InlineHtml(html) => {
                let is_break = html.starts_with("<br");
                self.code.push(range);
                if is_break {
                    self.push("\n");
                }
            }
            Event::Html(_) => self.code.push(range),
            Event::SoftBreak | Event::HardBreak => self.push("\n"),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        let line = self.lines.at(range.start);
        match tag {
            Tag::Heading { level, .. } => {
                self.heading =
                    Some(Heading { level: level_number(level), text: String::new(), line });
            }
            Tag::Item => {
                let index = self.open(BlockKind::Item, line);
                self.items.push(index);
            }
            Tag::Paragraph if self.items.is_empty() => {
                self.paragraph = Some(self.open(BlockKind::Paragraph, line));
            }
            Tag::Paragraph => self.push("\n"),
            Tag::CodeBlock(_) => {
                self.code_block = true;
                self.code.push(range);
            }
            Tag::Table(_) => self.table = Some((Vec::new(), Vec::new())),
            Tag::TableHead => self.in_table_head = true,
            Tag::TableRow => {
                if let Some((header, _)) = &self.table {
                    let kind = BlockKind::Row { header: header.clone(), cells: Vec::new() };
                    self.open(kind, line);
                }
            }
            Tag::TableCell => {
                if let Some((_, cells)) = &mut self.table {
                    cells.push(String::new());
                }
            }
            Tag::Link { link_type, dest_url, .. }
                if !matches!(link_type, LinkType::Email | LinkType::Autolink) =>
            {
                self.outline.links.push(RawLink {
                    target: dest_url.into_string(),
                    line,
                    wiki: false,
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some(mut heading) = self.heading.take() {
                    heading.text = tidy(&heading.text);
                    self.outline.headings.push(heading);
                }
            }
            TagEnd::Item => {
                self.items.pop();
            }
            TagEnd::Paragraph => self.paragraph = None,
            TagEnd::CodeBlock => self.code_block = false,
            TagEnd::Table => self.table = None,
            TagEnd::TableHead => {
                self.in_table_head = false;
                if let Some((header, cells)) = &mut self.table {
                    *header = std::mem::take(cells).iter().map(|cell| tidy(cell)).collect();
                }
            }
            TagEnd::TableRow => self.close_row(),
            _ => {}
        }
    }

    fn close_row(&mut self) {
        let Some((_, row)) = &mut self.table else { return };
        let row: Vec<String> = std::mem::take(row).iter().map(|cell| tidy(cell)).collect();
        if let Some(Block { kind: BlockKind::Row { cells, .. }, text, .. }) =
            self.outline.blocks.last_mut()
        {
            *text = row.join(" ");
            *cells = row;
        }
    }

    fn open(&mut self, kind: BlockKind, line: u32) -> usize {
        let section = self.outline.headings.len().checked_sub(1);
        self.outline.blocks.push(Block { kind, text: String::new(), line, section });
        self.outline.blocks.len() - 1
    }

    fn push(&mut self, text: &str) {
        if let Some(heading) = &mut self.heading {
            heading.text.push_str(text);
        } else if let Some((_, cells)) = &mut self.table {
            if let Some(cell) = cells.last_mut() {
                cell.push_str(text);
            }
        } else if let Some(block) = self
            .items
            .last()
            .copied()
            .or(self.paragraph)
            .and_then(|at| self.outline.blocks.get_mut(at))
        {
            block.text.push_str(text);
        }
    }
}

const fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Plain text: wikilinks as readers see them, single spaces, lines kept.
pub fn tidy(text: &str) -> String {
    let shown = show_wiki_links(text);
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// `[[T|text]]` becomes `text`, `[[T#H]]` becomes `T`.
fn show_wiki_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside, after)) = next_wiki_link(rest) {
        out.push_str(before.strip_suffix('!').unwrap_or(before));
        let (target, label) =
            inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
        out.push_str(
            label
                .unwrap_or_else(|| {
                    target.split(['#', '^']).find(|part| !part.is_empty()).unwrap_or_default()
                })
                .trim(),
        );
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text before, inside and after the next `[[…]]` closed on the same line.
fn next_wiki_link(text: &str) -> Option<(&str, &str, &str)> {
    let last = text.rfind("]]")?;
    let mut from = 0;
    loop {
        let start = from + text.get(from..last)?.find("[[")?;
        let inner = text.get(start + 2..)?;
        // Without a bound, a line of brackets would be scanned again from each bracket.
        let end =
            inner.get(..inner.floor_char_boundary(LINK_BYTES_MAX)).and_then(|near| near.find("]]"));
        let inside =
            end.and_then(|end| inner.get(..end)).filter(|inside| !inside.contains(['\n', '[']));
        match (inside, end) {
            (Some(inside), Some(end)) => {
                return Some((text.get(..start)?, inside, inner.get(end + 2..)?));
            }
            _ => from = start + 1,
        }
    }
}

/// Collects `[[…]]` and `![[…]]` from a text with blanked code and comments.
pub fn wiki_links_of_line(line: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut rest = line;
    while let Some((before, inside, after)) = next_wiki_link(rest) {
        // In a table the bar is escaped: `[[T\|text]]`.
        let target = inside.split('|').next().unwrap_or_default().trim_end_matches('\\').trim();
        if !before.ends_with('\\') && !target.is_empty() {
            targets.push(target.to_owned());
        }
        rest = after;
    }
    targets
}

fn wiki_links(masked: &str, lines: &Lines, into: &mut Vec<RawLink>) {
    for (number, line) in (lines.first..).zip(masked.lines()) {
        into.extend(wiki_links_of_line(line).into_iter().map(|target| RawLink {
            target,
            line: number,
            wiki: true,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<String> {
        outline(text, 1).links.into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn markdown_finds_every_form_of_wikilink() {
        assert_eq!(
            targets("[[T]] [[T|text]] [[T#H]] [[T#^b]] ![[T]] [[dir/name.md]]"),
            ["T", "T", "T#H", "T#^b", "T", "dir/name.md"]
        );
        assert_eq!(targets("| a | b |\n|---|---|\n| [[T\\|text]] | x |\n"), ["T"]);
    }

    #[test]
    fn markdown_ignores_links_in_code_and_comments() {
        assert_eq!(
            targets(
                "`[[a]]` %%[[b]]%% <!-- [[c]] -->\n\n```\n[[d]]\n```\n\n    [[e]]\n\n\\[[f]] [[g]]"
            ),
            ["g"]
        );
        assert_eq!(targets("%% open\n[[a]]\nstill %% [[b]]"), ["b"]);
        assert_eq!(targets("`%%` [[a]] `%%`"), ["a"]);
    }

    #[test]
    fn markdown_finds_plain_links() {
        assert_eq!(
            targets("[x](../guides/a.md#h) <https://e.org> [y](b%20c.md)"),
            ["../guides/a.md#h", "b%20c.md"]
        );
    }

    #[test]
    fn markdown_knows_heading_and_line_of_items_and_rows() {
        let outline = outline(
            "# A\n\ntext\n\n## B\n\n- one [[T|two]]\n  - three\n\n| h | i |\n|---|---|\n| x [[T\\|y]] | z |\n",
            10,
        );
        let seen: Vec<_> = outline
            .blocks
            .iter()
            .map(|block| (block.text.as_str(), block.line, block.section))
            .collect();
        assert_eq!(
            seen,
            [
                ("text", 12, Some(0)),
                ("one two", 16, Some(1)),
                ("three", 17, Some(1)),
                ("x y z", 21, Some(1))
            ]
        );
        assert_eq!(
            outline
                .headings
                .iter()
                .map(|heading| (heading.level, heading.line))
                .collect::<Vec<_>>(),
            [(1, 10), (2, 14)]
        );
    }

    #[test]
    fn markdown_never_panics_on_truncated_text() {
        let text = "# Ä [[T|é]] %%x%% `c` | a |\n|---|\n| [[b\\|ü]] |\n- \"q\" [[#h]]\n```\n[[\n";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            outline(&text[..end], 1);
        }
    }
}
