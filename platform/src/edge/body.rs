//! Reads bodies and queries with limits; refusals name the invalid field.

use super::ApiError;
use crate::json::{self, JsonError};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::{Bytes, BytesMut};
use contracts::{ErrorCode, Problem};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

/// Default maximum bytes of a JSON body.
pub const JSON_BYTES_MAX: usize = 1 << 20;
/// Maximum query parameters to check when one is invalid.
const QUERY_PAIRS_MAX: usize = 32;

/// Reads a body of at most `limit` bytes. It refuses a longer `Content-Length` before reading.
///
/// Boxed, because otherwise every handler would contain this code again, some kilobytes each in a
/// Worker's bundle.
pub fn read_body(request: Request, limit: usize) -> BoxFuture<'static, Result<Bytes, ApiError>> {
    Box::pin(read(request, limit))
}

async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::new(ErrorCode::TooLarge, format!("The body is larger than {limit} bytes."));
    let announced = request
        .headers()
        .get(http::header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            ApiError::new(ErrorCode::Malformed, "The body ended before it was complete.")
        })?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

/// The body as received, at most [`JSON_BYTES_MAX`].
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read_body(request, JSON_BYTES_MAX).await.map(Self)
    }
}

/// A JSON body. Invalid JSON is 400; a missing, unknown or invalid field is 422, with its name.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_body(request, JSON_BYTES_MAX).await?;
        // An empty body counts as an empty object; required fields are then named.
        parse_json(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
    }
}

/// Parses JSON and names the problem.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    json::from_slice(bytes).map_err(refusal)
}

fn refusal(error: JsonError) -> ApiError {
    match error {
        JsonError::Syntax(line, column) => ApiError::new(
            ErrorCode::Malformed,
            format!("The body is not valid JSON (line {line}, column {column})."),
        ),
        JsonError::Shape { message, path } => wrong_field(&path, &message),
    }
}

/// serde names missing and unknown fields in backticks; for the rest the path does.
fn wrong_field(parent: &str, message: &str) -> ApiError {
    let named = message.split('`').nth(1).unwrap_or_default();
    let join =
        |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    if message.starts_with("missing field") {
        let field = join(named);
        return Problem::field(
            &field,
            format!("The field `{field}` is missing."),
            format!("Add `{named}` to the body."),
        )
        .into();
    }
    if message.starts_with("unknown field") {
        let allowed = message.split_once("expected").map_or("", |(_, rest)| rest.trim());
        let field = if parent.ends_with(named) { parent.to_owned() } else { join(named) };
        let fix = if allowed.is_empty() {
            format!("Remove `{named}`.")
        } else {
            format!("Remove `{named}`; the fields are: {}.", allowed.trim_start_matches("one of "))
        };
        return Problem::field(&field, format!("The field `{field}` is unknown."), fix).into();
    }
    let field = if parent.is_empty() { "body" } else { parent };
    Problem::field(
        field,
        format!("The field `{field}` is wrong: {message}."),
        "Send a value of the kind the contract names.".to_owned(),
    )
    .into()
}

/// The query string, parsed into `T`.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query).map(Self).map_err(|error| {
            wrong_query(query, error.to_string(), &|query| {
                serde_urlencoded::from_str::<T>(query).err().map(|error| error.to_string())
            })
        })
    }
}

/// Names the invalid parameter. serde names missing and unknown ones; otherwise it is the one whose
/// removal changes the error.
fn wrong_query(query: &str, message: String, judge: &dyn Fn(&str) -> Option<String>) -> ApiError {
    let named =
        message.split('`').nth(1).filter(|_| message.contains(" field `")).map(str::to_owned);
    let pairs: Vec<&str> = query.split('&').collect();
    let without = |place: usize| {
        pairs
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, pair)| *pair)
            .collect::<Vec<_>>()
            .join("&")
    };
    let culprit = || {
        let place = (0..pairs.len().min(QUERY_PAIRS_MAX))
            .find(|place| judge(&without(*place)).as_ref() != Some(&message))?;
        pairs.get(place)?.split('=').next().map(str::to_owned)
    };
    let named = named.or_else(culprit).unwrap_or_else(|| "query".to_owned());
    Problem::field(
        &named,
        format!("The query is wrong: {named}: {message}."),
        "Correct or leave out that parameter.",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Sample {
        task_id: String,
        #[serde(default)]
        count: u32,
    }

    fn refusal(text: &str) -> Problem {
        *parse_json::<Sample>(text.as_bytes()).unwrap_err().0
    }

    #[tokio::test]
    async fn query_error_names_the_parameter() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "read by serde alone")]
        struct Page {
            limit: Option<u32>,
            q: String,
        }
        let field = async |uri: &str| {
            let (mut parts, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
            Query::<Page>::from_request_parts(&mut parts, &())
                .await
                .err()
                .map(|error| error.0.extra["field"].clone())
        };
        assert_eq!(field("/?q=a%20b&limit=3").await, None);
        assert_eq!(field("/?q=a&limit=x").await.unwrap(), "limit");
        assert_eq!(field("/?limit=1").await.unwrap(), "q");
        assert_eq!(field("/?q=a&hurry=1").await.unwrap(), "hurry");
    }

    #[test]
    fn body_error_names_the_field() {
        assert_eq!(refusal("{}").extra["field"], "taskId");
        assert_eq!(refusal(r#"{"taskId":"a","count":"x"}"#).extra["field"], "count");
        assert_eq!(refusal(r#"{"taskId":"a","hurry":1}"#).extra["field"], "hurry");
        assert_eq!(refusal("[]").status, 422);
        assert_eq!(refusal("{").status, 400);
        assert_eq!(refusal("{} x").status, 400);
    }
}
