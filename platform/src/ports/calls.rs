//! Calls between services: a service binding on Workers, in-process natively. An adapter belongs to
//! one caller and uses that caller's own secret; a path is relative to the service (`/api/route`).

use super::{PortError, PortErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use contracts::{Problem, ServiceName};
use serde::{Serialize, de::DeserializeOwned};

/// Sends a request to another service.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Returns the response with any status.
    async fn send(
        &self,
        callee: ServiceName,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, PortError>;
}

/// Timeout of a call in milliseconds, as a request extension. Default: the adapter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub i64);

/// The reason that a typed call has no value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The other service refused, with its reason.
    #[error("{0:?}")]
    Refused(Box<Problem>),
    /// The service was unreachable, or its response violates the contract.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl CallError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Port(_) => None,
        }
    }
}

/// A JSON call: sends `body` if given and parses the response. Non-2xx responses become
/// [`CallError::Refused`].
pub async fn call<Q: Serialize + Sync, A: DeserializeOwned>(
    calls: &dyn Calls,
    callee: ServiceName,
    method: http::Method,
    path: &str,
    body: Option<&Q>,
    patience: Option<Patience>,
) -> Result<A, CallError> {
    let bytes = match body {
        Some(body) => serde_json::to_vec(body)
            .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))?,
        None => Vec::new(),
    };
    let answer = exchange(calls, callee, method, path, bytes.into(), patience).await?;
    serde_json::from_slice(&answer).map_err(|e| odd(callee, path, &e.to_string()))
}

fn odd(callee: ServiceName, path: &str, text: &str) -> CallError {
    PortError::unknown(PortErrorKind::Unavailable, format!("{callee} {path}: {text}")).into()
}

/// The JSON of a successful answer.
async fn exchange(
    calls: &dyn Calls,
    callee: ServiceName,
    method: http::Method,
    path: &str,
    body: Bytes,
    patience: Option<Patience>,
) -> Result<Bytes, CallError> {
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))?;
    if let Some(patience) = patience {
        request.extensions_mut().insert(patience);
    }
    let answer = calls.send(callee, request).await?;
    if answer.status().is_success() {
        return Ok(if answer.body().is_empty() {
            Bytes::from_static(b"null")
        } else {
            answer.into_body()
        });
    }
    match serde_json::from_slice::<Problem>(answer.body()) {
        Ok(problem) => Err(CallError::Refused(Box::new(problem))),
        Err(_) => Err(odd(callee, path, &format!("status {}", answer.status()))),
    }
}

/// A POST of JSON text; only its success matters.
pub async fn tell(
    calls: &dyn Calls,
    callee: ServiceName,
    path: &str,
    body: Bytes,
) -> Result<(), CallError> {
    exchange(calls, callee, http::Method::POST, path, body, None).await.map(|_| ())
}

/// [`post`] with a longer timeout.
pub async fn post_patiently<Q: Serialize + Sync, A: DeserializeOwned>(
    calls: &dyn Calls,
    callee: ServiceName,
    path: &str,
    body: &Q,
    patience: Patience,
) -> Result<A, CallError> {
    call(calls, callee, http::Method::POST, path, Some(body), Some(patience)).await
}

/// A GET that expects JSON.
pub async fn get<A: DeserializeOwned>(
    calls: &dyn Calls,
    callee: ServiceName,
    path: &str,
) -> Result<A, CallError> {
    call::<(), A>(calls, callee, http::Method::GET, path, None, None).await
}

/// A POST of JSON that expects JSON.
pub async fn post<Q: Serialize + Sync, A: DeserializeOwned>(
    calls: &dyn Calls,
    callee: ServiceName,
    path: &str,
    body: &Q,
) -> Result<A, CallError> {
    call(calls, callee, http::Method::POST, path, Some(body), None).await
}
