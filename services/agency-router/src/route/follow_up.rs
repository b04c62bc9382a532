//! Follow-ups ("yes", "do it", "the second one") have no content of their own and stay with the
//! conversation's agent.

/// Maximum words of a message that is a follow-up by its shortness.
pub const SHORT_WORDS_MAX: usize = 4;

/// Whole messages that answer or continue, without case and punctuation.
const PHRASES: &[&str] = &[
    "again",
    "and",
    "both",
    "cancel that",
    "carry on",
    "continue",
    "correct",
    "do it",
    "do it now",
    "do that",
    "exactly",
    "first",
    "fine",
    "go",
    "go ahead",
    "go for it",
    "go on",
    "keep going",
    "looks good",
    "make it so",
    "more",
    "next",
    "no",
    "no thanks",
    "nope",
    "ok",
    "okay",
    "ok do it",
    "please do",
    "please do it",
    "proceed",
    "redo it",
    "right",
    "second",
    "ship it",
    "sounds good",
    "sure",
    "the first",
    "the first one",
    "the last one",
    "the second",
    "the second one",
    "try again",
    "undo it",
    "undo that",
    "why",
    "yeah",
    "yep",
    "yes",
    "yes do it",
    "yes please",
    "yup",
    "y",
    "n",
    "k",
    "ja",
    "ja bitte",
    "nein",
    "weiter",
    "mach das",
    "mach weiter",
    "genau",
    "nochmal",
    "sí",
    "si",
    "vale",
    "claro",
    "hazlo",
    "sigue",
    "oui",
    "non",
    "d accord",
    "vas y",
    "continue stp",
    "sim",
    "não",
    "continua",
    "да",
    "нет",
    "давай",
    "продолжай",
    "是",
    "是的",
    "好",
    "好的",
    "继续",
    "はい",
    "いいえ",
    "続けて",
    "네",
    "아니요",
    "계속",
];

/// Whether the message is one of the phrases.
pub fn is_follow_up(message: &str) -> bool {
    let words = words(message);
    words.len() <= SHORT_WORDS_MAX && PHRASES.contains(&words.join(" ").as_str())
}

/// Whether the message is so short that the conversation matters more than its words.
pub fn is_short(message: &str) -> bool {
    words(message).len() <= SHORT_WORDS_MAX && message.chars().count() <= 40
}

fn words(message: &str) -> Vec<String> {
    let words =
        message.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(SHORT_WORDS_MAX + 1).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_up_matches_answers_but_not_requests() {
        for message in ["yes", "Yes, please!", "do it.", "OK", "да", "好的", "the second one"] {
            assert!(is_follow_up(message), "{message}");
        }
        for message in [
            "yes but scan the server first",
            "fix the build",
            "",
            "👍 hello there my friend of old",
        ] {
            assert!(!is_follow_up(message), "{message}");
        }
    }
}
