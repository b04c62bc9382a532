//! Passes the runtime's requests to a service's router.

use crate::{log, settings};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::IntoResponse;
use contracts::ErrorCode;
use platform::edge::{ApiError, ClientNetwork};
use std::cell::OnceCell;
use std::rc::Rc;
use tower::ServiceExt;
use worker::{Env, Headers, HttpRequest, Response, Result};

/// Cron expression of the minutely timer; all other timers are daily.
pub const EACH_MINUTE: &str = "* * * * *";
/// Bytes above which a response is streamed.
const BUFFER_BYTES_MAX: u64 = 1 << 20;

/// State that a Worker keeps between requests, created by the first one, because building routes
/// costs more than serving.
pub struct Kept<T>(OnceCell<std::result::Result<Rc<T>, Vec<String>>>);

impl<T> Kept<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }
    /// The value of `make`; none if it found problems, which are logged each time.
    pub fn get(
        &self,
        env: &Env,
        make: impl FnOnce(&Env) -> std::result::Result<T, Vec<String>>,
    ) -> Option<Rc<T>> {
        let made = self.0.get_or_init(|| {
            log::start(settings::text(env, "QUINTET_LOG").as_deref());
            make(env).map(Rc::new)
        });
        match made {
            Ok(kept) => Some(kept.clone()),
            Err(wrong) => {
                for problem in wrong {
                    tracing::error!(problem, "this Worker is not configured");
                }
                None
            }
        }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Answers a request with the router. Without one (an invalid configuration) it accepts nothing and
/// answers 503.
///
/// # Errors
/// When the response cannot be passed to the runtime.
pub async fn answer(router: Option<Router>, mut request: HttpRequest) -> Result<Response> {
    // Cloudflare sets this header itself.
    let address = request.headers().get("cf-connecting-ip").and_then(|text| text.to_str().ok());
    if let Some(address) = address.and_then(|text| text.parse().ok()) {
        request.extensions_mut().insert(ClientNetwork::of(address));
    }
    let response = match router {
        Some(router) => {
            router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
        }
        None => ApiError::new(
            ErrorCode::Unavailable,
            "This service is not configured. Its log names what is missing.",
        )
        .into_response(),
    };
    finish(response).await
}

/// Buffers the response: it gets a length and costs a third less than a stream pumped from here.
async fn finish(response: axum::response::Response) -> Result<Response> {
    let (parts, body) = response.into_parts();
    if body.size_hint().exact().is_none_or(|length| length > BUFFER_BYTES_MAX) {
        return Response::try_from(http::Response::from_parts(parts, body));
    }
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    let response =
        if bytes.is_empty() { Response::empty()? } else { Response::from_bytes(bytes.to_vec())? };
    Ok(response.with_status(parts.status.as_u16()).with_headers(Headers::from(&parts.headers)))
}
