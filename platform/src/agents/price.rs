//! The price of a run, as far as it is known before the run.

use contracts::{Micros, TokenPrices};

/// Maximum cost of one run, as far as it is known before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    Known(Micros),
    /// The tokens of the run decide: the caller's estimate counts.
    Tokens(TokenPrices),
    /// A runner that may cost something, without `estimated_cost` or prices of tokens.
    Unknown,
}

impl Price {
    /// The prices of tokens, where they decide.
    pub const fn of_tokens(self) -> Option<TokenPrices> {
        match self {
            Self::Tokens(prices) => Some(prices),
            Self::Known(_) | Self::Unknown => None,
        }
    }
}
