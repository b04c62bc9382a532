//! Plain statements of the owner about themselves, by fixed rules: "my name is Ana", "I live in
//! Berlin", "remember that the deploy key is in the safe". A model finds more; these cost nothing
//! and are found without one.

use platform::text::short;

/// Maximum characters of a fact.
const FACT_CHARS: usize = 400;
/// Maximum words of a subject.
const SUBJECT_WORDS: usize = 4;
/// Maximum statements of a message.
const SAID_MAX: usize = 10;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub subject: String,
    /// The owner's own sentence.
    pub text: String,
    /// There can be only one at a time, so that a newer one supersedes it.
    pub is_single: bool,
}

/// Beginnings of a statement whose subject is fixed.
const FIXED: &[(&str, &str)] = &[
    ("i am called ", "name"),
    ("i'm called ", "name"),
    ("call me ", "name"),
    ("ich heiße ", "name"),
    ("ich heisse ", "name"),
    ("mein name ist ", "name"),
    ("me llamo ", "name"),
    ("mi nombre es ", "name"),
    ("je m'appelle ", "name"),
    ("i live in ", "home"),
    ("i moved to ", "home"),
    ("i have moved to ", "home"),
    ("ich wohne in ", "home"),
    ("vivo en ", "home"),
    ("j'habite ", "home"),
    ("i work at ", "work"),
    ("i work for ", "work"),
    ("i work as ", "job"),
    ("ich arbeite bei ", "work"),
];
/// Beginnings of a statement that there can be many of.
const MANY: &[(&str, &str)] = &[
    ("i prefer ", "prefers"),
    ("i always ", "always"),
    ("i never ", "never"),
    ("i like ", "likes"),
    ("i love ", "likes"),
    ("i hate ", "dislikes"),
    ("i don't like ", "dislikes"),
    ("i dislike ", "dislikes"),
    ("i am allergic to ", "allergy"),
    ("i'm allergic to ", "allergy"),
];
/// Orders to keep something.
const ORDERS: &[&str] = &[
    "remember that ",
    "please remember that ",
    "remember: ",
    "note that ",
    "please note that ",
    "merk dir, dass ",
    "merke dir, dass ",
    "recuerda que ",
    "rappelle-toi que ",
];
/// Things of a moment, which are nothing to keep.
const PASSING: &[&str] = &[
    "question",
    "problem",
    "guess",
    "point",
    "idea",
    "plan",
    "task",
    "bad",
    "mistake",
    "issue",
    "suggestion",
    "request",
    "concern",
    "answer",
    "message",
    "turn",
    "understanding",
    "opinion",
];

/// The statements of a message.
pub fn said(message: &str) -> Vec<Said> {
    let mut found: Vec<Said> = Vec::new();
    for sentence in sentences(message) {
        if let Some(said) = statement(sentence)
            && !found.contains(&said)
            && found.len() < SAID_MAX
        {
            found.push(said);
        }
    }
    found
}

