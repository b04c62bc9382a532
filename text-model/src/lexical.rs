//! The lexical score: how well a message fits what each agent's file says about it.
//!
//! BM25 over fields (Robertson, Zaragoza and Taylor 2004): a term of the name counts more than one
//! of a bullet, each field is normalised by its length, and the sum saturates. It needs no example
//! and one pass over the files, so an agent is found from its first minute. Terms are word stems;
//! names and descriptions also give pairs and four-letter sequences, which match unseen forms. A
//! message's words also count, at less weight, as the words that name the same subject
//! (`data/related-words.txt`).

mod words;

use crate::arithmetic::ln;
use crate::features::Tokens;
use words::{is_ignored, related, spell_marks, stem};

/// How slowly further mentions stop counting. High, because a single mention in a bullet must weigh
/// far less than the name.
const SATURATION: f32 = 8.0;
/// Weight of a pair of a message and of all four-letter sequences of a word, relative to the word.
const PAIR: f32 = 0.5;
const SEQUENCES: f32 = 0.5;
/// Weight of all related words of a word; each gets it divided by the root of their number.
const RELATED: f32 = 0.8;
/// Letters of a sequence, counting start and end marks.
const SEQUENCE: usize = 4;
/// Maximum letters of a word to cut into sequences.
const WORD_LETTERS_MAX: usize = 48;
/// Step of a stored weight: one byte holds 0 to 7.97, and idf is at most 7.6 with 1,000 agents.
const STEP: f32 = 1.0 / 32.0;
/// Logits of a word that only one file contains, in all of its fields, for any number of files.
/// On published collections the mean confidence is 66, 94 and 78 %, the share of right answers 89,
/// 90 and 64 %: too low with many similar agents, too high where files quote misleading phrases.
const LOGITS: f32 = 8.5;
/// Examples of an agent with which its learnt weights are believed half. A few examples beside
/// agents without any attract every message; twenty count four fifths.
const BELIEVED: f32 = 10.0;
/// Examples of an agent with which the gate counts as much as the lexical score.
const FAMILIAR: f32 = 4.0;
/// Examples of an agent with which its file counts half. Many messages tell more about an agent
/// than its file: always at full weight, it costs the default graph 0.4 points, and half at 60
/// costs 20 lines of each of CLINC150's intents 5 points.
const FADING: f32 = 15.0;
/// Step and maximum of the logits that training starts from.
const OFFSET_STEP: f32 = 1.0 / 8.0;

/// A part of an agent's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Id, title and aliases.
    Name,
    /// Description and keywords.
    Description,
    /// Headings and tools.
    Heading,
    /// Bullets.
    Statement,
}

impl Field {
    const ALL: [Self; 4] = [Self::Name, Self::Description, Self::Heading, Self::Statement];

    /// Weight of a mention, and the influence of the field's length on it.
    const fn weight(self) -> (f32, f32) {
        match self {
            Self::Name => (12.0, 0.3),
            Self::Description => (5.0, 0.5),
            Self::Heading => (0.5, 0.75),
            Self::Statement => (1.0, 0.75),
        }
    }

    /// Weights of pairs and sequences, if they are terms too. In bullets they would quadruple the
    /// table and gain nothing.
    const fn shares(self) -> Option<(f32, f32)> {
        match self {
            Self::Name | Self::Description => Some((1.0, 1.0)),
            Self::Heading | Self::Statement => None,
        }
    }
}

/// A statement of an agent's file about it.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Index in `TrainingSet::labels`.
    pub label: usize,
    pub field: Field,
    pub text: String,
}

/// The weight of each term for each label that mentions it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lexical {
    pub(crate) labels: usize,
    /// Hashes of the terms, ascending.
    pub(crate) terms: Vec<u32>,
    /// End of each term's mentions.
    pub(crate) ends: Vec<u32>,
    /// Labels and weights in steps of [`STEP`].
    pub(crate) mentions: Vec<(u16, u8)>,
}

