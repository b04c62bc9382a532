//! How much work a message asks for: simple, moderate or complex, with the reasons.
//!
//! Points, not learning: there are no labels for it yet. Length counts in every script; the word lists know English and
//! add to it elsewhere nothing, which errs towards "simple".

use contracts::graph::Complexity;

/// From these points on a message is moderate, and complex.
const MODERATE: u32 = 2;
const COMPLEX: u32 = 5;

/// Words that ask for something to be made or changed.
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
/// Words that stretch the work over many places or much time.
const SCOPE: &[&str] = &[
    "across",
    "all",
    "architecture",
    "comprehensive",
    "complete",
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
/// Words that put one step after another.
const STEPS: &[&str] = &["after", "afterwards", "also", "before", "finally", "first", "next", "second", "then", "third"];

/// The complexity of a message and what made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub complexity: Complexity,
    /// Short phrases, such as `3 things to do`.
    pub reasons: Vec<String>,
}

/// Judges a message.
pub fn judge(message: &str) -> Judged {
    let lower = message.to_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let count = |list: &[&str]| words.iter().filter(|word| list.contains(word)).count();
    let length = message.chars().filter(|letter| letter.is_alphanumeric()).count();
    let items = message.lines().filter(|line| is_item(line.trim_start())).count();
    let (work, scope, steps) = (count(WORK), count(SCOPE), count(STEPS));
    let mut judged = Points::default();
    judged.add(length > 120, 1, || "more than a sentence long".to_owned());
    judged.add(length > 400, 2, || "a long message".to_owned());
    judged.add(work >= 2, u32::try_from(work).unwrap_or(4).min(4), || format!("{work} things to do"));
    judged.add(work == 1, 1, || "something to be done".to_owned());
    judged.add(scope >= 1, u32::try_from(scope).unwrap_or(3).min(3), || "a wide scope".to_owned());
    judged.add(work >= 1 && steps >= 1, u32::try_from(steps).unwrap_or(2).min(2), || "several steps".to_owned());
    judged.add(items >= 2, 2, || format!("a list of {items} items"));
    judged.add(message.contains("```"), 1, || "code inside".to_owned());
    let complexity = match judged.points {
        COMPLEX.. => Complexity::Complex,
        MODERATE..COMPLEX => Complexity::Moderate,
        _ => Complexity::Simple,
    };
    if judged.reasons.is_empty() {
        judged.reasons.push("a short message without work to plan".to_owned());
    }
    Judged { complexity, reasons: judged.reasons }
}

#[derive(Default)]
struct Points {
    points: u32,
    reasons: Vec<String>,
}

impl Points {
    fn add(&mut self, applies: bool, points: u32, reason: impl FnOnce() -> String) {
        if applies {
            self.points += points;
            self.reasons.push(reason());
        }
    }
}

/// `- one`, `* two`, `3. three`, `4) four`.
fn is_item(line: &str) -> bool {
    let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    line.starts_with("- ") || line.starts_with("* ") || (digits.len() < line.len() && (digits.starts_with(". ") || digits.starts_with(") ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_simple_and_projects_are_complex() {
        for (message, expected) in [
            ("hello", Complexity::Simple),
            ("what did we spend today?", Complexity::Simple),
            ("fix the typo", Complexity::Simple),
            ("fix the failing test and update the docs", Complexity::Moderate),
            ("Migrate the entire platform to the new database, then rewrite all services and deploy them to production", Complexity::Complex),
            ("Please:\n1. add login\n2. write tests\n3. deploy it", Complexity::Complex),
        ] {
            let judged = judge(message);
            assert_eq!(judged.complexity, expected, "{message}: {:?}", judged.reasons);
            assert!(!judged.reasons.is_empty());
        }
    }

    #[test]
    fn length_counts_in_every_script() {
        assert_eq!(judge(&"请帮我检查".repeat(100)).complexity, Complexity::Moderate);
    }
}
