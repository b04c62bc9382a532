//! The report of an evaluation.

use serde::Serialize;

/// The report. Rates are fractions 0–1; null if they cannot be computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Share of in-scope lines whose best agent is right, regardless of the gate.
    pub accuracy: Option<f64>,
    /// The same, with rejected lines counted as routed to the fallback agent.
    pub accuracy_with_gate: Option<f64>,
    #[serde(rename = "macroF1")]
    pub macro_f1: Option<f64>,
    /// Share of `oos` lines that the gate rejects.
    pub oos_recall: Option<f64>,
    /// Probability that an in-scope line gets a higher P(in scope) than an `oos` line.
    pub oos_auroc: Option<f64>,
    /// Expected calibration error of the confidence, in-scope lines, 15 equal bins (Guo et al.
    /// 2017).
    pub ece: Option<f64>,
    pub coverage: Coverage,
    pub route_micros: RouteMicros,
    pub model_bytes: usize,
    pub train_seconds: f64,
    pub lines: usize,
    pub oos_lines: usize,
    pub labels: usize,
    /// Number of trainings behind the mean rates, and their spread.
    pub trainings: usize,
    pub accuracy_spread: Option<Spread>,
    /// In-scope lines by label, sorted by name.
    pub per_label: Vec<LabelFigures>,
    /// Mistakes, most frequent first.
    pub confusion: Vec<ConfusionPair>,
    /// Errors with the highest confidence first.
    pub worst_errors: Vec<WorstError>,
}

/// The results of one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LabelFigures {
    pub label: String,
    pub lines: usize,
    /// Lines whose best agent is right.
    pub right: usize,
}

/// Microseconds to score one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RouteMicros {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// Largest share of the in-scope lines, most confident first, with at least this precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    #[serde(rename = "95")]
    pub at_95: Option<f64>,
    #[serde(rename = "98")]
    pub at_98: Option<f64>,
    #[serde(rename = "99")]
    pub at_99: Option<f64>,
}

/// How often one label was taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfusionPair {
    pub label: String,
    pub predicted: String,
    pub count: usize,
}

/// A wrong route, with the words that misled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorstError {
    pub text: String,
    pub label: String,
    pub predicted: String,
    pub confidence: f64,
    pub in_scope: f64,
    /// Words that spoke for the wrong agent.
    pub terms: Vec<String>,
}

/// Minimum and maximum of a rate over the trainings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub least: f64,
    pub most: f64,
}
