//! The owner's rules for approvals, and what a change of them would have decided.

use crate::chat::RiskTolerance;
use crate::{AgentId, ApprovalId, Micros};
use serde::{Deserialize, Serialize};

/// Maximum rules with conditions.
pub const RULES_MAX: usize = 200;
/// Maximum entries of a list in a rule, and of the owner's lists.
pub const ITEMS_MAX: usize = 200;
/// Maximum characters of a name in a list, and of a note.
pub const ITEM_CHARS_MAX: usize = 200;
/// Maximum days that a trial looks back.
pub const DAYS_MAX: u32 = 90;
/// Days that a trial looks back if nothing is said.
pub const DAYS_DEFAULT: u32 = 30;

/// The effect of a rule on the requests that it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RuleEffect {
    /// Approved without a question, up to the rule's amount.
    Allow,
    /// The owner is asked.
    Ask,
    /// Rejected.
    Forbid,
}

impl RuleEffect {
    /// All, in the order in which they win: what forbids first.
    pub const ALL: [Self; 3] = [Self::Forbid, Self::Ask, Self::Allow];
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Forbid => "forbid",
        }
    }
    /// The effect with this wire text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.as_str() == text)
    }
}

impl std::fmt::Display for RuleEffect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule with conditions. It fits a request that fulfils all of them; an empty list fits
/// everything. Names are compared exactly, without case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// Given by the server if it is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub effect: RuleEffect,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Operations, else types, of requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Endpoints such as `telegram.main`, or channels such as `telegram`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// For `allow`, which needs it: the largest amount that it approves, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Micros>,
    /// For `ask` and `forbid`: it fits larger amounts only, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Micros>,
    /// RFC 3339; from then on the rule has no effect. None: until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The owner's own words on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Written by the server: who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Written by the server: when it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<String>,
}

impl PolicyRule {
    /// The rule as a sentence for people, without its expiry.
    pub fn words(&self) -> String {
        let list = |names: &[String], none: &str| match names {
            [] => none.to_owned(),
            names => names.join(", "),
        };
        let what = match self.effect {
            RuleEffect::Allow => "approve without asking",
            RuleEffect::Ask => "always ask about",
            RuleEffect::Forbid => "refuse",
        };
        let mut words = format!("{what} {}", list(&self.agents, "every agent"));
        if !self.operations.is_empty() {
            words.push_str(&format!(", for {}", list(&self.operations, "")));
        }
        if !self.endpoints.is_empty() {
            words.push_str(&format!(", in {}", list(&self.endpoints, "")));
        }
        if let Some(most) = self.up_to {
            words.push_str(&format!(", up to {most}"));
        }
        if let Some(least) = self.above {
            words.push_str(&format!(", above {least}"));
        }
        words
    }
}

/// `GET /api/policy`: the rules that decide about requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Above this amount the owner is asked, dollars.
    pub cost_threshold: Micros,
    pub risk_tolerance: RiskTolerance,
    /// Agents that may work; empty means all.
    pub allowed_agencies: Vec<String>,
    /// Operations that are refused.
    pub blocked_operations: Vec<String>,
    /// Operations, types and agents that are always asked about.
    pub requires_human_approval: Vec<String>,
    pub rules: Vec<PolicyRule>,
    /// The settings that come from the configuration; the others are defaults or were changed.
    pub from_file: Vec<String>,
    /// The settings that were changed while Quintet runs; a reset gives them up.
    pub changed: Vec<String>,
    /// SHA-256 of the rules, as hexadecimal digits: it is another one after each change.
    pub hash: String,
}

/// `PUT /api/policy`: present members replace the stored ones. With `?dryRun=true` nothing is
/// stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_threshold: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_tolerance: Option<RiskTolerance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_agencies: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_operations: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_human_approval: Option<Vec<String>>,
    /// All rules from now on; those that keep their id stay who made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<PolicyRule>>,
    /// First goes back to the configuration and the defaults. Rules with conditions stay, unless
    /// `rules` is present.
    #[serde(default)]
    pub reset: bool,
    /// As `?dryRun=true`.
    #[serde(default)]
    pub dry_run: bool,
    /// The `hash` of the rules that the change was made from: 409 if they have changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The query of `PUT /api/policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyQuery {
    #[serde(default)]
    pub dry_run: bool,
}

/// Response of `PUT /api/policy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyChange {
    /// False for a dry run.
    pub saved: bool,
    /// The rules after the change.
    pub policy: Policy,
    /// Sentences about the rules that an owner should know before saving them.
    pub warnings: Vec<String>,
    /// With a dry run: the requests of the last 30 days, decided again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<PolicyTrial>,
}

/// `POST /api/policy/replay`: decides the requests of the last days again and changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// 1 to 90; default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// A change to try; without it the rules in force are compared with what was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyUpdate>,
}

/// The word of rules on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RuleWord {
    Approve,
    Ask,
    Reject,
}

impl RuleWord {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Ask => "ask",
            Self::Reject => "reject",
        }
    }
}

/// Requests that were decided again. Budget, halts, models and persons are left out of it: only the
/// word of the rules is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyTrial {
    pub days: u32,
    /// Requests that were decided again.
    pub requests: u32,
    /// There were more: only the newest were decided again.
    pub is_cut: bool,
    /// Requests with another word than before.
    pub changed: u32,
    /// Requests by the word before and after: approve, ask, reject.
    pub before: WordCounts,
    pub after: WordCounts,
    /// The newest of the changed ones, at most 100.
    pub differences: Vec<PolicyDifference>,
}

/// How many requests got each word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WordCounts {
    pub approve: u32,
    pub ask: u32,
    pub reject: u32,
}

impl WordCounts {
    /// Counts one more.
    pub fn add(&mut self, word: RuleWord) {
        let count = match word {
            RuleWord::Approve => &mut self.approve,
            RuleWord::Ask => &mut self.ask,
            RuleWord::Reject => &mut self.reject,
        };
        *count = count.saturating_add(1);
    }
}

/// A request that gets another word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyDifference {
    pub approval_id: ApprovalId,
    pub agent_type: AgentId,
    pub operation: String,
    /// RFC 3339.
    pub requested_at: String,
    pub amount: Micros,
    pub before: RuleWord,
    pub after: RuleWord,
    /// The rules that determine the new word.
    pub policies: Vec<String>,
    /// A sentence for people.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_reads_as_a_sentence() {
        let rule: PolicyRule = serde_json::from_str(
            r#"{"effect": "allow", "agents": ["codegen"], "operations": ["run"], "endpoints": ["telegram.main"], "upTo": 5}"#,
        )
        .unwrap();
        assert_eq!(
            rule.words(),
            "approve without asking codegen, for run, in telegram.main, up to $5.00"
        );
        let ask: PolicyRule = serde_json::from_str(r#"{"effect": "ask", "above": 0.5}"#).unwrap();
        assert_eq!(ask.words(), "always ask about every agent, above $0.50");
        assert!(serde_json::from_str::<PolicyRule>(r#"{"effect": "permit"}"#).is_err());
    }
}
