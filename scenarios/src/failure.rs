//! A story's failure: the position, the step, the expected and the actual result.

use std::fmt;

/// A story's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub file: String,
    pub line: usize,
    /// The step as it is written.
    pub step: String,
    pub mismatch: Mismatch,
    /// The host; empty while parsing.
    pub host: String,
    /// Additional output of the host, such as the end of its log.
    pub notes: String,
}

/// The expected and the actual result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub expected: String,
    pub came: String,
}

impl Mismatch {
    /// A mismatch of these two.
    pub fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { expected: expected.into(), came: came.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.step)?;
        if !self.host.is_empty() {
            write!(f, "   (on {})", self.host)?;
        }
        write!(
            f,
            "\n  expected: {}\n  came:     {}",
            self.mismatch.expected,
            indented(&self.mismatch.came)
        )?;
        if !self.notes.is_empty() {
            write!(f, "\n  notes:    {}", indented(&self.notes))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n            ")
}
