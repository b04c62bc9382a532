//! The trait behind every endpoint, and the values it is made of.

use crate::percent::encode;
use crate::{ErrorCode, Scope, ServiceName};

/// One endpoint of one service: where it is, who may use it, which JSON goes in and comes out.
///
/// The router of the callee, the client of the callers, the table of who may call whom and the
/// OpenAPI documents all come from this. A request travels in the query of a `GET` or `DELETE` and
/// as a JSON body otherwise.
pub trait Call: 'static {
    /// The service that answers.
    const CALLEE: ServiceName;
    const METHOD: Method;
    /// Relative to the service; at most one parameter, in braces.
    const PATH: &'static str;
    /// Which tokens of people and programs open it.
    const ACCESS: Access;
    /// Services that may call it with their own key.
    const CALLERS: &'static [ServiceName];
    /// Whether sending it twice has the effect of sending it once. Only such calls may be repeated.
    const IDEMPOTENT: bool;
    /// Statuses of success.
    const STATUSES: &'static [u16];
    /// Refusals beside those that follow from access, parameter and body.
    const REFUSALS: &'static [ErrorCode];
    /// The parameter of the path.
    type Params: PathParam;
    type Request;
    type Reply;

    /// Whether the request has any content; `()` has none.
    const HAS_REQUEST: bool = size_of::<Self::Request>() != 0;

    /// The path for this parameter, percent-encoded.
    fn path(params: &Self::Params) -> String {
        fill(Self::PATH, params.value())
    }

    /// Refusals that the call names, and those that its access, parameter and request bring.
    fn refusals() -> Vec<ErrorCode> {
        let mut codes = Self::REFUSALS.to_vec();
        codes.extend([ErrorCode::Internal, ErrorCode::Unavailable]);
        if Self::ACCESS != Access::Open {
            codes.extend([ErrorCode::Unauthenticated, ErrorCode::Forbidden]);
        }
        if Self::PATH.contains('{') {
            codes.push(ErrorCode::Malformed);
        }
        if Self::HAS_REQUEST {
            codes.push(ErrorCode::InvalidField);
        }
        if Self::HAS_REQUEST && Self::METHOD.has_body() {
            codes.extend([ErrorCode::Malformed, ErrorCode::TooLarge]);
        }
        ErrorCode::ALL.iter().copied().filter(|code| codes.contains(code)).collect()
    }
}

/// Where every service says how it is: a `GET` that needs no token.
pub const HEALTH: &str = "/health";

/// Where every service serves its OpenAPI document: a `GET` that needs no token.
pub const DOCUMENT: &str = "/openapi.json";

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// The name in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
    /// Whether the request is a JSON body; otherwise it is the query.
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }
    /// Whether HTTP itself says that repeating it does no harm.
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post)
    }
}

/// Which tokens open a route. Services come in beside them by [`Call::CALLERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No token needed: health, pages, and webhooks that prove themselves by their signatures.
    Open,
    /// These scopes.
    Scopes(&'static [Scope]),
    /// None: services alone; 404 for every token.
    Internal,
}

/// A value that fills the braces of a path.
pub trait PathParam {
    /// The text, not yet encoded; `None` where the path has no parameter.
    fn value(&self) -> Option<&str>;
}

impl PathParam for () {
    fn value(&self) -> Option<&str> {
        None
    }
}

impl PathParam for String {
    fn value(&self) -> Option<&str> {
        Some(self)
    }
}

/// A reply that is not JSON: the bytes as they are.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Binary;

/// A reply that is a stream of server-sent events.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventStream;

/// Nothing but the call's name, method, path and callers: a row for tables and tests.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The name of the call's type.
    pub name: &'static str,
    pub callee: ServiceName,
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    pub callers: &'static [ServiceName],
}

impl Listed {
    /// The row of a call.
    pub const fn of<C: Call>(name: &'static str) -> Self {
        Self {
            name,
            callee: C::CALLEE,
            method: C::METHOD,
            path: C::PATH,
            access: C::ACCESS,
            callers: C::CALLERS,
        }
    }
}

fn fill(path: &str, value: Option<&str>) -> String {
    let Some((before, rest)) = path.split_once('{') else { return path.to_owned() };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    format!("{before}{}{after}", encode(value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_parameter_cannot_leave_its_place() {
        let value = Some("web:console/../x?y=1~ä");
        assert_eq!(
            fill("/api/events/{id}/replay", value),
            "/api/events/web%3Aconsole%2F..%2Fx%3Fy%3D1~%C3%A4/replay"
        );
        assert_eq!(fill("/api/events", None), "/api/events");
    }
}
