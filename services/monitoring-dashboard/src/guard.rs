//! Checks of every request: the host name, cross-site writes, and security headers.

use crate::refusal::Friendly;
use crate::{Config, Deps, pages};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contracts::ErrorCode;
use contracts::calls::{DOCUMENT, HEALTH};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use platform::edge::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors \
    'none'; form-action 'self'";

/// The middleware around every route of this service.
pub async fn layer(State(deps): State<Deps>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_page = !is_for_programs(&path);
    let is_https = deps.config.is_https(request.headers());
    let refusal = if matches!(path.as_str(), HEALTH | DOCUMENT) {
        None
    } else {
        refusal(&deps.config, &request, is_page)
    };
    let response = match refusal {
        Some(friendly) if is_page => friendly.into_response(),
        Some(friendly) => ApiError::new(friendly.code, friendly.detail).into_response(),
        None => next.run(request).await,
    };
    if is_page { dress(&deps.config, response, is_https) } else { response }
}

fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || matches!(path, HEALTH | DOCUMENT | "/metrics")
}

fn refusal(config: &Config, request: &Request, is_page: bool) -> Option<Friendly> {
    let host = host(request);
    if !config.answers_to(host) {
        return Some(Friendly::new(
            ErrorCode::Misdirected,
            format!("This dashboard does not serve the host name “{host}”."),
        ));
    }
    if is_page && changes(request.method()) && !is_same_origin(request.headers(), host) {
        let detail = "The request came from another site, so nothing was changed.";
        return Some(
            Friendly::new(ErrorCode::Forbidden, detail)
                .fix("Open the dashboard and press the button there."),
        );
    }
    None
}

/// Whether requests with this method change something.
pub fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The requested host; HTTP/2 has it in the URI.
fn host(request: &Request) -> &str {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    header
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or_default()
}

/// Whether a browser sent this from one of our pages. Programs send neither header.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let site_fits =
        headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
    let origin_fits = headers.get(header::ORIGIN).is_none_or(|origin| {
        let authority = origin.to_str().ok().and_then(|text| {
            text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
        });
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    site_fits && origin_fits
}

/// Whether a link on another site, or another program, opened this page.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Whether a browser opens a page with this request.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// Renders refusals as pages and adds the headers.
fn dress(config: &Config, mut response: Response, is_https: bool) -> Response {
    if let Some(friendly) = response.extensions_mut().remove::<Friendly>() {
        let html = pages::refusal::page(&friendly, config).into_string();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = html.into();
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: browsers would send `Origin: null` with our own forms, which the check
    // above refuses. `same-origin` sends nothing to other sites either.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if is_https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn guard_allows_changes_from_our_own_pages_only() {
        let host = "localhost:8787";
        for good in [
            &[][..],
            &[("origin", "http://localhost:8787")],
            &[("origin", "https://LOCALHOST:8787"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(is_same_origin(&headers(good), host), "{good:?}");
        }
        for bad in [
            ("origin", "null"),
            ("origin", "http://localhost"),
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!is_same_origin(&headers(&[bad]), host), "{bad:?}");
        }
    }
}