/// A term of a text, its weight, and the index of its word in [`Tokens::words`].
struct Term {
    hash: u32,
    weight: f32,
    word: usize,
}

impl Lexical {
    /// Indexes the files of labels with these numbers of examples; `None` if they say nothing.
    pub fn of(examples: &[usize], about: &[About]) -> Option<Self> {
        let labels = examples.len();
        let mut counted: Vec<[Vec<(u32, f32)>; Field::ALL.len()]> =
            (0..labels).map(|_| Default::default()).collect();
        for about in about {
            let Some(counts) =
                counted.get_mut(about.label).and_then(|of| of.get_mut(about.field as usize))
            else {
                continue;
            };
            let tokens = tokens(&about.text);
            counts.extend(
                terms(&tokens, about.field.shares()).iter().map(|term| (term.hash, term.weight)),
            );
        }
        let lengths = Field::ALL.map(|field| {
            let of = |counts: &[Vec<(u32, f32)>; 4]| {
                counts.get(field as usize).map_or(0.0, |counts| length(counts))
            };
            counted.iter().map(of).sum::<f32>() / labels.max(1) as f32
        });
        let mut all: Vec<(u32, u16, f32)> = Vec::new();
        for (label, counts) in counted.into_iter().enumerate() {
            let label = u16::try_from(label).unwrap_or(u16::MAX);
            let sums = saturated(counts, lengths);
            all.extend(sums.into_iter().map(|(hash, weight)| (hash, label, weight)));
        }
        all.sort_unstable_by_key(|&(hash, label, _)| (hash, label));
        (!all.is_empty()).then(|| Self::index(examples, &all))
    }

    fn index(examples: &[usize], all: &[(u32, u16, f32)]) -> Self {
        let labels = examples.len();
        let fading = |label: u16| {
            let count = examples.get(usize::from(label)).copied().unwrap_or(0) as f32;
            FADING * FADING / (count * count + FADING * FADING)
        };
        let mut lexical =
            Self { labels, terms: Vec::new(), ends: Vec::new(), mentions: Vec::new() };
        for of_term in all.chunk_by(|a, b| a.0 == b.0) {
            let Some((hash, ..)) = of_term.first() else { continue };
            // Saturated weights, not counts of files: a word in one bullet of every file still
            // tells which file has it as its name.
            let documents: f32 = of_term.iter().map(|(.., weight)| weight).sum();
            let idf = idf(labels, documents);
            let rounded = of_term.iter().map(|&(_, label, weight)| {
                (label, (idf * weight * fading(label) / STEP).round().clamp(0.0, 255.0) as u8)
            });
            lexical.mentions.extend(rounded.filter(|(_, weight)| *weight > 0));
            lexical.terms.push(*hash);
            lexical.ends.push(u32::try_from(lexical.mentions.len()).unwrap_or(u32::MAX));
        }
        lexical
    }

    /// The labels that mention a term, with its weight for each.
    fn mentions(&self, hash: u32) -> impl Iterator<Item = (usize, f32)> {
        let range = self.terms.binary_search(&hash).ok().and_then(|place| {
            let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
            Some(start.unwrap_or(0) as usize..*self.ends.get(place)? as usize)
        });
        let mentions = range.and_then(|range| self.mentions.get(range)).unwrap_or_default();
        mentions.iter().map(|&(label, weight)| (usize::from(label), f32::from(weight) * STEP))
    }

    /// Logits of a score of 1: idf grows with the number of files, but the evidence of a word does
    /// not.
    fn scale(&self) -> f32 {
        LOGITS / idf(self.labels, 0.0)
    }

    /// The logits of each label that a message's words add.
    pub fn logits(&self, text: &str) -> Vec<f32> {
        let (mut logits, scale) = (vec![0.0; self.labels], self.scale());
        for term in asked(&tokens(text)) {
            for (label, weight) in self.mentions(term.hash) {
                if let Some(logit) = logits.get_mut(label) {
                    *logit += scale * term.weight * weight;
                }
            }
        }
        logits
    }

