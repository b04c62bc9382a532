//! How a story that goes wrong says so: the place, the step, what was expected, what came.

use std::fmt;

/// A story's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub file: String,
    pub line: usize,
    /// The step as it is written.
    pub step: String,
    pub mismatch: Mismatch,
    /// On which host; empty while the story is only read.
    pub host: String,
    /// What the host has to add, such as the end of its log.
    pub notes: String,
}

/// What a step found in place of what it wanted.
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
