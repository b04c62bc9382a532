//! A refusal: a `Problem` with its status. The edge adds the request id.

use crate::ports::{CallError, PortError, PortErrorKind};
use axum::response::{IntoResponse, Response};
use contracts::{Effect, ErrorCode, Problem};

/// The error type of handlers.
#[derive(Clone, Debug)]
pub struct ApiError(pub Box<Problem>);

/// A handler's result.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }
    /// A missing object.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("There is no {what}."))
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<PortError> for ApiError {
    /// Logs the detail; the caller learns only whether to retry.
    fn from(error: PortError) -> Self {
        tracing::error!(error = %error, "a port failed");
        let code = match (error.kind, error.effect) {
            (
                PortErrorKind::Unavailable | PortErrorKind::Full | PortErrorKind::Timeout,
                Effect::None,
            ) => ErrorCode::Unavailable,
            (PortErrorKind::Conflict, _) => ErrorCode::Conflict,
            _ => ErrorCode::Internal,
        };
        let detail = match error.kind {
            PortErrorKind::Full => "Storage is full; nothing was changed.",
            PortErrorKind::Conflict => "Another request changed it at the same moment.",
            _ if error.effect == Effect::None => {
                "Storage or another service is not available; nothing was changed."
            }
            _ => {
                "Storage or another service failed half-way; look at the state before you repeat \
                 it."
            }
        };
        Self::new(code, detail)
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(problem) => Self(problem),
            CallError::Port(error) => {
                tracing::error!(error = %error, "a call to another service failed");
                Self::new(ErrorCode::Upstream, "Another service did not answer.")
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = *self.0;
        let status = http::StatusCode::from_u16(problem.status)
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(http::header::CONTENT_TYPE, "application/problem+json")], body)
                .into_response();
        if problem.code.retryable() && matches!(status.as_u16(), 429 | 503) {
            let seconds =
                problem.extra.get("retryAfter").and_then(serde_json::Value::as_u64).unwrap_or(5);
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, http::HeaderValue::from(seconds));
        }
        // Only the edge knows the request id, so it writes it into the body.
        response.extensions_mut().insert(problem);
        response
    }
}
