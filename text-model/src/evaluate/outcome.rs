//! The model's result for one labelled message.

use super::case::OUT_OF_SCOPE;

/// The model's result for one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub text: String,
    pub label: String,
    pub predicted: String,
    pub confidence: f64,
    pub in_scope: f64,
    pub refused: bool,
    pub terms: Vec<String>,
    pub micros: f64,
}

impl Outcome {
    /// Whether the case is in scope.
    pub fn belongs(&self) -> bool {
        self.label != OUT_OF_SCOPE
    }
    /// Whether the best agent is right.
    pub fn right(&self) -> bool {
        self.predicted == self.label
    }
}
