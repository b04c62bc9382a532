//! Power of two choices: of two random instances, the one with the smaller load.
//!
//! M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001). Always taking
//! the least loaded would send everything between two reports to one instance, and everything to
//! one that fails fast.

use super::instance::Instance;
use contracts::GatewayId;
use contracts::routing::Candidate;
use std::collections::BTreeMap;

/// The instance for the next run; none without candidates. `dice` are uniform in [0, 1).
///
/// Instances with an open breaker are left out, unless all breakers are open.
pub(super) fn choose(
    instances: &BTreeMap<GatewayId, Instance>,
    mean_ms: f64,
    candidates: &[Candidate],
    now_ms: i64,
    dice: (f64, f64),
) -> Option<GatewayId> {
    let lets_through = |candidate: &&Candidate| {
        instances.get(&candidate.gateway).is_none_or(|known| known.breaker.lets_through(now_ms))
    };
    let free: Vec<&Candidate> = candidates.iter().filter(lets_through).collect();
    let among = if free.is_empty() { candidates.iter().collect() } else { free };
    let unheard = Instance::default();
    let load = |candidate: &Candidate| {
        instances.get(&candidate.gateway).unwrap_or(&unheard).load(
            mean_ms,
            candidate.in_hand,
            now_ms,
        )
    };
    let first = drawn(among.len(), dice.0);
    // Draws the second from the others.
    let second = drawn(among.len().saturating_sub(1), dice.1);
    let second = if second >= first { second + 1 } else { second };
    let (first, second) = (among.get(first)?, among.get(second));
    let better = second.filter(|second| load(second) < load(first)).unwrap_or(first);
    Some(better.gateway.clone())
}

fn drawn(of: usize, dice: f64) -> usize {
    ((dice.clamp(0.0, 1.0) * of as f64) as usize).min(of.saturating_sub(1))
}
