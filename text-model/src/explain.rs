//! Explains a win: the words and pairs that favoured the winner over the runner-up, and the
//! reverse.
//!
//! The model is linear, so a term's contribution is Σ over its features of value × (weight for one
//! − weight for the other), counting each occurrence in full. A word includes its character
//! n-grams; skip pairs, which people cannot read, are left out.

use crate::features::{Block, Rarity, Tokens, Weighted, pair_bucket, word_bucket};
use crate::weights::Weights;
use std::collections::HashMap;

/// Maximum terms per side.
const TERMS_MAX: usize = 6;
/// Minimum share of the strongest term's contribution.
const SHARE_MIN: f32 = 0.15;

/// A word or pair of the message and its contribution to its side, in logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub text: String,
    pub weight: f32,
}

/// Terms for the winner and for the runner-up, strongest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    pub winner: Vec<Term>,
    pub runner_up: Vec<Term>,
}

/// A term's position in the message: one word, or a word and the next.
struct Say {
    first: usize,
    words: usize,
    weight: f32,
}

/// Explains the winner against the runner-up, or against nothing if there is only one class.
/// `lexical` is what each word adds by the files alone.
pub fn explain(
    (weights, rarity): (&Weights, &Rarity),
    (tokens, weighted): (&Tokens, &Weighted),
    lexical: &[(String, f32)],
    winner: usize,
    runner_up: Option<usize>,
) -> Explanation {
    let contrast = weights.contrast(winner, runner_up);
    let of_files: HashMap<&str, f32> =
        lexical.iter().rev().map(|(word, sum)| (word.as_str(), *sum)).collect();
    let say = |block: Block, bucket: u16| {
        let bucket = rarity.fit(bucket);
        weighted.value(rarity, block, bucket) * contrast(bucket)
    };
    let mut says = Vec::with_capacity(tokens.words.len() * 2);
    let (mut letters, mut before) = (weighted.letters.as_slice(), None);
    for (place, word) in tokens.words.iter().enumerate() {
        let (own, rest) = letters.split_at_checked(Tokens::sequences(word)).unwrap_or_default();
        letters = rest;
        let of_letters: f32 = own
            .iter()
            .map(|&bucket| weighted.value(rarity, Block::Letters, bucket) * contrast(bucket))
            .sum();
        let text = tokens.text(word);
        // By its text, because the lexical score cuts "c++" otherwise.
        let of_file = of_files.get(text.as_str()).copied().unwrap_or_default();
        let own = say(Block::Words, word_bucket(word)) + of_letters + of_file;
        says.push(Say { first: place, words: 1, weight: own });
        if let Some(before) = before {
            says.push(Say {
                first: place - 1,
                words: 2,
                weight: say(Block::Pairs, pair_bucket(before, word.hash)),
            });
        }
        before = Some(word.hash);
    }
    says.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight).then(a.first.cmp(&b.first)));
    let winner = strongest(tokens, says.iter().map(|say| (say, say.weight)));
    let runner_up = strongest(tokens, says.iter().rev().map(|say| (say, -say.weight)));
    Explanation { winner, runner_up }
}

fn strongest<'a>(tokens: &Tokens, says: impl Iterator<Item = (&'a Say, f32)>) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for (say, weight) in says.take_while(|(_, weight)| *weight > 0.0) {
        let floor = terms.first().map_or(0.0, |top| top.weight * SHARE_MIN);
        if terms.len() == TERMS_MAX || weight < floor {
            break;
        }
        let words: Vec<String> = tokens
            .words
            .iter()
            .skip(say.first)
            .take(say.words)
            .map(|word| tokens.text(word))
            .collect();
        let text = words.join(" ");
        if terms.iter().all(|term| term.text != text) {
            terms.push(Term { text, weight });
        }
    }
    terms
}
