//! `[approvals]`: the owner's simple rules in the configuration. A change at runtime overrides them
//! until a reset.

use crate::wrong::is_odd;
use contracts::Micros;
use contracts::chat::RiskTolerance;
use contracts::policy::ITEMS_MAX;
use platform::config::Section;

/// The keys that are set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApprovalsFile {
    pub cost_threshold: Option<Micros>,
    pub risk_tolerance: Option<RiskTolerance>,
    pub allowed_agencies: Option<Vec<String>>,
    pub blocked_operations: Option<Vec<String>>,
    pub requires_human_approval: Option<Vec<String>>,
}

const TOLERANCES: [(&str, RiskTolerance); 3] = [
    ("balanced", RiskTolerance::Balanced),
    ("conservative", RiskTolerance::Conservative),
    ("aggressive", RiskTolerance::Aggressive),
];

impl ApprovalsFile {
    /// Reads the table.
    pub fn read(mut section: Section<'_>) -> Self {
        let read = Self {
            cost_threshold: section.dollars("cost_threshold"),
            risk_tolerance: section.one_of("risk_tolerance", &TOLERANCES),
            allowed_agencies: names(&mut section, "allowed_agencies"),
            blocked_operations: names(&mut section, "blocked_operations"),
            requires_human_approval: names(&mut section, "requires_human_approval"),
        };
        section.finish();
        read
    }
    /// The settings that it has, by their names on the wire.
    pub fn set(&self) -> impl Iterator<Item = &'static str> {
        let is_set = [
            ("costThreshold", self.cost_threshold.is_some()),
            ("riskTolerance", self.risk_tolerance.is_some()),
            ("allowedAgencies", self.allowed_agencies.is_some()),
            ("blockedOperations", self.blocked_operations.is_some()),
            ("requiresHumanApproval", self.requires_human_approval.is_some()),
        ];
        is_set.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }
}

fn names(section: &mut Section<'_>, key: &str) -> Option<Vec<String>> {
    let list = section.texts(key)?;
    if list.len() > ITEMS_MAX || list.iter().any(|item| is_odd(item)) {
        section.wrong(
            key,
            "is not a list of at most 200 names.",
            "Write names of 1 to 200 characters.",
        );
    }
    Some(list)
}
