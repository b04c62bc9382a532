//! Tokens: the estimate for a run, and their cost.

use crate::Micros;
use crate::graph::Complexity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Input and output tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

/// The tokens of model calls in buckets that do not overlap: each token is in exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TokenUsage {
    /// Read, and neither written to a cache nor read from one.
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    /// Written to a cache for five minutes, or for as long as the server decides.
    pub cache_write: u64,
    /// Written to a cache for an hour.
    pub cache_write_1h: u64,
}

impl TokenUsage {
    /// All tokens of the prompt; tiers of prices are by this number.
    pub const fn prompt(self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
    }
    /// The sum, bucket by bucket.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
        }
    }
    /// As the ledger keeps it, in the names of the Messages API: [`Tokens::of_usage`] reads it.
    pub fn record(self) -> Value {
        serde_json::json!({
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write.saturating_add(self.cache_write_1h),
        })
    }
}

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPrices {
    pub input: Micros,
    pub output: Micros,
}

impl Tokens {
    /// Assumed tokens for work of this complexity, before an agent's own runs are known. An agent
    /// reads far more than the message (its instructions, files, tool results), repeatedly.
    pub const fn assumed(complexity: Complexity) -> Self {
        match complexity {
            Complexity::Simple => Self { input: 8_000, output: 1_000 },
            Complexity::Moderate => Self { input: 40_000, output: 5_000 },
            Complexity::Complex => Self { input: 200_000, output: 20_000 },
        }
    }

    /// The tokens of a text: one per four bytes, the usual rule of thumb for English. In scripts
    /// with three bytes per letter that is about one per letter, which also fits.
    pub fn of_text(text: &str) -> u64 {
        (text.len() as u64).div_ceil(4)
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }

    /// Reads the usage reported by an agent's program: `input_tokens` and `output_tokens`, or
    /// `prompt_tokens` and `completion_tokens`. Cached tokens count as input if listed separately
    /// (`cache_read_input_tokens`, `cache_creation_input_tokens`). None if it has neither.
    pub fn of_usage(usage: &Value) -> Option<Self> {
        let number =
            |names: &[&str]| names.iter().find_map(|name| usage.get(name)).and_then(Value::as_u64);
        let read = number(&["input_tokens", "inputTokens", "prompt_tokens"])?;
        let written = number(&["output_tokens", "outputTokens", "completion_tokens"])?;
        let cached = number(&["cache_read_input_tokens"])
            .unwrap_or(0)
            .saturating_add(number(&["cache_creation_input_tokens"]).unwrap_or(0));
        Some(Self { input: read.saturating_add(cached), output: written })
    }
}

impl TokenPrices {
    /// The cost of these tokens, rounded up.
    pub fn cost(&self, tokens: Tokens) -> Micros {
        let part = |count: u64, price: Micros| {
            i128::from(count).saturating_mul(i128::from(price.0.max(0)))
        };
        let micros = part(tokens.input, self.input)
            .saturating_add(part(tokens.output, self.output))
            .saturating_add(999_999)
            / 1_000_000;
        Micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn token_cost_is_rounded_up_and_saturates() {
        let prices = TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) };
        assert_eq!(prices.cost(Tokens::assumed(Complexity::Moderate)), Micros(195_000));
        assert_eq!(prices.cost(Tokens { input: 1, output: 0 }), Micros(3));
        assert_eq!(
            TokenPrices { input: Micros(1), output: Micros(0) }
                .cost(Tokens { input: 1, output: 9 }),
            Micros(1)
        );
        assert_eq!(
            TokenPrices { input: Micros(i64::MAX), output: Micros(i64::MAX) }
                .cost(Tokens { input: u64::MAX, output: u64::MAX }),
            Micros(i64::MAX)
        );
        assert_eq!(prices.cost(Tokens::default()), Micros::ZERO);
    }

    #[test]
    fn token_usage_is_read_in_each_programs_format() {
        let read = |usage| Tokens::of_usage(&usage).map(|tokens| (tokens.input, tokens.output));
        assert_eq!(
            read(
                json!({"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20})
            ),
            Some((125, 7))
        );
        assert_eq!(
            read(json!({"input_tokens": 5, "cached_input_tokens": 3, "output_tokens": 7})),
            Some((5, 7))
        );
        assert_eq!(read(json!({"prompt_tokens": 5, "completion_tokens": 7})), Some((5, 7)));
        assert_eq!(read(json!({"input_tokens": 5})), None);
        assert_eq!(read(json!({"input_tokens": "many", "output_tokens": -1})), None);
    }
}
