//! From the runtime's request to a service's router and back.

use crate::{log, settings};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::IntoResponse;
use contracts::ErrorCode;
use platform::edge::ApiError;
use std::cell::OnceCell;
use std::rc::Rc;
use tower::ServiceExt;
use worker::{Env, Headers, HttpRequest, Response, Result};

/// The cron of what a Worker does each minute; its other timers are daily.
pub const EACH_MINUTE: &str = "* * * * *";
/// Larger answers are streamed.
const BUFFER_BYTES_MAX: u64 = 1 << 20;

/// What a Worker keeps from request to request: made by the first one, since building routes costs more than serving.
pub struct Kept<T>(OnceCell<std::result::Result<Rc<T>, Vec<String>>>);

impl<T> Kept<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }
    /// What `make` makes; none when it found something wrong, which is logged each time.
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

/// Answers a request by the router; without one (a wrong configuration) nothing is taken and nothing is lost: 503.
///
/// # Errors
/// When the answer cannot be handed to the runtime.
pub async fn answer(router: Option<Router>, request: HttpRequest) -> Result<Response> {
    let response = match router {
        Some(router) => {
            router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
        }
        None => ApiError::new(
            ErrorCode::Unavailable,
            "This service is not configured; its log says what is missing.",
        )
        .into_response(),
    };
    finish(response).await
}

/// A buffered answer has a length and costs a third less than a stream pumped from here.
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
