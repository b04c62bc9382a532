//! The text of an HTML body: each block on lines of its own, and quoted blocks marked as in plain
//! text, so that a quotation or a forwarded message is told from the writer's own words.

use mail_parser::decoders::html::html_to_text;

/// Elements that begin a line, and end one.
const BLOCKS: [&str; 20] = [
    "address",
    "article",
    "blockquote",
    "center",
    "div",
    "dl",
    "fieldset",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "header",
    "hr",
    "li",
    "ol",
    "pre",
    "table",
    "tr",
    "ul",
];
/// Elements whose content has no tags.
const RAW: [&str; 9] =
    ["iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp"];
/// All behind its beginning is text.
const PLAIN: &str = "plaintext";
/// Those of them whose content is shown.
const SHOWN_RAW: [&str; 2] = ["textarea", "xmp"];
/// Not shown, whatever is within.
const HIDDEN: [&str; 2] = ["select", "template"];

/// The text.
pub(super) fn text(html: &str) -> String {
    let (mut shown, mut piece) = (Shown::default(), String::new());
    let (mut rest, mut hidden) = (html, Vec::<String>::new());
    while let Some(at) = rest.find('<') {
        let (before, markup) = rest.split_at(at);
        if hidden.is_empty() {
            piece.push_str(before);
        }
        let (tag, behind) = read(markup);
        rest = behind;
        // Only tags that shape the text are passed on, without their attributes: what stands in
        // an attribute must not end a quotation.
        match tag {
            Markup::Silent => {}
            Markup::Tag { name, is_end: false } if HIDDEN.contains(&name.as_str()) => {
                hidden.push(name);
            }
            Markup::Tag { name, is_end: true } if hidden.last() == Some(&name) => {
                hidden.pop();
            }
            Markup::Tag { name, is_end: false } if name == PLAIN => {
                piece.push_str(&rest.replace('<', "&lt;"));
                rest = "";
            }
            Markup::Tag { name, is_end: false } if RAW.contains(&name.as_str()) => {
                let (inside, behind) = raw(rest, &name);
                rest = behind;
                if hidden.is_empty() && SHOWN_RAW.contains(&name.as_str()) {
                    piece.push_str(&inside.replace('<', "&lt;"));
                }
            }
            _ if !hidden.is_empty() => {}
            Markup::Text => piece.push_str("&lt;"),
            Markup::Tag { name, is_end } => match name.as_str() {
                "blockquote" => {
                    shown.add(&piece);
                    piece.clear();
                    shown.enter(is_end);
                }
                "br" => piece.push_str("<br>"),
                "p" if is_end => piece.push_str("</p>"),
                name if BLOCKS.contains(&name) => piece.push_str("<br>"),
                _ => {}
            },
        }
    }
    if hidden.is_empty() {
        piece.push_str(rest);
    }
    shown.add(&piece);
    shown.lines.join("\n").trim_end().to_owned()
}

/// The piece of markup at a `<`.
enum Markup {
    Tag {
        name: String,
        is_end: bool,
    },
    /// A comment, or a declaration.
    Silent,
    /// A less-than sign.
    Text,
}

/// Reads the markup at the start, which is a `<`; with what is behind it. One without an end takes
/// all the rest.
fn read(markup: &str) -> (Markup, &str) {
    let inner = markup.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return (Markup::Silent, comment.split_once("-->").map_or("", |(_, behind)| behind));
    }
    if inner.starts_with(['!', '?']) {
        return (Markup::Silent, inner.split_once('>').map_or("", |(_, behind)| behind));
    }
    let is_end = inner.starts_with('/');
    let behind = inner;
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    if !inner.starts_with(|ch: char| ch.is_ascii_alphabetic()) {
        let comment = || inner.split_once('>').map_or("", |(_, behind)| behind);
        return if is_end { (Markup::Silent, comment()) } else { (Markup::Text, behind) };
    }
    let is_of_name = |ch: char| !ch.is_ascii_whitespace() && !matches!(ch, '>' | '/');
    let length = inner.find(|ch| !is_of_name(ch)).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at(length);
    let tag = Markup::Tag { name: name.to_ascii_lowercase(), is_end };
    (tag, behind_attributes(attributes))
}

