//! A trained model: learnt from a training set, asked about a message.

use crate::arithmetic::softmax;
use crate::calibrate::{
    Calibrated, Gate, HeldOutFigures, Prepared, Thresholds, calibrate, gate_inputs,
};
use crate::explain::{Term, explain};
use crate::features::{KnownWords, Rarity, Tokens};
use crate::train::{Line, Plan, fit};
use crate::training_set::TrainingSet;
use crate::weights::Weights;

/// Minimum out-of-scope lines for a class of their own.
pub const OUT_OF_SCOPE_MIN: usize = 50;
/// Mean lines per class below which training runs more epochs.
const FEW_LINES: usize = 50;
/// Maximum classes for a model of 2^15 buckets; 20 agents must fit in 350 KB.
const CROWDED_CLASSES_MAX: usize = 12;
/// Classes from which lines are spread thin.
const MANY_CLASSES: usize = 40;
/// Total lines below which three trainings are averaged.
const TINY_SET: usize = 400;

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) labels: Vec<String>,
    pub(crate) rarity: Rarity,
    pub(crate) known: KnownWords,
    pub(crate) weights: Weights,
    pub(crate) temperature: f32,
    pub(crate) gate: Gate,
    pub(crate) thresholds: Vec<Thresholds>,
    pub(crate) seed: u64,
}

/// The model's scores for a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// One probability per label, in the order of [`Model::labels`]. They sum to 1 and assume that
    /// the message is in scope.
    pub probabilities: Vec<f64>,
    /// Probability that the message is in scope, assuming that half of all messages are.
    pub in_scope: f64,
    /// Whether `in_scope` is below the model's threshold.
    pub out_of_scope: bool,
    /// The winner's thresholds.
    pub thresholds: Thresholds,
    /// Indices of the best and the second-best label.
    pub winner: usize,
    pub runner_up: Option<usize>,
    /// Words for the winner rather than the runner-up, strongest first.
    pub winner_terms: Vec<Term>,
    pub runner_up_terms: Vec<Term>,
    /// Share of the message's words that no training text contains, 0–1.
    pub unknown_words: f64,
}

impl Model {
    /// Trains on a set; `None` when no label has an example.
    pub fn train(set: &TrainingSet) -> Option<Self> {
        Self::train_and_try(set).map(|(model, _)| model)
    }

    /// Trains on a set; also returns, per label in the order of [`Model::labels`], the results of
    /// its held-out messages. `None` when no label has an example.
    pub fn train_and_try(set: &TrainingSet) -> Option<(Self, Vec<HeldOutFigures>)> {
        let labels = set.labels.len();
        let with_other = set.out_of_scope.len() >= OUT_OF_SCOPE_MIN;
        let examples =
            set.examples.iter().filter(|example| example.label < labels && example.weight > 0.0);
        let mut texts: Vec<(&str, usize, f32, bool)> = examples
            .map(|example| (example.text.as_str(), example.label, example.weight, example.against))
            .collect();
        if texts.is_empty() {
            return None;
        }
        if with_other {
            texts.extend(set.out_of_scope.iter().map(|text| (text.as_str(), labels, 1.0, false)));
        }
        let plan = Plan { labels, ..plan(labels + usize::from(with_other), texts.len(), set.seed) };
        let tokens: Vec<Tokens> = texts.iter().map(|(text, ..)| Tokens::of(text)).collect();
        let rarity = Rarity::of(tokens.iter(), plan.bits, !set.without_letters);
        // Words of exclusions alone are not evidence for any agent.
        let known = KnownWords::of(
            tokens
                .iter()
                .zip(&texts)
                .filter(|(_, (.., against))| !against)
                .map(|(tokens, _)| tokens),
        );
        let prepared =
            |(mut tokens, &(_, label, weight, against)): (Tokens, &(&str, usize, f32, bool))| {
                let mut features = rarity.weigh(&tokens).features;
                // Spare capacity and unused letters would take a third of the memory of thousands
                // of lines.
                features.shrink_to_fit();
                tokens.letters = Vec::new();
                Prepared { tokens, features, label, weight, against }
            };
        let lines: Vec<Prepared> = tokens.into_iter().zip(&texts).map(prepared).collect();
        let Calibrated { temperature, gate, thresholds, held_out } =
            calibrate(&lines, labels, plan);
        let training: Vec<Line<'_>> = lines.iter().map(Prepared::line).collect();
        let weights = Weights::round(&fit(&training, plan));
        let model = Self {
            labels: set.labels.clone(),
            rarity,
            known,
            weights,
            temperature,
            gate,
            thresholds,
            seed: set.seed,
        };
        Some((model, held_out))
    }

