//! A text in WhatsApp's marks. There is no escape and no link with words of its own.
//! <https://faq.whatsapp.com/539178204879377>

use crate::channels::marks::{self, JOINER, fenced, guarded, is_in_word};
use crate::render::{Mark, Markup, Rich, write};

/// The text as it is sent.
pub(super) fn of(rich: &Rich) -> String {
    write(rich, &Marks)
}

/// Size as sent, UTF-16 units: never less than WhatsApp counts.
pub(super) fn size(rich: &Rich) -> usize {
    of(rich).encode_utf16().count()
}

struct Marks;

impl Markup for Marks {
    fn text(&self, out: &mut String, text: &str) {
        let begins_line = out.is_empty() || out.ends_with('\n');
        if begins_line && (text.starts_with('>') || text.starts_with("* ")) {
            out.push(JOINER);
        }
        out.push_str(&guarded(text, true));
    }

    fn delimiter(&self, mark: &Mark, around: [Option<char>; 2]) -> Option<&'static str> {
        marks::delimiter(mark, around)
    }

    fn code(&self, out: &mut String, code: &str, around: [Option<char>; 2]) {
        // There is no way to write a backtick in it.
        if is_in_word(around) || code.contains('`') {
            self.text(out, code);
        } else {
            out.push_str(&format!("`{code}`"));
        }
    }

    fn link(&self, out: &mut String, words: &str, address: &str) {
        if words == address || address.strip_prefix("mailto:") == Some(words) {
            out.push_str(words);
        } else {
            self.text(out, words);
            out.push_str(&format!(" ({address})"));
        }
    }

    fn pre(&self, out: &mut String, _: &str, code: &str) {
        out.push_str(&fenced(code));
    }

    fn heading(&self, _: u8) -> Option<&'static str> {
        None
    }

    /// Only in a block of code does no character mean anything.
    fn verbatim(&self, out: &mut String, lines: &str) {
        out.push_str(&fenced(lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{of_markdown, of_question};
    use proptest::prelude::*;

    fn of_text(markdown: &str) -> String {
        of(&of_markdown(markdown))
    }

    #[test]
    fn markdown_becomes_what_whatsapp_shows() {
        for (markdown, sent) in [
            (
                "## Why\n**a** < b & `c`\n```rust\nlet x = **p;\n```",
                "*Why*\n*a* < b & `c`\n```\nlet x = **p;\n```",
            ),
            (
                "See [docs](https://ex.org/a_b?x=1&y), *soft*, ~~gone~~ and ***both***",
                "See docs (https://ex.org/a_b?x=1&y), _soft_, ~gone~ and *_both_*",
            ),
            ("> quoted **x**\n> more", "> quoted *x*\n> more"),
            ("- one\n- two\n\n1. a", "- one\n- two\n\n1. a"),
            ("<https://x.y/_a_>", "https://x.y/_a_"),
            (
                "Use 2**10, a_b_c, __init__ and 3 * 4 * 5",
                "Use 2**10, a_b_c, __init__ and 3 * 4 * 5",
            ),
            ("\\*not bold\\*", "\u{2060}*not bold*"),
            ("\\* not a list", "\u{2060}* not a list"),
            ("``a`b``", "a`b"),
            ("````\n```js\nx\n```\n````", "```\n``\u{2060}`js\nx\n``\u{2060}`\n```"),
        ] {
            assert_eq!(of_text(markdown), sent, "{markdown}");
        }
    }

    #[test]
    fn words_of_others_in_a_question_are_shown_with_every_mark() {
        let question = of_question("Approval **needed**\n> rm *a* `b` ~c~\n\nCost: $0");
        assert_eq!(of(&question), "Approval *needed*\n```\n> rm *a* `b` ~c~\n```\n\nCost: $0");
    }

    /// Everything but marks, blanks and what has no width.
    fn bare(text: &str) -> String {
        let is_mark = |ch: &char| "*_~`>\u{2060}".contains(*ch) || ch.is_whitespace();
        text.chars().filter(|ch| !is_mark(ch)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Taking the marks away changes no other character of the text, and none at all of a
        /// block of code but three backticks.
        #[test]
        fn marks_change_no_other_character(
            words in "([a-z<&>*_~`é🚀.]{1,8} ){0,12}",
            code in "[a-z*_~<&> ]{0,20}(\n[a-z*_~<&> ]{1,20}){0,5}",
        ) {
            let rich = of_markdown(&format!("{words}\n\n```\n{code}\n```\n"));
            let sent = of(&rich);
            prop_assert_eq!(bare(&sent), bare(&rich.text));
            for block in rich.spans.iter().filter(|span| matches!(span.mark, Mark::Pre(_))) {
                let code = &rich.text[block.range.clone()];
                // Words such as `~~~` open a block that the fence below is the code of.
                let whole =
                    if code.contains("```") { sent.replace(JOINER, "") } else { sent.clone() };
                prop_assert!(whole.contains(code), "{}", sent);
            }
        }
    }
}
