//! Refusals in a person's words, and the other ways in which a page handler ends early.

use crate::answer::see;
use axum::response::{IntoResponse, Response};
use contracts::{ErrorCode, Problem};
use http::{HeaderValue, StatusCode, header};
use platform::edge::ApiError;
use platform::ports::{CallError, PortError};

/// A refusal in plain words. The guard, which knows our URL prefix, renders it as a page.
#[derive(Clone, Debug)]
pub struct Friendly {
    pub code: ErrorCode,
    pub title: String,
    pub detail: String,
    pub fix: String,
    /// Where the page leads.
    pub way_on: WayOn,
}

/// A path of the dashboard, and the words that lead there.
#[derive(Clone, Copy, Debug)]
pub struct WayOn {
    pub path: &'static str,
    pub words: &'static str,
}

const TO_THE_DASHBOARD: WayOn = WayOn { path: "/dashboard", words: "Go to the dashboard" };

impl Friendly {
    /// A refusal with the code's own title and fix.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: code.title().to_owned(),
            detail: detail.into(),
            fix: code.fix().to_owned(),
            way_on: TO_THE_DASHBOARD,
        }
    }
    /// Replaces the fix.
    #[must_use]
    pub fn fix(mut self, fix: &str) -> Self {
        fix.clone_into(&mut self.fix);
        self
    }
}

impl From<Problem> for Friendly {
    fn from(problem: Problem) -> Self {
        Self { title: problem.title, fix: problem.fix, ..Self::new(problem.code, problem.detail) }
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
            Self::SignIn(address) => see(&address),
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
