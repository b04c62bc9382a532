//! Sessions: a random cookie in the browser and its digest in the database, valid for 12 hours.
//!
//! The digest covers the operator token too, so sessions and unused links end when it changes.

use crate::refusal::Friendly;
use crate::{Config, Deps, Form, form_token, store};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use contracts::ErrorCode;
use contracts::monitoring::SignInLink;
use http::request::Parts;
use http::{HeaderMap, header};
use platform::edge::{ApiResult, Principal, Scope};
use platform::ports::{ClockExt, PortResult};
use platform::secret::digest_hex;
use platform::time::rfc3339;

/// Lifetime of a session.
const SESSION_MS: i64 = 12 * 3_600_000;
/// Lifetime of a printed link.
const LINK_MS: i64 = 10 * 60_000;
const COOKIE: &str = "quintet_session";

/// The signed-in owner; the handler of a page takes it.
#[derive(Clone)]
pub struct Owner {
    secret: String,
    /// The digest under which the session is stored.
    id_hash: String,
    /// The conversation in the console.
    pub conversation: Option<String>,
}

impl Owner {
    /// The form token for this change.
    pub fn token(&self, change: &str) -> String {
        form_token::form_token(&self.secret, change)
    }
    /// Refuses a form that was not made for this change in this session.
    pub fn require(&self, form: &Form, change: &str) -> Result<(), Friendly> {
        if form_token::is_form_token(&self.secret, change, form.field("token")) {
            return Ok(());
        }
        let detail =
            "This form is out of date or belongs to another session, so nothing was changed.";
        Err(Friendly::new(ErrorCode::Forbidden, detail)
            .fix("Open the page again and repeat the change."))
    }
    /// The digest under which the session is stored.
    pub fn id_hash(&self) -> &str {
        &self.id_hash
    }
}

/// The owner that the gate of the pages has let in. A handler of another route gets none and
/// refuses.
impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = Friendly;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Friendly> {
        let owner = parts.extensions.get::<Self>().cloned();
        owner.ok_or_else(|| Friendly::new(ErrorCode::Unauthenticated, "This needs a session."))
    }
}

/// The owner of this browser's session.
pub async fn find(deps: &Deps, headers: &HeaderMap) -> PortResult<Option<Owner>> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    let id_hash = stored_as(deps, secret);
    let row = store::session(&*deps.sql, &id_hash, deps.clock.now_ms()).await?;
    Ok(row.map(|row| Owner { secret: secret.to_owned(), id_hash, conversation: row.conversation }))
}

/// The stored form of a cookie or a link's code, under the present operator token.
fn stored_as(deps: &Deps, secret: &str) -> String {
    let mark = deps.auth.mark(Principal::Scope(Scope::Operator));
    digest_hex(format!("{secret} {mark}").as_bytes())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && value.len() == 64).map(|(_, value)| value)
}

/// Opens a session; returns the `Set-Cookie` header.
pub async fn open(deps: &Deps) -> PortResult<String> {
    let secret = deps.clock.random_hex(32);
    let now = deps.clock.now_ms();
    store::open_session(&*deps.sql, &stored_as(deps, &secret), now, now + SESSION_MS).await?;
    Ok(set_cookie(&deps.config, &secret, SESSION_MS / 1000))
}

/// Closes a session; returns the `Set-Cookie` header that deletes the cookie.
pub async fn close(deps: &Deps, owner: &Owner) -> PortResult<String> {
    store::close_session(&*deps.sql, owner.id_hash()).await?;
    Ok(set_cookie(&deps.config, "", 0))
}

fn set_cookie(config: &Config, value: &str, age_s: i64) -> String {
    let secure = if config.secure_cookies { "; Secure" } else { "" };
    format!(
        "{COOKIE}={value}; Path={}; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}",
        config.cookie_path()
    )
}

/// Creates a sign-in link, as a path of the server: valid once, for ten minutes.
///
/// # Errors
/// Those of the database; there is no link then.
pub async fn sign_in_link(deps: &Deps) -> PortResult<String> {
    new_link(deps).await.map(|link| deps.config.url(&link.path))
}

async fn new_link(deps: &Deps) -> PortResult<SignInLink> {
    let code = deps.clock.random_hex(32);
    let expires_ms = deps.clock.now_ms() + LINK_MS;
    store::keep_link(&*deps.sql, &stored_as(deps, &code), expires_ms).await?;
    Ok(SignInLink { path: format!("/sign-in?code={code}"), expires_at: rfc3339(expires_ms) })
}

/// `POST /api/sign-in-links`.
pub async fn make_link(State(deps): State<Deps>) -> ApiResult<Json<SignInLink>> {
    Ok(Json(new_link(&deps).await?))
}

/// Redeems a link's code.
pub async fn use_code(deps: &Deps, code: &str) -> PortResult<bool> {
    store::use_link(&*deps.sql, &stored_as(deps, code), deps.clock.now_ms()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostSettings;

    #[test]
    fn session_cookie_is_found_among_others() {
        let secret = "a".repeat(64);
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("theme=dark; {COOKIE}={secret}").parse().unwrap());
        assert_eq!(cookie(&headers), Some(secret.as_str()));
        headers.insert(header::COOKIE, format!("x{COOKIE}={secret}").parse().unwrap());
        assert_eq!(cookie(&headers), None);
    }

    #[test]
    fn session_cookie_is_for_our_pages_only() {
        let native = Config::at(HostSettings {
            base_path: "/monitoring-dashboard".into(),
            ..HostSettings::default()
        });
        assert_eq!(
            set_cookie(&native, "x", 5),
            "quintet_session=x; Path=/monitoring-dashboard; Max-Age=5; HttpOnly; SameSite=Strict"
        );
        let workers = Config::at(HostSettings { secure_cookies: true, ..HostSettings::default() });
        assert_eq!(
            set_cookie(&workers, "x", 5),
            "quintet_session=x; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
