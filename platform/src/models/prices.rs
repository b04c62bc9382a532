//! The prices of models: a dated list with tiers, and the owner's own prices over it.
//!
//! The list is shipped with the program (`prices.json`) and replaced by a newer one under the key
//! `model_prices` of the configuration, which `quintet models prices --update` writes. A model
//! that is in no list has no price, and a model without a price is not used.

use crate::time::rfc3339;
use contracts::{Micros, TokenPrices, TokenUsage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The key of the whole configuration under which a newer list arrives.
pub const LIST_KEY: &str = "model_prices";

const SHIPPED: &str = include_str!("prices.json");

/// Prices of one kind of prompt, dollars per million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// The model's id, without the date at its end.
    pub model: String,
    /// The first day (UTC, `2026-10-07`) on which it is valid; always, without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For whole requests with more prompt tokens than this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub above: u64,
    pub input: Micros,
    pub output: Micros,
    /// Without one, reading from a cache costs what reading costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Micros>,
    /// Without one, as [`Row::cache_read`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Micros>,
    /// Without one, twice the price of reading, which is the rule of the Messages API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Micros>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(above: &u64) -> bool {
    *above == 0
}

impl Row {
    /// The cost of one request with these tokens, rounded up.
    fn cost(&self, usage: &TokenUsage) -> Micros {
        let twice = Micros(self.input.0.saturating_mul(2));
        let parts = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write, self.cache_write.unwrap_or(self.input)),
            (usage.cache_write_1h, self.cache_write_1h.unwrap_or(twice)),
        ];
        let sum = parts.into_iter().fold(0_i128, |sum, (count, price)| {
            sum.saturating_add(i128::from(count).saturating_mul(i128::from(price.0)))
        });
        let micros = sum.saturating_add(999_999) / 1_000_000;
        Micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// A list of prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// The day on which it was compared with the providers' pages, `2026-11-20`.
    pub checked: String,
    pub models: Vec<Row>,
}

impl PriceList {
    /// The list of this version.
    pub fn shipped() -> Self {
        // A test reads it, so it is never empty.
        serde_json::from_str(SHIPPED).unwrap_or_default()
    }
    /// Reads a list, with the reason why it is none.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with the way out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self = serde_json::from_str(text).map_err(|error| {
            format!("is no list of prices: {error}. `quintet models prices --json` prints one.")
        })?;
        let mut seen = BTreeSet::new();
        for day in list.models.iter().filter_map(|row| row.from.as_ref()).chain([&list.checked]) {
            if !is_day(day) {
                return Err(format!("has \"{day}\" for a day; write it as 2026-11-20."));
            }
        }
        for row in &list.models {
            if row.model.is_empty() || !seen.insert((&row.model, &row.from, row.above)) {
                let name = &row.model;
                return Err(format!("has two prices of \"{name}\" for the same day and length."));
            }
        }
        Ok(list)
    }
    /// The prices of a model. `claude-opus-5-5-20261001` has those of `claude-opus-5-5`.
    pub fn of(&self, model: &str) -> Option<ModelPrices> {
        let named = |name: &str| {
            let rows = self.models.iter().filter(|row| row.model == name).cloned();
            let rows: Vec<Row> = rows.collect();
            (!rows.is_empty()).then_some(ModelPrices(rows))
        };
        named(model).or_else(|| named(undated(model)?))
    }
}

/// `2026-11-20`.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2] && parts.into_iter().all(is_number)
}

/// The id before `-20261001` or `-2026-10-01`.
fn undated(model: &str) -> Option<&str> {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = model.rsplit_once('-')?;
    if last.len() == 8 && is_number(last) {
        return Some(rest);
    }
    let place = model.len().checked_sub(11)?;
    let (rest, day) = (model.get(..place)?, model.get(place..)?);
    day.strip_prefix('-').is_some_and(is_day).then_some(rest)
}

/// The prices of one model, at any time and for any length; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPrices(Vec<Row>);

impl ModelPrices {
    /// The owner's prices. `tokens` are those of reading and writing, the others where they differ.
    pub fn stated(tokens: TokenPrices, cache: (Option<Micros>, Option<Micros>)) -> Self {
        Self(vec![Row {
            model: String::new(),
            from: None,
            above: 0,
            input: tokens.input,
            output: tokens.output,
            cache_read: cache.0,
            cache_write: cache.1,
            cache_write_1h: cache.1,
        }])
    }
    /// The cost of one request, rounded up.
    pub fn cost(&self, usage: &TokenUsage, at_ms: i64) -> Micros {
        self.row(usage.prompt(), at_ms).cost(usage)
    }
    /// The most that one request with this many tokens in its prompt can cost, wherever its tokens
    /// are counted, at the tier of `longest` tokens.
    pub fn ceiling(&self, (prompt, longest): (u64, u64), output: u64, at_ms: i64) -> Micros {
        let usage = TokenUsage { output, ..TokenUsage::default() };
        let row = self.row(longest.max(prompt), at_ms);
        let as_bucket = [
            TokenUsage { input: prompt, ..usage },
            TokenUsage { cache_read: prompt, ..usage },
            TokenUsage { cache_write: prompt, ..usage },
            TokenUsage { cache_write_1h: prompt, ..usage },
        ];
        as_bucket.iter().map(|usage| row.cost(usage)).max().unwrap_or_default()
    }
    /// The highest prices of reading and writing in force now or later, for an estimate before the
    /// work.
    pub fn highest(&self) -> TokenPrices {
        let most = |price: fn(&Row) -> Micros| self.0.iter().map(price).max().unwrap_or_default();
        TokenPrices { input: most(|row| row.input), output: most(|row| row.output) }
    }
    /// Whether nothing costs anything.
    pub fn are_free(&self) -> bool {
        let TokenPrices { input, output } = self.highest();
        (input, output) == (Micros::ZERO, Micros::ZERO)
    }

