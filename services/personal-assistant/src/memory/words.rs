//! The words of a text, as recall compares them.

use platform::text::composed;
use std::collections::BTreeMap;

/// Longest word, characters; what is longer is data.
const WORD_CHARS_MAX: usize = 40;
/// Words that are in every text, of the languages that people write most.
const STOP: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by",
    "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "him",
    "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "my", "no", "not",
    "of", "on", "or", "our", "please", "she", "should", "so", "some", "tell", "that", "the",
    "their", "them", "then", "there", "they", "this", "to", "us", "was", "we", "were", "what",
    "when", "where", "which", "who", "why", "will", "with", "would", "you", "your", "der", "die",
    "das", "und", "ist", "ich", "mein", "meine", "wie", "was", "ein", "eine", "el", "la", "los",
    "las", "es", "mi", "un", "una", "que", "de", "le", "les", "est", "mon", "ma", "je", "et", "du",
];

/// The words of a text with their numbers. A script without spaces gives pairs of letters.
pub fn words(text: &str) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let text = composed(text).to_lowercase();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let letters: Vec<char> = run.chars().take(WORD_CHARS_MAX).collect();
        if letters.iter().any(|c| is_without_spaces(*c)) {
            let pairs = letters.windows(2).map(|pair| pair.iter().collect::<String>());
            let single = (letters.len() == 1).then(|| letters.iter().collect());
            for pair in pairs.chain(single) {
                *found.entry(pair).or_insert(0) += 1;
            }
            continue;
        }
        let word: String = letters.into_iter().collect();
        let is_letter = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_letter && !STOP.contains(&word.as_str()) {
            *found.entry(stem(&word)).or_insert(0) += 1;
        }
    }
    found
}

/// Chinese, Japanese, Thai.
fn is_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{0e00}'..='\u{0e7f}')
}

/// Without the commonest endings of English; other words are hardly changed by it.
fn stem(word: &str) -> String {
    let one = singular(word);
    let bare = without(&one, "ing", 3).or_else(|| without(&one, "ed", 3)).unwrap_or(&one);
    // `live`, `lives` and `living` meet in `liv`, `plan` and `planning` in `plan`.
    let bare = without(bare, "e", 3).unwrap_or(bare);
    let twice = bare.len() < one.len()
        && bare.chars().rev().nth(1) == bare.chars().last()
        && !bare.ends_with(['l', 's', 'z']);
    let bare = bare.get(..bare.len() - usize::from(twice)).unwrap_or(bare);
    bare.to_owned()
}

fn singular(word: &str) -> String {
    if let Some(rest) = without(word, "ies", 2) {
        return format!("{rest}y");
    }
    let is_plural = !word.ends_with("ss") && !word.ends_with("us") && !word.ends_with("is");
    without(word, "s", 3).filter(|_| is_plural).unwrap_or(word).to_owned()
}

/// The word without an ending, if so many characters are left.
fn without<'a>(word: &'a str, end: &str, least: usize) -> Option<&'a str> {
    word.strip_suffix(end).filter(|rest| rest.chars().count() >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        words(text).into_keys().collect()
    }

    #[test]
    fn words_meet_in_their_stems() {
        for family in [
            &["live", "lives", "living", "lived"][..],
            &["city", "cities"],
            &["ticket", "tickets", "ticket's"],
            &["deploy", "deploys", "deployed", "deploying"],
            &["plan", "plans", "planned", "planning"],
            &["string", "strings"],
            &["cache", "caches", "cached", "caching"],
        ] {
            let stems: Vec<_> = family.iter().map(|word| list(word)).collect();
            assert!(stems.iter().all(|stem| stem[0] == stems[0][0]), "{stems:?}");
        }
        assert_eq!(list("What is my name?"), ["nam"]);
        assert_eq!(list("bus status analysis"), ["analysis", "bus", "status"]);
    }

    #[test]
    fn words_of_every_script_are_found() {
        assert_eq!(list("Größe Zürich"), ["größ", "zürich"]);
        assert_eq!(list("e\u{301}cole"), list("école"));
        assert_eq!(
            list("我住在北京"),
            ["住在", "在北", "我住", "北京"]
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(list("... !!"), Vec::<String>::new());
        assert_eq!(list(&"x".repeat(500))[0].len(), WORD_CHARS_MAX);
    }
}
