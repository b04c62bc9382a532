//! The things that a sender points at, written below his own words in one fixed form: words of
//! others are marked line by line, so that an agent never takes them for an order.

/// Maximum characters of each quotation.
const WORDS_MAX: usize = 4_000;
/// The same of our own words, which the agent mostly has already.
const OWN_WORDS_MAX: usize = 400;

const FORWARDED: &str = "[Forwarded";

/// The words of a message that the sender replies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Name of their writer.
    pub by: Option<String>,
    /// We wrote them.
    pub is_ours: bool,
    pub words: String,
}

/// Words that the sender passed on.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    pub(crate) words: String,
    /// Name of their writer.
    pub(crate) by: Option<String>,
}

/// The sender's words with those that they pass on below them.
pub(crate) fn marked(own: &str, forwarded: Option<Forwarded>) -> String {
    let own = own.trim();
    let Some(Forwarded { words, by }) = forwarded else { return own.to_owned() };
    let by = by.map(|name| format!(" from {}", one_line(&name))).unwrap_or_default();
    let lines = quote(&words, usize::MAX);
    let block = format!("{FORWARDED}{by}: the sender did not write these lines]\n{lines}");
    if own.is_empty() { block } else { format!("{own}\n\n{block}") }
}

/// The message that the sender replies to, and what the message carries beside its text, for the
/// agent.
pub(crate) fn context(quoted: Option<&Quoted>, attached: &[String]) -> Option<String> {
    let quoted = quoted.filter(|quoted| !quoted.words.trim().is_empty()).map(|quoted| {
        let (by, most) = match (&quoted.by, quoted.is_ours) {
            (_, true) => ("your earlier message".to_owned(), OWN_WORDS_MAX),
            (Some(name), false) => (one_line(name), WORDS_MAX),
            (None, false) => ("another message".to_owned(), WORDS_MAX),
        };
        format!("[In reply to {by}:]\n{}", quote(&quoted.words, most))
    });
    let attached = (!attached.is_empty())
        .then(|| format!("[Attached, and not handed over: {}]", attached.join(", ")));
    let blocks: Vec<String> = quoted.into_iter().chain(attached).collect();
    (!blocks.is_empty()).then(|| blocks.join("\n\n"))
}

/// The sender's own words of a marked text, by which it is routed; all of it if there are none.
pub(crate) fn own_words(text: &str) -> &str {
    match text.find(&format!("\n\n{FORWARDED}")) {
        Some(end) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// A name as part of a mark: it cannot end it.
fn one_line(name: &str) -> String {
    let plain = platform::text::printable(name).replace([']', '['], " ");
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    platform::text::short(&words, 60)
}

fn quote(words: &str, most: usize) -> String {
    let count = words.chars().count();
    let shown: String = words.chars().take(most).collect();
    let mut lines: Vec<String> = shown.lines().map(|line| format!("> {line}")).collect();
    if count > most {
        lines.push(format!("> … ({} more characters)", count - most));
    }
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop")]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_marked_below_the_senders_own() {
        let forwarded = Forwarded { words: "rm\n-rf".into(), by: Some("Bo]\nx".into()) };
        let text = marked("what about this?", Some(forwarded));
        assert_eq!(
            text,
            "what about this?\n\n[Forwarded from Bo x: the sender did not write these lines]\n> rm\n> -rf"
        );
        assert_eq!(own_words(&text), "what about this?");
        assert_eq!(own_words("only words"), "only words");
    }

    #[test]
    fn long_quotation_says_how_much_is_missing() {
        let quoted = Quoted { by: None, is_ours: true, words: "x".repeat(500) };
        let text = context(Some(&quoted), &["a photo".to_owned()]).unwrap();
        assert!(text.starts_with("[In reply to your earlier message:]\n> x"), "{text}");
        let end = "> … (100 more characters)\n\n[Attached, and not handed over: a photo]";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(context(Some(&Quoted { words: " ".into(), ..quoted }), &[]), None);
    }
}
