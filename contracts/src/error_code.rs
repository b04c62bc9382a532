//! The closed list of error codes. Status, retryability, effect and fix live here and nowhere else.

use serde::{Deserialize, Serialize};

/// Whether a failed request may have changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// The request changed nothing.
    None,
    /// The request may have taken effect; read the state before repeating anything that is not
    /// idempotent.
    Unknown,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal, $retry:literal, $effect:ident, $title:literal, $fix:literal;)+) => {
        /// The reason for a refused request. On the wire it is the `snake_case` name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }
        impl ErrorCode {
            /// Every code, in the order of `docs/errors.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The code on the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text),+ } }
            /// The HTTP status of the response.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status),+ } }
            /// Whether the same request may succeed later.
            pub const fn retryable(self) -> bool { match self { $(Self::$name => $retry),+ } }
            /// Whether the request may have changed anything.
            pub const fn effect(self) -> Effect { match self { $(Self::$name => Effect::$effect),+ } }
            /// A short description for people.
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),+ } }
            /// The fix, as an imperative.
            pub const fn fix(self) -> &'static str { match self { $(Self::$name => $fix),+ } }
        }
    };
}

codes! {
    /// The body or query could not be read.
    Malformed = "malformed", 400, false, None, "The request could not be read", "Send a JSON object with Content-Type application/json.";
    /// A field is missing, unknown or out of bounds.
    InvalidField = "invalid_field", 422, false, None, "A field is missing or wrong", "Correct the field named in the detail.";
    /// The token is missing or unknown.
    Unauthenticated = "unauthenticated", 401, false, None, "Not signed in", "Send Authorization: Bearer TOKEN with a token of this installation.";
    /// The webhook's signature does not match its body.
    BadSignature = "bad_signature", 401, false, None, "The webhook's signature is wrong", "Compare the endpoint's secret in quintet.toml with the one the platform shows.";
    /// The token lacks the required scope.
    Forbidden = "forbidden", 403, false, None, "The token does not allow this", "Use a token with the scope named in the detail.";
    /// The path or the object does not exist.
    NotFound = "not_found", 404, false, None, "Not found", "Check the id or the path.";
    /// The path does not support this method.
    MethodNotAllowed = "method_not_allowed", 405, false, None, "Wrong method", "Use the method that the contract names for this path.";
    /// The request contradicts the recorded state.
    Conflict = "conflict", 409, false, None, "It contradicts what is recorded", "Read the current state first; it is in the detail.";
    /// The approval already has a decision.
    AlreadyDecided = "already_decided", 409, false, None, "Already decided", "Nothing to do: the first decision stands.";
    /// The approval is not approved, or is no longer valid.
    NotApproved = "not_approved", 403, false, None, "Not approved", "Ask for approval first, and claim it with its digest while it is valid.";
    /// Another gateway has the claim or lease now.
    StaleEpoch = "stale_epoch", 409, false, None, "The lease has passed on", "Stop the work: another lease of this task is newer.";
    /// A halt is in force.
    Halted = "halted", 409, false, None, "Halted", "`quintet status` names the halt and the command that ends it, when it is safe.";
    /// The budget does not cover the cost.
    BudgetExhausted = "budget_exhausted", 402, false, None, "The budget does not cover it", "Raise the budget with PUT /api/budget or wait until it resets.";
    /// The request exceeds a size limit.
    TooLarge = "too_large", 413, false, None, "Too large", "Send less than the limit named in the detail.";
    /// The body is compressed in a way that is not read here.
    UnsupportedEncoding = "unsupported_encoding", 415, false, None, "The body is compressed", "Send the body without Content-Encoding.";
    /// The Host header names another host.
    Misdirected = "misdirected", 421, false, None, "Wrong host name", "Open the dashboard at the \
        address printed at start, or add the name to [server] hosts.";
    /// Too many requests.
    RateLimited = "rate_limited", 429, true, None, "Too many requests", "Follow the fix in the answer; with Retry-After, wait for its seconds.";
    /// A bug or a broken invariant on our side.
    Internal = "internal", 500, true, Unknown, "Something went wrong inside", "Search the log for \
        the request id; run `quintet doctor` to check the usual causes.";
    /// The feature is planned but not in this version.
    NotInThisVersion = "not_in_this_version", 501, false, None, "Not in this version", "Leave it out for now; the changelog says when it arrives.";
    /// Another service failed or sent an unusable response.
    Upstream = "upstream", 502, true, Unknown, "Another service did not answer as it should", "Try again; the dashboard shows which service is unwell.";
    /// Storage or a service is temporarily unavailable.
    Unavailable = "unavailable", 503, true, None, "Not available right now", "Try again after Retry-After; check disk space and the service's health.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_text_is_the_serde_name() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
            assert!(!code.fix().is_empty());
        }
    }
}
