//! Responses about a version: `ETag`, `If-None-Match`, `Cache-Control`, and the version that a
//! request names.

use crate::{Deps, store};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::{GraphVersion, Problem};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use platform::edge::ApiError;
use serde::Serialize;

/// The version of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `None` before the first publish.
    pub version: Option<GraphVersion>,
    /// Named by the caller, so the response never changes.
    pub pinned: bool,
}

impl Asked {
    /// The named version, or the current one from the database (never from a cache).
    pub async fn of(deps: &Deps, named: Option<&str>) -> Result<Self, ApiError> {
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Ok(Self { version: store::current(&*deps.sql).await?, pinned: false });
        };
        let is_version = named.len() <= 64 && named.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_version {
            return Err(Problem::field(
                "version",
                "A version is 32 hexadecimal digits.",
                "Take one from GET /api/versions.",
            )
            .into());
        }
        Ok(Self { version: Some(GraphVersion::new(named)), pinned: true })
    }

    /// 304 if the caller already has this version.
    pub fn unchanged(&self, headers: &HeaderMap) -> Option<Response> {
        let version = self.version.as_ref()?;
        let holds = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let mut tags = holds.map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
        let fits = tags.any(|tag| tag == version.as_str() || tag == "*");
        fits.then(|| self.dress(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// 200 with this JSON body.
    pub fn bytes(&self, json: Bytes) -> Response {
        self.dress(([(header::CONTENT_TYPE, "application/json")], json).into_response())
    }
    /// 200 with a value as JSON.
    pub fn json<T: Serialize>(&self, value: &T) -> Response {
        self.dress(axum::Json(value).into_response())
    }

    fn dress(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Some(tag) = self
            .version
            .as_ref()
            .and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok())
        {
            headers.insert(header::ETAG, tag);
        }
        let control =
            if self.pinned { "private, max-age=86400, immutable" } else { "private, no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
        response
    }
}
