//! Values of the command line that need more than a list of words.

use std::time::Duration;

/// Maximum grace of an old token.
const GRACE_MAX: Duration = Duration::from_hours(30 * 24);

/// Reads the grace of an old token.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    let given = text.parse::<jiff::SignedDuration>().ok();
    let given = given.and_then(|given| Duration::try_from(given).ok());
    given
        .filter(|given| !given.is_zero() && *given <= GRACE_MAX)
        .ok_or_else(|| "write it as 30s, 10m, 2h or 720h; 720h is the maximum".to_owned())
}

/// Reads the name of a token.
pub(super) fn token_name(text: &str) -> Result<String, String> {
    let sound = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if sound { Ok(text.to_owned()) } else { Err("a name has 1 to 40 characters".to_owned()) }
}
