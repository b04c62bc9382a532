//! A text in HTML, as Matrix and mail show it: everything escaped, and of the tags that Matrix
//! allows the few that an answer needs.
//! <https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes>

use crate::render::{Mark, Rich, Span};

/// Schemes of addresses that clients take.
const SCHEMES: [&str; 5] = ["https://", "http://", "ftp://", "mailto:", "magnet:"];

/// The text in HTML; `None` where it has no marks, so that it says no more than the plain text.
pub(super) fn of(rich: &Rich) -> Option<String> {
    let is_shown = |span: &&Span| !matches!(span.mark, Mark::Verbatim);
    rich.spans.iter().any(|span| is_shown(&span)).then(|| write(rich))
}

fn write(rich: &Rich) -> String {
    let spans: Vec<&Span> = rich.spans.iter().filter(|span| span.mark != Mark::Verbatim).collect();
    let mut edges: Vec<usize> = spans.iter().flat_map(|s| [s.range.start, s.range.end]).collect();
    edges.extend([0, rich.text.len()]);
    edges.sort_unstable();
    edges.dedup();
    let mut waiting: Vec<usize> = (0..spans.len()).collect();
    waiting.sort_by_key(|index| spans.get(*index).map(|span| span.range.start));
    let mut waiting = waiting.into_iter().peekable();
    let mut writer = Writer { spans: &spans, out: String::new(), open: Vec::new() };
    let mut over: Vec<usize> = Vec::new();
    for pair in edges.windows(2) {
        let [from, to] = *pair else { continue };
        let begun = |index: &usize| spans.get(*index).is_some_and(|s| s.range.start <= from);
        while let Some(index) = waiting.next_if(begun) {
            over.push(index);
        }
        over.retain(|index| spans.get(*index).is_some_and(|span| span.range.end > from));
        writer.turn(&over);
        writer.text(rich.text.get(from..to).unwrap_or_default());
    }
    writer.close_down_to(0);
    let length = writer.out.trim_end_matches("<br>").len();
    writer.out.truncate(length);
    writer.out
}

struct Writer<'a> {
    spans: &'a [&'a Span],
    out: String,
    /// The marks that are open, outermost first, by their index.
    open: Vec<usize>,
}

impl Writer<'_> {
    fn mark(&self, index: usize) -> Option<&Mark> {
        self.spans.get(index).map(|span| &span.mark)
    }
    /// Closes and opens marks so that those over the next text are open, each within the other.
    fn turn(&mut self, over: &[usize]) {
        let rank = |index: &usize| self.mark(*index).map_or(u8::MAX, rank);
        let is_in_code = over.iter().any(|index| matches!(self.mark(*index), Some(Mark::Pre(_))));
        let mut wanted: Vec<usize> =
            over.iter().copied().filter(|index| !is_in_code || rank(index) <= PRE).collect();
        wanted.sort_by_key(|index| (rank(index), *index));
        // The same mark within itself is shown once.
        wanted.dedup_by_key(|index| rank(index));
        let same =
            self.open.iter().zip(&wanted).take_while(|(open, wanted)| open == wanted).count();
        self.close_down_to(same);
        for index in wanted.into_iter().skip(same) {
            self.begin(index);
        }
    }
    fn begin(&mut self, index: usize) {
        let Some(mark) = self.mark(index).cloned() else { return };
        if is_block(&mark) {
            // A block begins a line by itself.
            let length = self.out.strip_suffix("<br>").map_or(self.out.len(), str::len);
            self.out.truncate(length);
        }
        let tag = match &mark {
            Mark::Pre(language) if is_language(language) => {
                format!("<pre><code class=\"language-{language}\">")
            }
            Mark::Pre(_) => "<pre><code>".to_owned(),
            Mark::Link(address) if is_address(address) => {
                format!("<a href=\"{}\">", escaped(address))
            }
            Mark::Link(_) | Mark::Verbatim => String::new(),
            Mark::Heading(level) => format!("<h{}>", (*level).clamp(1, 6)),
            Mark::Quote => "<blockquote>".to_owned(),
            Mark::Bold => "<strong>".to_owned(),
            Mark::Italic => "<em>".to_owned(),
            Mark::Strike => "<del>".to_owned(),
            Mark::Code => "<code>".to_owned(),
        };
        self.out.push_str(&tag);
        self.open.push(index);
    }
    fn close_down_to(&mut self, keeps: usize) {
        while self.open.len() > keeps {
            let mark = self.open.pop().and_then(|index| self.mark(index));
            let tag = match mark {
                Some(Mark::Pre(_)) => "</code></pre>".to_owned(),
                Some(Mark::Link(address)) if is_address(address) => "</a>".to_owned(),
                None | Some(Mark::Link(_) | Mark::Verbatim) => String::new(),
                Some(Mark::Heading(level)) => format!("</h{}>", (*level).clamp(1, 6)),
                Some(Mark::Quote) => "</blockquote>".to_owned(),
                Some(Mark::Bold) => "</strong>".to_owned(),
                Some(Mark::Italic) => "</em>".to_owned(),
                Some(Mark::Strike) => "</del>".to_owned(),
                Some(Mark::Code) => "</code>".to_owned(),
            };
            self.out.push_str(&tag);
        }
    }
    fn text(&mut self, text: &str) {
        let is_in_code =
            self.open.iter().any(|index| matches!(self.mark(*index), Some(Mark::Pre(_))));
        if is_in_code {
            self.out.push_str(&escaped(text));
            return;
        }
        // A block ends its line by itself.
        let text =
            if ends_block(&self.out) { text.strip_prefix('\n').unwrap_or(text) } else { text };
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.out.push_str("<br>");
            }
            // Blanks at the start of a line are taken together unless they are written so.
            let begins = number > 0 || self.out.is_empty() || ends_line(&self.out);
            let bare = if begins { line.trim_start_matches(' ') } else { line };
            self.out.push_str(&"&nbsp;".repeat(line.len() - bare.len()));
            self.out.push_str(&escaped(bare));
        }
    }
}

