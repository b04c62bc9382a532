//! Labelled messages, as they stand in a file.

use crate::TrainingSet;

/// The label that means "none of these".
pub const OUT_OF_SCOPE: &str = "oos";

/// One labelled message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub text: String,
    pub label: String,
}

/// The reason that a file of cases is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CaseError {
    /// Line number, from 1.
    pub line: usize,
    pub message: String,
}

/// Reads one JSON object per line: `text`, and the label in `label_field`. Skips blank lines.
///
/// # Errors
/// The first line that is no such object, by its number.
pub fn read_cases(lines: &str, label_field: &str) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for (place, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message: String| CaseError { line: place + 1, message };
        let value: serde_json::Value =
            serde_json::from_str(line).map_err(|error| wrong(format!("is not JSON: {error}")))?;
        let member =
            |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let text = member("text").ok_or_else(|| wrong("has no `text`".to_owned()))?;
        let label = member(label_field).ok_or_else(|| wrong(format!("has no `{label_field}`")))?;
        cases.push(Case { text, label });
    }
    if cases.is_empty() {
        return Err(CaseError { line: 0, message: "the file has no lines".to_owned() });
    }
    Ok(cases)
}

/// The training set of a file.
pub fn training_set(cases: &[Case]) -> TrainingSet {
    TrainingSet::from_pairs(
        cases.iter().map(|case| (case.text.as_str(), case.label.as_str())),
        OUT_OF_SCOPE,
    )
}
