//! The numbers of a query string.

use std::collections::HashMap;
use worker::{Request, Result};

/// The numbers of a query string.
pub struct Numbers(HashMap<String, usize>);

impl Numbers {
    /// Reads them; a value that is no number is left out.
    pub fn of(request: &Request) -> Result<Self> {
        Ok(Self(
            request
                .url()?
                .query_pairs()
                .filter_map(|(name, value)| Some((name.into_owned(), value.parse().ok()?)))
                .collect(),
        ))
    }
    /// A number, 0 when it is not there.
    pub fn get(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }
}
