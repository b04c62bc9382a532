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
/// Bytes of a tag's name that are looked at: more than the longest of these.
const NAME_BYTES: usize = 12;
/// Lines that stand for the beginning and the end of a quotation: from the private use area.
const OPENS: &str = "\u{e0f0}";
const CLOSES: &str = "\u{e0f1}";

/// The text.
pub(super) fn text(html: &str) -> String {
    let html: String = html.chars().filter(|ch| !"\u{e0f0}\u{e0f1}".contains(*ch)).collect();
    let mut broken = String::with_capacity(html.len() + html.len() / 4);
    let mut rest = html.as_str();
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        broken.push_str(before);
        let is_end = tag.starts_with("</");
        let name = tag.get(if is_end { 2 } else { 1 }..).unwrap_or_default();
        let length = name.bytes().take(NAME_BYTES).take_while(u8::is_ascii_alphanumeric).count();
        let name = name.get(..length).unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "blockquote" => {
                let mark = if is_end { CLOSES } else { OPENS };
                broken.push_str(&format!("<br>{mark}<br>"));
            }
            name if BLOCKS.contains(&name) => broken.push_str("<br>"),
            _ => {}
        }
        broken.push('<');
        rest = tag.get(1..).unwrap_or_default();
    }
    broken.push_str(rest);
    marked(&html_to_text(&broken))
}

/// The lines within quotations with a mark each; at most one empty line after another.
fn marked(text: &str) -> String {
    let (mut depth, mut lines, mut was_empty) = (0_usize, Vec::new(), true);
    for line in text.lines().map(str::trim) {
        match line {
            OPENS => (depth, was_empty) = (depth + 1, true),
            CLOSES => (depth, was_empty) = (depth.saturating_sub(1), true),
            "" if was_empty => {}
            line => {
                was_empty = line.is_empty();
                let mark = if depth > 0 { "> " } else { "" };
                lines.push(format!("{mark}{line}").trim_end().to_owned());
            }
        }
    }
    lines.join("\n")
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
        assert_eq!(text("a \u{e0f0} b"), "a b");
        text(&"<".repeat(100_000));
        text("</blockquote></blockquote>x");
    }
}
