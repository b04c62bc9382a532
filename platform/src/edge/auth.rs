//! The caller: a scope of a person or program, or another service with its own secret.

use crate::secret::{Secret, digest};
use contracts::{Scope, ServiceName};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Minimum characters of a token that a person chose; a shorter one could be guessed.
pub const TOKEN_CHARS_MIN: usize = 12;

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

/// All tokens of an installation, as digests: the comparison takes the same time for any input.
#[derive(Clone, Default)]
pub struct Auth {
    tokens: Arc<Vec<([u8; 32], Principal)>>,
}

impl Auth {
    /// Stores these tokens. Empty ones are left out, so that an empty token never matches.
    pub fn new(tokens: impl IntoIterator<Item = (Secret, Principal)>) -> Self {
        let tokens = tokens.into_iter().filter(|(secret, _)| !secret.reveal().is_empty());
        Self {
            tokens: Arc::new(
                tokens.map(|(secret, who)| (digest(secret.reveal().as_bytes()), who)).collect(),
            ),
        }
    }
    /// The owner of this token.
    pub fn who(&self, token: &str) -> Option<Principal> {
        let sent = digest(token.as_bytes());
        let mut found = None;
        for (known, who) in self.tokens.iter() {
            if bool::from(known.ct_eq(&sent)) {
                found = Some(*who);
            }
        }
        found
    }
    /// A hex value that changes whenever a token of this owner changes; it gives no token away.
    /// A grant for a token, such as a session, is stored under it and ends with the token.
    pub fn mark(&self, who: Principal) -> String {
        let own = self.tokens.iter().filter(|(_, owner)| *owner == who);
        crate::secret::digest_hex(&own.flat_map(|(digest, _)| *digest).collect::<Vec<u8>>())
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
