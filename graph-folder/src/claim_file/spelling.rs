//! Spellings of a message that the loader may read back unchanged, the simplest first. Parsing
//! decides which one works.

/// Characters that are markup in Markdown or for the loader.
const MARKUP: &str = "\\`*_[]<>#|~&%";

/// Normalised text for comparison: case and spacing do not count.
pub fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Spellings as the text of a bullet.
pub fn in_markdown(message: &str) -> Vec<String> {
    let escaped = escaped(message);
    // Curly quotes can contain a message with straight ones.
    let ways = |text: &str| [text.to_owned(), format!("\"{text}\""), format!("“{text}”")];
    let mut all: Vec<String> = ways(message).into_iter().chain(ways(&escaped)).collect();
    all.dedup();
    all
}

/// Spellings as an item of a YAML list.
pub fn in_yaml(message: &str) -> Vec<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    // The loader reads unescaped brackets as a link even in quotes.
    let without_links = |text: &str| quoted(text).replace('[', "\\u005b");
    // A message that is itself quoted would lose its quotes.
    let twice = format!("“{message}”");
    let plain = is_plain(message).then(|| message.to_owned());
    plain
        .into_iter()
        .chain([quoted(message), without_links(message), without_links(&twice)])
        .collect()
}

/// Whether YAML reads the bare message as this text.
fn is_plain(message: &str) -> bool {
    let is_word = |word: &str| {
        word.chars().all(|letter| letter.is_alphanumeric() || "'.,?!()-/".contains(letter))
    };
    let says_something_else = ["true", "false", "yes", "no", "on", "off", "null"]
        .contains(&message.to_lowercase().as_str());
    message.starts_with(char::is_alphabetic)
        && message.split(' ').all(is_word)
        && !says_something_else
}

fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 8);
    // `- `, `+ ` and `1. ` are markup only at the start of a text.
    let digits =
        message.len() - message.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    for (at, letter) in message.char_indices() {
        let begins_item = (at == 0 && "+-=".contains(letter))
            || (at > 0 && at == digits && ".)".contains(letter));
        if MARKUP.contains(letter) || begins_item {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
