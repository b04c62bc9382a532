//! Answers to a browser: a page, or another address.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use maud::Markup;

/// A page with a status.
pub fn html(status: StatusCode, markup: Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string())
        .into_response()
}

/// 303 after a form, so that a reload does not send it again.
pub fn see(location: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Whether our own script asks, which reads JSON.
pub fn wants_json(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/json")
}
