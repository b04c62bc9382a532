//! `quintet eval`: routing quality on labelled messages.
//!
//! Pure: lines come in as text, time through a closure (seconds from any starting point), progress
//! goes out through another.

mod advice;
mod case;
mod metrics;
mod outcome;
mod report;
mod trials;

use crate::training_set::should_find;
use crate::{Model, TrainingSet};
pub use advice::{Advice, advice};
pub use case::{Case, CaseError, OUT_OF_SCOPE, read_cases, training_set};
use contracts::graph::Graph;
use metrics::{auroc, calibration_error, confusion, coverage, macro_f1, percentile, worst_errors};
pub use outcome::Outcome;
pub use report::{ConfusionPair, Coverage, LabelFigures, Report, RouteMicros, Spread, WorstError};
use std::collections::BTreeMap;
pub use trials::{Trials, trials};

/// Folds of the cross-validation.
const FOLDS: usize = 5;

/// The caller's time and progress.
pub struct Surroundings<'a> {
    /// Seconds from any fixed starting point.
    pub seconds: &'a dyn Fn() -> f64,
    /// Called occasionally with (steps done, total steps).
    pub progress: &'a mut dyn FnMut(usize, usize),
}

/// Trains on `set` and tests with `cases`; `fallback` is the label that gets rejected lines. `None`
/// when the set has no example.
pub fn evaluate(
    set: &TrainingSet,
    cases: &[Case],
    fallback: Option<&str>,
    around: &mut Surroundings<'_>,
) -> Option<Report> {
    (around.progress)(0, cases.len() + 1);
    let start = (around.seconds)();
    let model = Model::train(set)?;
    let train_seconds = (around.seconds)() - start;
    let mut outcomes = Vec::with_capacity(cases.len());
    for (done, case) in cases.iter().enumerate() {
        if done % 256 == 0 {
            (around.progress)(done + 1, cases.len() + 1);
        }
        outcomes.push(ask(&model, case, around.seconds));
    }
    (around.progress)(cases.len() + 1, cases.len() + 1);
    Some(report(&outcomes, &model, train_seconds, fallback))
}

/// Cross-validates a graph: a model routes the fifth of the examples that it has not seen.
/// Exclusions train every fold and test none. `None` when there is nothing to learn from.
pub fn cross_validate(graph: &Graph, around: &mut Surroundings<'_>) -> Option<Report> {
    let set = TrainingSet::from_graph(graph);
    let fallback = graph.fallback_agent().map(|agent| agent.id.as_str().to_owned());
    (around.progress)(0, FOLDS + 1);
    let start = (around.seconds)();
    let model = Model::train(&set)?;
    let train_seconds = (around.seconds)() - start;
    let mut seen = vec![0usize; set.labels.len()];
    let folds: Vec<Option<usize>> = set
        .examples
        .iter()
        .map(|example| {
            let count = seen
                .get_mut(example.label)
                .filter(|_| should_find(example.weight, example.against))?;
            *count += 1;
            Some(*count % FOLDS)
        })
        .collect();
    let mut outcomes = Vec::new();
    for fold in 0..FOLDS {
        (around.progress)(fold + 1, FOLDS + 1);
        let numbered = || set.examples.iter().zip(&folds);
        let kept = numbered()
            .filter(|(_, of)| **of != Some(fold))
            .map(|(example, _)| example.clone())
            .collect();
        let Some(other) = model.train_alike(&TrainingSet { examples: kept, ..set.clone() }) else {
            continue;
        };
        for (example, _) in numbered().filter(|(_, of)| **of == Some(fold)) {
            let label = set.labels.get(example.label).cloned().unwrap_or_default();
            outcomes.push(ask(&other, &Case { text: example.text.clone(), label }, around.seconds));
        }
    }
    (around.progress)(FOLDS + 1, FOLDS + 1);
    Some(report(&outcomes, &model, train_seconds, fallback.as_deref()))
}

fn ask(model: &Model, case: &Case, seconds: &dyn Fn() -> f64) -> Outcome {
    let start = seconds();
    let scored = model.score(&case.text);
    let micros = (seconds() - start) * 1e6;
    Outcome {
        text: case.text.clone(),
        label: case.label.clone(),
        predicted: model.labels().get(scored.winner).cloned().unwrap_or_default(),
        confidence: scored.probabilities.get(scored.winner).copied().unwrap_or(0.0),
        in_scope: scored.in_scope,
        refused: scored.out_of_scope,
        terms: scored.winner_terms.into_iter().map(|term| term.text).collect(),
        micros,
    }
}

