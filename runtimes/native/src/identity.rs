//! Proves to the commands of this installation that the server they reached is theirs, before they
//! send it a token: another program may listen on the port of a server that has ended.
//!
//! The proof is an HMAC, with a key of the data directory, over the command's random nonce and the
//! address that the server listens on. The address keeps a listener elsewhere, such as on `[::1]`,
//! from passing on the proof of the real server as its own.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use contracts::ErrorCode;
use hmac::{Hmac, KeyInit, Mac};
use platform::edge::auth::Bearer;
use platform::edge::{ApiError, ApiResult, Auth, Principal, Query, Scope};
use platform::secret::Secret;
use serde::Deserialize;
use sha2::Sha256;

/// Where the server proves itself.
pub const PATH: &str = "/local/proof";
/// Name of the key among the data directory's secrets.
pub const KEY: &str = "server-key";
/// Characters of a nonce.
pub const NONCE_CHARS: usize = 64;

#[derive(Deserialize)]
struct Asked {
    nonce: String,
}

/// The proof for this nonce of the server at this address; empty without a key.
pub fn proof(key: &Secret, address: &str, nonce: &str) -> String {
    let bytes = key.reveal().as_bytes();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(bytes) else { return String::new() };
    mac.update(format!("quintet server\n{address}\n{nonce}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Answers with the proof. The nonce has one length, so that the key signs nothing else.
pub fn router(key: Secret, address: String) -> Router {
    let answer = move |Query(asked): Query<Asked>| {
        let sound = asked.nonce.len() == NONCE_CHARS
            && asked.nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
        let answer: ApiResult<String> = if sound {
            Ok(proof(&key, &address, &asked.nonce))
        } else {
            Err(ApiError::new(ErrorCode::Malformed, "The nonce is not 64 hexadecimal digits."))
        };
        std::future::ready(answer)
    };
    Router::new().route(PATH, get(answer))
}

/// Lets through only who holds the operator's token, on the paths for the commands of this machine.
///
/// # Errors
/// Unauthenticated without a known token, forbidden with another scope.
pub fn require_operator(auth: &Auth, headers: &HeaderMap) -> Result<(), ApiError> {
    let (code, detail) = match auth.bearer(headers) {
        Bearer::Known(Principal::Scope(Scope::Operator)) => return Ok(()),
        Bearer::Known(_) => (ErrorCode::Forbidden, "This needs the scope operator."),
        Bearer::None | Bearer::Unknown => {
            (ErrorCode::Unauthenticated, "This needs the operator's token.")
        }
    };
    Err(ApiError::new(code, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_of_one_key_address_and_nonce() {
        let of = |key: &str, address: &str, nonce: &str| proof(&Secret::new(key), address, nonce);
        let ours = of("key", "http://127.0.0.1:8787", "aa");
        assert_eq!(ours.len(), 64);
        assert_eq!(ours, of("key", "http://127.0.0.1:8787", "aa"));
        for other in [
            of("other", "http://127.0.0.1:8787", "aa"),
            of("key", "http://[::1]:8787", "aa"),
            of("key", "http://127.0.0.1:8787", "ab"),
        ] {
            assert_ne!(ours, other);
        }
    }
}
