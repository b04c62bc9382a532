//! The caller: a scope of a person or program, or another service with its own secret.

use crate::secret::{Secret, digest, digest_hex};
use contracts::{DIGEST_PREFIX, Scope, ServiceName};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// Minimum characters of a token that a person chose; a shorter one could be guessed.
pub const TOKEN_CHARS_MIN: usize = 12;

/// The digest in a token that is given as [`DIGEST_PREFIX`] and its hex digits.
fn given_digest(text: &str) -> Option<[u8; 32]> {
    let mut found = [0; 32];
    hex::decode_to_slice(text.strip_prefix(DIGEST_PREFIX)?, &mut found).ok()?;
    Some(found)
}

/// The owner of a token; handlers take it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Scope(Scope),
    Service(ServiceName),
}

impl Principal {
    /// Whether this is the service with that name.
    pub fn is_service(self, service: ServiceName) -> bool {
        self == Self::Service(service)
    }
    /// Name for the audit trail: `operator`, `webhook-aggregator`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope(scope) => scope.as_str(),
            Self::Service(service) => service.as_str(),
        }
    }
}

/// The token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// No token was sent.
    None,
    /// The token is unknown.
    Unknown,
    Known(Principal),
}

/// A token that may be exchanged while the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    pub scope: Scope,
    /// False for the token before the current one, during its grace.
    pub is_current: bool,
}

#[derive(Debug)]
struct Token {
    digest: [u8; 32],
    who: Principal,
    is_current: bool,
    was_used: AtomicBool,
}

/// All tokens of an installation, as digests: the comparison takes the same time for any input.
#[derive(Clone, Default)]
pub struct Auth {
    fixed: Arc<Vec<Token>>,
    issued: Arc<RwLock<Vec<Token>>>,
}

impl Auth {
    /// Stores these tokens for good. Empty ones are left out, so that an empty token never matches.
    /// A token may be given as its digest (see [`DIGEST_PREFIX`]).
    pub fn new(tokens: impl IntoIterator<Item = (Secret, Principal)>) -> Self {
        let tokens = tokens.into_iter().filter(|(secret, _)| !secret.reveal().is_empty());
        let fixed = tokens.map(|(secret, who)| Token {
            digest: given_digest(secret.reveal())
                .unwrap_or_else(|| digest(secret.reveal().as_bytes())),
            who,
            is_current: true,
            was_used: AtomicBool::new(false),
        });
        Self { fixed: Arc::new(fixed.collect()), issued: Arc::default() }
    }
    /// Makes these the issued tokens, in every clone; an issued token that is not among them is
    /// refused from now on.
    pub fn issue(&self, tokens: impl IntoIterator<Item = Issued>) {
        let fresh = tokens.into_iter().map(|token| Token {
            digest: token.digest,
            who: Principal::Scope(token.scope),
            is_current: token.is_current,
            was_used: AtomicBool::new(false),
        });
        let fresh: Vec<Token> = fresh.collect();
        let mut issued = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        for next in &fresh {
            let known = issued.iter().find(|known| known.digest == next.digest);
            let was_used = known.is_some_and(|known| known.was_used.load(Ordering::Relaxed));
            next.was_used.store(was_used, Ordering::Relaxed);
        }
        *issued = fresh;
    }
    /// Scopes whose current issued token was used since the last call.
    pub fn take_used(&self) -> Vec<Scope> {
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        let used = issued.iter().filter(|token| token.was_used.swap(false, Ordering::Relaxed));
        used.filter_map(|token| match token.who {
            Principal::Scope(scope) if token.is_current => Some(scope),
            _ => None,
        })
        .collect()
    }
    /// The owner of this token.
    pub fn who(&self, token: &str) -> Option<Principal> {
        let sent = digest(token.as_bytes());
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for known in self.fixed.iter().chain(issued.iter()) {
            if bool::from(known.digest.ct_eq(&sent)) {
                known.was_used.store(true, Ordering::Relaxed);
                found = Some(known.who);
            }
        }
        found
    }
    /// A hex value that changes whenever a token of this owner changes; it gives no token away.
    /// A grant for a token, such as a session, is stored under it and ends with the token, whatever
    /// grace the token itself has.
    pub fn mark(&self, who: Principal) -> String {
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        let own = self.fixed.iter().chain(issued.iter());
        let own = own.filter(|token| token.who == who && token.is_current);
        digest_hex(&own.flat_map(|token| token.digest).collect::<Vec<u8>>())
    }
    /// The owner of the token in the `Authorization: Bearer` header.
    pub fn bearer(&self, headers: &http::HeaderMap) -> Bearer {
        let Some(header) = headers.get(http::header::AUTHORIZATION) else { return Bearer::None };
        let parts = header.to_str().ok().and_then(|text| text.split_once(' '));
        match parts
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, token)| self.who(token.trim()))
        {
            Some(principal) => Bearer::Known(principal),
            None => Bearer::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(token: &str, is_current: bool) -> Issued {
        Issued { digest: digest(token.as_bytes()), scope: Scope::Viewer, is_current }
    }

    #[test]
    fn exchanged_token_is_refused_by_every_clone() {
        let viewer = Principal::Scope(Scope::Viewer);
        let auth = Auth::new([(Secret::new("fixed"), viewer)]);
        let clone = auth.clone();
        auth.issue([issued("first", true)]);
        let mark = clone.mark(viewer);
        assert_eq!(clone.who("first"), Some(viewer));
        auth.issue([issued("second", true), issued("first", false)]);
        assert_eq!((clone.who("first"), clone.who("second")), (Some(viewer), Some(viewer)));
        let during_grace = clone.mark(viewer);
        assert_ne!(during_grace, mark, "sessions end with the exchange");
        auth.issue([issued("second", true)]);
        assert_eq!((clone.who("first"), clone.who("fixed")), (None, Some(viewer)));
        assert_eq!(clone.mark(viewer), during_grace, "and not again with the grace");
    }

    #[test]
    fn use_of_an_issued_token_is_taken_once() {
        let auth = Auth::default();
        auth.issue([issued("first", true)]);
        assert_eq!(auth.take_used(), []);
        auth.who("wrong");
        assert_eq!(auth.take_used(), []);
        auth.who("first");
        auth.issue([issued("first", true)]);
        assert_eq!(auth.take_used(), [Scope::Viewer]);
        assert_eq!(auth.take_used(), []);
        auth.issue([issued("second", true), issued("first", false)]);
        auth.who("first");
        assert_eq!(auth.take_used(), [], "that was the token before it");
    }

    #[test]
    fn token_given_as_its_digest_is_accepted_and_the_digest_is_no_token() {
        let given = format!("{DIGEST_PREFIX}{}", digest_hex(b"fixed"));
        let viewer = Principal::Scope(Scope::Viewer);
        let auth = Auth::new([(Secret::new(given.clone()), viewer)]);
        assert_eq!(auth.who("fixed"), Some(viewer));
        assert_eq!(auth.who(&given), None);
        assert_eq!(auth.who(given.strip_prefix(DIGEST_PREFIX).unwrap()), None);
        // Unreadable digits are a token like any other text.
        let odd = "sha256:not a digest";
        assert_eq!(Auth::new([(Secret::new(odd), viewer)]).who(odd), Some(viewer));
    }
}
