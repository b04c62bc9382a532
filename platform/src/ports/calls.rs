//! Calls between services: a service binding on Workers, in-process natively. An adapter belongs to
//! one caller and uses that caller's own secret; a path is relative to the service (`/api/route`).

use super::{PortError, PortErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use contracts::calls::{Binary, Call, DOCUMENT, HEALTH, Method};
use contracts::monitoring::Health;
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

impl dyn Calls + '_ {
    /// Makes a call and reads its reply.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask<C>(
        &self,
        params: &C::Params,
        request: &C::Request,
    ) -> Result<C::Reply, CallError>
    where
        C: Call<Params: Sync, Request: Serialize + Sync, Reply: DeserializeOwned>,
    {
        read::<C>(&exchange(self, prepare::<C>(params, request)?, None).await?)
    }

    /// Makes a call of whose reply nothing matters beyond its success.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn tell<C>(&self, params: &C::Params, request: &C::Request) -> Result<(), CallError>
    where
        C: Call<Params: Sync, Request: Serialize + Sync>,
    {
        exchange(self, prepare::<C>(params, request)?, None).await.map(|_| ())
    }

    /// `ask`, of a service that may take longer than usual.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask_patiently<C>(
        &self,
        params: &C::Params,
        request: &C::Request,
        patience: Patience,
    ) -> Result<C::Reply, CallError>
    where
        C: Call<Params: Sync, Request: Serialize + Sync, Reply: DeserializeOwned>,
    {
        read::<C>(&exchange(self, prepare::<C>(params, request)?, Some(patience)).await?)
    }

    /// Asks a service how it is. One that cannot work answers 503, and says why in the same form.
    ///
    /// # Errors
    /// [`CallError`] when it does not answer, or another service does.
    pub async fn health(&self, callee: ServiceName) -> Result<Health, CallError> {
        let answer = self.send(callee, written(open(callee, HEALTH), None)?).await?;
        match serde_json::from_slice::<Health>(answer.body()) {
            Ok(health) if health.service == callee => Ok(health),
            _ => Err(odd(callee, HEALTH, &format!("status {}", answer.status()))),
        }
    }

    /// Reads a service's OpenAPI document.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn document(&self, callee: ServiceName) -> Result<Bytes, CallError> {
        exchange(self, open(callee, DOCUMENT), None).await
    }

    /// Makes a call whose reply is not JSON.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask_bytes<C>(
        &self,
        params: &C::Params,
        request: &C::Request,
    ) -> Result<Bytes, CallError>
    where
        C: Call<Params: Sync, Request: Serialize + Sync, Reply = Binary>,
    {
        exchange(self, prepare::<C>(params, request)?, None).await
    }
}

impl dyn Calls + '_ {
    /// Makes a call whose request is bytes as they are.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn give_bytes<C>(
        &self,
        params: &C::Params,
        bytes: Bytes,
        patience: Option<Patience>,
    ) -> Result<C::Reply, CallError>
    where
        C: Call<Params: Sync, Request = (), Reply: DeserializeOwned>,
    {
        let prepared = Prepared { body: bytes, ..prepare::<C>(params, &())? };
        read::<C>(&exchange(self, prepared, patience).await?)
    }
}

/// A request written down: all that sending it needs of a call, without the call's types.
pub struct Prepared {
    pub callee: ServiceName,
    pub method: Method,
    /// With the query.
    pub path: String,
    pub body: Bytes,
}

/// A `GET` that every service answers.
fn open(callee: ServiceName, path: &str) -> Prepared {
    Prepared { callee, method: Method::Get, path: path.to_owned(), body: Bytes::new() }
}

