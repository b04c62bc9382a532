//! Signatures of programs: Standard Webhooks (`v1`, HMAC-SHA256) and GitHub's.

use crate::channels::{header, hub};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// Maximum difference of the two clocks, in seconds.
const WINDOW_S: u64 = 300;
/// Maximum signatures of one request that are looked at.
const SIGNATURES_MAX: usize = 16;
/// Maximum characters of an id.
const ID_CHARS_MAX: usize = 256;
/// Bytes of a key, as the specification has them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How a program signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `webhook-signature` over `<id>.<time>.<body>`.
    Standard,
    /// `x-hub-signature-256` over the body. Neither the id nor a time is signed.
    GitHub,
}

/// The bytes of a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// The key that a secret stands for; `None` if it is none of this scheme.
    pub(super) fn read(secret: &str, scheme: Scheme) -> Option<Self> {
        if scheme == Scheme::GitHub {
            return Some(Self(secret.as_bytes().to_vec()));
        }
        let text = secret.trim();
        let text = text.strip_prefix("whsec_").unwrap_or(text).trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        KEY_BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }
    fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
}

/// `v1,` and the signature in base64.
pub(super) fn standard(key: &Key, id: &str, time: &str, body: &[u8]) -> String {
    let signed = key.sign(&[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(signed))
}

/// The header with the id of the message.
pub(super) const fn id_header(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Standard => "webhook-id",
        Scheme::GitHub => "x-github-delivery",
    }
}

/// The id of the message; `None` where there is none that can be used. With a dot in it, other
/// parts could have the same signature.
pub(super) fn id(scheme: Scheme, headers: &HeaderMap) -> Option<&str> {
    let id = header(headers, id_header(scheme))?;
    (!id.is_empty() && id.len() <= ID_CHARS_MAX && !id.contains('.')).then_some(id)
}

/// The time of the message, in seconds since the epoch; digits and nothing else.
pub(super) fn seconds(headers: &HeaderMap) -> Option<i64> {
    let time = header(headers, "webhook-timestamp")?;
    time.bytes().all(|byte| byte.is_ascii_digit()).then(|| time.parse().ok())?
}

/// Whether one of the keys signed this.
pub(super) fn verify(
    scheme: Scheme,
    keys: &[Key],
    headers: &HeaderMap,
    body: &[u8],
    now_ms: i64,
) -> bool {
    let Some(id) = id(scheme, headers) else { return false };
    match scheme {
        Scheme::Standard => {
            let (Some(seconds), Some(time), Some(sent)) = (
                seconds(headers),
                header(headers, "webhook-timestamp"),
                header(headers, "webhook-signature"),
            ) else {
                return false;
            };
            let fresh = (now_ms / 1000).abs_diff(seconds) <= WINDOW_S;
            let expected = keys.iter().map(|key| standard(key, id, time, body)).collect();
            fresh & one_of(sent.split(' ').take(SIGNATURES_MAX), expected)
        }
        Scheme::GitHub => {
            let Some(sent) = header(headers, hub::HEADER) else { return false };
            let of = |key: &Key| hub::signature(&key.0, body);
            one_of(std::iter::once(sent), keys.iter().map(of).collect())
        }
    }
}

/// Whether one of these was sent. Each is compared with each, so that the time tells nothing.
fn one_of<'a>(sent: impl Iterator<Item = &'a str>, expected: Vec<String>) -> bool {
    let equal = |sent: &str| {
        let each = expected.iter().map(|own| own.as_bytes().ct_eq(sent.as_bytes()));
        each.fold(Choice::from(0), |any, this| any | this)
    };
    sent.map(equal).fold(Choice::from(0), |any, this| any | this).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signature_of_the_specification_is_ours() {
        let key = Key::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Scheme::Standard).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            standard(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn secret_is_read_with_and_without_its_prefix_and_padding() {
        let read = |text: &str| Key::read(text, Scheme::Standard);
        let bare = read("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert!(bare.is_some());
        assert_eq!(read("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), bare);
        for bad in ["whsec_", "whsec_c2hvcnQ=", "whsec_no base64 at all, is it?!", "plain"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn time_may_be_off_by_five_minutes_both_ways() {
        let key = Key::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Scheme::Standard).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", "1000".parse().unwrap());
        headers
            .insert("webhook-signature", standard(&key, "msg_1", "1000", b"{}").parse().unwrap());
        for (now_s, fresh) in [(699, false), (700, true), (1_300, true), (1_301, false)] {
            let keys = [key.clone()];
            assert_eq!(verify(Scheme::Standard, &keys, &headers, b"{}", now_s * 1000), fresh);
        }
    }
}
