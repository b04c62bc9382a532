//! Calls between services through service bindings. Each pair of services has its own secret.

use crate::clock::pause;
use crate::settings::ServiceKeys;
use crate::{invalid, missing, unknown};
use async_trait::async_trait;
use bytes::Bytes;
use contracts::ServiceName;
use futures_util::future::{Either, select};
use http_body_util::BodyExt;
use platform::ports::calls::Patience;
use platform::ports::{Calls, PortError, PortErrorKind, PortResult};
use std::pin::pin;
use worker::send::SendFuture;
use worker::{Env, Fetcher, Headers, Method, RequestInit};

/// Timeout of a call.
const TIMEOUT_MS: i64 = 30_000;

/// The calls of one Worker.
pub struct BindingCalls {
    env: Env,
    keys: ServiceKeys,
}

impl BindingCalls {
    /// Calls through the bindings of this environment.
    pub fn new(env: Env, keys: ServiceKeys) -> Self {
        Self { env, keys }
    }
}

/// The name of the binding: `AGENCY_ROUTER`.
fn binding(callee: ServiceName) -> String {
    callee.as_str().to_ascii_uppercase().replace('-', "_")
}

#[async_trait]
impl Calls for BindingCalls {
    async fn send(
        &self,
        callee: ServiceName,
        request: http::Request<Bytes>,
    ) -> PortResult<http::Response<Bytes>> {
        let key = self
            .keys
            .out
            .get(&callee)
            .ok_or_else(|| missing(format!("QUINTET_SERVICE_KEYS has no key for {callee}")))?;
        let patience =
            request.extensions().get::<Patience>().map_or(TIMEOUT_MS, |patience| patience.0);
        SendFuture::new(async move {
            let fetcher = self.env.service(&binding(callee)).map_err(missing)?;
            match select(
                pin!(exchange(&fetcher, callee, key.reveal(), request)),
                pin!(pause(patience)),
            )
            .await
            {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(PortError::unknown(
                    PortErrorKind::Timeout,
                    format!("{callee} did not answer in time"),
                )),
            }
        })
        .await
    }
}

async fn exchange(
    fetcher: &Fetcher,
    callee: ServiceName,
    key: &str,
    request: http::Request<Bytes>,
) -> PortResult<http::Response<Bytes>> {
    let (parts, body) = request.into_parts();
    let headers = Headers::from(&parts.headers);
    headers.set("authorization", &format!("Bearer {key}")).map_err(invalid)?;
    let mut init = RequestInit::new();
    init.with_method(Method::from(parts.method.to_string())).with_headers(headers);
    if !body.is_empty() {
        init.with_body(Some(js_sys::Uint8Array::from(body.as_ref()).into()));
    }
    // The host name is never resolved: the binding determines the service.
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let answer =
        fetcher.fetch(format!("https://{callee}{path}"), Some(init)).await.map_err(unknown)?;
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(unknown)?.to_bytes();
    Ok(http::Response::from_parts(parts, bytes))
}
