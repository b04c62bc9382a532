//! Folders of Markdown from a seed: agents with examples, and notes of a given length.

use super::numbers::Numbers;
use contracts::graph::{Graph, SourceFile};
use std::fmt::Write;
use text_model::arithmetic::Random;

const SYLLABLES: &[&str] = &[
    "ba", "be", "bo", "ca", "ce", "co", "da", "de", "do", "fa", "fe", "fo", "ga", "ge", "go", "la",
    "le", "lo", "ma", "me", "mo", "na", "ne", "no", "pa", "pe", "po", "ra", "re", "ro", "sa", "se",
    "so", "ta", "te", "to", "va", "ve", "vo", "za",
];
/// Words shared by all agents' messages, and words of one agent only.
const SHARED: usize = 300;
const OWN: usize = 30;
/// Words in the notes.
const VOCABULARY: usize = 60_000;
/// Words in a message to route.
pub const MESSAGE_WORDS: usize = 20;

fn pick<'a>(random: &mut Random, words: &'a [String]) -> &'a str {
    words.get(random.below(words.len().max(1))).map_or("", String::as_str)
}

fn word(random: &mut Random, syllables_min: usize, spread: usize) -> String {
    let count = syllables_min + random.below(spread);
    (0..count).filter_map(|_| SYLLABLES.get(random.below(SYLLABLES.len())).copied()).collect()
}

fn words(random: &mut Random, count: usize, syllables_min: usize, spread: usize) -> Vec<String> {
    (0..count).map(|_| word(random, syllables_min, spread)).collect()
}

/// Few words are frequent, most are rare, as in language.
pub fn frequent<'a>(random: &mut Random, words: &'a [String]) -> &'a str {
    let share = (random.below(1 << 20) as f64 + 1.0) / f64::from(1 << 20);
    let place = (words.len() as f64).powf(share) as usize;
    words.get(place.saturating_sub(1).min(words.len().saturating_sub(1))).map_or("", String::as_str)
}

/// The words of all notes.
pub fn vocabulary() -> Vec<String> {
    words(&mut Random::new(42), VOCABULARY, 2, 4)
}

/// The vocabulary of agents and their messages.
pub struct Speech {
    shared: Vec<String>,
    own: Vec<Vec<String>>,
    random: Random,
}

impl Speech {
    /// For this many agents; another seed gives other words.
    pub fn of(agents: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shared = words(&mut random, SHARED, 2, 3);
        let own = (0..agents).map(|_| words(&mut random, OWN, 2, 3)).collect();
        Self { shared, own, random }
    }

    /// A message for one of the agents.
    pub fn line(&mut self, agent: usize, length: usize) -> String {
        let own = self.own.get(agent).map(Vec::as_slice).unwrap_or_default();
        let random = &mut self.random;
        let said: Vec<&str> = (0..length)
            .map(|_| {
                let from = if random.below(3) == 0 { own } else { &self.shared };
                pick(random, from)
            })
            .collect();
        said.join(" ")
    }

    fn agent(&mut self, agent: usize, lines: usize) -> SourceFile {
        let keywords =
            self.own.get(agent).and_then(|own| own.get(..10)).unwrap_or_default().join(", ");
        let mut text = format!(
            "---\ntitle: Agent {agent}\nagentId: agent-{agent}\nkeywords: [{keywords}]\nfallback: {}\n---\n# Agent {agent}\n\n",
            agent == 0
        );
        text.push_str("## Examples\n\n");
        for _ in 0..lines {
            let length = 4 + self.random.below(8);
            let _ = writeln!(text, "- {}", self.line(agent, length));
        }
        SourceFile { path: format!("agents/agent-{agent}.md"), text }
    }
}

/// The graph of the folder.
pub fn graph(numbers: &Numbers) -> Graph {
    skill_graph_loader::check_folder(folder(numbers), skill_graph_loader::Reading::default()).graph
}

/// `agents` with `lines` examples each, and `files` notes of `bytes`; another `seed` gives another
/// folder of the same kind.
pub fn folder(numbers: &Numbers) -> Vec<SourceFile> {
    let (agents, seed) = (numbers.get("agents"), numbers.get("seed") as u64);
    let mut speech = Speech::of(agents, 7 + seed);
    let mut folder: Vec<SourceFile> =
        (0..agents).map(|agent| speech.agent(agent, numbers.get("lines"))).collect();
    let vocabulary = if numbers.get("files") > 0 { vocabulary() } else { Vec::new() };
    let mut random = Random::new(43 + seed);
    folder.extend(
        (0..numbers.get("files"))
            .map(|place| note(&mut random, &vocabulary, place, numbers.get("bytes"))),
    );
    folder
}

fn note(random: &mut Random, words: &[String], place: usize, bytes: usize) -> SourceFile {
    let mut some = |count: usize, between: &str| {
        (0..count).map(|_| frequent(random, words)).collect::<Vec<_>>().join(between)
    };
    let (title, keywords, tags, alias) = (some(3, " "), some(5, ", "), some(2, ", "), some(1, ""));
    let mut text = format!(
        "---\ntitle: {title}\ndescription: {}\nkeywords: [{keywords}]\ntags: [{tags}]\naliases: [{alias}]\n---\n# {title}\n\n",
        some(12, " ")
    );
    while text.len() < bytes {
        text.push_str(frequent(random, words));
        text.push_str(match random.below(60) {
            0 => ".\n\n",
            1 => "\n\n## Section ",
            2 => "\n- ",
            _ => " ",
        });
    }
    SourceFile { path: format!("notes/note-{place}.md"), text }
}
