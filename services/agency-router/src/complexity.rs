//! Judges the complexity of a message: simple, moderate or complex, with reasons.
//!
//! Learnt by the routing model from 732 messages in `data/complexity-train.jsonl`; another 180
//! measure it. A bag of words cannot see the message's shape (its length, the number of requests),
//! so the shape is added as words. `cargo xtask gen` writes the model.

use contracts::graph::Complexity;
use fnv::FnvHasher;
use std::fmt::Write;
use std::hash::Hasher;
use std::sync::LazyLock;
use text_model::evaluate::{CaseError, OUT_OF_SCOPE, read_cases};
use text_model::{Model, TrainingSet};

/// The trained model in the format of [`Model::to_bytes`].
const BYTES: &[u8] = include_bytes!("../data/complexity.model");
/// Maximum words among the reasons.
const WORDS_NAMED: usize = 3;

/// Words that ask to create or change something.
const WORK: &[&str] = &[
    "add",
    "analyse",
    "analyze",
    "audit",
    "build",
    "compare",
    "convert",
    "create",
    "debug",
    "deploy",
    "design",
    "document",
    "fix",
    "implement",
    "improve",
    "integrate",
    "investigate",
    "migrate",
    "optimise",
    "optimize",
    "plan",
    "port",
    "refactor",
    "replace",
    "research",
    "review",
    "rewrite",
    "scan",
    "set",
    "test",
    "update",
    "upgrade",
    "write",
];
/// Words that spread the work over many places or a long time.
const SCOPE: &[&str] = &[
    "across",
    "all",
    "architecture",
    "complete",
    "comprehensive",
    "entire",
    "every",
    "everything",
    "infrastructure",
    "migration",
    "multi",
    "multiple",
    "overhaul",
    "platform",
    "production",
    "roadmap",
    "scalable",
    "several",
    "strategy",
    "system",
    "whole",
];
/// Words that order steps.
const STEPS: &[&str] = &[
    "after",
    "afterwards",
    "also",
    "before",
    "finally",
    "first",
    "next",
    "second",
    "then",
    "third",
];

static MODEL: LazyLock<Option<Model>> = LazyLock::new(|| Model::from_bytes(BYTES).ok());

/// The complexity of a message and its probability, 0–1.
pub fn judge(message: &str) -> (Complexity, f64) {
    let Some(model) = MODEL.as_ref() else { return (Complexity::Moderate, 0.0) };
    let (place, confidence) = model.classify(&Shape::of(message).told(message));
    let complexity = model.labels().get(place).map(String::as_str).and_then(Complexity::parse);
    complexity.map_or((Complexity::Moderate, 0.0), |complexity| (complexity, confidence))
}

/// The reasons as short phrases, such as `3 things to do`. If the shape is neutral, the words:
/// `“yesterday”`.
pub fn reasons(message: &str) -> Vec<String> {
    let shape = Shape::of(message);
    let mut reasons = shape.reasons();
    // Explaining words costs as much as a route, so only if there is no better reason.
    if let Some(model) = MODEL.as_ref().filter(|_| reasons.is_empty()) {
        let scored = model.score(&shape.told(message));
        let words = scored
            .winner_terms
            .iter()
            .map(|term| term.text.as_str())
            .filter(|term| !term.split(' ').any(is_mark));
        reasons.extend(words.take(WORDS_NAMED).map(|word| format!("“{word}”")));
    }
    if reasons.is_empty() {
        reasons.push("a short message".to_owned());
    }
    reasons
}

/// Trains the model from labelled lines in the format of `data/` and returns its bytes.
///
/// # Errors
/// When a line is invalid, or there is none.
pub fn learn(lines: &str) -> Result<Vec<u8>, CaseError> {
    let cases = read_cases(lines, "label")?;
    let told: Vec<(String, String)> = cases
        .into_iter()
        .map(|case| (Shape::of(&case.text).told(&case.text), case.label))
        .collect();
    let mut set = TrainingSet::from_pairs(
        told.iter().map(|(text, label)| (text.as_str(), label.as_str())),
        OUT_OF_SCOPE,
    );
    // Five-fold accuracy: 81.5 % without character n-grams, 80.9 % with; and n-grams take most of
    // the time.
    set.without_letters = true;
    let model = Model::train(&set).ok_or_else(|| CaseError {
        line: 1,
        message: "there are no lines to learn from".to_owned(),
    })?;
    Ok(model.to_bytes())
}

/// The shape of a message. It works in any language, except the word lists, which are English.
struct Shape {
    /// Number of letters and digits.
    length: usize,
    work: usize,
    scope: usize,
    steps: usize,
    items: usize,
    commas: usize,
    questions: usize,
}

