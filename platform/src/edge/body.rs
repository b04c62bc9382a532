//! Reads bodies and queries with limits; refusals name the invalid field.

use super::ApiError;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::{Bytes, BytesMut};
use contracts::{ErrorCode, Problem};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Default maximum bytes of a JSON body.
pub const JSON_BYTES_MAX: usize = 1 << 20;

/// Reads a body of at most `limit` bytes. It refuses a longer `Content-Length` before reading.
///
/// # Errors
/// `TooLarge` above the limit, `Malformed` when the body breaks off.
pub async fn read_body(request: Request, limit: usize) -> Result<Bytes, ApiError> {
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

/// Parses JSON and names the field that is wrong.
///
/// # Errors
/// `Malformed` for bytes that are not JSON, `InvalidField` for JSON of another shape. serde would
/// read a list as the fields of a struct in their order; an API means an object.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        syntax(bytes)?;
        return Err(Problem::field(
            "body",
            "The body is a list, and must be an object.",
            "Send an object with the fields that the contract names.",
        )
        .into());
    }
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut source).or_else(|error| {
        // Bad JSON further on comes first.
        syntax(bytes)?;
        Err(wrong_field(&written(error.path()), &message(error.inner())))
    })?;
    source.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Whether this is JSON, of any shape.
fn syntax(bytes: &[u8]) -> Result<(), ApiError> {
    serde_json::from_slice::<Value>(bytes).map(drop).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    let detail = format!("The body is not valid JSON (line {line}, column {column}).");
    ApiError::new(ErrorCode::Malformed, detail)
}

/// The message without line and column: the path says where.
fn message(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    text.strip_suffix(&place).map_or_else(|| text.clone(), str::to_owned)
}

/// `files[2].path`; empty for the whole body. A variant belongs to the value of its field.
fn written(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}[{index}]"),
        Segment::Map { key } if text.is_empty() => key.clone(),
        Segment::Map { key } => format!("{text}.{key}"),
        Segment::Enum { .. } | Segment::Unknown => text,
    })
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
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Parses a query string and names the parameter that is wrong.
///
/// # Errors
/// `InvalidField` with the parameter's name.
pub fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| wrong_query(&written(error.path()), &error.inner().to_string()))
}

/// Names the parameter: serde's message does for missing, unknown and repeated ones, else the path
/// does.
fn wrong_query(path: &str, message: &str) -> ApiError {
    let by_message = || message.split('`').nth(1).filter(|_| message.contains(" field `"));
    let named = by_message().unwrap_or(if path.is_empty() { "query" } else { path });
    Problem::field(
        named,
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

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Outer {
        name: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Left,
        Right,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Inner {
        path: String,
        text: String,
    }

    #[test]
    fn body_error_names_the_path_of_the_field() {
        let field = |text: &str| {
            let problem = parse_json::<Outer>(text.as_bytes()).unwrap_err().0;
            problem.extra["field"].as_str().unwrap().to_owned()
        };
        assert_eq!(field(r#"{"name": 1}"#), "name");
        assert_eq!(field(r#"{"name": "a", "count": -1}"#), "count");
        assert_eq!(field(r#"{"name": "a", "hurry": 1}"#), "hurry");
        assert_eq!(field(r#"{"count": 1}"#), "name");
        assert_eq!(field(r#"{"name": "a", "kind": "up"}"#), "kind");
        let inner = |second: &str| {
            field(&format!(r#"{{"name": "a", "inner": [{{"path": "p", "text": "t"}}, {second}]}}"#))
        };
        assert_eq!(inner(r#"{"path": "p"}"#), "inner[1].text");
        assert_eq!(inner(r#"{"path": 1, "text": ""}"#), "inner[1].path");
        assert_eq!(inner(r#"{"path": "p", "text": "t", "x": 1}"#), "inner[1].x");
        assert_eq!(inner("7"), "inner[1]");
        assert_eq!(field("[]"), "body");
        assert_eq!(field("7"), "body");
    }

    #[test]
    fn body_error_says_what_is_wrong_and_the_fix() {
        let said = |text: &str| {
            let problem = parse_json::<Outer>(text.as_bytes()).unwrap_err().0;
            (problem.detail, problem.fix)
        };
        let said_is = |text: &str, detail: &str, fix: &str| {
            assert_eq!(said(text), (detail.to_owned(), fix.to_owned()));
        };
        said_is(
            r#"{"name": "a", "count": 1.5}"#,
            "The field `count` is wrong: invalid type: floating point `1.5`, expected u32.",
            "Send a value of the kind the contract names.",
        );
        said_is("{}", "The field `name` is missing.", "Add `name` to the body.");
        said_is(
            r#"{"name": "a", "hurry": 1}"#,
            "The field `hurry` is unknown.",
            "Remove `hurry`; the fields are: `name`, `count`, `kind`, `inner`.",
        );
        said_is(
            r#"{"name": "a", "kind": "up"}"#,
            "The field `kind` is wrong: unknown variant `up`, expected `left` or `right`.",
            "Send a value of the kind the contract names.",
        );
    }

    #[test]
    fn bad_json_is_malformed_wherever_it_is() {
        for text in ["", "{", "[", "{\n x}", "{} x", "[] x", r#"{"name": 1, x}"#] {
            let problem = parse_json::<Outer>(text.as_bytes()).unwrap_err().0;
            assert_eq!(problem.status, 400, "{text}");
            assert!(problem.detail.starts_with("The body is not valid JSON (line "), "{text}");
        }
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
