//! The ways to write a message down so that the loader reads it as it was: the simplest first. Which one does is found by reading back.

/// Signs that are markup somewhere in Markdown or in the loader's reading of it.
const MARKUP: &str = "\\`*_[]<>#|~&%";

/// As the text of a bullet.
pub fn in_markdown(message: &str) -> Vec<String> {
    let escaped = escaped(message);
    // Quotation marks that bend hold a message that has straight ones in it.
    let ways = |text: &str| [text.to_owned(), format!("\"{text}\""), format!("“{text}”")];
    let mut all: Vec<String> = ways(message).into_iter().chain(ways(&escaped)).collect();
    all.dedup();
    all
}

/// As an item of a YAML list.
pub fn in_yaml(message: &str) -> Vec<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    // Brackets that stand as themselves are read as a link even in quotes.
    let without_links = |text: &str| quoted(text).replace('[', "\\u005b");
    // A message that is in quotes itself would lose them.
    let twice = format!("“{message}”");
    let plain = is_plain(message).then(|| message.to_owned());
    plain
        .into_iter()
        .chain([quoted(message), without_links(message), without_links(&twice)])
        .collect()
}

/// Whether YAML surely reads it as this text.
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
    // `- `, `+ ` and `1. ` are markup where a text begins, and nowhere else.
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
