//! A text in Slack's mrkdwn: three characters escaped, and marks only where Slack reads them.
//! <https://docs.slack.dev/messaging/formatting-message-text>

use crate::channels::marks::{self, JOINER, fenced, guarded, is_in_word};
use crate::render::{Mark, Markup, Rich, of_markdown, write};

/// The text in mrkdwn.
pub(super) fn of(rich: &Rich) -> String {
    write(rich, &Mrkdwn)
}

/// The mrkdwn of a Markdown text.
pub(super) fn of_text(markdown: &str) -> String {
    of(&of_markdown(markdown))
}

/// Size as sent, characters.
pub(super) fn size(rich: &Rich) -> usize {
    of(rich).chars().count()
}

/// The three characters that Slack reads as its own.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

struct Mrkdwn;

impl Markup for Mrkdwn {
    fn text(&self, out: &mut String, text: &str) {
        if text.starts_with('>') && (out.is_empty() || out.ends_with('\n')) {
            out.push(JOINER);
        }
        out.push_str(&escaped(&guarded(text, false)));
    }

    fn delimiter(&self, mark: &Mark, around: [Option<char>; 2]) -> Option<&'static str> {
        marks::delimiter(mark, around)
    }

    fn code(&self, out: &mut String, code: &str, around: [Option<char>; 2]) {
        // There is no way to write a backtick in it.
        if is_in_word(around) || code.contains('`') {
            self.text(out, code);
        } else {
            out.push_str(&format!("`{}`", escaped(code)));
        }
    }

    fn link(&self, out: &mut String, words: &str, address: &str) {
        if words == address || address.strip_prefix("mailto:") == Some(words) {
            out.push_str(&escaped(words));
        } else {
            let address = address.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E");
            out.push_str(&format!("<{}|{}>", address.replace('&', "&amp;"), escaped(words)));
        }
    }

    fn pre(&self, out: &mut String, _: &str, code: &str) {
        out.push_str(&fenced(&escaped(code)));
    }

    fn heading(&self, _: u8) -> Option<&'static str> {
        None
    }

    fn verbatim(&self, out: &mut String, lines: &str) {
        out.push_str(&escaped(lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_what_slack_shows() {
        assert_eq!(
            of_text("## Why\n**a** < b & `c`\n```rust\nlet x = **p;\n```"),
            "*Why*\n*a* &lt; b &amp; `c`\n```\nlet x = **p;\n```"
        );
        assert_eq!(
            of_text("See [docs](https://ex.org/a_b?x=1&y), *soft*, ~~gone~~ and ***both***"),
            "See <https://ex.org/a_b?x=1&amp;y|docs>, _soft_, ~gone~ and *_both_*"
        );
        assert_eq!(of_text("> quoted **x**\n> more"), "> quoted *x*\n> more");
    }

    #[test]
    fn text_that_looks_like_a_mark_stays_text() {
        for text in ["Use 2**10, a_b_c, __init__ and 3 * 4 * 5", "~5 to ~10", "https://x.y/_a_"] {
            assert_eq!(of_text(text), text);
        }
        assert_eq!(of_text("\\*not bold\\*"), "*\u{2060}not bold*");
        assert_eq!(of_text("un*believ*able"), "un*believ*able");
        assert_eq!(of_text("``a`b``"), "a`b");
        assert_eq!(of_text("````\n```js\nx\n```\n````"), "```\n``\u{2060}`js\nx\n``\u{2060}`\n```");
    }
}
