//! The body of an HTML form.

use crate::refusal::Friendly;
use axum::extract::{FromRequest, Request};
use contracts::ErrorCode;
use std::collections::BTreeMap;

/// A form's fields by name.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// The value of a field; empty if it was not sent.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
    /// The trimmed value of a field; none if empty.
    pub fn filled(&self, name: &str) -> Option<String> {
        let text = self.field(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
    /// All fields with their values.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Friendly;
    async fn from_request(request: Request, state: &S) -> Result<Self, Friendly> {
        let form = axum::Form::<BTreeMap<String, String>>::from_request(request, state).await;
        form.map(|form| Self(form.0)).map_err(|_| {
            Friendly::new(ErrorCode::Malformed, "The form is unreadable.")
                .fix("Go back, reload the page and try again.")
        })
    }
}
