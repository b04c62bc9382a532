//! Follow-ups ("yes", "do it", "the second one") have no content of their own and stay with the
//! conversation's agent.

use super::points_back::{is_empty_without_the_talk, words_of};

/// Maximum words of a message that is a follow-up by its shortness.
pub const SHORT_WORDS_MAX: usize = 4;
/// Maximum characters of an answer to an agent's question.
const BRIEF_CHARS_MAX: usize = 40;

/// Whole messages that answer or continue, without case and punctuation.
const PHRASES: &[&str] = &[
    "again",
    "and",
    "beide",
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
    "das erste",
    "das zweite",
    "die erste",
    "die zweite",
    "der erste",
    "der zweite",
    "genau",
    "nochmal",
    "sí",
    "si",
    "vale",
    "claro",
    "hazlo",
    "la primera",
    "la segunda",
    "el primero",
    "el segundo",
    "sigue",
    "oui",
    "non",
    "d accord",
    "vas y",
    "le premier",
    "la première",
    "le deuxième",
    "la deuxième",
    "le second",
    "la seconde",
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

/// Whether the message is one of the phrases, or has no content without the talk.
///
/// So is the name of one option of several: “A”, “2”, “option b”.
pub fn is_follow_up(message: &str) -> bool {
    is_phrase(message) || is_empty_without_the_talk(message)
}

fn is_phrase(message: &str) -> bool {
    let words = words(message);
    match words.as_slice() {
        [] => false,
        [one] if is_option(one) => true,
        [before, one] if BEFORE_OPTIONS.contains(&before.as_str()) && is_option(one) => true,
        several => {
            several.len() <= SHORT_WORDS_MAX && PHRASES.contains(&several.join(" ").as_str())
        }
    }
}

/// Words before the name of an option.
const BEFORE_OPTIONS: &[&str] = &[
    "answer", "choice", "choose", "n", "no", "nr", "number", "nummer", "opción", "option",
    "variant",
];

/// One letter, or a number of two digits.
fn is_option(word: &str) -> bool {
    let mut letters = word.chars();
    let is_letter = letters.next().is_some() && letters.next().is_none();
    is_letter || word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the message is so short that the conversation matters more than its words.
pub fn is_short(message: &str) -> bool {
    words(message).len() <= SHORT_WORDS_MAX && is_brief(message)
}

/// Whether the message is short enough to answer a question.
pub fn is_brief(message: &str) -> bool {
    message.trim().chars().count() <= BRIEF_CHARS_MAX
}

fn words(message: &str) -> Vec<String> {
    words_of(message, SHORT_WORDS_MAX + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_up_matches_answers_but_not_requests() {
        for message in [
            "yes",
            "Yes, please!",
            "do it.",
            "OK",
            "да",
            "好的",
            "the second one",
            "A",
            "b)",
            "2",
            "12.",
            "option B",
            "Nr. 3",
            "die zweite",
            "beide",
            "ja",
            "1)",
        ] {
            assert!(is_follow_up(message), "{message}");
        }
        for message in [
            "yes but scan the server first",
            "fix the build",
            "",
            "404",
            "option",
            "C compiler",
            "👍 hello there my friend of old",
        ] {
            assert!(!is_follow_up(message), "{message}");
        }
    }
}
