//! Refusals as pages: the problem and the fix.

use super::layout;
use crate::Config;
use axum::response::{IntoResponse, Response};
use contracts::{ErrorCode, Problem};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use platform::edge::ApiError;
use platform::ports::{CallError, PortError};

/// A refusal in plain words. The guard, which knows our URL prefix, renders it as a page.
#[derive(Clone, Debug)]
pub struct Friendly {
    pub code: ErrorCode,
    pub title: String,
    pub detail: String,
    pub fix: String,
}

impl Friendly {
    /// A refusal with the code's own title and fix.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: code.title().to_owned(),
            detail: detail.into(),
            fix: code.fix().to_owned(),
        }
    }
    /// Replaces the fix.
    #[must_use]
    pub fn fix(mut self, fix: &str) -> Self {
        fix.clone_into(&mut self.fix);
        self
    }
    /// The page.
    pub fn page(&self, config: &Config) -> Markup {
        layout::bare(
            config,
            &self.title,
            html! {
                h1 { (self.title) }
                p { (self.detail) }
                p.quiet { (self.fix) }
                p { a.button href=(config.url("/dashboard")) { "Go to the dashboard" } }
            },
        )
    }
}

impl From<Problem> for Friendly {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, title: problem.title, detail: problem.detail, fix: problem.fix }
    }
}

impl IntoResponse for Friendly {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if self.code == ErrorCode::RateLimited {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The reason that a page handler ends early.
pub enum Turn {
    Friendly(Friendly),
    /// Redirects to the sign-in page at this address.
    SignIn(String),
    Answer(Box<Response>),
}

/// The result of page handlers.
pub type PageResult = Result<Response, Turn>;

impl IntoResponse for Turn {
    fn into_response(self) -> Response {
        match self {
            Self::Friendly(friendly) => friendly.into_response(),
            Self::SignIn(address) => super::see(&address),
            Self::Answer(response) => *response,
        }
    }
}

impl From<Friendly> for Turn {
    fn from(friendly: Friendly) -> Self {
        Self::Friendly(friendly)
    }
}

impl From<PortError> for Turn {
    fn from(error: PortError) -> Self {
        Self::Friendly(Friendly::from(*ApiError::from(error).0))
    }
}

impl From<CallError> for Turn {
    fn from(error: CallError) -> Self {
        Self::Friendly(Friendly::from(*ApiError::from(error).0))
    }
}

/// Every unknown path below `/dashboard/`.
pub async fn no_such_page() -> Friendly {
    Friendly::new(ErrorCode::NotFound, "There is no such page.")
        .fix("Check the address, or start from the dashboard.")
}
