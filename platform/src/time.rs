//! Times as they travel: milliseconds since the epoch inside, RFC 3339 UTC on the wire.

use jiff::Timestamp;

/// `2026-11-23T14:46:04.123Z` of milliseconds since the epoch.
pub fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Milliseconds since the epoch of an RFC 3339 time.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_wire() {
        assert_eq!(rfc3339(1_790_000_002_345), "2026-09-21T14:13:22.345Z");
        assert_eq!(parse_rfc3339("2026-09-21T14:13:22.345Z"), Some(1_790_000_002_345));
    }
}
