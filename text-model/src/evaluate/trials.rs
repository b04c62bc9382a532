//! Several trainings, with different seeds and different draws of the lines, and their mean.

use super::case::{Case, OUT_OF_SCOPE, training_set};
use super::report::{Report, Spread};
use super::{Surroundings, evaluate};
use crate::arithmetic::Random;
use crate::training_set::SEED;
use std::collections::BTreeMap;

/// The trainings to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trials {
    /// Number of trainings, each with its own seed; at least one.
    pub seeds: u32,
    /// Lines per label, drawn again for each seed; all if none.
    pub per_label: Option<usize>,
    /// Leaves out-of-scope lines out of the training.
    pub without_oos: bool,
}

impl Default for Trials {
    fn default() -> Self {
        Self { seeds: 1, per_label: None, without_oos: false }
    }
}

/// Trains as planned and tests each model with `cases`: rates are means, lists come from the first.
/// `None` when there is no example.
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
    fn trials_draw_equal_lines_per_label_and_different_lines_per_seed() {
        let plan = Trials { per_label: Some(7), without_oos: true, ..Trials::default() };
        let (one, two) = (drawn(&lines(), plan, 1), drawn(&lines(), plan, 2));
        assert_eq!((one.len(), two.len()), (21, 21));
        assert!(one.iter().all(|case| case.label != OUT_OF_SCOPE));
        assert_ne!(one, two);
        assert_eq!(one, drawn(&lines(), plan, 1));
    }

    #[test]
    fn trials_average_rates_and_omit_a_rate_missing_in_one_training() {
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
    fn trials_report_the_mean_over_the_trainings() {
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
