//! At most five failed sign-ins per minute from one network, and sixty from all, counted in the
//! cell across all instances.
//!
//! Each attempt is counted before the token is checked and uncounted if the token is right, so a
//! hundred concurrent attempts still get five checks.

use crate::Deps;
use axum::extract::FromRequestParts;
use http::request::Parts;
use platform::edge::{ClientNetwork, FromLoopback};
use platform::ports::PortResult;
use std::convert::Infallible;

const NAME: &str = "dashboard-sign-in-failures";
const WINDOW_MS: i64 = 60_000;
const FAILURES_MAX: usize = 5;
/// For the guesses of many networks together. This machine is not held up by them.
const FAILURES_OF_ALL_MAX: usize = 60;
const STORES_MAX: usize = 8;

/// Where an attempt comes from.
pub struct Caller {
    network: String,
    is_local: bool,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let network = parts.extensions.get::<ClientNetwork>().map(ToString::to_string);
        // A runtime that does not know it has one count for all.
        let network = network.unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { network, is_local: parts.extensions.get::<FromLoopback>().is_some() })
    }
}

/// Reads the counter, as a health check does.
pub async fn look(deps: &Deps) -> PortResult<()> {
    deps.cell.load(NAME).await.map(drop)
}

/// Counts one attempt; false if a limit is reached.
pub async fn take(deps: &Deps, caller: &Caller) -> PortResult<bool> {
    let now = deps.clock.now_ms();
    for _ in 0..STORES_MAX {
        let (text, version) = deps.cell.load(NAME).await?;
        let mut failures = recent(&text, now);
        let own = failures.iter().filter(|(_, network)| *network == caller.network).count();
        let is_full = failures.len() >= FAILURES_OF_ALL_MAX && !caller.is_local;
        if own >= FAILURES_MAX || is_full {
            return Ok(false);
        }
        failures.push((now, &caller.network));
        if deps.cell.store(NAME, &written(&failures), version).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Uncounts the last attempt, because it succeeded.
pub async fn give_back(deps: &Deps, caller: &Caller) -> PortResult<()> {
    let (text, version) = deps.cell.load(NAME).await?;
    let mut failures = recent(&text, deps.clock.now_ms());
    if let Some(last) = failures.iter().rposition(|(_, network)| *network == caller.network) {
        failures.remove(last);
    }
    // If another instance wins the race, this attempt stays counted for a minute, which is
    // harmless.
    deps.cell.store(NAME, &written(&failures), version).await?;
    Ok(())
}

/// Times and networks, from `time@network` with spaces between.
fn recent(text: &str, now: i64) -> Vec<(i64, &str)> {
    text.split(' ')
        .filter_map(|failure| failure.split_once('@'))
        .filter_map(|(time, network)| Some((time.parse().ok()?, network)))
        .filter(|(time, _)| (now - WINDOW_MS..=now).contains(time))
        .collect()
}

fn written(failures: &[(i64, &str)]) -> String {
    let failures = failures.iter().map(|(time, network)| format!("{time}@{network}"));
    failures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_failures_count_for_a_minute() {
        let text = written(&[(1_000, "a"), (30_000, "b"), (90_000, "a")]);
        assert_eq!(recent(&text, 61_000), [(1_000, "a"), (30_000, "b")]);
        assert_eq!(recent(&text, 90_001), [(90_000, "a")]);
        assert_eq!(recent("", 0), []);
    }
}
