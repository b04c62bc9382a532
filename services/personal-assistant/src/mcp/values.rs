//! Arguments and results of tools.

use contracts::{ErrorCode, Problem};
use platform::edge::ApiError;
use serde::Serialize;
use serde_json::{Value, json};

/// A text argument of the call.
pub(super) fn text<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    arguments[name].as_str().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| {
        let detail = format!("The argument `{name}` is missing, empty or no text.");
        Problem::field(name, detail, "Send it as a text.").into()
    })
}

/// A result that is an object, with the same as text for older clients.
pub(super) fn structured(value: &impl Serialize) -> Result<Value, ApiError> {
    let value = serde_json::to_value(value)
        .map_err(|_| ApiError::new(ErrorCode::Internal, "The result has no JSON."))?;
    Ok(json!({
        "content": [{ "type": "text", "text": value.to_string() }],
        "structuredContent": value,
    }))
}

/// A refusal as a result that the model reads.
pub(super) fn refused(error: &ApiError) -> Value {
    let text = format!("{} {}", error.0.detail, error.0.fix).trim().to_owned();
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
}
