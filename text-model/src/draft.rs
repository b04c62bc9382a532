//! A training set as numbers, and the plan of its training.

use crate::features::{Feature, KnownWords, Rarity, Tokens};
use crate::lexical::{Lexical, belief, offsets};
use crate::train::{Dense, FOLDS, Line, Plan};
use crate::training_set::{TrainingSet, should_find};

/// Minimum out-of-scope lines for a class of their own.
pub const OUT_OF_SCOPE_MIN: usize = 50;
/// Mean lines per class below which training runs more epochs.
const FEW_LINES: usize = 50;
/// Maximum classes for a model of 2^15 buckets; 20 agents must fit in 350 KB.
const CROWDED_CLASSES_MAX: usize = 12;
/// Classes from which lines are spread thin.
const MANY_CLASSES: usize = 40;
/// Epochs with so many classes of agents.
const QUICK_EPOCHS: usize = 8;
/// Total lines below which three trainings are averaged.
const TINY_SET: usize = 400;

/// One prepared line of the training set.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub tokens: Tokens,
    pub features: Vec<Feature>,
    pub label: usize,
    pub weight: f32,
    pub against: bool,
    /// See [`Line::offsets`].
    pub offsets: Vec<u8>,
}

impl Prepared {
    /// Whether it is a message that should reach its label.
    pub fn should_find(&self) -> bool {
        should_find(self.weight, self.against)
    }
    /// The line for training.
    pub fn line(&self) -> Line<'_> {
        Line {
            features: &self.features,
            label: self.label,
            weight: self.weight,
            against: self.against,
            offsets: &self.offsets,
        }
    }
    /// The learnt logits of all labels.
    pub fn logits(&self, dense: &Dense) -> Vec<f32> {
        let mut logits = dense.logits(&self.features);
        logits.resize(logits.len().max(self.offsets.len()), 0.0);
        logits
    }
}

/// A training set as numbers.
pub struct Draft {
    pub lines: Vec<Prepared>,
    pub rarity: Rarity,
    pub known: KnownWords,
    pub lexical: Option<Lexical>,
    /// See `Model`.
    pub belief: Vec<f32>,
    pub plan: Plan,
}

impl Draft {
    /// `None` when no label has an example or a description.
    pub fn of(set: &TrainingSet) -> Option<Self> {
        let labels = set.labels.len();
        let with_other = set.out_of_scope.len() >= OUT_OF_SCOPE_MIN;
        let lines =
            set.examples.iter().filter(|example| example.label < labels && example.weight > 0.0);
        let mut texts: Vec<(&str, usize, f32, bool)> = lines
            .map(|example| (example.text.as_str(), example.label, example.weight, example.against))
            .collect();
        let mut examples = vec![0usize; labels];
        for (_, label, ..) in
            texts.iter().filter(|(_, _, weight, against)| should_find(*weight, *against))
        {
            examples.get_mut(*label).into_iter().for_each(|count| *count += 1);
        }
        // With out-of-scope lines the set is a file of messages, which says nothing about labels.
        let lexical = if with_other { None } else { Lexical::of(&examples, &set.about) };
        if texts.is_empty() && lexical.is_none() {
            return None;
        }
        let learnt = match lexical {
            Some(_) => examples.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1),
            None => labels,
        };
        // Statements of the other labels teach the learnt ones what is not for them.
        texts.retain(|(_, label, _, against)| learnt > 0 && (*label < learnt || !against));
        if with_other {
            texts.extend(set.out_of_scope.iter().map(|text| (text.as_str(), labels, 1.0, false)));
        }
        let plan = Plan {
            labels: learnt,
            ..plan(learnt + usize::from(with_other), texts.len(), set.seed, lexical.is_some())
        };
        let tokens: Vec<Tokens> = texts.iter().map(|(text, ..)| Tokens::of(text)).collect();
        let rarity = Rarity::of(tokens.iter(), plan.bits, !set.without_letters);
        // Words of exclusions alone are not evidence for any agent.
        let about: Vec<Tokens> = set.about.iter().map(|about| Tokens::of(&about.text)).collect();
        let known = tokens.iter().zip(&texts).filter(|(_, (.., against))| !against);
        let known = KnownWords::of(known.map(|(tokens, _)| tokens).chain(&about));
        let prepared =
            |(mut tokens, &(text, label, weight, against)): (Tokens, &(&str, usize, f32, bool))| {
                let mut features = rarity.weigh(&tokens).features;
                // Spare capacity and unused letters would take a third of the memory of thousands
                // of lines.
                features.shrink_to_fit();
                tokens.letters = Vec::new();
                let offsets = lexical.as_ref().map(|lexical| offsets(&lexical.logits(text)));
                let mut offsets = offsets.unwrap_or_default();
                if label >= learnt {
                    // Of its own file, which would leave nothing to learn from.
                    offsets.fill(0);
                }
                Prepared { tokens, features, label, weight, against, offsets }
            };
        let lines = tokens.into_iter().zip(&texts).map(prepared).collect();
        let belief = examples.into_iter().map(belief).collect();
        Some(Self { lines, rarity, known, lexical, belief, plan })
    }
}

fn plan(classes: usize, lines: usize, seed: u64, described: bool) -> Plan {
    let few = lines < FEW_LINES * classes;
    let crowded = lines > 1000 && classes <= CROWDED_CLASSES_MAX;
    let plan = Plan {
        classes,
        labels: classes,
        folds: FOLDS,
        epochs: if few || (crowded && lines > 3000) { 30 } else { 20 },
        // Averaging more trainings is worth 0.2 points with many lines in few classes, and as much
        // with many classes.
        runs: if crowded && lines > 3000 {
            5
        } else if lines < TINY_SET {
            3
        } else if classes > MANY_CLASSES {
            2
        } else {
            1
        },
        // Twice the buckets is worth 0.4 points with many lines in few classes; with more classes
        // the size matters more.
        bits: if crowded { 15 } else { 14 },
        seed,
    };
    // The files do most of the work then, and a training takes time for every agent and line.
    let quick = described && classes > MANY_CLASSES;
    if quick { Plan { folds: 1, runs: 1, epochs: QUICK_EPOCHS, ..plan } } else { plan }
}
