//! Time formats: milliseconds since the epoch inside, RFC 3339 UTC on the wire.

use chrono::{DateTime, SecondsFormat};

/// Formats milliseconds since the epoch as `2026-11-23T14:46:04.123Z`.
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// Parses an RFC 3339 time into milliseconds since the epoch.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_survives_a_round_trip_through_rfc3339() {
        assert_eq!(rfc3339(1_790_000_002_345), "2026-09-21T14:13:22.345Z");
        assert_eq!(parse_rfc3339("2026-09-21T14:13:22.345Z"), Some(1_790_000_002_345));
        assert_eq!(parse_rfc3339("2026-09-21T16:13:22+02:00"), Some(1_790_000_002_000));
        assert_eq!(
            (parse_rfc3339("yesterday"), parse_rfc3339("2026-02-30T00:00:00Z")),
            (None, None)
        );
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
