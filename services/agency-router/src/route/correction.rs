//! "not you, security": the sender says that the last message was given to the wrong agent, and perhaps whose it was.

use super::mention::named;
use contracts::graph::{Agent, Graph};

/// Openings that say it, with or without a name behind them.
const DENIALS: &[&str] = &[
    "not you",
    "not for you",
    "wrong agent",
    "wrong one",
    "you are the wrong agent",
    "nicht du",
    "nicht für dich",
    "falscher agent",
    "pas toi",
    "mauvais agent",
    "tú no",
];
/// Openings that say it only with a name behind them.
const POINTERS: &[&str] =
    &["that was for", "this was for", "that was meant for", "this was meant for", "i meant", "meant for", "das war für", "c était pour", "era para"];
/// Words between the opening and the name that mean nothing.
const FILLERS: &[&str] = &[
    "agent", "am", "an", "ask", "bitte", "but", "den", "der", "die", "for", "frag", "give", "i", "is", "it", "let", "me", "please", "sorry", "sondern", "the",
    "to", "try", "was",
];

/// What a correction says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction<'a> {
    /// Whom it should have been given to, where that is said.
    pub agent: Option<&'a Agent>,
}

/// Whether a message is a correction and nothing else: words that are neither an opening, nor a name, nor filler make it a
/// message of its own.
pub fn correction<'a>(graph: &'a Graph, message: &str) -> Option<Correction<'a>> {
    let lower = message.to_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter))).filter(|word| !word.is_empty()).collect();
    let after = |opening: &&'static str| -> Option<Vec<&str>> {
        let length = opening.split(' ').count();
        let fits = words.len() >= length && opening.split(' ').eq(words.iter().take(length).copied());
        fits.then(|| words.iter().skip(length).copied().collect())
    };
    let denied = DENIALS.iter().filter_map(&after).min_by_key(Vec::len);
    let rest = denied.clone().or_else(|| POINTERS.iter().find_map(after))?;
    let rest: Vec<&str> = rest.into_iter().filter(|word| !FILLERS.contains(word)).collect();
    if rest.is_empty() {
        return denied.map(|_| Correction { agent: None });
    }
    named(graph, &rest.join(" ")).map(|agent| Correction { agent: Some(agent) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    #[test]
    fn a_correction_is_told_from_a_message() {
        let graph = graph();
        for (message, found) in [
            ("not you, security", Some(Some("security"))),
            ("Not you! Please ask the security agent.", Some(Some("security"))),
            ("not you, @threat-hunter", Some(Some("security"))),
            ("wrong agent", Some(None)),
            ("That was for pm", Some(Some("pm"))),
            ("nicht du, sondern security", Some(Some("security"))),
            ("i meant the second one", None),
            ("that was for fun", None),
            ("not you, the login page is broken and needs a fix", None),
            ("this is not you", None),
            ("fix the failing build", None),
        ] {
            let told = correction(&graph, message).map(|correction| correction.agent.map(|agent| agent.id.as_str()));
            assert_eq!(told, found, "{message}");
        }
    }
}
