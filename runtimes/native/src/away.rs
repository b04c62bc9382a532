//! A server that is away for a moment: how it is told from one that refuses, and how long a waiting
//! question is asked again.

use http::StatusCode;
use std::time::Duration;

/// How long a waiting question is asked again: longer than a restart takes.
pub const AWAY_MAX: Duration = Duration::from_mins(10);
/// Time between two attempts.
pub const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whether this is no answer of the server, but of a proxy before it, or of its start or end.
pub fn is_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}
