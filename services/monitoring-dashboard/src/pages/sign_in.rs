//! Sign-in with a one-use link or the operator token, and sign-out.

use super::layout;
use crate::answer::{html as answer, see};
use crate::attempts::Caller;
use crate::refusal::{Friendly, PageResult};
use crate::session::Owner;
use crate::{Config, Deps, Form, attempts, guard, owners, session};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use contracts::ErrorCode;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use maud::html;
use platform::edge::{Principal, Scope};
use serde::Deserialize;

/// Query of the sign-in page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    code: String,
    next: String,
}

/// URL of the sign-in page, which returns to `wanted`.
pub fn address(config: &Config, wanted: &str) -> String {
    config.url(&format!(
        "/sign-in{}",
        owners::query(&[(
            "next",
            own_page(wanted).filter(|page| *page != "/dashboard").unwrap_or_default()
        )])
    ))
}

/// A path of ours, or none: sign-in never redirects to another site.
fn own_page(path: &str) -> Option<&str> {
    let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%?=&:".contains(&b));
    let is_ours =
        path == "/dashboard" || path.starts_with("/dashboard/") || path.starts_with("/dashboard?");
    (is_plain && is_ours && !path.contains("//") && !path.contains("..")).then_some(path)
}

fn next_page(config: &Config, next: &str) -> String {
    config.url(own_page(next).unwrap_or("/dashboard"))
}

/// A page that forwards to `wanted`: from our own page the strict cookie is sent.
pub fn stepping_stone(config: &Config, wanted: &str) -> Response {
    let next = address(config, wanted);
    let body = html! { h1 { "One moment" } p { a.button href=(next) { "Continue to Quintet" } } };
    answer(StatusCode::OK, layout::bare_with(config, "One moment", Some(&next), body))
}

fn page(config: &Config, status: StatusCode, next: &str, trouble: Option<&str>) -> Response {
    let body = html! {
        h1 { "Sign in" }
        @if let Some(trouble) = trouble { p.note.bad role="alert" { (trouble) } }
        form method="post" action=(config.url("/sign-in")) {
            input type="hidden" name="next" value=(next);
            label { "Operator token" input type="password" name="token" autocomplete="current-password" required autofocus spellcheck="false"; }
            button.primary { "Sign in" }
        }
        p.quiet { "Or open the link that " code { "quintet open" } " prints; it works once, for ten \
            minutes. The operator token is in the data directory, in " code { "tokens/operator" }
            ", a file that only you can read." }
    };
    let mut response = answer(status, layout::bare(config, "Sign in", body));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

const TOO_MANY: &str = "Too many failed sign-ins. Wait a minute, then try again.";
const SPENT: &str = "This sign-in link was used before or is older than ten minutes. Run \
    `quintet open` for a new link, or sign in with the operator token.";
const WRONG: &str = "That is not the operator token.";

/// `GET /sign-in`, with `?code=` from a printed link.
pub async fn show(
    State(deps): State<Deps>,
    method: Method,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> PageResult {
    let owner = session::find(&deps, &headers).await?;
    // A session with a key leads to its pages only where the key is.
    let signed_in = owner.is_some_and(|owner| !owner.is_bound());
    // A preview that sends HEAD must not use up the link.
    if !asked.code.is_empty() && method == Method::GET {
        // The script of a browser sends the code on, with the key of its pages.
        if guard::is_navigation(&headers) && session::is_code(&deps, &asked.code).await? {
            return Ok(handing_on(&deps.config, &asked));
        }
        if session::use_code(&deps, &asked.code).await? {
            return welcome(&deps, &headers, &asked.next).await;
        }
        // A wrong code is not counted: nobody guesses 256 bits, and any web page can make a browser
        // send one, which would lock the owner out.
        if !signed_in {
            return Ok(page(&deps.config, StatusCode::UNAUTHORIZED, &asked.next, Some(SPENT)));
        }
    }
    if signed_in {
        return Ok(see(&next_page(&deps.config, &asked.next)));
    }
    Ok(page(&deps.config, StatusCode::OK, &asked.next, None))
}

/// The page of a link: its script posts the code at once, without scripts a button does.
fn handing_on(config: &Config, asked: &Asked) -> Response {
    let body = html! {
        h1 { "Sign in" }
        form method="post" action=(config.url("/sign-in")) data-send="now" {
            input type="hidden" name="code" value=(asked.code);
            input type="hidden" name="next" value=(asked.next);
            button.primary { "Sign in" }
        }
    };
    answer(StatusCode::OK, layout::bare(config, "Sign in", body))
}

/// Opens the session and forwards. Coming from another program or site, the strict cookie would not
/// follow a redirect.
async fn welcome(deps: &Deps, headers: &HeaderMap, next: &str) -> PageResult {
    let cookie = session::open(deps, &Form::default(), headers).await?;
    let next = next_page(&deps.config, next);
    let response = if guard::is_from_elsewhere(headers) {
        let body = html! { h1 { "Signed in" } p { a.button href=(next) { "Continue" } } };
        answer(StatusCode::OK, layout::bare_with(&deps.config, "Signed in", Some(&next), body))
    } else {
        see(&next)
    };
    Ok(with_cookie(response, &cookie))
}

/// `POST /sign-in` with the operator token.
pub async fn sign_in(
    State(deps): State<Deps>,
    caller: Caller,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let next = form.field("next");
    let code = form.field("code");
    if !code.is_empty() {
        if !session::use_code(&deps, code).await? {
            return Ok(page(&deps.config, StatusCode::UNAUTHORIZED, next, Some(SPENT)));
        }
        let cookie = session::open(&deps, &form, &headers).await?;
        return Ok(with_cookie(see(&next_page(&deps.config, next)), &cookie));
    }
    if !attempts::take(&deps, &caller).await? {
        return Ok(page(&deps.config, StatusCode::TOO_MANY_REQUESTS, next, Some(TOO_MANY)));
    }
    if deps.auth.who(form.field("token").trim()) != Some(Principal::Scope(Scope::Operator)) {
        return Ok(page(&deps.config, StatusCode::UNAUTHORIZED, next, Some(WRONG)));
    }
    attempts::give_back(&deps, &caller).await?;
    let cookie = session::open(&deps, &form, &headers).await?;
    Ok(with_cookie(see(&next_page(&deps.config, next)), &cookie))
}

/// `POST /dashboard/session-key`: the first page of a session binds it to its key.
pub async fn bind_key(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    session::bind(&deps, &owner, &form).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /sign-out`.
pub async fn sign_out(State(deps): State<Deps>, headers: HeaderMap, form: Form) -> PageResult {
    let Some(owner) = session::find(&deps, &headers).await? else {
        return Ok(see(&deps.config.url("/sign-in")));
    };
    owner.require(&form, "sign-out").map_err(|_| {
        Friendly::new(ErrorCode::Forbidden, "This form belongs to another session.")
    })?;
    let cookie = session::close(&deps, &owner, &headers).await?;
    Ok(with_cookie(see(&deps.config.url("/sign-in")), &cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_never_redirects_to_another_site() {
        for good in ["/dashboard", "/dashboard/events?state=dead", "/dashboard/approvals/apr_01"] {
            assert_eq!(own_page(good), Some(good));
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/dashboard//evil",
            "/dashboardx",
            "/dashboard/../api",
            "/dashboard/\\evil",
            "/sign-in?code=x",
        ] {
            assert_eq!(own_page(bad), None, "{bad}");
        }
    }
}
