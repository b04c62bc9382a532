//! Checks of time and random numbers.

use crate::ports::{Clock, ClockExt};
use std::collections::HashSet;

/// ULIDs are well formed and differ; random numbers are in range.
pub fn check(clock: &dyn Clock) {
    let ids: HashSet<String> = (0..1000).map(|_| clock.ulid()).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.len() == 26 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
    assert!((0..1000).map(|_| clock.uniform()).all(|n| (0.0..1.0).contains(&n)));
    assert!(clock.now_ms() > 0);
    assert_ne!(clock.random_hex(16), clock.random_hex(16));
}