/// The rank of a block of code: nothing within it is marked.
const PRE: u8 = 1;

/// Outer marks first.
fn rank(mark: &Mark) -> u8 {
    match mark {
        Mark::Quote => 0,
        Mark::Pre(_) => PRE,
        Mark::Heading(_) => 2,
        Mark::Link(_) => 3,
        Mark::Bold => 4,
        Mark::Italic => 5,
        Mark::Strike => 6,
        Mark::Code => 7,
        Mark::Verbatim => 8,
    }
}

fn is_block(mark: &Mark) -> bool {
    matches!(mark, Mark::Quote | Mark::Pre(_) | Mark::Heading(_))
}

fn ends_block(out: &str) -> bool {
    ["</pre>", "</blockquote>", "</h1>", "</h2>", "</h3>", "</h4>", "</h5>", "</h6>"]
        .iter()
        .any(|tag| out.ends_with(tag))
}

fn ends_line(out: &str) -> bool {
    out.ends_with("<br>") || out.ends_with("<blockquote>") || ends_block(out)
}

fn is_address(address: &str) -> bool {
    SCHEMES.iter().any(|scheme| address.starts_with(scheme))
}

fn is_language(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 40
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-#_.".contains(&byte))
}

/// Text in which no character means anything, also between quotation marks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            ch => out.push(ch),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::of_markdown;
    use proptest::prelude::*;

    fn html(markdown: &str) -> String {
        of(&of_markdown(markdown)).unwrap_or_default()
    }

    #[test]
    fn markdown_becomes_the_html_of_the_specification() {
        assert_eq!(
            html("## Why\n**a** < b & `c`\n```rust\nlet x = **p;\n```\nend"),
            "<h2>Why</h2><strong>a</strong> &lt; b &amp; <code>c</code><pre><code class=\"language-rust\">let x = **p;</code></pre>end"
        );
        assert_eq!(
            html("See [docs](https://ex.org/?a=1&b=\"), ~~gone~~, ***both***"),
            "See <a href=\"https://ex.org/?a=1&amp;b=&quot;\">docs</a>, <del>gone</del>, <strong><em>both</em></strong>"
        );
        assert_eq!(
            html("> quoted **x**\n> more\n\nend"),
            "<blockquote>quoted <strong>x</strong><br>more</blockquote><br>end"
        );
        assert_eq!(html("- **a**\n  - b"), "- <strong>a</strong><br>&nbsp;&nbsp;- b");
    }

    #[test]
    fn text_without_marks_has_no_html_and_no_tag_of_its_own_is_one() {
        assert_eq!(html("2 < 3 & a_b_c"), "");
        assert_eq!(
            html("**x** <img src=x onerror=y> <script>"),
            "<strong>x</strong> &lt;img src=x onerror=y&gt; &lt;script&gt;"
        );
        let link = html("[**x**](javascript:alert(1)) and [y](https://a.example)");
        assert!(
            !link.contains("href=\"javascript")
                && link.contains("<a href=\"https://a.example\">y</a>"),
            "{link}"
        );
        let code = html("```a\"onx=\ny\n```");
        assert_eq!(code, "<pre><code>a&quot;onx=\ny</code></pre>", "no attribute");
    }

    /// Every tag that is opened is closed, in order.
    fn is_nested(html: &str) -> bool {
        let mut open: Vec<String> = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            let Some(end) = rest[at..].find('>') else { return false };
            let tag = &rest[at + 1..at + end];
            rest = &rest[at + end + 1..];
            let name = tag.trim_start_matches('/').split(' ').next().unwrap().to_owned();
            match tag.strip_prefix('/') {
                _ if name == "br" => {}
                Some(_) if open.pop().as_ref() != Some(&name) => return false,
                Some(_) => {}
                None => open.push(name),
            }
        }
        open.is_empty()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn tags_are_closed_in_order_whatever_the_text(pieces in prop::collection::vec(prop::sample::select(vec![
            "*", "**", "`", "~~", "> ", "\n", "\n\n", "# ", "[a](https://b.example)", "<b>", "&", "x", " ", "```\n", "- ", "\"", "__",
        ]), 0..60)) {
            let rich = of_markdown(&pieces.concat());
            if let Some(html) = of(&rich) {
                prop_assert!(is_nested(&html), "{}", html);
            }
        }
    }
}
