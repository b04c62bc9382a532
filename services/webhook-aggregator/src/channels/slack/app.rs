//! The app in one workspace, and how Slack signs.

use super::names::Names;
use hmac::{Hmac, KeyInit, Mac};
use platform::secret::Secret;
use sha2::Sha256;

/// The app in one workspace.
#[derive(Debug)]
pub(super) struct App {
    pub(super) api_base: String,
    pub(super) way: Way,
    pub(super) bot_token: Secret,
    /// The workspace; no other is heard. `None` where the configuration names none.
    pub(super) team: Option<String>,
    pub(super) names: Names,
}

/// How its messages reach us, with the secret for it.
#[derive(Debug)]
pub(super) enum Way {
    /// Slack signs its webhooks with this.
    Webhook(Secret),
    /// The app-level token, which opens connections.
    Socket(Secret),
}

impl App {
    /// Host of Slack's addresses for replies to commands. It follows from the configured address of
    /// the API alone: of an address in a payload only the path counts.
    pub(super) fn reply_host(&self) -> String {
        let (scheme, rest) = self.api_base.split_once("://").unwrap_or(("https", &self.api_base));
        let host = rest.split('/').next().unwrap_or_default();
        let is_slack = host.starts_with("slack.") || host.starts_with("slack-gov.");
        format!("{scheme}://{}{host}", if is_slack { "hooks." } else { "" })
    }
}

/// The path of an address for replies to a command.
pub(super) fn reply_path(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let path = rest.get(rest.find('/')?..)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    let is_reply = ["/commands/", "/actions/", "/app/"].iter().any(|at| path.starts_with(at));
    let fits = is_reply && path.len() <= 300 && path.bytes().all(is_plain);
    fits.then_some(path)
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
