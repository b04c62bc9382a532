//! "not you, security": the sender says that the last message went to the wrong agent, and may name
//! the right one.

use super::mention::{is_shared, named};
use contracts::graph::{Agent, Graph};

/// Openings that deny, with or without a name after them.
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
/// Openings that deny only with a name after them.
const POINTERS: &[&str] = &[
    "that was for",
    "this was for",
    "that is for",
    "this is for",
    "that s for",
    "that was meant for",
    "this was meant for",
    "i meant",
    "meant for",
    "das war für",
    "c était pour",
    "era para",
];
/// Meaningless words before an opening.
const BEFORE: &[&str] =
    &["ah", "hey", "hm", "hmm", "nein", "no", "non", "nope", "oh", "oops", "sorry"];
/// Meaningless words between the opening and the name, or after it.
const FILLERS: &[&str] = &[
    "agent", "am", "an", "ask", "bitte", "but", "den", "der", "die", "for", "frag", "give", "i",
    "instead", "is", "it", "let", "me", "one", "please", "sorry", "sondern", "that", "the", "this",
    "to", "try", "was",
];

/// A parsed correction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction<'a> {
    /// The named agent, if any.
    pub agent: Option<&'a Agent>,
    /// Whether it rules out the previous agent, instead of only naming another.
    pub denies: bool,
}

/// The correction, if the message is nothing else. Words that are neither an opening, nor a name,
/// nor filler make it a message of its own.
pub fn correction<'a>(graph: &'a Graph, message: &str) -> Option<Correction<'a>> {
    let lower = message.to_lowercase();
    let words: Vec<&str> = lower
        .split(|letter: char| !(letter.is_alphanumeric() || "-_".contains(letter)))
        .filter(|word| !word.is_empty())
        .collect();
    let words = words
        .get(words.iter().take_while(|word| BEFORE.contains(word)).count()..)
        .unwrap_or_default();
    let after = |opening: &&'static str| -> Option<Vec<&str>> {
        let length = opening.split(' ').count();
        let fits =
            words.len() >= length && opening.split(' ').eq(words.iter().take(length).copied());
        fits.then(|| words.iter().skip(length).copied().collect())
    };
    let denied = DENIALS.iter().filter_map(&after).min_by_key(Vec::len);
    let rest = denied.clone().or_else(|| POINTERS.iter().find_map(after))?;
    let rest: Vec<&str> = rest.into_iter().filter(|word| !FILLERS.contains(word)).collect();
    let name = rest.join(" ");
    if let Some(agent) = named(graph, &name) {
        return Some(Correction { agent: Some(agent), denies: denied.is_some() });
    }
    // A name shared by several agents rules them out but chooses none.
    (denied.is_some() && (rest.is_empty() || is_shared(graph, &name)))
        .then_some(Correction { agent: None, denies: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    #[test]
    fn correction_is_distinguished_from_a_message() {
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
            ("no, not you. security", Some(Some("security"))),
            ("sorry not you, the security one", Some(Some("security"))),
            ("wrong agent, this is for security", Some(Some("security"))),
            ("this is for security", Some(Some("security"))),
            ("this is for my mother", None),
            ("no", None),
            ("no, fix the failing build", None),
            ("fix the failing build", None),
        ] {
            let told = correction(&graph, message)
                .map(|correction| correction.agent.map(|agent| agent.id.as_str()));
            assert_eq!(told, found, "{message}");
        }
    }
}