    /// The row in force: of the newest day that has come, that of the greatest length below the
    /// prompt's. Before every day the first one counts.
    fn row(&self, prompt: u64, at_ms: i64) -> &Row {
        let now = rfc3339(at_ms);
        let today = now.get(..10).unwrap_or_default();
        let begun = |row: &&Row| row.from.as_deref().is_none_or(|day| day <= today);
        let newest = self.0.iter().filter(begun).map(|row| &row.from).max();
        let first = self.0.iter().map(|row| &row.from).min();
        let day = newest.or(first);
        let fits = |row: &&Row| Some(&row.from) == day && (row.above == 0 || row.above < prompt);
        self.0.iter().filter(fits).max_by_key(|row| row.above).unwrap_or_else(|| self.any())
    }
    /// The dearest row.
    fn any(&self) -> &Row {
        static NONE: Row = Row {
            model: String::new(),
            from: None,
            above: 0,
            input: Micros(i64::MAX),
            output: Micros(i64::MAX),
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
        };
        self.0.iter().max_by_key(|row| row.output).unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTOBER: i64 = 1_790_812_800_000; // 2026-10-01
    const NOVEMBER: i64 = 1_793_491_200_000; // 2026-11-01

    #[test]
    fn shipped_list_is_valid_and_names_the_day_it_was_checked() {
        let list = PriceList::parse(SHIPPED).unwrap();
        assert_eq!(list.checked, "2026-11-20");
        assert!(list.models.len() > 40);
        assert_eq!(list, PriceList::shipped());
    }

    #[test]
    fn price_is_of_the_day_of_the_call() {
        let sonnet = PriceList::shipped().of("claude-sonnet-5-5-20260901").unwrap();
        let read = TokenUsage { cache_read: 1_000_000, ..TokenUsage::default() };
        assert_eq!(sonnet.cost(&read, OCTOBER), Micros(200_000));
        assert_eq!(sonnet.cost(&read, NOVEMBER), Micros(100_000));
    }

    #[test]
    fn long_prompt_costs_its_tier_for_the_whole_request() {
        let haiku = PriceList::shipped().of("claude-haiku-5-5").unwrap();
        let of = |input: u64, cache_read: u64| {
            let usage = TokenUsage { input, cache_read, output: 1_000, ..TokenUsage::default() };
            haiku.cost(&usage, NOVEMBER)
        };
        assert_eq!(of(100_000, 0), Micros(10_000 + 500));
        assert_eq!(of(100_001, 0), Micros(50_001 + 2_500));
        // Cached tokens count for the length: 50,000 at $0.50 and 50,001 at $0.05.
        assert_eq!(of(50_000, 50_001), Micros(25_000 + 2_501 + 2_500));
    }

    #[test]
    fn no_bucket_costs_more_than_the_ceiling() {
        for name in ["claude-haiku-5-5", "claude-opus-5-5", "gpt-5.4", "claude-sonnet-4-5"] {
            let prices = PriceList::shipped().of(name).unwrap();
            for prompt in [0, 1, 100_000, 100_001, 300_000] {
                let ceiling = prices.ceiling((prompt, prompt), 512, NOVEMBER);
                let third = prompt / 3;
                let mixed = TokenUsage {
                    input: prompt - 2 * third,
                    cache_read: third,
                    cache_write_1h: third,
                    output: 512,
                    ..TokenUsage::default()
                };
                assert!(prices.cost(&mixed, NOVEMBER) <= ceiling, "{name} {prompt}");
            }
        }
    }

    #[test]
    fn unknown_model_has_no_price() {
        let list = PriceList::shipped();
        for name in ["", "llama3", "claude-opus", "claude-opus-5-5-fast", "gpt-5.4-", "-20261001"] {
            assert_eq!(list.of(name), None, "{name}");
        }
        assert!(list.of("gpt-4o-2024-08-06").is_some());
    }

    #[test]
    fn odd_list_is_refused_with_the_reason() {
        let list = |models: &str| {
            PriceList::parse(&format!(r#"{{"checked": "2026-11-20", "models": [{models}]}}"#))
        };
        let row = r#"{"model": "a", "input": 1, "output": 2}"#;
        assert!(list(row).is_ok());
        for (bad, why) in [
            (format!("{row},{row}"), "two prices"),
            (row.replace("\"output\": 2", "\"output\": -2"), "no list of prices"),
            (row.replace("\"output\": 2", "\"output\": 2, \"form\": 1"), "form"),
            (row.replace('}', ", \"from\": \"soon\"}"), "soon"),
        ] {
            let found = list(&bad).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
    }
}
