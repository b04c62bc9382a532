//! The state of a way in that we have to keep up ourselves.

use contracts::endpoint::LinkState;

/// The state, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub state: LinkState,
    /// Why it is not connected, as a sentence.
    pub why: Option<String>,
    /// An imperative, where the reason does not name the fix.
    pub fix: Option<&'static str>,
}

impl Link {
    /// Messages arrive.
    pub const fn connected() -> Self {
        Self { state: LinkState::Connected, why: None, fix: None }
    }
    /// A further attempt follows by itself.
    pub fn reconnecting(why: impl Into<String>) -> Self {
        Self { state: LinkState::Reconnecting, why: Some(why.into()), fix: None }
    }
    /// The owner has to change something.
    pub fn refused(why: impl Into<String>, fix: Option<&'static str>) -> Self {
        Self { state: LinkState::Refused, why: Some(why.into()), fix }
    }
}
