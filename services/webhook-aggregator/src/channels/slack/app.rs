//! The app in one workspace, and how Slack signs.

use hmac::{Hmac, KeyInit, Mac};
use platform::secret::Secret;
use sha2::Sha256;

/// The app in one workspace.
#[derive(Debug)]
pub(super) struct App {
    pub(super) api_base: String,
    pub(super) signing_secret: Secret,
    pub(super) bot_token: Secret,
    /// The workspace; no other is heard. `None` where the configuration names none.
    pub(super) team: Option<String>,
}

/// `v0=` and the lower-case hex HMAC-SHA256 of `v0:<time>:<body>`.
pub(super) fn signature(secret: &str, time: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(b"v0:");
    mac.update(time.as_bytes());
    mac.update(b":");
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}
