//! The place in the homeserver's stream up to which everything is stored.

use crate::channels::{lenient, text_at};
use platform::ports::Clock;
use serde_json::{Value, json};

/// An unchanged room moves the place too; so often it is written down then.
const KEEP_EVERY_MS: i64 = 300_000;
/// By how much the clocks of homeservers may differ.
const CLOCKS_DIFFER_MS: i64 = 3_600_000;

/// The rooms of invitations that waited when a state was kept.
pub(super) fn invited(kept: Option<&str>) -> Vec<String> {
    let kept = lenient::json(kept.unwrap_or_default().as_bytes());
    let rooms = kept["invited"].as_array().into_iter().flatten();
    rooms.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A place; at first none.
#[derive(Debug, Default)]
pub(super) struct Place {
    token: Option<String>,
    /// When it was reached.
    at_ms: i64,
    kept_ms: i64,
}

impl Place {
    /// The place that was kept, if it is of this account.
    pub(super) fn read(kept: Option<&str>, user: &str) -> Self {
        let kept = lenient::json(kept.unwrap_or_default().as_bytes());
        let token = text_at(&kept, "since").filter(|_| kept["user"] == user).map(str::to_owned);
        let at_ms = kept["at_ms"].as_i64().unwrap_or(0);
        Self { token, at_ms, kept_ms: at_ms }
    }
    /// The homeserver's name for it.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
    /// Goes on to a later place. The state to keep, where it is time for that: an older one makes
    /// the homeserver repeat what is known here by its ids. `invited`: the rooms of invitations
    /// that wait, which it does not repeat.
    pub(super) fn reach(
        &mut self,
        user: &str,
        invited: &[String],
        token: String,
        has_news: bool,
        clock: &dyn Clock,
    ) -> Option<String> {
        self.at_ms = clock.now_ms();
        let is_first = self.token.replace(token).is_none();
        if !is_first && !has_news && self.at_ms - self.kept_ms < KEEP_EVERY_MS {
            return None;
        }
        self.kept_ms = self.at_ms;
        let mut state = json!({ "user": user, "since": self.token, "at_ms": self.at_ms });
        if !invited.is_empty() {
            state["invited"] = invited.into();
        }
        Some(state.to_string())
    }
    /// Whether an event that an answer left out may have come since this place was reached.
    pub(super) fn is_behind(&self, event: &Value) -> bool {
        event["origin_server_ts"].as_i64().is_some_and(|at| at >= self.at_ms - CLOCKS_DIFFER_MS)
    }
}
