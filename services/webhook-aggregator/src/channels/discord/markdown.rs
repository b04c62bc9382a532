//! A text in Discord's Markdown, which is not CommonMark: `2**10 and a**b` would be bold there, so
//! plain characters that Discord would read as marks are escaped.
//! <https://support.discord.com/hc/en-us/articles/210298617>

use crate::render::{Mark, Markup, Rich, write};

/// Has no width. It stands in three backticks that are text in a block of code.
const JOINER: char = '\u{2060}';

/// The text in Discord's Markdown.
pub(super) fn of(rich: &Rich) -> String {
    write(rich, &Markdown::of(rich))
}

/// Size as sent, UTF-16 units: never less than Discord counts.
pub(super) fn size(rich: &Rich) -> usize {
    of(rich).encode_utf16().count()
}

/// Which characters could pair up to marks anywhere in the message.
struct Markdown {
    stars: bool,
    underscores: bool,
    tildes: bool,
    bars: bool,
}

impl Markdown {
    fn of(rich: &Rich) -> Self {
        let has = |wanted: &[Mark]| rich.spans.iter().any(|span| wanted.contains(&span.mark));
        let runs = |mark: char, least: usize| {
            let mut rest = rich.text.as_str();
            let mut count = 0;
            while let Some(at) = rest.find(mark) {
                let run = rest.get(at..).unwrap_or_default();
                let after = run.trim_start_matches(mark);
                count += usize::from(run.len() - after.len() >= least);
                rest = after;
            }
            count
        };
        Self {
            stars: runs('*', 1) > 1 || has(&[Mark::Bold, Mark::Italic]),
            underscores: runs('_', 1) > 1 || has(&[Mark::Italic]),
            tildes: runs('~', 2) > 1 || has(&[Mark::Strike]),
            bars: runs('|', 2) > 1,
        }
    }

    /// Whether this character would be read as part of a mark. `last_link` is the last `](` of the
    /// text.
    fn is_mark(&self, text: &str, at: usize, ch: char, last_link: Option<usize>) -> bool {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + ch.len_utf8()..).and_then(|after| after.chars().next());
        let is_run = before == Some(ch) || after == Some(ch);
        let is = |ch: Option<char>, test: fn(char) -> bool| ch.is_some_and(test);
        match ch {
            '\\' => after.is_some_and(|after| after.is_ascii_punctuation()),
            '`' => true,
            '*' => {
                let is_alone = !is_run
                    && is(before, char::is_whitespace)
                    && after.is_none_or(char::is_whitespace);
                self.stars && !is_alone
            }
            '_' => {
                let in_word = is(before, char::is_alphanumeric) && is(after, char::is_alphanumeric);
                self.underscores && (is_run || !in_word)
            }
            '~' => self.tildes && is_run,
            '|' => self.bars && is_run,
            '[' => last_link.is_some_and(|link| at < link),
            _ => false,
        }
    }
}

impl Markup for Markdown {
    fn text(&self, out: &mut String, text: &str) {
        let begins_line = out.is_empty() || out.ends_with('\n') || out.ends_with("\n> ");
        if begins_line && begins_block(text) {
            out.push('\\');
        }
        let last_link = text.rfind("](");
        for token in text.split_inclusive(char::is_whitespace) {
            let offset = token.as_ptr() as usize - text.as_ptr() as usize;
            // Discord takes an address whole.
            let is_address = token.contains("://");
            for (at, ch) in token.char_indices() {
                if !is_address && self.is_mark(text, offset + at, ch, last_link) {
                    out.push('\\');
                }
                out.push(ch);
            }
        }
    }

    fn delimiter(&self, mark: &Mark, around: [Option<char>; 2]) -> Option<&'static str> {
        let in_word = around.iter().flatten().any(|ch| ch.is_alphanumeric());
        match mark {
            Mark::Bold => Some("**"),
            Mark::Italic if in_word => Some("*"),
            Mark::Italic => Some("_"),
            Mark::Strike => Some("~~"),
            _ => None,
        }
    }

    fn code(&self, out: &mut String, code: &str, _: [Option<char>; 2]) {
        let longest = code.split(|ch| ch != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest + 1);
        let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
        out.push_str(&format!("{fence}{pad}{code}{pad}{fence}"));
    }

    fn link(&self, out: &mut String, words: &str, address: &str) {
        if words == address || address.strip_prefix("mailto:") == Some(words) {
            out.push_str(words);
        } else {
            let words = words.replace('[', "\\[").replace(']', "\\]");
            let address = address.replace('(', "%28").replace(')', "%29");
            out.push_str(&format!("[{words}]({address})"));
        }
    }

    fn pre(&self, out: &mut String, language: &str, code: &str) {
        let code = code.replace("```", &format!("``{JOINER}`"));
        out.push_str(&format!("```{language}\n{code}\n```"));
    }

    fn heading(&self, level: u8) -> Option<&'static str> {
        match level {
            1 => Some("# "),
            2 => Some("## "),
            3 => Some("### "),
            _ => None,
        }
    }

    fn verbatim(&self, out: &mut String, lines: &str) {
        for line in lines.split_inclusive('\n') {
            let (mark, words) = match line.strip_prefix("> ") {
                Some(words) => ("> ", words),
                None => ("", line),
            };
            out.push_str(mark);
            for ch in words.chars() {
                if "\\`*_~|<>[]()#:-".contains(ch) {
                    out.push('\\');
                }
                out.push(ch);
            }
        }
    }
}

/// Whether a line of text would be a heading, small print or a quotation.
fn begins_block(text: &str) -> bool {
    let bare = text.trim_start_matches('#');
    let is_heading = (1..=3).contains(&(text.len() - bare.len())) && bare.starts_with(' ');
    is_heading || text.starts_with("-# ") || text.starts_with("> ") || text.starts_with(">>> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::of_markdown;

    fn shown(markdown: &str) -> String {
        of(&of_markdown(markdown))
    }

    #[test]
    fn markdown_stays_as_discord_reads_it() {
        for text in [
            "## Why\n**a** and _b_, ~~c~~ and `d`\n\n- one\n  - two\n\n1. three",
            "```rust\nlet x = **p;\n```\n> quoted\n> **more**",
            "[docs](https://ex.org/a_b) and https://ex.org/_a_",
            "2**10 and a_b_c",
            "3 * 4 * 5",
            "@everyone hi",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn text_that_discord_would_read_as_a_mark_is_escaped() {
        assert_eq!(shown("2**10 == 1024 and a**b"), "2\\*\\*10 == 1024 and a\\*\\*b");
        assert_eq!(shown("from a import __init__"), "from a import \\_\\_init\\_\\_");
        assert_eq!(shown("\\# no heading\n\\> no quote"), "\\# no heading\n\\> no quote");
        assert_eq!(shown("a||b||c"), "a\\|\\|b\\|\\|c");
        assert_eq!(shown("~~~\na**b\n```\n~~~"), "```\na**b\n``\u{2060}`\n```");
    }
}
