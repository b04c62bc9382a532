//! Who calls: a person's or program's scope, or another service by its own secret.

use crate::secret::{Secret, digest};
use contracts::ServiceName;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What a token of this installation may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All that a person may.
    Operator,
    /// Read, without memory and conversations.
    Viewer,
    /// Ask for approval and read its own requests; never decide.
    Agent,
    /// Lease, claim, report, settle.
    Gateway,
}

impl Scope {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Viewer, Self::Agent, Self::Gateway];
    /// The name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }
}

/// Who a token belongs to; handlers take it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Scope(Scope),
    Service(ServiceName),
}

impl Principal {
    /// Whether this is the service of that name.
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

/// What a request says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// No token was sent.
    None,
    /// A token that nobody has.
    Unknown,
    Known(Principal),
}

/// All tokens of an installation, as digests: comparing takes the same time whatever is sent.
#[derive(Clone, Default)]
pub struct Auth {
    tokens: Arc<Vec<([u8; 32], Principal)>>,
}

impl Auth {
    /// Knows these tokens; empty ones are left out, so that no token never means the empty token.
    pub fn new(tokens: impl IntoIterator<Item = (Secret, Principal)>) -> Self {
        let tokens = tokens.into_iter().filter(|(secret, _)| !secret.reveal().is_empty());
        Self {
            tokens: Arc::new(
                tokens.map(|(secret, who)| (digest(secret.reveal().as_bytes()), who)).collect(),
            ),
        }
    }
    /// Whose token this is.
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
    /// Whose token the `Authorization: Bearer` header holds.
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