/// Sentences and lines, without their full stop. Questions are none.
fn sentences(message: &str) -> impl Iterator<Item = &str> {
    message
        .split_inclusive(['\n', '!', '?', ';'])
        .flat_map(|line| line.split_inclusive(". "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty() && !sentence.ends_with('?'))
        .map(|sentence| sentence.trim_end_matches(['.', '!', ';', ' ']))
}

fn statement(sentence: &str) -> Option<Said> {
    if sentence.chars().count() > FACT_CHARS || sentence.starts_with(['>', '`', '#']) {
        return None;
    }
    let lower = sentence.to_lowercase();
    // Lengths differ where lower case has other bytes; such a sentence is compared only.
    let same_length = lower.len() == sentence.len();
    let ordered = ORDERS.iter().find(|order| lower.starts_with(**order));
    if let Some(order) = ordered {
        let rest = same_length.then(|| sentence.get(order.len()..)).flatten().unwrap_or(sentence);
        let rest = rest.trim();
        let plain = statement(rest);
        return plain.or_else(|| {
            let subject = format!("note: {}", first_words(rest, 6));
            Some(Said { subject, text: rest.to_owned(), is_single: false })
        });
    }
    let opening = ["hi, ", "hello, ", "hey, ", "ok, ", "okay, ", "and ", "also, ", "by the way, "];
    let plain = opening.iter().find_map(|word| lower.strip_prefix(word)).unwrap_or(&lower);
    let make = |subject: String, is_single| {
        let start = lower.len() - plain.len();
        let text = same_length.then(|| sentence.get(start..)).flatten().unwrap_or(sentence);
        Some(Said { subject, text: text.to_owned(), is_single })
    };
    if let Some((start, subject)) = FIXED.iter().find(|(start, _)| plain.starts_with(start)) {
        return has_words(plain, start).then(|| make((*subject).to_owned(), true)).flatten();
    }
    if let Some((start, subject)) = MANY.iter().find(|(start, _)| plain.starts_with(start)) {
        let thing = plain.strip_prefix(start).unwrap_or_default();
        let subject = format!("{subject} {}", first_words(thing, 3));
        return has_words(plain, start).then(|| make(subject, false)).flatten();
    }
    let rest = plain.strip_prefix("my ")?;
    let (subject, value) = [" is ", " are "].iter().find_map(|verb| rest.split_once(*verb))?;
    let words: Vec<&str> = subject.split_whitespace().collect();
    let is_name =
        words.iter().all(|word| word.chars().all(|c| c.is_alphanumeric() || "'-".contains(c)));
    let passes = words.iter().any(|word| PASSING.contains(word));
    let fits = (1..=SUBJECT_WORDS).contains(&words.len()) && is_name && !passes;
    (fits && !value.trim().is_empty()).then(|| make(words.join(" "), true)).flatten()
}

fn has_words(sentence: &str, start: &str) -> bool {
    sentence.strip_prefix(start).is_some_and(|rest| rest.chars().any(char::is_alphanumeric))
}

fn first_words(text: &str, n: usize) -> String {
    let words = text.to_lowercase();
    short(&words.split_whitespace().take(n).collect::<Vec<_>>().join(" "), 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Vec<(String, String)> {
        said(message).into_iter().map(|said| (said.subject, said.text)).collect()
    }

    fn pair(subject: &str, text: &str) -> (String, String) {
        (subject.to_owned(), text.to_owned())
    }

    #[test]
    fn plain_statements_about_the_owner_are_found() {
        assert_eq!(of("my name is Ana"), [pair("name", "my name is Ana")]);
        assert_eq!(
            of("Hi, my name is Ana. I live in Berlin! What can you do?"),
            [pair("name", "my name is Ana"), pair("home", "I live in Berlin")]
        );
        assert_eq!(of("Ich heiße Jürgen"), [pair("name", "Ich heiße Jürgen")]);
        assert_eq!(
            of("My sister's birthday is 3 May"),
            [pair("sister's birthday", "My sister's birthday is 3 May")]
        );
        assert_eq!(
            of("Please remember that the deploy key is in the safe."),
            [pair("note: the deploy key is in the", "the deploy key is in the safe")]
        );
        assert_eq!(of("remember that my dog is Rex"), [pair("dog", "my dog is Rex")]);
        assert_eq!(of("I prefer tabs"), [pair("prefers tabs", "I prefer tabs")]);
    }

    #[test]
    fn questions_moments_and_quotes_are_no_facts() {
        for message in [
            "what is my name?",
            "Is my name Ana?",
            "my question is how retries work",
            "> my name is Eve",
            "`my name is Eve`",
            "my is",
            "call me ",
            "fix the build",
            "",
            "My",
        ] {
            assert_eq!(of(message), [], "{message}");
        }
        let long = format!("my name is {}", "x".repeat(500));
        assert_eq!(of(&long), []);
    }

    #[test]
    fn only_some_statements_supersede() {
        assert!(said("my name is Ana")[0].is_single);
        assert!(!said("I like tea")[0].is_single);
    }
}
