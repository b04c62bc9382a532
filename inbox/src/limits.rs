//! Rate limits by GCRA: one number a key, the theoretical arrival time.
//! Source: ITU-T I.371; `tat = max(now, tat) + T; allow iff tat − now ≤ burst · T`.

use super::{Context, args};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Kinds of the limits that each sender has: of those who are heard, and of strangers.
pub const SENDER: &str = "sender";
pub const STRANGER: &str = "stranger";

/// Key of a limit that each sender has.
pub fn sender_key(kind: &str, channel: &str, endpoint: &str, sender: &str) -> String {
    format!("{kind}:{channel}:{endpoint}:{sender}")
}

/// A limit that counts a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limit {
    pub key: String,
    pub per_minute: u32,
}

/// The rule itself, without storage.
#[derive(Clone, Copy, Debug)]
pub struct Gcra {
    /// Milliseconds between two messages at the sustained rate.
    pub period_ms: i64,
    pub burst: i64,
}

impl Gcra {
    /// `n` a minute, all of which may come at once.
    pub fn per_minute(n: u32) -> Self {
        Self { period_ms: 60_000 / i64::from(n.max(1)), burst: i64::from(n.max(1)) }
    }
    /// An arrival time that this rule can have stored by now. A later one is from a clock that went
    /// forward and back.
    pub fn clamp(self, tat_ms: i64, now_ms: i64) -> i64 {
        tat_ms.min(now_ms + self.burst * self.period_ms)
    }
    /// The new arrival time when the message is allowed.
    pub fn allow(self, tat_ms: i64, now_ms: i64) -> Option<i64> {
        let next = self.clamp(tat_ms, now_ms).max(now_ms) + self.period_ms;
        (next - now_ms <= self.burst * self.period_ms).then_some(next)
    }
}

/// Whether a message passed its limits; if not, whether its sender has to be told.
pub(super) enum Passed {
    Yes,
    No { tell: bool },
}

/// Counts the message against each limit; the first that is exceeded decides, and only then nothing
/// is counted.
pub(super) fn count(context: &Context<'_>, limits: &[Limit]) -> PortResult<Passed> {
    let mut next = Vec::new();
    for limit in limits.iter().filter(|limit| limit.per_minute > 0) {
        let key = limit.key.as_str();
        let tat = context.number("SELECT tat_ms FROM rate WHERE key = ?1", args![key])?;
        let rule = Gcra::per_minute(limit.per_minute);
        match rule.allow(tat, context.now_ms) {
            Some(tat) => next.push((key, tat)),
            None => {
                let told = context.number("SELECT told FROM rate WHERE key = ?1", args![key])?;
                context.exec("UPDATE rate SET told = 1 WHERE key = ?1", args![key])?;
                clamp_stored(context, limits)?;
                return Ok(Passed::No { tell: told == 0 });
            }
        }
    }
    for (key, tat) in next {
        context.exec(
            "INSERT INTO rate (key, tat_ms, told) VALUES (?1, ?2, 0)
             ON CONFLICT (key) DO UPDATE SET tat_ms = excluded.tat_ms, told = CASE WHEN rate.tat_ms <= ?3 THEN 0 ELSE rate.told END",
            args![key, tat, context.now_ms],
        )?;
    }
    Ok(Passed::Yes)
}

/// Brings back what a clock that went forward and back has left, so that it silences nobody.
fn clamp_stored(context: &Context<'_>, limits: &[Limit]) -> PortResult<()> {
    for limit in limits {
        let latest = Gcra::per_minute(limit.per_minute).clamp(i64::MAX, context.now_ms);
        context.exec(
            "UPDATE rate SET tat_ms = ?2 WHERE key = ?1 AND tat_ms > ?2",
            args![&limit.key, latest],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let rule = Gcra::per_minute(30);
        let (mut tat, mut passed) = (0, 0);
        for _ in 0..100 {
            if let Some(next) = rule.allow(tat, 1_000_000) {
                tat = next;
                passed += 1;
            }
        }
        assert_eq!(passed, 30);
        assert!(rule.allow(tat, 1_000_000 + 1_999).is_none());
        assert!(rule.allow(tat, 1_000_000 + 2_000).is_some());
    }

    #[test]
    fn clock_that_went_forward_and_back_limits_a_sender_for_one_period_only() {
        let rule = Gcra::per_minute(30);
        let (now, an_hour_on) = (1_000_000, 1_000_000 + 3_600_000);
        let stored = rule.allow(0, an_hour_on).unwrap();
        assert!(rule.allow(stored, now).is_none());
        let stored = rule.clamp(stored, now);
        assert!(rule.allow(stored, now + 2_000).is_some());
    }
}
