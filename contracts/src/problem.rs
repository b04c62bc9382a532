//! RFC 9457 problem details: the body of every error response.

use crate::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `application/problem+json`. `detail` is written for the caller and never contains internal text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:quintet:error:<code>`; `docs/errors.md` has a section for each.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The event behind this refusal.
    pub detail: String,
    /// The stable code.
    pub code: ErrorCode,
    /// The fix.
    pub fix: String,
    /// Id of this request's log lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Additional members, such as `field`, `remaining` or `decidedBy`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem with this code, its title and its fix.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:quintet:error:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            fix: code.fix().to_owned(),
            request_id: String::new(),
            extra: Map::new(),
        }
    }
    /// A missing or wrong field, with the correction.
    pub fn field(field: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidField, detail).with("field", field).with_fix(fix)
    }
    /// Adds a member.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }
    /// Replaces the fix.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}