/// Adds a letter to the hash of its word.
fn take(word: &mut FnvHasher, letter: char) {
    word.write(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hash_of(word: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(word.as_bytes());
    hasher.finish()
}

/// The list that contains a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Work,
    Scope,
    Steps,
}

/// The words of all lists, sorted by hash.
static LISTED: LazyLock<Vec<(u64, List)>> = LazyLock::new(|| {
    let lists = [(List::Work, WORK), (List::Scope, SCOPE), (List::Steps, STEPS)];
    let mut listed: Vec<(u64, List)> = lists
        .into_iter()
        .flat_map(|(list, words)| words.iter().map(move |word| (hash_of(word), list)))
        .collect();
    listed.sort_unstable_by_key(|(hash, _)| *hash);
    listed
});

fn list_of(word: u64) -> Option<List> {
    let place = LISTED.binary_search_by_key(&word, |(hash, _)| *hash).ok()?;
    LISTED.get(place).map(|(_, list)| *list)
}

/// Words that stand for the shape. Short, because each letter costs time; real messages do not
/// contain them.
const MARKS: [&str; 7] = ["qzl", "qzw", "qzs", "qzt", "qzi", "qzc", "qzq"];

impl Shape {
    /// One pass, because every route pays for it.
    fn of(message: &str) -> Self {
        let mut shape =
            Self { length: 0, work: 0, scope: 0, steps: 0, items: 0, commas: 0, questions: 0 };
        let (mut word, mut empty) = (FnvHasher::default(), true);
        // A space behind the end closes the last word.
        for letter in message.chars().chain([' ']) {
            if letter.is_ascii_alphanumeric() {
                take(&mut word, letter.to_ascii_lowercase());
            } else if letter.is_alphanumeric() {
                letter.to_lowercase().for_each(|letter| take(&mut word, letter));
            } else {
                if !empty {
                    shape.count(list_of(word.finish()));
                    word = FnvHasher::default();
                }
                empty = true;
                shape.commas += usize::from(matches!(letter, ',' | ';' | '，' | '、' | '；'));
                shape.questions += usize::from(matches!(letter, '?' | '？'));
                continue;
            }
            empty = false;
            shape.length += 1;
        }
        shape.items = message.lines().filter(|line| is_item(line.trim_start())).count();
        shape
    }

    fn count(&mut self, list: Option<List>) {
        match list {
            Some(List::Work) => self.work += 1,
            Some(List::Scope) => self.scope += 1,
            Some(List::Steps) => self.steps += 1,
            None => {}
        }
    }

    /// The message followed by its shape as words.
    fn told(&self, message: &str) -> String {
        // Three marks per two steps of log2: 20 and 30 letters differ as 200 and 300 do.
        let length = (self.length.max(1) as f64).log2() * 1.5;
        let counts = [
            length as usize,
            self.work.min(4),
            self.scope.min(3),
            self.steps.min(2),
            self.items.min(3),
            self.commas.min(4),
            self.questions.min(2),
        ];
        let mut told = message.to_owned();
        for (mark, count) in MARKS.iter().zip(counts).filter(|(_, count)| *count > 0) {
            let _ = write!(told, " {mark}{count}");
        }
        told
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut add = |applies: bool, reason: String| reasons.extend(applies.then_some(reason));
        add(self.length > 400, "a long message".to_owned());
        add((121..=400).contains(&self.length), "more than a sentence long".to_owned());
        add(self.work >= 2, format!("{} things to do", self.work));
        add(self.work == 1, "asks for a change".to_owned());
        add(self.scope >= 1, "a wide scope".to_owned());
        add(self.work >= 1 && self.steps >= 1, "several steps".to_owned());
        add(self.items >= 2, format!("a list of {} items", self.items));
        reasons
    }
}

fn is_mark(word: &str) -> bool {
    MARKS.contains(&word.trim_end_matches(|letter: char| letter.is_ascii_digit()))
}

/// List items: `- one`, `* two`, `3. three`, `4) four`.
fn is_item(line: &str) -> bool {
    let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (digits.len() < line.len() && (digits.starts_with(". ") || digits.starts_with(") ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complexity_of_greetings_is_simple_and_of_projects_complex() {
        for (message, expected) in [
            ("hello", Complexity::Simple),
            ("what did we spend today?", Complexity::Simple),
            ("fix the typo", Complexity::Simple),
            ("review my pull request and write down what you would change", Complexity::Moderate),
            (
                "Migrate the entire platform to the new database, then rewrite all services and \
                 deploy them to production",
                Complexity::Complex,
            ),
        ] {
            let ((complexity, confidence), reasons) = (judge(message), reasons(message));
            assert_eq!(complexity, expected, "{message}: {reasons:?}");
            assert!(
                !reasons.is_empty() && (0.34..=1.0).contains(&confidence),
                "{message}: {confidence}"
            );
            assert!(!reasons.concat().contains("qz"), "{reasons:?}");
        }
    }

    #[test]
    fn complexity_finds_each_word_in_its_own_list() {
        for (list, words) in [(List::Work, WORK), (List::Scope, SCOPE), (List::Steps, STEPS)] {
            assert!(words.iter().all(|word| list_of(hash_of(word)) == Some(list)));
        }
        assert_eq!(list_of(hash_of("assessment")), None);
    }

    #[test]
    fn complexity_model_matches_its_training_messages() {
        let learnt = learn(include_str!("../data/complexity-train.jsonl")).unwrap();
        assert!(learnt == BYTES, "data/complexity.model is not of these messages: cargo xtask gen");
    }

    #[test]
    fn complexity_is_right_for_six_of_seven_unseen_messages() {
        let cases = read_cases(include_str!("../data/complexity-test.jsonl"), "label").unwrap();
        let right = cases
            .iter()
            .filter(|case| Complexity::parse(&case.label) == Some(judge(&case.text).0))
            .count();
        assert!(right * 7 >= cases.len() * 6, "{right} of {}", cases.len());
    }

    #[test]
    fn complexity_accepts_any_length() {
        for message in ["", "?", "请帮我检查", &"请帮我检查，".repeat(2_000), &"a ".repeat(50_000)]
        {
            assert!(!reasons(message).is_empty());
        }
    }
}
