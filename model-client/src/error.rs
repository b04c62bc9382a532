//! Why a model gave no answer, and what that may have cost.

use contracts::{Effect, Micros};
use platform::ports::PortError;

/// The reason that there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The hold does not cover the call; nothing was sent.
    #[error("the call may cost more than is held for it; {needed} would have to be held")]
    Short { needed: Micros },
    #[error("it was unreachable: {0}")]
    Port(PortError),
    /// An error status, with the server's own words.
    #[error("it answered with status {status}{}", told(.message))]
    Status {
        status: u16,
        message: String,
        /// The wait that the server asks for.
        retry_after_ms: Option<i64>,
    },
    /// The answer broke off or is none of its protocol.
    #[error("{0}")]
    Broken(String),
}

fn told(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl AskError {
    /// Whether the model certainly did no work.
    pub fn is_without_effect(&self) -> bool {
        match self {
            Self::Short { .. } => true,
            Self::Port(error) => error.effect == Effect::None,
            // With 5xx the provider may have worked already, but for one that says it is too busy.
            Self::Status { status, .. } => *status < 500 || matches!(status, 503 | 529),
            Self::Broken(_) => false,
        }
    }
    /// Whether another attempt, or another server, may have more luck.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Short { .. } => false,
            Self::Port(_) | Self::Broken(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 409 | 429) || *status >= 500,
        }
    }
    /// Whether the key is wrong or has no credit.
    pub fn is_sign_in(&self) -> bool {
        matches!(self, Self::Status { status: 401..=403, .. })
    }
}
