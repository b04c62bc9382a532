//! Sessions: a random cookie in the browser and its digest in the database, valid for 12 hours.
//!
//! The digest covers the operator token too, so sessions and unused links end when it changes.
//!
//! Browsers send a cookie to every port of a host name, so the cookie alone may come from a program
//! on another port. The script of the sign-in page therefore makes a key, keeps it for its origin,
//! which includes the port, and sends it along: pages and changes of that session need both. A
//! browser without scripts sends none and needs the cookie alone. A session that began without a
//! key is bound by the first page with a script.

use crate::refusal::{Friendly, Turn};
use crate::{Config, Deps, Form, form_token, store};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use contracts::ErrorCode;
use contracts::monitoring::SignInLink;
use http::request::Parts;
use http::{HeaderMap, header};
use platform::edge::{ApiResult, Principal, Scope};
use platform::ports::{ClockExt, PortResult};
use platform::secret::{Secret, digest_hex};
use platform::time::rfc3339;

/// Lifetime of a session.
const SESSION_MS: i64 = 12 * 3_600_000;
/// Lifetime of a printed link.
const LINK_MS: i64 = 10 * 60_000;
const COOKIE: &str = "quintet_session";
/// With this prefix a browser takes the cookie from https and this very host only, so that no other
/// host of the domain can set one. It needs the path `/`.
const HOST_PREFIX: &str = "__Host-";
/// The header with the key of the pages; a form sends it as its field `key`.
const KEY: &str = "x-quintet-key";
const KEY_FIELD: &str = "key";
/// Cookies of our name that are looked up.
const COOKIES_MAX: usize = 4;
/// The change of the form that binds the session to its key.
pub const BIND: &str = "bind-key";

/// The signed-in owner; the handler of a page takes it.
#[derive(Clone)]
pub struct Owner {
    secret: String,
    /// The digest under which the session is stored.
    id_hash: String,
    /// The conversation in the console.
    pub conversation: Option<String>,
    /// The digest of the key that the session is bound to.
    key_hash: Option<String>,
    /// Whether the request has shown the key, or the session has none.
    may_pass: bool,
}

/// The proof of the session's key in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The key, or the session is bound to none.
    Enough,
    /// None.
    Nothing,
    /// Another key.
    Wrong,
}

impl Owner {
    /// The form token for this change.
    pub fn token(&self, change: &str) -> String {
        form_token::form_token(&self.secret, change)
    }
    /// Refuses a form that was not made for this change in this session.
    pub fn require(&self, form: &Form, change: &str) -> Result<(), Friendly> {
        if !self.may_pass && !self.is_bound_to(form.field(KEY_FIELD)) {
            return Err(Friendly::new(ErrorCode::Forbidden, NO_KEY).fix(SIGN_IN_AGAIN));
        }
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
    /// Whether the session is bound to a key.
    pub const fn is_bound(&self) -> bool {
        self.key_hash.is_some()
    }
    fn is_bound_to(&self, key: &str) -> bool {
        let matches =
            |hash: &String| Secret::new(hash.clone()).matches(&digest_hex(key.as_bytes()));
        self.key_hash.as_ref().is_none_or(matches)
    }
    /// Notes whether these headers have the key.
    pub fn look(&mut self, headers: &HeaderMap) -> Shown {
        let key = headers.get(KEY).and_then(|value| value.to_str().ok());
        self.may_pass = !self.is_bound() || key.is_some_and(|key| self.is_bound_to(key));
        match key {
            _ if self.may_pass => Shown::Enough,
            None => Shown::Nothing,
            Some(_) => Shown::Wrong,
        }
    }
}

/// The refusal of a request with the cookie alone.
pub const NO_KEY: &str = "This session is bound to the browser page that opened it, and the \
    request does not have its key, so nothing was shown or changed.";
pub const SIGN_IN_AGAIN: &str = "Sign in again in this browser, with scripts allowed. `quintet \
    open` prints a link.";

/// The key in a form, if it is one.
fn key_in(form: &Form) -> Option<&str> {
    let key = form.field(KEY_FIELD);
    (key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(key)
}

/// Whether a link's code can still be redeemed.
pub async fn is_code(deps: &Deps, code: &str) -> PortResult<bool> {
    store::is_link(&*deps.sql, &stored_as(deps, code), deps.clock.now_ms()).await
}

/// Binds the session to the key in a form.
pub async fn bind(deps: &Deps, owner: &Owner, form: &Form) -> Result<(), Turn> {
    let is_own = form_token::is_form_token(&owner.secret, BIND, form.field("token"));
    let Some(key) = key_in(form).filter(|_| is_own) else {
        let detail = "The key is not 64 hexadecimal digits, or the form is another session's.";
        return Err(Friendly::new(ErrorCode::Forbidden, detail).into());
    };
    if store::bind_session(&*deps.sql, owner.id_hash(), &digest_hex(key.as_bytes())).await? {
        return Ok(());
    }
    // Two hold the cookie, and which of them is the owner cannot be known.
    store::close_session(&*deps.sql, owner.id_hash()).await?;
    Err(Friendly::new(ErrorCode::Forbidden, NO_KEY).fix(SIGN_IN_AGAIN).into())
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
    for secret in cookies(&deps.config, headers).take(COOKIES_MAX) {
        let id_hash = stored_as(deps, secret);
        if let Some(row) = store::session(&*deps.sql, &id_hash, deps.clock.now_ms()).await? {
            return Ok(Some(Owner {
                secret: secret.to_owned(),
                id_hash,
                conversation: row.conversation,
                may_pass: row.key_hash.is_none(),
                key_hash: row.key_hash,
            }));
        }
    }
    Ok(None)
}

/// The stored form of a cookie or a link's code, under the present operator token.
fn stored_as(deps: &Deps, secret: &str) -> String {
    let mark = deps.auth.mark(Principal::Scope(Scope::Operator));
    digest_hex(format!("{secret} {mark}").as_bytes())
}

/// Our cookies. There may be several: a program on another port can set one beside ours.
fn cookies<'a>(config: &Config, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let own = cookie_name(config);
    let texts = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs =
        texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, value)| *name == own && value.len() == 64).map(|(_, value)| value)
}

