//! Renders answers: paragraphs, lists, code. This is a small part of Markdown; everything else
//! stays text, and all of it is escaped.

use maud::{Markup, html};
use platform::text::honest;

enum Block<'a> {
    Text(Vec<&'a str>),
    Heading(&'a str),
    List(Vec<&'a str>),
    Code(Vec<&'a str>),
}

fn list_item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).or_else(|| line.strip_prefix("• "))
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    (rest.len() < line.len()).then(|| rest.strip_prefix(' ')).flatten()
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut in_code = false;
    let mut fresh = true;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            if in_code {
                blocks.push(Block::Code(Vec::new()));
            }
            fresh = true;
            continue;
        }
        match (blocks.last_mut(), list_item(line)) {
            (Some(Block::Code(lines)), _) if in_code => lines.push(line),
            _ if line.trim().is_empty() => {}
            (Some(Block::List(items)), Some(item)) => items.push(item),
            (_, Some(item)) => blocks.push(Block::List(vec![item])),
            _ if heading(line).is_some() => blocks.extend(heading(line).map(Block::Heading)),
            (Some(Block::Text(lines)), None) if !fresh => lines.push(line),
            _ => blocks.push(Block::Text(vec![line])),
        }
        fresh = line.trim().is_empty();
    }
    blocks
}

/// `code` and **bold** within a line.
fn inline(line: &str) -> Markup {
    html! {
        @for (i, part) in line.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } }
            @else { @for (j, text) in part.split("**").enumerate() { @if j % 2 == 1 { strong { (text) } } @else { (text) } } }
        }
    }
}

/// Renders the whole text.
pub fn prose(text: &str) -> Markup {
    let text = honest(text);
    html! {
        @for block in blocks(&text) {
            @match block {
                Block::Heading(line) => p.heading { strong { (inline(line)) } },
                Block::List(items) => ul { @for item in items { li { (inline(item)) } } },
                Block::Code(lines) => pre { code { (lines.join("\n")) } },
                Block::Text(lines) => p { @for (i, line) in lines.iter().enumerate() { @if i > 0 { br; } (inline(line)) } },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_escapes_script_tags_everywhere() {
        for text in [
            "<script>x</script>",
            "- <script>",
            "# <script>",
            "```\n<script>\n```",
            "`<script>`",
            "**<script>**",
        ] {
            let html = prose(text).into_string();
            assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
        }
    }

    #[test]
    fn prose_renders_paragraphs_lists_and_code() {
        let html =
            prose("One\ntwo\n\nThree **b** `c`\n- a\n- b\n```rust\nfn x() {}\n\n// y\n```\nend")
                .into_string();
        let expected = "<p>One<br>two</p><p>Three <strong>b</strong> <code>c</code></p><ul><li>a</li><li>b</li></ul>\
                        <pre><code>fn x() {}\n\n// y</code></pre><p>end</p>";
        assert_eq!(html, expected);
    }
}
