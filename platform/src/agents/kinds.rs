//! The runners of this version, a line each.
//!
//! To add one: its file in `services/agency-gateway/src/runners/` (with its `mod` in `runners.rs`),
//! and its line in [`for_each_runner!`](crate::for_each_runner). A line names the module and states
//! the facts that every service needs. The gateway builds its registry from the same lines.

use super::price::Price;
use crate::models::Api;
use contracts::{Micros, TokenPrices};

/// The properties of a runner that every service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunnerKind {
    /// The value of `runner = "…"`.
    pub name: &'static str,
    /// A run starts a program on the gateway's machine.
    pub is_program: bool,
    /// A run may use a model, which costs by its tokens.
    pub uses_model: bool,
    /// A run may change something: the owner decides whether a lost one is repeated.
    pub may_have_effects: bool,
    /// A run is calls to a model of `[models.<name>]` with this protocol.
    pub asks: Option<Api>,
}

impl RunnerKind {
    /// The price of a run: the stated cost, else the prices of its model's tokens. Without both, a
    /// runner that starts no program and uses no model is free, and the price of any other is
    /// unknown.
    pub fn price(&self, stated: Option<Micros>, tokens: Option<TokenPrices>) -> Price {
        let free =
            |prices: &TokenPrices| (prices.input, prices.output) == (Micros::ZERO, Micros::ZERO);
        match (stated, tokens.filter(|_| self.uses_model)) {
            (Some(cost), _) => Price::Known(cost),
            (None, Some(prices)) if free(&prices) => Price::Known(Micros::ZERO),
            (None, Some(prices)) => Price::Tokens(prices),
            (None, None) if self.uses_model || self.is_program => Price::Unknown,
            (None, None) => Price::Known(Micros::ZERO),
        }
    }
}

/// Calls the macro `$then` with every runner of this version: `module: RunnerKind { … }, …`.
#[macro_export]
#[rustfmt::skip]
macro_rules! for_each_runner {
    ($then:ident) => {
        $then! {
            knowledge: RunnerKind { name: "knowledge", is_program: false, uses_model: false, may_have_effects: false, asks: None },
            command: RunnerKind { name: "command", is_program: true, uses_model: true, may_have_effects: true, asks: None },
            claude_code: RunnerKind { name: "claude-code", is_program: true, uses_model: true, may_have_effects: true, asks: None },
            codex: RunnerKind { name: "codex", is_program: true, uses_model: true, may_have_effects: true, asks: None },
            acp: RunnerKind { name: "acp", is_program: true, uses_model: true, may_have_effects: true, asks: None },
            anthropic: RunnerKind { name: "anthropic", is_program: false, uses_model: true, may_have_effects: false, asks: Some($crate::models::Api::Anthropic) },
            openai: RunnerKind { name: "openai", is_program: false, uses_model: true, may_have_effects: false, asks: Some($crate::models::Api::OpenAi) },
            openclaw: RunnerKind { name: "openclaw", is_program: true, uses_model: true, may_have_effects: true, asks: None },
        }
    };
}

macro_rules! kinds {
    ($first:ident: $default:expr, $($module:ident: $kind:expr,)*) => {
        /// The runner of an agent that names none.
        pub const DEFAULT: RunnerKind = $default;
        /// Every runner of this version, the default first.
        pub const KINDS: &[RunnerKind] = &[DEFAULT, $($kind),*];
    };
}
for_each_runner!(kinds);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[at + 1..].contains(name), "{name}");
        }
        assert_eq!(DEFAULT.name, "knowledge");
    }
}