/// Writes a request down, to be sent later by [`deliver`].
///
/// # Errors
/// When the request cannot be written as JSON or as a query.
pub fn prepare<C: Call<Request: Serialize>>(
    params: &C::Params,
    request: &C::Request,
) -> Result<Prepared, CallError> {
    let invalid = |e: String| PortError::clean(PortErrorKind::Invalid, e);
    let mut path = C::path(params);
    let mut body = Vec::new();
    if C::METHOD.has_body() && !C::HAS_REQUEST {
        body.extend_from_slice(b"{}");
    } else if C::METHOD.has_body() {
        body = serde_json::to_vec(request).map_err(|e| invalid(e.to_string()))?;
    } else if C::HAS_REQUEST {
        let query = serde_urlencoded::to_string(request).map_err(|e| invalid(e.to_string()))?;
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
    }
    Ok(Prepared { callee: C::CALLEE, method: C::METHOD, path, body: body.into() })
}

/// Sends a prepared request; nothing of its answer matters beyond its success.
///
/// # Errors
/// [`CallError`].
pub async fn deliver(calls: &dyn Calls, prepared: Prepared) -> Result<(), CallError> {
    exchange(calls, prepared, None).await.map(|_| ())
}

fn read<C: Call<Reply: DeserializeOwned>>(answer: &[u8]) -> Result<C::Reply, CallError> {
    serde_json::from_slice(answer).map_err(|e| odd(C::CALLEE, C::PATH, &e.to_string()))
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

fn odd(callee: ServiceName, path: &str, text: &str) -> CallError {
    PortError::unknown(PortErrorKind::Unavailable, format!("{callee} {path}: {text}")).into()
}

fn written(
    prepared: Prepared,
    patience: Option<Patience>,
) -> Result<http::Request<Bytes>, CallError> {
    let mut request = http::Request::builder()
        .method(prepared.method.as_str())
        .uri(&prepared.path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(prepared.body)
        .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))?;
    if let Some(patience) = patience {
        request.extensions_mut().insert(patience);
    }
    Ok(request)
}

/// The body of a successful response.
async fn exchange(
    calls: &dyn Calls,
    prepared: Prepared,
    patience: Option<Patience>,
) -> Result<Bytes, CallError> {
    let (callee, path) = (prepared.callee, prepared.path.clone());
    let answer = calls.send(callee, written(prepared, patience)?).await?;
    if answer.status().is_success() {
        return Ok(if answer.body().is_empty() {
            Bytes::from_static(b"null")
        } else {
            answer.into_body()
        });
    }
    match serde_json::from_slice::<Problem>(answer.body()) {
        Ok(problem) => Err(CallError::Refused(Box::new(problem))),
        Err(_) => Err(odd(callee, &path, &format!("status {}", answer.status()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::calls::skill_graph_loader::{ReadSkill, Rollback, Search};
    use contracts::calls::webhook_aggregator::ReplayEvent;
    use contracts::graph::{RollbackRequest, SearchQuery, VersionQuery};

    #[test]
    fn a_query_cannot_leave_its_parameter() {
        let query = SearchQuery { q: "a b&c=ü".to_owned(), limit: Some(3), version: None };
        let prepared = prepare::<Search>(&(), &query).unwrap();
        assert_eq!(prepared.path, "/api/search?q=a+b%26c%3D%C3%BC&limit=3");
        assert!(prepared.body.is_empty());
    }

    #[test]
    fn a_request_travels_in_the_body_of_a_post_and_in_the_query_of_a_get() {
        let id = "guides/code-review".to_owned();
        let skill = prepare::<ReadSkill>(&id, &VersionQuery::default()).unwrap();
        assert_eq!(skill.path, "/api/skills/guides%2Fcode-review");
        let request = RollbackRequest { version: Some("abcd".into()) };
        let rollback = prepare::<Rollback>(&(), &request).unwrap();
        let said = (rollback.path.as_str(), &rollback.body[..]);
        assert_eq!(said, ("/api/rollback", &br#"{"version":"abcd"}"#[..]));
    }

    #[test]
    fn a_post_without_a_request_sends_an_empty_object() {
        let replay = prepare::<ReplayEvent>(&"web.console.X".into(), &()).unwrap();
        assert_eq!(&replay.body[..], b"{}");
    }
}
