//! A form token proves that the form came from this session and means exactly this change. It is an
//! HMAC of the change, keyed with the session's cookie, which no other site and no other session
//! has.

use hmac::{Hmac, KeyInit, Mac};
use platform::secret::Secret;
use sha2::Sha256;

/// The form token for this change in this session.
pub fn form_token(session: &str, change: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(session.as_bytes()) else {
        return String::new();
    };
    mac.update(change.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whether a form's token matches this change in this session.
pub fn is_form_token(session: &str, change: &str, sent: &str) -> bool {
    let expected = form_token(session, change);
    !expected.is_empty() && Secret::new(expected).matches(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_token_is_valid_for_one_change_of_one_session() {
        let token = form_token("session-a", "decide:apr_1:3:approve");
        assert!(is_form_token("session-a", "decide:apr_1:3:approve", &token));
        assert!(!is_form_token("session-b", "decide:apr_1:3:approve", &token));
        assert!(!is_form_token("session-a", "decide:apr_1:4:approve", &token));
        assert!(!is_form_token("session-a", "decide:apr_1:3:approve", ""));
    }
}
