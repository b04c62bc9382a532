//! Several trainings instead of one: other seeds, other draws of the lines; and the mean of what they gave.

use super::{Case, OUT_OF_SCOPE, Report, Surroundings, evaluate, training_set};
use crate::model::arithmetic::Random;
use crate::model::training_set::SEED;
use serde::Serialize;
use std::collections::BTreeMap;

/// How to train on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trials {
    /// Trainings, each with a seed of its own; at least one.
    pub seeds: u32,
    /// So many lines of each label, another draw for each seed; all when none.
    pub per_label: Option<usize>,
    /// Leave the lines that are for none of the labels out of the training.
    pub without_oos: bool,
}

impl Default for Trials {
    fn default() -> Self {
        Self { seeds: 1, per_label: None, without_oos: false }
    }
}

/// The least and the largest of a figure over the trainings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub least: f64,
    pub most: f64,
}

/// Trains as often as told and tests each with `cases`: rates are means, lists are those of the first. `None` when there is no
/// example.
pub fn trials(
    train: &[Case],
    cases: &[Case],
    plan: Trials,
    around: &mut Surroundings<'_>,
) -> Option<Report> {
    let count = plan.seeds.max(1);
    let mut reports = Vec::new();
    for trial in 0..count {
        let seed = SEED.wrapping_add(u64::from(trial));
        let lines = drawn(train, plan, seed);
        let mut set = training_set(&lines);
        set.seed = seed;
        let (seconds, progress) = (around.seconds, &mut *around.progress);
        let mut within =
            |done: usize, all: usize| progress(done + trial as usize * all, all * count as usize);
        reports.push(evaluate(
            &set,
            cases,
            None,
            &mut Surroundings { seconds, progress: &mut within },
        )?);
    }
    Some(mean(reports))
}

/// The lines of one training.
fn drawn(train: &[Case], plan: Trials, seed: u64) -> Vec<Case> {
    let mut lines: Vec<Case> = train
        .iter()
        .filter(|case| !plan.without_oos || case.label != OUT_OF_SCOPE)
        .cloned()
        .collect();
    let Some(most) = plan.per_label else { return lines };
    Random::new(seed ^ 0xd4a3).shuffle(&mut lines);
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    lines.retain(|case| {
        let count = taken.entry(case.label.clone()).or_default();
        *count += 1;
        *count <= most
    });
    lines
}

fn mean(reports: Vec<Report>) -> Report {
    let count = reports.len();
    let of = |pick: &dyn Fn(&Report) -> Option<f64>| -> Option<f64> {
        let values: Option<Vec<f64>> = reports.iter().map(pick).collect();
        values.map(|values| values.iter().sum::<f64>() / count as f64)
    };
    let spread = |pick: &dyn Fn(&Report) -> Option<f64>| {
        let values: Vec<f64> = reports.iter().filter_map(pick).collect();
        let least = values.iter().copied().reduce(f64::min)?;
        Some(Spread { least, most: values.iter().copied().reduce(f64::max)? })
    };
    let mut whole = match reports.first() {
        Some(first) => first.clone(),
        None => return Report::default(),
    };
    whole.accuracy = of(&|report| report.accuracy);
    whole.accuracy_with_gate = of(&|report| report.accuracy_with_gate);
    whole.macro_f1 = of(&|report| report.macro_f1);
    whole.oos_recall = of(&|report| report.oos_recall);
    whole.oos_auroc = of(&|report| report.oos_auroc);
    whole.ece = of(&|report| report.ece);
    whole.route_micros.p50 = of(&|report| report.route_micros.p50);
    whole.route_micros.p99 = of(&|report| report.route_micros.p99);
    whole.train_seconds = of(&|report| Some(report.train_seconds)).unwrap_or_default();
    whole.trainings = count;
    whole.accuracy_spread = spread(&|report| report.accuracy);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Case> {
        let line = |text: String, label: &str| Case { text, label: label.to_owned() };
        let of = |n: usize| {
            [
                line(format!("fix build {n}"), "codegen"),
                line(format!("scan server {n}"), "security"),
                line(format!("plan sprint {n}"), "pm"),
            ]
        };
        (0..30)
            .flat_map(of)
            .chain((0..60).map(|n| line(format!("weather on day {n}"), OUT_OF_SCOPE)))
            .collect()
    }

    #[test]
    fn each_draw_takes_as_many_lines_of_each_label_and_no_two_draws_are_the_same() {
        let plan = Trials { per_label: Some(7), without_oos: true, ..Trials::default() };
        let (one, two) = (drawn(&lines(), plan, 1), drawn(&lines(), plan, 2));
        assert_eq!((one.len(), two.len()), (21, 21));
        assert!(one.iter().all(|case| case.label != OUT_OF_SCOPE));
        assert_ne!(one, two);
        assert_eq!(one, drawn(&lines(), plan, 1));
    }

    #[test]
    fn rates_are_means_and_a_rate_that_one_training_lacks_is_missing() {
        let one = |accuracy: f64, ece: Option<f64>| Report {
            accuracy: Some(accuracy),
            macro_f1: Some(accuracy / 2.0),
            ece,
            ..Report::default()
        };
        let whole = mean(vec![one(0.5, Some(0.25)), one(1.0, None), one(0.75, Some(0.5))]);
        assert_eq!((whole.accuracy, whole.macro_f1, whole.ece), (Some(0.75), Some(0.375), None));
        assert_eq!(
            whole.accuracy_spread.map(|spread| (spread.least, spread.most)),
            Some((0.5, 1.0))
        );
    }

    #[test]
    fn the_report_is_the_mean_over_the_trainings() {
        let mut around = Surroundings { seconds: &|| 0.0, progress: &mut |_, _| {} };
        let plan = Trials { seeds: 3, per_label: Some(5), ..Trials::default() };
        let report = trials(&lines(), &lines(), plan, &mut around).unwrap();
        assert_eq!(report.trainings, 3);
        let spread = report.accuracy_spread.unwrap();
        assert!(
            spread.least <= report.accuracy.unwrap() && report.accuracy.unwrap() <= spread.most
        );
    }
}