/// Opens a session, bound to the key in this form if there is one; returns the `Set-Cookie` header.
pub async fn open(deps: &Deps, form: &Form, headers: &HeaderMap) -> PortResult<String> {
    let secret = deps.clock.random_hex(32);
    let now = deps.clock.now_ms();
    let key_hash = key_in(form).map(|key| digest_hex(key.as_bytes()));
    let id_hash = stored_as(deps, &secret);
    store::open_session(&*deps.sql, &id_hash, key_hash, now, now + SESSION_MS).await?;
    Ok(set_cookie(&deps.config, headers, &secret, SESSION_MS / 1000))
}

/// Closes a session; returns the `Set-Cookie` header that deletes the cookie.
pub async fn close(deps: &Deps, owner: &Owner, headers: &HeaderMap) -> PortResult<String> {
    store::close_session(&*deps.sql, owner.id_hash()).await?;
    Ok(set_cookie(&deps.config, headers, "", 0))
}

fn cookie_name(config: &Config) -> String {
    let has_prefix = config.secure_cookies && config.cookie_path() == "/";
    format!("{}{COOKIE}", if has_prefix { HOST_PREFIX } else { "" })
}

fn set_cookie(config: &Config, headers: &HeaderMap, value: &str, age_s: i64) -> String {
    let secure = if config.is_https(headers) { "; Secure" } else { "" };
    format!(
        "{}={value}; Path={}; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(config),
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
        let config = Config::at(HostSettings::default());
        let secret = "a".repeat(64);
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("theme=dark; {COOKIE}={secret}").parse().unwrap());
        assert_eq!(cookies(&config, &headers).collect::<Vec<_>>(), [secret.as_str()]);
        headers.insert(header::COOKIE, format!("x{COOKIE}={secret}").parse().unwrap());
        assert_eq!(cookies(&config, &headers).next(), None);
    }

    #[test]
    fn session_cookie_is_for_our_pages_only() {
        let native = Config::at(HostSettings {
            base_path: "/monitoring-dashboard".into(),
            ..HostSettings::default()
        });
        assert_eq!(
            set_cookie(&native, &HeaderMap::new(), "x", 5),
            "quintet_session=x; Path=/monitoring-dashboard; Max-Age=5; HttpOnly; SameSite=Strict"
        );
        let workers = Config::at(HostSettings { secure_cookies: true, ..HostSettings::default() });
        assert_eq!(
            set_cookie(&workers, &HeaderMap::new(), "x", 5),
            "__Host-quintet_session=x; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
