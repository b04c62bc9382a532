//! A trained model: learnt from a training set, asked about a message.

use crate::arithmetic::softmax;
use crate::calibrate::{
    Calibrated, GATE_INPUTS, Gate, HeldOutFigures, Thresholds, calibrate, gate_inputs, unshrunk,
};
use crate::draft::{Draft, Prepared};
use crate::explain::{Term, explain};
use crate::features::{Feature, KnownWords, Rarity, Tokens};
use crate::lexical::{self, Lexical};
use crate::train::{Line, fit};
use crate::training_set::TrainingSet;
use crate::weights::Weights;

/// Share of unknown words from which a message is in a language that the graph does not know, and
/// the P(in scope) of such a message: nothing is known about it.
const FOREIGN_SHARE: f32 = 0.7;
const UNSURE: f32 = 0.5;
/// P(in scope) by the lexical score below which the words are those of no file.
const UNFAMILIAR: f32 = lexical::THRESHOLD;

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) labels: Vec<String>,
    pub(crate) rarity: Rarity,
    pub(crate) known: KnownWords,
    /// Of the first labels; the others have no examples.
    pub(crate) weights: Weights,
    pub(crate) lexical: Option<Lexical>,
    /// How far each label's learnt weights are believed rather than the lexical score, 0–1.
    pub(crate) belief: Vec<f32>,
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
    /// its held-out messages. `None` when no label has an example or a description.
    pub fn train_and_try(set: &TrainingSet) -> Option<(Self, Vec<HeldOutFigures>)> {
        let draft = Draft::of(set)?;
        let Calibrated { temperature, gate, thresholds, held_out } =
            calibrate(&draft.lines, &draft.belief, draft.plan);
        Some((Self::learn(draft, set, temperature, gate, thresholds), held_out))
    }

    /// Trains on a set whose labels are this model's, with this model's calibration: many times
    /// faster, for the folds of a cross-validation.
    pub fn train_alike(&self, set: &TrainingSet) -> Option<Self> {
        let draft = Draft::of(set)?;
        let thresholds = self.thresholds.clone();
        Some(Self::learn(draft, set, self.temperature, self.gate.clone(), thresholds))
    }

    /// Trains the weights and joins them with a calibration.
    fn learn(
        draft: Draft,
        set: &TrainingSet,
        temperature: f32,
        gate: Gate,
        thresholds: Vec<Thresholds>,
    ) -> Self {
        let training: Vec<Line<'_>> = draft.lines.iter().map(Prepared::line).collect();
        Self {
            labels: set.labels.clone(),
            weights: Weights::round(&fit(&training, draft.plan)),
            belief: draft.belief,
            rarity: draft.rarity,
            known: draft.known,
            lexical: draft.lexical,
            temperature,
            gate,
            thresholds,
            seed: set.seed,
        }
    }

    /// The labels, in the order of [`Scored::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The best label's index and its probability if the message is in scope: [`Model::score`]
    /// without the reasons, at half the cost.
    pub fn classify(&self, text: &str) -> (usize, f64) {
        let weighted = self.rarity.weigh(&Tokens::of(text));
        let (mut logits, lexical) = self.logits(text, &weighted.features);
        logits.truncate(self.labels.len());
        logits.iter_mut().zip(&lexical).for_each(|(sum, logit)| *sum += logit);
        let (winner, _) = best_two(&logits);
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        softmax(&mut logits);
        (winner, logits.get(winner).copied().map_or(0.0, f64::from))
    }

    /// The learnt logits of all labels, then of out of scope, if it is a class; and the lexical
    /// ones.
    fn logits(&self, text: &str, features: &[Feature]) -> (Vec<f32>, Vec<f32>) {
        let mut logits = self.weights.logits(features);
        logits.resize(logits.len().max(self.labels.len()), 0.0);
        let lexical = self.lexical.as_ref().map(|lexical| lexical.logits(text)).unwrap_or_default();
        (logits, lexical)
    }

    /// Scores a message. It accepts any text; one without letters or digits is out of scope.
    pub fn score(&self, text: &str) -> Scored {
        let tokens = Tokens::of(text);
        let weighted = self.rarity.weigh(&tokens);
        let (mut logits, lexical) = self.logits(text, &weighted.features);
        let unknown = self.known.unknown_share(&tokens);
        let seen = self.lexical.as_ref().map(|_| unshrunk(&logits, &self.belief));
        let inputs = gate_inputs(
            seen.as_ref().unwrap_or(&logits),
            self.labels.len(),
            unknown,
            tokens.words.len(),
        );
        logits.truncate(self.labels.len());
        logits.iter_mut().zip(&lexical).for_each(|(sum, logit)| *sum += logit);
        let (winner, runner_up) = best_two(&logits);
        let (in_scope, threshold) = self.scope(&inputs, &lexical, winner);
        let foreign = unknown >= FOREIGN_SHARE
            && self.lexical.as_ref().is_some_and(|index| index.in_scope(&lexical) < UNFAMILIAR);
        let out_of_scope = tokens.words.is_empty() || in_scope < threshold || foreign;
        let in_scope = match (tokens.words.is_empty(), foreign) {
            (true, _) => 0.0,
            (_, true) => UNSURE,
            _ => in_scope,
        };
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        softmax(&mut logits);
        if foreign {
            // Sequences of letters resemble some agent's in any language.
            let equal = 1.0 / logits.len() as f32;
            logits.iter_mut().for_each(|p| *p += unknown * (equal - *p));
        }
        let words = self.lexical.as_ref().map(|lexical| lexical.contrast(text, winner, runner_up));
        let terms = explain(
            (&self.weights, &self.rarity),
            (&tokens, &weighted),
            &words.unwrap_or_default(),
            winner,
            runner_up,
        );
        Scored {
            probabilities: logits.into_iter().map(f64::from).collect(),
            in_scope: f64::from(in_scope),
            out_of_scope,
            thresholds: self.thresholds.get(winner).copied().unwrap_or(Thresholds::DEFAULT),
            winner,
            runner_up,
            winner_terms: terms.winner,
            runner_up_terms: terms.runner_up,
            unknown_words: f64::from(unknown),
        }
    }

    /// P(in scope) and its threshold. The gate knows the world of the labels with many examples, so
    /// for others the lexical score decides.
    fn scope(&self, inputs: &[f32; GATE_INPUTS], lexical: &[f32], winner: usize) -> (f32, f32) {
        let learnt = self.gate.in_scope(inputs);
        let Some(index) = &self.lexical else { return (learnt, self.gate.threshold) };
        let belief = self.belief.get(winner).copied().unwrap_or(1.0);
        let belief = lexical::familiarity(belief);
        let mix = |learnt: f32, lexical: f32| belief * learnt + (1.0 - belief) * lexical;
        (mix(learnt, index.in_scope(lexical)), mix(self.gate.threshold, lexical::THRESHOLD))
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
        TrainingSet { labels, examples, seed: 1, ..TrainingSet::default() }
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
        assert_eq!((bytes.len(), hasher.finish()), (69_787, 15_779_347_492_799_382_788));
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