    /// The labels, in the order of [`Scored::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The best label's index and its probability if the message is in scope: [`Model::score`]
    /// without the reasons, at half the cost.
    pub fn classify(&self, text: &str) -> (usize, f64) {
        let weighted = self.rarity.weigh(&Tokens::of(text));
        let mut logits = self.weights.logits(&weighted.features);
        logits.truncate(self.labels.len());
        let (winner, _) = best_two(&logits);
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        softmax(&mut logits);
        (winner, logits.get(winner).copied().map_or(0.0, f64::from))
    }

    /// Scores a message. It accepts any text; one without letters or digits is out of scope.
    pub fn score(&self, text: &str) -> Scored {
        let tokens = Tokens::of(text);
        let weighted = self.rarity.weigh(&tokens);
        let mut logits = self.weights.logits(&weighted.features);
        let unknown = self.known.unknown_share(&tokens);
        let inputs = gate_inputs(&logits, self.labels.len(), unknown, tokens.words.len());
        let in_scope = if tokens.words.is_empty() { 0.0 } else { self.gate.in_scope(&inputs) };
        logits.truncate(self.labels.len());
        let (winner, runner_up) = best_two(&logits);
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        softmax(&mut logits);
        let terms = explain((&self.weights, &self.rarity), &tokens, &weighted, winner, runner_up);
        Scored {
            probabilities: logits.into_iter().map(f64::from).collect(),
            in_scope: f64::from(in_scope),
            out_of_scope: tokens.words.is_empty() || in_scope < self.gate.threshold,
            thresholds: self.thresholds.get(winner).copied().unwrap_or(Thresholds::DEFAULT),
            winner,
            runner_up,
            winner_terms: terms.winner,
            runner_up_terms: terms.runner_up,
            unknown_words: f64::from(unknown),
        }
    }
}

/// Indices of the largest and the second-largest number.
fn best_two(logits: &[f32]) -> (usize, Option<usize>) {
    let (mut winner, mut runner_up) = ((0, f32::MIN), None);
    for (place, &logit) in logits.iter().enumerate() {
        if place == 0 || logit > winner.1 {
            runner_up = (place > 0).then_some(winner);
            winner = (place, logit);
        } else if runner_up.is_none_or(|(_, second)| logit > second) {
            runner_up = Some((place, logit));
        }
    }
    (winner.0, runner_up.map(|(place, _)| place))
}

