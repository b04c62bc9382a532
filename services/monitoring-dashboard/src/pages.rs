//! The owner's pages, rendered on the server. maud escapes all text from chats, files and models;
//! nothing is marked as safe by hand.

pub mod agents;
pub mod api;
pub mod approval_card;
pub mod approvals;
pub mod budget;
pub mod console;
pub mod dashboard;
pub mod event;
pub mod events;
pub mod graph;
mod graph_drawing;
pub mod halt;
pub mod health;
pub mod layout;
pub mod prose;
pub mod refusal;
pub mod sign_in;
pub mod signs;
pub mod track;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
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
