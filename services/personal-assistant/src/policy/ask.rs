//! A request, as the rules see it.

use contracts::Micros;
use platform::agents::Price;

/// Type of an approval of one tool call of an agent.
pub const TOOL_CALL: &str = "tool-call";
/// Type of a question to the owner.
pub const QUESTION: &str = "question";

/// The request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub agent: &'a str,
    pub kind: &'a str,
    pub operation: Option<&'a str>,
    /// The caller's estimate. It can raise the amount, and lower it only if `estimate_is_ours`.
    pub estimated: Micros,
    /// Whether the router made the estimate, rather than the caller who wants the approval.
    pub estimate_is_ours: bool,
    pub price: Price,
    /// Held if neither the caller nor the configuration has a price.
    pub flat: Micros,
    /// The agent's own maximum, which no run exceeds.
    pub max_cost: Option<Micros>,
    /// A tool call that the owner allowed beforehand: every rule but that one still counts.
    pub is_allowed: bool,
    /// The endpoint that it came in by, such as `telegram.main`, where that is known for sure.
    pub endpoint: Option<&'a str>,
    /// Work of a sender whom only `*` lets in.
    pub public: bool,
    pub now_ms: i64,
}

impl Ask<'_> {
    /// Whether only the owner can answer it.
    pub fn is_for_the_owner(&self) -> bool {
        matches!(self.kind, TOOL_CALL | QUESTION)
    }
}

/// Compares without case and nothing else, so that free text never matches.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

pub(super) fn lists(list: &[String], name: &str) -> bool {
    list.iter().any(|item| same(item, name))
}
