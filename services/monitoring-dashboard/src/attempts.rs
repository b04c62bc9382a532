//! At most five failed sign-ins per minute, counted in the cell across all instances.
//!
//! Each attempt is counted before the token is checked and uncounted if the token is right, so a
//! hundred concurrent attempts still get five checks.

use crate::Deps;
use platform::ports::PortResult;

const NAME: &str = "dashboard-sign-in-failures";
const WINDOW_MS: i64 = 60_000;
const FAILURES_MAX: usize = 5;
const STORES_MAX: usize = 8;

/// Reads the counter, as a health check does.
pub async fn look(deps: &Deps) -> PortResult<()> {
    deps.cell.load(NAME).await.map(drop)
}

/// Counts one attempt; false if the limit is reached.
pub async fn take(deps: &Deps) -> PortResult<bool> {
    let now = deps.clock.now_ms();
    for _ in 0..STORES_MAX {
        let (text, version) = deps.cell.load(NAME).await?;
        let mut times = recent(&text, now);
        if times.len() >= FAILURES_MAX {
            return Ok(false);
        }
        times.push(now);
        if deps.cell.store(NAME, &written(&times), version).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Uncounts the last attempt, because it succeeded.
pub async fn give_back(deps: &Deps) -> PortResult<()> {
    let (text, version) = deps.cell.load(NAME).await?;
    let mut times = recent(&text, deps.clock.now_ms());
    times.pop();
    // If another instance wins the race, this attempt stays counted for a minute, which is
    // harmless.
    deps.cell.store(NAME, &written(&times), version).await?;
    Ok(())
}

fn recent(text: &str, now: i64) -> Vec<i64> {
    text.split(' ')
        .filter_map(|time| time.parse().ok())
        .filter(|time| (now - WINDOW_MS..=now).contains(time))
        .collect()
}

fn written(times: &[i64]) -> String {
    times.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_failures_count_for_a_minute() {
        let text = written(&[1_000, 30_000, 90_000]);
        assert_eq!(recent(&text, 61_000), [1_000, 30_000]);
        assert_eq!(recent(&text, 90_001), [90_000]);
        assert_eq!(recent("", 0), Vec::<i64>::new());
    }
}
