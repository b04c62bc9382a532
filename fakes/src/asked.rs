//! The record of one call, as it arrived. It is read by the call's types.

use axum::extract::{FromRequestParts, RawPathParams, Request};
use bytes::Bytes;
use contracts::calls::{Call, Listed};
use platform::edge::{ApiError, parse_json, parse_query, read_body};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Maximum bytes of a recorded body: a whole graph fits.
const BODY_BYTES_MAX: usize = 1 << 24;

/// One call that a fake got.
#[derive(Clone, Debug)]
pub struct Asked {
    pub call: &'static Listed,
    /// The path with its parameter filled in.
    pub path: String,
    param: Option<String>,
    query: String,
    body: Bytes,
}

impl Asked {
    pub(crate) async fn read(call: &'static Listed, request: Request) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, &()).await.unwrap();
        let param = params.iter().next().map(|(_, value)| value.to_owned());
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = read_body(Request::from_parts(parts, body), BODY_BYTES_MAX).await?;
        Ok(Self { call, path, param, query, body })
    }
    /// The body as it was sent; null for a call without one.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap()
    }
    /// Whether it is this call.
    pub fn is<C: Call>(&self) -> bool {
        (self.call.callee, self.call.method, self.call.path) == (C::CALLEE, C::METHOD, C::PATH)
    }
    pub(crate) fn typed<C>(&self) -> Result<(C::Params, C::Request), ApiError>
    where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned>,
    {
        let param = self.param.clone().map_or(Value::Null, Value::String);
        let params = serde_json::from_value(param).unwrap();
        let request = if !C::HAS_REQUEST {
            serde_json::from_value(Value::Null).unwrap()
        } else if C::METHOD.has_body() {
            parse_json(if self.body.is_empty() { b"{}" } else { &self.body })?
        } else {
            parse_query(&self.query)?
        };
        Ok((params, request))
    }
}
