//! Reasons why a sandbox is not made.

/// Why a sandbox could not be made. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a step.
    #[error("{step}: {reason}")]
    Refused { step: String, reason: String },
    /// A path holds a secret of the server, or lies in it.
    #[error("{} holds {}, which an agent must not reach. Name narrower paths", path.display(), protected.display())]
    HoldsSecret { path: std::path::PathBuf, protected: std::path::PathBuf },
    /// A protected path is another file than when the server started.
    #[error(
        "{} is not the file it was when the server started; something moved it. Move it back or restart the server", .0.display()
    )]
    Moved(std::path::PathBuf),
}

impl Error {
    /// A refused step, with the system's words.
    pub fn refused(step: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Refused { step: step.into(), reason: reason.to_string() }
    }
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