/// The text behind the `>` of a tag; one within the quotes of a value is none.
fn behind_attributes(attributes: &str) -> &str {
    let (mut quote, mut is_value) = (None, false);
    for (at, ch) in attributes.char_indices() {
        match (quote, ch) {
            (Some(open), ch) if ch == open => quote = None,
            (Some(_), _) => {}
            (None, '>') => return attributes.get(at + 1..).unwrap_or_default(),
            (None, '"' | '\'') if is_value => (quote, is_value) = (Some(ch), false),
            (None, '=') => is_value = true,
            (None, ch) => is_value &= ch.is_ascii_whitespace(),
        }
    }
    ""
}

/// The content of an element whose content has no tags, and the text behind its end.
fn raw<'a>(content: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut at = 0;
    while let Some(found) = content.get(at..).and_then(|rest| rest.find("</")) {
        let start = at + found;
        let rest = content.get(start + 2..).unwrap_or_default();
        let is_named = rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        let behind = rest.get(name.len()..).unwrap_or_default();
        let ends = |ch: char| ch.is_ascii_whitespace() || matches!(ch, '/' | '>');
        if is_named && behind.starts_with(ends) {
            return (content.get(..start).unwrap_or_default(), behind_attributes(behind));
        }
        at = start + 2;
    }
    (content, "")
}

/// Lines, with a mark each within quotations; at most one empty line after another.
#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    depth: usize,
}

impl Shown {
    fn enter(&mut self, is_end: bool) {
        self.depth = if is_end { self.depth.saturating_sub(1) } else { self.depth + 1 };
    }
    /// Adds a piece of HTML, which no quotation begins or ends in.
    fn add(&mut self, piece: &str) {
        let text = html_to_text(&format!("{piece}<br>"));
        let mut was_empty = true;
        for line in text.lines().map(str::trim) {
            if line.is_empty() && was_empty {
                continue;
            }
            was_empty = line.is_empty();
            let mark = if self.depth > 0 { "> " } else { "" };
            self.lines.push(format!("{mark}{line}").trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod html_text {
    use super::text;

    #[test]
    fn blocks_of_html_are_lines_and_quotations_are_marked() {
        assert_eq!(text("<p>Fix &amp; ship</p>"), "Fix & ship");
        assert_eq!(text("<div>fyi</div><div>From: M<br>To: I</div>"), "fyi\n\nFrom: M\nTo: I");
        assert_eq!(
            text(
                "Yes<blockquote type=cite><div>Shall I?</div><blockquote>old</blockquote></blockquote>Thanks"
            ),
            "Yes\n> Shall I?\n>\n> old\nThanks"
        );
        assert_eq!(text("<ul><li>a<li>b</ul><table><tr><td>c</table>").replace('\n', ""), "abc");
        assert_eq!(text(&"<".repeat(3)), "<<<");
        text(&"<".repeat(100_000));
        text(&"<!--".repeat(100_000));
        text(&"<a b='".repeat(100_000));
        text(&"<title></t".repeat(100_000));
        text("</blockquote></blockquote>x");
    }

    /// A quotation ends where its element does, whatever stands in it.
    #[test]
    fn nothing_within_a_quotation_ends_it() {
        for inside in [
            "<a title=\"</blockquote>\">x</a>",
            "<a title='</blockquote><p>'>x</a>",
            "<!-- </blockquote> -->x",
            "<style>a::after { content: '</blockquote>' }</style>x",
            "<script>document.write('</blockquote>')</script>x",
            "&#xe0f1;<br>x",
            "<title></blockquote></title>x",
            "<style></stylex></blockquote></style>x",
            "<xmp></blockquote></xmp>x",
            "<textarea></blockquote></textarea>x",
            "<noscript></blockquote></noscript>x",
            "<select></blockquote></select>x",
            "<iframe></blockquote></iframe>x",
            "<template><template></template></blockquote></template>x",
            "</ </blockquote>x",
        ] {
            let html = format!("Yes<blockquote>{inside} do it</blockquote>");
            let text = text(&html);
            assert!(text.lines().skip(1).all(|line| line.starts_with('>')), "{inside}: {text}");
            assert!(text.starts_with("Yes\n>") && text.ends_with("do it"), "{inside}: {text}");
        }
        assert_eq!(text("<a title=it's>x</a> <b>y</b>z 1 < 2 <3"), "x yz 1 < 2 <3");
        assert_eq!(text("a <textarea>b < c</textarea> d<template>e<b>f</template>"), "a b < c d");
        assert_eq!(text("<blockquote>a <plaintext></blockquote>b"), "> a </blockquote>b");
        assert_eq!(text("<head><title>T</title><meta a=\"b\"><body>x"), "x");
    }
}
