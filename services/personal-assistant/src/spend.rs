//! An approval that is spent in the batch that makes it: a tool call that a rule of the owner
//! allows. Nobody waits for it, so that its claim and its posting need no round trips of their own.
//!
//! The statements are those of `claim` and `settle`, with the same conditions: no halt, the same
//! digest, still valid, no other claim, and the money held. Where one of them fails nothing is
//! spent, and the approval stays as it is.

use crate::Deps;
use crate::claiming::{self, Claiming};
use crate::posting::{self, Posting};
use crate::store::SKEW_MS;
use contracts::Micros;
use contracts::approval::Outcome;
use contracts::task::LEASE_MS;
use platform::ports::{ClockExt, Statement};
use platform::secret::digest_hex;

/// An approval that the same batch writes.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'a> {
    pub id: &'a str,
    pub task: &'a str,
    pub digest: &'a str,
    /// Held by the same batch.
    pub amount: Micros,
    pub now_ms: i64,
}

/// Claims it and posts its amount. Belongs after the statement that writes it; without that nothing
/// of this has an effect.
pub fn at_once(deps: &Deps, fresh: Fresh<'_>) -> Vec<Statement> {
    let hash = digest_hex(deps.clock.random_hex(32).as_bytes());
    let claiming = Claiming {
        id: fresh.id,
        task: fresh.task,
        digest: fresh.digest,
        amount: fresh.amount,
        epoch: None,
        hash: &hash,
        now_ms: fresh.now_ms,
        until_ms: fresh.now_ms + LEASE_MS + SKEW_MS,
    };
    let posting = Posting {
        task: fresh.task,
        // The task is as new as its approval.
        seq: 1,
        amount: fresh.amount,
        outcome: Outcome::Success.as_str(),
        reported: Some(fresh.amount),
        unpriced: false,
        overrun: Micros::ZERO,
        usage: None,
        at_ms: fresh.now_ms,
        nonce: &deps.clock.random_hex(16),
    };
    let mut batch = claiming::claiming(claiming).to_vec();
    batch.extend(posting::post_for_claim(&posting, &hash));
    batch
}
