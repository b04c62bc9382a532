//! Rules with conditions: which requests they fit.

use super::ask::{Ask, lists, same};
use contracts::Micros;
use contracts::policy::{PolicyRule, RuleEffect};
use platform::time::parse_rfc3339;

/// A rule, ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub id: String,
    pub effect: RuleEffect,
    agents: Vec<String>,
    operations: Vec<String>,
    endpoints: Vec<String>,
    pub up_to: Option<Micros>,
    pub above: Option<Micros>,
    until_ms: Option<i64>,
    words: String,
}

impl Condition {
    /// None for a rule whose expiry cannot be read.
    pub fn of(rule: &PolicyRule) -> Option<Self> {
        let until_ms = match &rule.until {
            None => None,
            Some(text) => Some(parse_rfc3339(text)?),
        };
        Some(Self {
            id: rule.id.clone(),
            effect: rule.effect,
            agents: rule.agents.clone(),
            operations: rule.operations.clone(),
            endpoints: rule.endpoints.clone(),
            up_to: rule.up_to,
            above: rule.above,
            until_ms,
            words: rule.words(),
        })
    }
    /// Whether it fits work of this kind, whatever it costs. A rule that allows never fits work
    /// of a sender whom only `*` lets in, nor the tool calls and questions of a run.
    pub fn fits(&self, ask: &Ask<'_>) -> bool {
        let operation = ask.operation.unwrap_or(ask.kind);
        self.until_ms.is_none_or(|until| ask.now_ms < until)
            && (self.agents.is_empty() || lists(&self.agents, ask.agent))
            && (self.operations.is_empty() || lists(&self.operations, operation))
            && (self.endpoints.is_empty()
                || ask.endpoint.is_some_and(|endpoint| self.names(endpoint)))
            && !(self.effect == RuleEffect::Allow && (ask.public || ask.is_for_the_owner()))
    }
    /// Whether it fits this amount, too.
    pub fn fits_amount(&self, ask: &Ask<'_>, amount: Micros) -> bool {
        self.fits(ask)
            && self.above.is_none_or(|above| amount > above)
            && match self.effect {
                RuleEffect::Allow => self.up_to.is_some_and(|most| amount <= most),
                RuleEffect::Ask | RuleEffect::Forbid => true,
            }
    }
    /// Whether it names this endpoint, or its channel.
    fn names(&self, endpoint: &str) -> bool {
        let channel = endpoint.split('.').next().unwrap_or_default();
        self.endpoints.iter().any(|name| same(name, endpoint) || same(name, channel))
    }
    /// The rule in a sentence about what it did.
    pub fn reason(&self) -> String {
        format!("Your rule {} says: {}.", self.id, self.words)
    }
}
