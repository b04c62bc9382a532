//! A text for Telegram: plain, with entities. Nothing has to be escaped, and nothing can be broken.
//! Offsets and lengths count UTF-16 code units.

use crate::render::{Mark, Rich, Span};
use serde_json::{Value, json};

/// Telegram drops entities above this number, the last first.
const ENTITIES_MAX: usize = 100;

/// Size of the text, UTF-16 units.
pub(super) fn size(rich: &Rich) -> usize {
    units(&rich.text)
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The entities of the text, in its order. Above the limit those go first that matter least:
/// words are read without emphasis, code and links are not.
pub(super) fn of(rich: &Rich) -> Vec<Value> {
    let mut spans: Vec<(u8, Span)> = rich
        .spans
        .iter()
        .flat_map(|span| pieces(rich, span))
        .filter_map(|span| Some((rank(rich, &span)?, span)))
        .collect();
    spans.sort_by_key(|(rank, span)| (*rank, span.range.start));
    spans.truncate(ENTITIES_MAX);
    spans.sort_by_key(|(_, span)| (span.range.start, usize::MAX - span.range.end));
    spans.iter().map(|(_, span)| entity(rich, span)).collect()
}

/// A quotation is no part of the block of code in it.
fn pieces(rich: &Rich, span: &Span) -> Vec<Span> {
    if span.mark != Mark::Quote {
        return vec![span.clone()];
    }
    let mut blocks: Vec<_> = rich
        .spans
        .iter()
        .filter(|block| matches!(block.mark, Mark::Pre(_)))
        .map(|block| block.range.clone())
        .filter(|block| block.start < span.range.end && span.range.start < block.end)
        .collect();
    blocks.sort_by_key(|block| block.start);
    let mut from = span.range.start;
    let mut pieces = Vec::new();
    let end = span.range.end..span.range.end;
    for block in blocks.into_iter().chain(std::iter::once(end)) {
        let text = rich.text.get(from..block.start).unwrap_or_default();
        let start = from + (text.len() - text.trim_start().len());
        let range = start..start + text.trim().len();
        if !range.is_empty() {
            pieces.push(Span { range, mark: Mark::Quote });
        }
        from = block.end;
    }
    pieces
}

/// The order in which marks matter; `None` for one that is no entity.
fn rank(rich: &Rich, span: &Span) -> Option<u8> {
    Some(match &span.mark {
        Mark::Pre(_) => 0,
        // Telegram links an address by itself.
        Mark::Link(address) if rich.text.get(span.range.clone()) == Some(address) => return None,
        Mark::Link(_) => 1,
        Mark::Quote => 2,
        Mark::Code => 3,
        Mark::Heading(_) => 4,
        Mark::Bold => 5,
        Mark::Italic => 6,
        Mark::Strike => 7,
        Mark::Verbatim => return None,
    })
}

fn entity(rich: &Rich, span: &Span) -> Value {
    let before = rich.text.get(..span.range.start).unwrap_or_default();
    let inner = rich.text.get(span.range.clone()).unwrap_or_default();
    let kind = match &span.mark {
        Mark::Pre(_) => "pre",
        Mark::Link(_) => "text_link",
        Mark::Quote => "blockquote",
        Mark::Code => "code",
        Mark::Italic => "italic",
        Mark::Strike => "strikethrough",
        Mark::Bold | Mark::Heading(_) | Mark::Verbatim => "bold",
    };
    let mut entity = json!({ "type": kind, "offset": units(before), "length": units(inner) });
    match &span.mark {
        Mark::Pre(language) if !language.is_empty() => entity["language"] = language.clone().into(),
        Mark::Link(address) => entity["url"] = address.clone().into(),
        _ => {}
    }
    entity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::of_markdown;

    #[test]
    fn marks_become_entities_counted_in_utf16() {
        let rich = of_markdown("🚀 **ship** it `now`\n```rust\nfn x() {}\n```\nend _. !");
        assert_eq!(rich.text, "🚀 ship it now\nfn x() {}\nend _. !");
        assert_eq!(
            of(&rich),
            [
                json!({"type": "bold", "offset": 3, "length": 4}),
                json!({"type": "code", "offset": 11, "length": 3}),
                json!({"type": "pre", "offset": 15, "length": 9, "language": "rust"}),
            ]
        );
    }

    #[test]
    fn marks_that_are_left_open_are_text() {
        assert_eq!(of_markdown("2 ** 3 and `x").text, "2 ** 3 and `x");
        assert_eq!(of_markdown("```\nnever closed").text, "never closed");
    }

    #[test]
    fn links_quotes_and_emphasis_are_entities() {
        let rich =
            of_markdown("> see [docs](https://ex.org/a_b)\n\n*soft* and ~~gone~~ <https://x.y>");
        assert_eq!(rich.text, "see docs\n\nsoft and gone https://x.y");
        assert_eq!(
            of(&rich),
            [
                json!({"type": "blockquote", "offset": 0, "length": 8}),
                json!({"type": "text_link", "offset": 4, "length": 4, "url": "https://ex.org/a_b"}),
                json!({"type": "italic", "offset": 10, "length": 4}),
                json!({"type": "strikethrough", "offset": 19, "length": 4}),
            ]
        );
    }

    #[test]
    fn entities_above_the_limit_go_by_what_they_are() {
        let text = format!("{}`last` [x](https://x.y)", "**b** ".repeat(120));
        let rich = of_markdown(&text);
        let entities = of(&rich);
        assert_eq!(entities.len(), 100);
        assert!(entities.iter().any(|entity| entity["type"] == "code"));
        assert!(entities.iter().any(|entity| entity["type"] == "text_link"));
    }
}
