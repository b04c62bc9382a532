//! `X-Hub-Signature-256`, by which GitHub and Meta sign the body of a webhook.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header with the signature.
pub(super) const HEADER: &str = "x-hub-signature-256";

/// `sha256=` and the lower-case hex HMAC-SHA256 of the body.
pub(super) fn signature(key: &[u8], body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