fn plan(classes: usize, lines: usize, seed: u64) -> Plan {
    let few = lines < FEW_LINES * classes;
    let crowded = lines > 1000 && classes <= CROWDED_CLASSES_MAX;
    Plan {
        classes,
        labels: classes,
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
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::training_set::Example;
    use std::hash::Hasher;

    /// Three small agents.
    pub fn small_set() -> TrainingSet {
        let lines: [(&str, &[&str]); 3] = [
            (
                "codegen",
                &[
                    "fix the failing build",
                    "write a function that parses dates",
                    "refactor the login module",
                    "the unit test is broken",
                    "add a command line flag",
                    "implement retries in the client",
                ],
            ),
            (
                "security",
                &[
                    "scan the server for vulnerabilities",
                    "rotate the leaked api key",
                    "is this dependency vulnerable",
                    "audit who has access",
                    "check for exposed secrets",
                    "report the cve to the team",
                ],
            ),
            (
                "pm",
                &[
                    "plan the next sprint",
                    "write a ticket for the login bug",
                    "what is the status of the project",
                    "who is assigned to the release",
                    "move the deadline to friday",
                    "summarise the meeting",
                ],
            ),
        ];
        let labels = lines.iter().map(|(label, _)| (*label).to_owned()).collect();
        let of_label = |(label, texts): (usize, &[&str])| -> Vec<Example> {
            texts
                .iter()
                .map(|text| Example {
                    text: (*text).to_owned(),
                    label,
                    weight: 1.0,
                    against: false,
                })
                .collect()
        };
        let examples =
            lines.iter().map(|(_, texts)| *texts).enumerate().flat_map(of_label).collect();
        TrainingSet { labels, examples, out_of_scope: Vec::new(), seed: 1, without_letters: false }
    }

    /// A model of three small agents.
    pub fn small_model() -> Model {
        Model::train(&small_set()).unwrap()
    }

    #[test]
    fn model_recognises_unseen_forms_of_known_words() {
        let model = small_model();
        let scored = model.score("any vulnerability on that server?");
        assert_eq!(model.labels()[scored.winner], "security");
        assert!((scored.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
        assert!(
            scored.winner_terms.iter().any(|term| term.text.contains("vulnerability")),
            "{:?}",
            scored.winner_terms
        );
    }

    #[test]
    fn model_training_is_deterministic_per_seed() {
        assert_eq!(small_model().to_bytes(), small_model().to_bytes());
        let other = TrainingSet { seed: 2, ..small_set() };
        assert_ne!(Model::train(&other).unwrap().to_bytes(), small_model().to_bytes());
    }

    /// Changes with every deliberate change of the recipe, and only then.
    #[test]
    fn model_bytes_are_the_same_on_every_machine() {
        let bytes = small_model().to_bytes();
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(&bytes);
        assert_eq!((bytes.len(), hasher.finish()), (69_766, 8_326_445_374_110_191_061));
    }

    #[test]
    fn model_rates_a_message_without_words_as_out_of_scope() {
        let scored = small_model().score("?! 🙂");
        assert!(scored.out_of_scope);
        assert_eq!((scored.in_scope, scored.unknown_words), (0.0, 1.0));
    }

    #[test]
    fn model_detects_out_of_scope_from_a_few_lines() {
        let of_label = |lines: usize| {
            let mut set = small_set();
            let mut seen = [0; 3];
            set.examples.retain(|example| {
                seen[example.label] += 1;
                seen[example.label] <= lines
            });
            Model::train(&set).unwrap()
        };
        for lines in [3, 6] {
            let model = of_label(lines);
            for text in [
                "hello",
                "thanks",
                "你好",
                "asdfgh qwerty zxcv",
                "book a table for two tonight",
                "how tall is mount everest",
            ] {
                let scored = model.score(text);
                assert!(scored.out_of_scope, "{lines}: {text} {scored:?}");
            }
            for text in [
                "fix the build",
                "the login module test is broken",
                "scan this server for vulnerabilities",
                "plan the sprint",
                "status of the project?",
            ] {
                let scored = model.score(text);
                assert!(!scored.out_of_scope, "{lines}: {text} {scored:?}");
            }
        }
    }

    #[test]
    fn model_needs_at_least_one_label() {
        let set = TrainingSet {
            labels: vec!["only".into()],
            examples: vec![Example { text: "do it".into(), label: 0, weight: 1.0, against: false }],
            ..TrainingSet::default()
        };
        let scored = Model::train(&set).unwrap().score("do it now");
        assert_eq!((scored.winner, scored.runner_up), (0, None));
        assert!(Model::train(&TrainingSet::default()).is_none());
    }

    #[test]
    fn model_sends_exclusions_to_the_other_agents() {
        let line = |(label, text): (usize, &str)| Example {
            text: text.to_owned(),
            label,
            weight: 1.0,
            against: false,
        };
        let sheets = [
            "open the excel file",
            "sum this column",
            "make a pivot table",
            "sort the rows by date",
        ]
        .map(|text| (0, text));
        let pdf = [
            "read this document",
            "merge the files",
            "extract text from the files",
            "how many pages has the document",
        ]
        .map(|text| (1, text));
        let examples: Vec<Example> = sheets.into_iter().chain(pdf).map(line).collect();
        let plain = TrainingSet {
            labels: vec!["sheets".into(), "pdf".into()],
            examples,
            seed: 1,
            ..TrainingSet::default()
        };
        let mut turned = plain.clone();
        turned.examples.push(Example { against: true, ..line((1, "spreadsheets or excel files")) });
        let [plain, turned] = [plain, turned].map(|set| Model::train(&set).unwrap());
        let of_pdf = |model: &Model, text: &str| model.score(text).probabilities[1];
        let (before, after) = (
            of_pdf(&plain, "open the spreadsheet files"),
            of_pdf(&turned, "open the spreadsheet files"),
        );
        assert!(before > 0.3 && after < before / 2.0, "{before} {after}");
        assert!(of_pdf(&turned, "merge the files") > 0.9, "what it is for stays");
        assert!(turned.score("spreadsheets").unknown_words > 0.0, "and its words count as unknown");
    }

    #[test]
    fn model_scores_any_script_without_panic() {
        let model = small_model();
        for text in [
            "исправь сборку",
            "修复构建失败",
            "صلح البناء",
            "빌드를 고쳐줘",
            "\u{0}\u{feff}",
            "𝒻𝒾𝓍 𝒾𝓉",
            "ẞß",
            &"a".repeat(16_000),
            &"é ".repeat(8_000),
        ] {
            let scored = model.score(text);
            assert!(scored.probabilities.iter().all(|p| p.is_finite()), "{text}");
        }
    }
}
