//! The answer of a fake to one call, closed over the types of the call.

use crate::Asked;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::calls::Call;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use platform::edge::{ApiError, ApiResult};
use serde::{Serialize, de::DeserializeOwned};
use std::future::ready;
use std::sync::Arc;

/// An answer without its types.
pub type Answer = Arc<dyn Fn(&Asked) -> BoxFuture<'static, Response> + Send + Sync>;

/// An answer in JSON, which may take its time.
pub fn json<C>(
    answer: impl Fn(C::Params, C::Request) -> BoxFuture<'static, ApiResult<C::Reply>>
    + Send
    + Sync
    + 'static,
) -> Answer
where
    C: Call<Params: DeserializeOwned, Request: DeserializeOwned, Reply: Serialize>,
{
    Arc::new(move |asked| match asked.typed::<C>() {
        Ok((params, request)) => {
            let reply = answer(params, request);
            Box::pin(async move { written::<C>(reply.await) })
        }
        Err(refusal) => Box::pin(ready(refusal.into_response())),
    })
}

/// An answer in bytes.
pub fn bytes<C>(
    answer: impl Fn(C::Params, C::Request) -> ApiResult<Bytes> + Send + Sync + 'static,
) -> Answer
where
    C: Call<Params: DeserializeOwned, Request: DeserializeOwned>,
{
    Arc::new(move |asked| {
        let reply = asked.typed::<C>().and_then(|(params, request)| {
            answer(params, request).map_err(|refusal| declared::<C>(refusal))
        });
        Box::pin(ready(reply.into_response()))
    })
}

/// An answer outside the contract.
pub fn raw(status: u16, body: String) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Arc::new(move |_| Box::pin(ready((status, body.clone()).into_response())))
}

/// No answer, ever.
pub fn never() -> Answer {
    Arc::new(|_| Box::pin(std::future::pending()))
}

/// The refusal, if the call may give it.
pub fn declared<C: Call>(refusal: ApiError) -> ApiError {
    let code = refusal.0.code;
    let is_declared = C::refusals().contains(&code);
    assert!(is_declared, "{} {} never refuses with {}", C::CALLEE, C::PATH, code.as_str());
    refusal
}

fn written<C: Call<Reply: Serialize>>(reply: ApiResult<C::Reply>) -> Response {
    let reply = match reply {
        Ok(reply) => reply,
        Err(refusal) => return declared::<C>(refusal).into_response(),
    };
    let status = StatusCode::from_u16(*C::STATUSES.first().unwrap()).unwrap();
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    let content = [(header::CONTENT_TYPE, "application/json")];
    (status, content, serde_json::to_vec(&reply).unwrap()).into_response()
}
