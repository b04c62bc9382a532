//! Markdown as agents write it, as plain text with entities: nothing has to be escaped, and nothing
//! can be broken. Offsets and lengths count UTF-16 code units.

use serde_json::{Value, json};

/// The text Telegram shows, and what is special in it.
pub fn of_markdown(markdown: &str) -> (String, Vec<Value>) {
    let mut out = Writer::default();
    let mut lines = markdown.split('\n').peekable();
    let mut first = true;
    while let Some(line) = lines.next() {
        if !first {
            out.push("\n");
        }
        first = false;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let mut code = Vec::new();
            while let Some(inner) = lines.next_if(|inner| !inner.trim_start().starts_with("```")) {
                code.push(inner);
            }
            lines.next();
            out.block(&code.join("\n"), language.trim());
        } else {
            inline(line, &mut out);
        }
    }
    (out.text, out.entities)
}

#[derive(Default)]
struct Writer {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.units += text.encode_utf16().count();
    }
    fn mark(&mut self, kind: &str, text: &str) -> Option<&mut Value> {
        if text.is_empty() {
            return None;
        }
        let offset = self.units;
        self.push(text);
        self.entities
            .push(json!({ "type": kind, "offset": offset, "length": self.units - offset }));
        self.entities.last_mut()
    }
    fn block(&mut self, code: &str, language: &str) {
        if let Some(entity) = self.mark("pre", code)
            && !language.is_empty()
        {
            entity["language"] = language.into();
        }
    }
}

/// `code`, **bold** and headings; everything else stays as it is written.
fn inline(line: &str, out: &mut Writer) {
    let bare = line.trim_start_matches('#');
    if bare.len() < line.len() && bare.starts_with(' ') {
        out.mark("bold", bare.trim());
        return;
    }
    let mut rest = line;
    while !rest.is_empty() {
        let next = [("`", "code"), ("**", "bold")]
            .into_iter()
            .filter_map(|(mark, kind)| Some((rest.find(mark)?, mark, kind)))
            .min();
        let Some((at, mark, kind)) = next else { break };
        let (before, after) = rest.split_at(at);
        let inner = after.get(mark.len()..).unwrap_or_default();
        match inner.find(mark).filter(|end| *end > 0) {
            Some(end) => {
                out.push(before);
                out.mark(kind, inner.get(..end).unwrap_or_default());
                rest = inner.get(end + mark.len()..).unwrap_or_default();
            }
            None => {
                out.push(before);
                out.push(mark);
                rest = inner;
            }
        }
    }
    out.push(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_entities_counted_in_utf16() {
        let (text, entities) =
            of_markdown("🚀 **ship** it `now`\n```rust\nfn x() {}\n```\nend _. !");
        assert_eq!(text, "🚀 ship it now\nfn x() {}\nend _. !");
        assert_eq!(
            entities,
            [
                json!({"type": "bold", "offset": 3, "length": 4}),
                json!({"type": "code", "offset": 11, "length": 3}),
                json!({"type": "pre", "offset": 15, "length": 9, "language": "rust"}),
            ]
        );
    }

    #[test]
    fn marks_that_are_left_open_are_text() {
        assert_eq!(of_markdown("2 ** 3 and `x").0, "2 ** 3 and `x");
        assert_eq!(of_markdown("```\nnever closed").0, "never closed");
    }
}