    /// The share of each word, as written, in the logit of one label rather than another.
    pub fn contrast(&self, text: &str, label: usize, other: Option<usize>) -> Vec<(String, f32)> {
        let tokens = tokens(text);
        let (mut sums, scale) = (vec![0.0; tokens.words.len()], self.scale());
        for term in asked(&tokens) {
            let of = |wanted: usize| -> f32 {
                self.mentions(term.hash)
                    .filter(|(label, _)| *label == wanted)
                    .map(|(_, weight)| weight)
                    .sum()
            };
            if let Some(sum) = sums.get_mut(term.word) {
                *sum += scale * term.weight * (of(label) - other.map_or(0.0, of));
            }
        }
        tokens.words.iter().zip(sums).map(|(word, sum)| (tokens.text(word), sum)).collect()
    }

    /// P(in scope) by these logits alone: from the best one, relative to that of a word that only
    /// one file contains. Fitted to messages for five published collections and to CLINC150's
    /// validation lines, which are out of scope for all of them.
    pub fn in_scope(&self, logits: &[f32]) -> f32 {
        let best = logits.iter().copied().fold(0.0, f32::max);
        crate::arithmetic::sigmoid(5.0 * (best / LOGITS - 0.8))
    }
}

/// P(in scope) by the lexical score below which a message goes to the fallback agent.
pub const THRESHOLD: f32 = 0.25;

/// Logits in one byte each, for training.
pub fn offsets(logits: &[f32]) -> Vec<u8> {
    logits.iter().map(|logit| (logit / OFFSET_STEP).round().clamp(0.0, 255.0) as u8).collect()
}

/// The logit of an offset.
pub fn logit(offset: u8) -> f32 {
    f32::from(offset) * OFFSET_STEP
}

/// How far the learnt weights of an agent with so many examples are believed, 0–1.
pub fn belief(examples: usize) -> f32 {
    let squared = examples as f32 * examples as f32;
    squared / (squared + BELIEVED * BELIEVED)
}

/// How far the gate is believed about an agent with this belief in its weights: a message that
/// resembles one of three examples is in scope, even if it is hardly known for whom.
pub fn familiarity(belief: f32) -> f32 {
    // The number of examples, from x² / (x² + b²).
    let examples = BELIEVED * (belief / (1.0 - belief).max(f32::MIN_POSITIVE)).sqrt();
    examples / (examples + FAMILIAR)
}

fn idf(labels: usize, documents: f32) -> f32 {
    ln(1.0 + (labels as f32 - documents + 0.5) / (documents + 0.5))
}

fn length(counts: &[(u32, f32)]) -> f32 {
    counts.iter().map(|(_, weight)| weight).sum()
}

/// Each term's saturated weight for one label, from its counts in each field.
fn saturated(
    counts: [Vec<(u32, f32)>; Field::ALL.len()],
    lengths: [f32; Field::ALL.len()],
) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = Vec::new();
    for ((field, counts), mean) in Field::ALL.into_iter().zip(counts).zip(lengths) {
        let (weight, influence) = field.weight();
        let long = length(&counts) / mean.max(f32::MIN_POSITIVE);
        let scale = weight / (1.0 - influence + influence * long);
        all.extend(counts.into_iter().map(|(hash, count)| (hash, count * scale)));
    }
    // Stable, so that equal terms are added in the order of the fields on every machine.
    all.sort_by_key(|(hash, _)| *hash);
    all.chunk_by(|a, b| a.0 == b.0)
        .filter_map(|same| {
            let sum = length(same);
            Some((same.first()?.0, sum / (sum + SATURATION)))
        })
        .collect()
}

fn tokens(text: &str) -> Tokens {
    Tokens::of(&spell_marks(text))
}

/// Hash of a term; `kind` keeps words, pairs and sequences apart.
fn hash(kind: u32, letters: impl Iterator<Item = char>) -> u32 {
    letters.fold(0x811c_9dc5 ^ kind, |hash, letter| {
        (hash ^ u32::from(letter)).wrapping_mul(0x0100_0193).rotate_left(5)
    })
}

