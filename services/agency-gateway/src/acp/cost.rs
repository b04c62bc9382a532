//! The cost of a run. The protocol reports that of the whole session, so the cost of earlier runs
//! is taken off.

use contracts::{Micros, Tokens};
use serde_json::Value;

/// The cost of a session and of this run in it.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// The cost of the session when its last run ended.
    known: Micros,
    /// The cost of the session before this run, once it is known.
    before: Option<Micros>,
    /// The cost of the session so far.
    total: Option<Micros>,
}

impl Cost {
    pub(super) fn of_session(known: Option<Micros>) -> Self {
        Self { known: known.unwrap_or_default(), ..Self::default() }
    }
    /// The same for a session that begins with this run.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }
    /// Takes a `usage_update`; returns the cost of this run so far. A cost in another currency than
    /// dollars is unknown.
    pub(super) fn report(&mut self, update: &Value, has_begun: bool) -> Option<Micros> {
        let cost = update.get("cost").filter(|cost| cost["currency"] == "USD")?;
        let total = Micros::from_dollars(cost["amount"].as_f64()?)?;
        self.total = self.total.max(Some(total));
        if !has_begun {
            // The state of a session that was loaded.
            self.before = self.total;
            return None;
        }
        // A program that counts from its own start reports less than the session has cost.
        let fits = if total >= self.known { self.known } else { Micros::ZERO };
        let before = *self.before.get_or_insert(fits);
        Some(total.minus(before).max(Micros::ZERO))
    }
    /// The cost of the session so far, if it was ever reported.
    pub(super) fn total(&self) -> Option<Micros> {
        self.total
    }
}

/// The tokens of a turn. Tokens of the cache come on top unless the total says that the input has
/// them; writing costs a quarter more than input, reading a tenth.
pub(super) fn tokens(usage: &Value) -> Tokens {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let (input, output) = (count("inputTokens"), count("outputTokens"));
    let (made, read) = (count("cachedWriteTokens"), count("cachedReadTokens"));
    let has_cache = usage["totalTokens"].as_u64() == Some(input.saturating_add(output));
    let cache = made.saturating_add(made.div_ceil(4)).saturating_add(read.div_ceil(10));
    let input = if has_cache { input } else { input.saturating_add(cache) };
    Tokens { input, output }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usd(amount: f64) -> Value {
        json!({ "used": 1, "size": 2, "cost": { "amount": amount, "currency": "USD" } })
    }

    #[test]
    fn cost_of_a_new_session_is_that_of_the_run() {
        let mut cost = Cost::of_session(None);
        assert_eq!(cost.report(&usd(0.045), true), Some(Micros(45_000)));
        assert_eq!(cost.report(&usd(0.045_000_1), true), Some(Micros(45_001)), "rounded up");
        for unknown in [
            json!({ "cost": { "amount": 9, "currency": "EUR" } }),
            json!({ "cost": { "amount": -1, "currency": "USD" } }),
            json!({ "cost": { "amount": "9", "currency": "USD" } }),
            json!({ "cost": null }),
            json!({}),
        ] {
            assert_eq!(cost.report(&unknown, true), None, "{unknown}");
        }
        assert_eq!(cost.total(), Some(Micros(45_001)));
    }

    #[test]
    fn cost_of_earlier_runs_of_a_session_is_taken_off() {
        let known = Some(Micros(500_000));
        let mut told = Cost::of_session(known);
        assert_eq!(told.report(&usd(0.6), false), None, "the state of the loaded session");
        assert_eq!(told.report(&usd(0.75), true), Some(Micros(150_000)));
        let mut silent = Cost::of_session(known);
        assert_eq!(silent.report(&usd(0.75), true), Some(Micros(250_000)));
        assert_eq!(silent.report(&usd(0.8), true), Some(Micros(300_000)));
    }

    #[test]
    fn cost_of_a_program_that_counts_from_its_own_start_is_not_made_less() {
        let mut cost = Cost::of_session(Some(Micros(500_000)));
        assert_eq!(cost.report(&usd(0.1), true), Some(Micros(100_000)));
        assert_eq!(cost.report(&usd(0.7), true), Some(Micros(700_000)));
    }

    #[test]
    fn tokens_of_the_cache_are_counted_once() {
        let usage = |total: u64| json!({"totalTokens": total, "inputTokens": 100, "outputTokens": 10, "cachedReadTokens": 50, "cachedWriteTokens": 40});
        assert_eq!(tokens(&usage(110)), Tokens { input: 100, output: 10 });
        assert_eq!(tokens(&usage(200)), Tokens { input: 155, output: 10 });
        assert_eq!(tokens(&json!({})), Tokens::default());
    }
}
