//! The metrics of a report, each from the outcomes alone.

use super::outcome::Outcome;
use super::report::{ConfusionPair, Coverage, WorstError};
use std::collections::{BTreeMap, BTreeSet};

/// Bins of the calibration error.
const BINS: usize = 15;
/// Maximum rows in the lists of mistakes.
const LISTED_MAX: usize = 30;

/// Mean over the occurring labels of 2·tp / (2·tp + fp + fn).
pub fn macro_f1(inside: &[&Outcome]) -> Option<f64> {
    let labels: BTreeSet<&str> = inside.iter().map(|outcome| outcome.label.as_str()).collect();
    let mut hits: BTreeMap<&str, f64> = BTreeMap::new();
    let mut said: BTreeMap<&str, f64> = BTreeMap::new();
    for outcome in inside {
        *hits.entry(&outcome.label).or_default() += f64::from(u8::from(outcome.right()));
        // Each line adds one to its label's and one to its prediction's denominator.
        *said.entry(&outcome.label).or_default() += 1.0;
        *said.entry(&outcome.predicted).or_default() += 1.0;
    }
    let f1 = |label: &&str| {
        2.0 * hits.get(label).copied().unwrap_or(0.0) / said.get(label).copied().unwrap_or(1.0)
    };
    (!labels.is_empty()).then(|| labels.iter().map(f1).sum::<f64>() / labels.len() as f64)
}

/// Area under the ROC curve by ranks (Mann–Whitney), ties counting half.
pub fn auroc(positive: &[f64], negative: &[f64]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let mut sorted = negative.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let below = |score: &f64| {
        let lower = sorted.partition_point(|other| other < score);
        let equal = sorted.partition_point(|other| other <= score) - lower;
        lower as f64 + equal as f64 / 2.0
    };
    Some(positive.iter().map(below).sum::<f64>() / (positive.len() * negative.len()) as f64)
}

/// Σ over bins of (share of lines) × |share right − mean confidence|.
pub fn calibration_error(inside: &[&Outcome]) -> Option<f64> {
    let mut bins = [(0.0f64, 0.0f64); BINS];
    for outcome in inside {
        let place = ((outcome.confidence * BINS as f64) as usize).min(BINS - 1);
        if let Some((right, confidence)) = bins.get_mut(place) {
            *right += f64::from(u8::from(outcome.right()));
            *confidence += outcome.confidence;
        }
    }
    let gaps: f64 = bins.iter().map(|(right, confidence)| (right - confidence).abs()).sum();
    (!inside.is_empty()).then(|| gaps / inside.len() as f64)
}

/// Coverage at 95, 98 and 99 per cent precision.
pub fn coverage(inside: &[&Outcome]) -> Coverage {
    let mut sorted = inside.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let at = |precision: f64| {
        let (mut right, mut best) = (0usize, 0usize);
        for (place, outcome) in sorted.iter().enumerate() {
            right += usize::from(outcome.right());
            if right as f64 >= precision * (place + 1) as f64 {
                best = place + 1;
            }
        }
        (!sorted.is_empty()).then(|| best as f64 / sorted.len() as f64)
    };
    Coverage { at_95: at(0.95), at_98: at(0.98), at_99: at(0.99) }
}

/// The value below which this share of the sorted numbers lies.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().checked_sub(1)?)).copied()
}

/// Mistakes by pair of labels, most frequent first.
pub fn confusion(inside: &[&Outcome]) -> Vec<ConfusionPair> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for outcome in inside.iter().filter(|outcome| !outcome.right()) {
        *counts.entry((&outcome.label, &outcome.predicted)).or_default() += 1;
    }
    let mut pairs: Vec<ConfusionPair> = counts
        .into_iter()
        .map(|((label, predicted), count)| ConfusionPair {
            label: label.to_owned(),
            predicted: predicted.to_owned(),
            count,
        })
        .collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
    pairs.truncate(LISTED_MAX);
    pairs
}

/// Lines sent to a wrong agent (including `oos` lines that passed the gate), most confident first.
pub fn worst_errors(outcomes: &[Outcome]) -> Vec<WorstError> {
    let mut wrong: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| if outcome.belongs() { !outcome.right() } else { !outcome.refused })
        .collect();
    wrong.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let row = |outcome: &&Outcome| WorstError {
        text: outcome.text.clone(),
        label: outcome.label.clone(),
        predicted: outcome.predicted.clone(),
        confidence: outcome.confidence,
        in_scope: outcome.in_scope,
        terms: outcome.terms.clone(),
    };
    wrong.iter().take(LISTED_MAX).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(label: &str, predicted: &str, confidence: f64) -> Outcome {
        let of = |text: &str| text.to_owned();
        Outcome {
            text: of("t"),
            label: of(label),
            predicted: of(predicted),
            confidence,
            in_scope: 1.0,
            refused: false,
            terms: vec![],
            micros: 1.0,
        }
    }

    #[test]
    fn metrics_match_figures_computed_by_hand() {
        let outcomes = [
            outcome("a", "a", 0.9),
            outcome("a", "a", 0.8),
            outcome("a", "b", 0.7),
            outcome("b", "b", 0.6),
        ];
        let inside: Vec<&Outcome> = outcomes.iter().collect();
        // a: tp 2, fp 0, fn 1 → 0.8; b: tp 1, fp 1, fn 0 → 2/3.
        assert!((macro_f1(&inside).unwrap() - f64::midpoint(0.8, 2.0 / 3.0)).abs() < 1e-12);
        // Gaps 0.1, 0.2, 0.7, 0.4 in four bins of one line each.
        assert!((calibration_error(&inside).unwrap() - 0.35).abs() < 1e-12);
        assert_eq!(coverage(&inside).at_95, Some(0.5));
        assert_eq!(
            confusion(&inside),
            [ConfusionPair { label: "a".into(), predicted: "b".into(), count: 1 }]
        );
    }

    #[test]
    fn metrics_auroc_counts_ties_half() {
        assert_eq!(auroc(&[0.9, 0.5], &[0.5, 0.1]), Some(0.875));
        assert_eq!(auroc(&[], &[0.5]), None);
    }

    #[test]
    fn metrics_have_no_percentile_of_an_empty_list() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 0.99), Some(3.0));
    }
}