fn word_hash(stem: &str) -> u32 {
    hash(1, stem.chars())
}

/// The terms of a text: its words, and with `shares` also its pairs and sequences at these weights.
fn terms(tokens: &Tokens, shares: Option<(f32, f32)>) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut before: Option<String> = None;
    for (word, range) in tokens.words.iter().enumerate() {
        let text = tokens.text(range);
        if is_ignored(&text) {
            continue;
        }
        let stem = stem(&text);
        terms.push(Term { hash: word_hash(&stem), weight: 1.0, word });
        let Some((pair, sequences)) = shares else { continue };
        if let Some(before) = before {
            let letters = before.chars().chain([' ']).chain(stem.chars());
            terms.push(Term { hash: hash(2, letters), weight: pair, word });
        }
        let marked: Vec<char> =
            ['<'].into_iter().chain(stem.chars().take(WORD_LETTERS_MAX)).chain(['>']).collect();
        let windows = marked.windows(SEQUENCE);
        let weight = sequences / windows.len().max(1) as f32;
        terms.extend(windows.map(|letters| Term {
            hash: hash(3, letters.iter().copied()),
            weight,
            word,
        }));
        before = Some(stem);
    }
    terms
}

/// The terms that a message asks for: its own, and the words related to each of its words.
fn asked(tokens: &Tokens) -> Vec<Term> {
    let mut asked = terms(tokens, Some((PAIR, SEQUENCES)));
    let mut seen = Vec::new();
    for (word, range) in tokens.words.iter().enumerate() {
        let stem = stem(&tokens.text(range));
        let others = related(&stem);
        if others.is_empty() || seen.contains(&stem) {
            continue;
        }
        let weight = RELATED / (others.len() as f32).sqrt();
        asked.extend(others.iter().map(|other| Term { hash: word_hash(other), weight, word }));
        seen.push(stem);
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(label: usize, field: Field, text: &str) -> About {
        About { label, field, text: text.to_owned() }
    }

    fn three() -> Lexical {
        let files = [
            about(0, Field::Name, "kubernetes-specialist"),
            about(0, Field::Description, "Runs clusters and helps when they fail."),
            about(1, Field::Name, "terraform-engineer"),
            about(1, Field::Description, "Writes infrastructure as code."),
            about(1, Field::Statement, "Never touches kubernetes clusters"),
            about(2, Field::Name, "cpp-pro"),
            about(2, Field::Description, "Writes and reviews native programs."),
        ];
        Lexical::of(&[0; 3], &files).unwrap()
    }

    fn best(logits: &[f32]) -> usize {
        (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
    }

    #[test]
    fn lexical_score_finds_an_agent_by_its_file_alone() {
        let lexical = three();
        for (text, label) in [
            ("the kubernetes cluster fails", 0),
            ("write a terraform module", 1),
            ("fix this C++ program", 2),
            ("the pods keep restarting", 0),
        ] {
            assert_eq!(best(&lexical.logits(text)), label, "{text}");
        }
    }

    #[test]
    fn lexical_score_of_foreign_words_is_low_and_of_own_words_high() {
        let lexical = three();
        let of = |text: &str| lexical.in_scope(&lexical.logits(text));
        for text in ["", "bonjour tout le monde", "你好", "what is on our list for you"] {
            assert!(of(text) < THRESHOLD, "{text} {}", of(text));
        }
        assert!(of("a kubernetes specialist for our clusters") > 0.5);
    }

    #[test]
    fn lexical_explanation_names_the_words_of_the_file() {
        let lexical = three();
        let words = lexical.contrast("the terraform state is locked", 1, Some(0));
        let most = words.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(most.0, "terraform");
    }

    #[test]
    fn lexical_index_of_nothing_is_none() {
        assert_eq!(Lexical::of(&[0; 2], &[]), None);
        assert_eq!(Lexical::of(&[0], &[about(0, Field::Name, "the")]), None);
    }
}