fn report(
    outcomes: &[Outcome],
    model: &Model,
    train_seconds: f64,
    fallback: Option<&str>,
) -> Report {
    let inside: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.belongs()).collect();
    let outside: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.belongs()).collect();
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let right_with_gate = |outcome: &&&Outcome| {
        if outcome.refused { fallback == Some(outcome.label.as_str()) } else { outcome.right() }
    };
    let scores =
        |of: &[&Outcome]| -> Vec<f64> { of.iter().map(|outcome| outcome.in_scope).collect() };
    let mut micros: Vec<f64> = outcomes.iter().map(|outcome| outcome.micros).collect();
    micros.sort_unstable_by(f64::total_cmp);
    Report {
        accuracy: share(inside.iter().filter(|outcome| outcome.right()).count(), inside.len()),
        accuracy_with_gate: share(inside.iter().filter(right_with_gate).count(), inside.len()),
        macro_f1: macro_f1(&inside),
        oos_recall: share(outside.iter().filter(|outcome| outcome.refused).count(), outside.len()),
        oos_auroc: auroc(&scores(&inside), &scores(&outside)),
        ece: calibration_error(&inside),
        coverage: coverage(&inside),
        route_micros: RouteMicros { p50: percentile(&micros, 0.5), p99: percentile(&micros, 0.99) },
        model_bytes: model.to_bytes().len(),
        train_seconds,
        lines: inside.len(),
        oos_lines: outside.len(),
        labels: model.labels().len(),
        trainings: 1,
        accuracy_spread: None,
        per_label: per_label(&inside),
        confusion: confusion(&inside),
        worst_errors: worst_errors(outcomes),
    }
}

fn per_label(inside: &[&Outcome]) -> Vec<LabelFigures> {
    let mut by_label: BTreeMap<&str, LabelFigures> = BTreeMap::new();
    for outcome in inside {
        let figures = by_label.entry(&outcome.label).or_insert_with(|| LabelFigures {
            label: outcome.label.clone(),
            ..LabelFigures::default()
        });
        figures.lines += 1;
        figures.right += usize::from(outcome.right());
    }
    by_label.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> String {
        let mut text = String::new();
        for n in 0..20 {
            text += &format!(
                "{{\"text\": \"fix build number {n}\", \"label\": \"codegen\"}}\n{{\"text\": \"scan server number {n}\", \"label\": \"security\"}}\n"
            );
            text += &format!("{{\"text\": \"plan sprint number {n}\", \"label\": \"pm\"}}\n\n");
        }
        text + "{\"text\": \"zebra quilt\", \"label\": \"oos\"}"
    }

    fn run(test: &str) -> Report {
        let train = read_cases(&lines(), "label").unwrap();
        let mut steps = 0;
        let mut around = Surroundings { seconds: &|| 0.0, progress: &mut |_, _| steps += 1 };
        let report =
            evaluate(&training_set(&train), &read_cases(test, "label").unwrap(), None, &mut around)
                .unwrap();
        assert!(steps >= 2);
        report
    }

    #[test]
    fn eval_routes_easy_lines_right_and_reports_the_contracts_keys() {
        let report = run(&lines());
        assert_eq!(report.accuracy, Some(1.0));
        assert_eq!(report.macro_f1, Some(1.0));
        let json = serde_json::to_value(&report).unwrap();
        for key in [
            "accuracy",
            "macroF1",
            "oosRecall",
            "oosAuroc",
            "ece",
            "coverage",
            "routeMicros",
            "modelBytes",
            "trainSeconds",
        ] {
            assert!(json.get(key).is_some_and(|value| !value.is_null()), "{key}");
        }
    }

    #[test]
    fn eval_reports_null_for_rates_that_cannot_be_computed() {
        let report = run("{\"text\": \"fix it\", \"label\": \"codegen\"}");
        assert_eq!((report.oos_recall, report.oos_auroc), (None, None));
        let report = run("{\"text\": \"fix it\", \"label\": \"oos\"}");
        assert_eq!((report.accuracy, report.ece), (None, None));
    }

    #[test]
    fn eval_names_an_invalid_line() {
        assert_eq!(
            read_cases("{\"text\":\"a\",\"label\":\"b\"}\nnonsense", "label").unwrap_err().line,
            2
        );
        let error = read_cases("{\"text\":\"a\",\"label\":\"b\"}", "domain").unwrap_err();
        assert!(error.message.contains("`domain`"));
    }
}
