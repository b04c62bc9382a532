//! Puts an agent's keys into its requests, so that it never holds one.
//!
//! The agent gets an address of this machine and, in the place of each key, a token that is made
//! for its run. A request with that token goes on to the key's one host with the key in place of
//! the token; every other request is refused. The relay ends with the run, and the tokens with it.

use super::asking::Asker;
use super::forward::{Answer, client_for, refuse};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use platform::ports::{MCP_TOKEN, MCP_URL, RelayedSecret, ToolServerAccess};
use platform::secret::Secret;
use reqwest::Url;
use std::convert::Infallible;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Maximum bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Maximum bytes of a request; the largest that the well-known hosts take.
const REQUEST_BYTES_MAX: usize = 32 << 20;
/// Maximum bytes of a response.
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// Maximum connections of one program at once; more wait.
const CONNECTIONS_MAX: usize = 64;
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// TRACE is missing: it would send the key back. So is CONNECT.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
/// Headers of one connection, and those that the key's request gets anew.
const DROPPED: [&str; 13] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
    "x-api-key",
    "x-goog-api-key",
];

/// Where the relay listens.
pub(super) enum ListenAt<'a> {
    /// At a socket that the sandbox alone has, and which is a port inside.
    Socket(&'a Path),
    /// At a port of this machine, for a program that shares its network.
    Loopback,
}

/// The relay of one run; it ends when dropped.
pub(super) struct SecretsRelay {
    socket: Option<PathBuf>,
    serving: JoinHandle<()>,
    /// For the program: each token under its key's name, and the addresses.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// The keys and the tokens of the run, which no log shows.
    pub(super) known: Vec<Secret>,
    /// The run that asks, if it may ask, with its way to our MCP server.
    pub(super) asks: Option<(Arc<Asker>, ToolServerAccess)>,
}

impl SecretsRelay {
    /// The number of its questions that are open, if it may ask.
    pub(super) fn open_questions(&self) -> Option<watch::Receiver<u32>> {
        self.asks.as_ref().map(|(asker, _)| asker.open())
    }
}

impl Drop for SecretsRelay {
    fn drop(&mut self) {
        self.serving.abort();
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
    }
}

/// A key, and the token that stands for it.
struct Entry {
    token: Secret,
    host: Url,
    target: Target,
}

/// Where a request goes on to.
enum Target {
    /// The host, with the key in this header.
    Key { header: HeaderName, key: HeaderValue },
    /// Our own MCP server; exactly its address.
    Ours(Arc<Asker>),
}

impl SecretsRelay {
    /// Listens for these secrets; `value` looks a key up. The error is a sentence with the fix.
    pub(super) fn listen<'v>(
        at: &ListenAt<'_>,
        secrets: &[RelayedSecret],
        asks: Option<Arc<Asker>>,
        value: impl Fn(&str) -> Option<&'v OsStr>,
    ) -> Result<Self, String> {
        let keys = secrets.iter().map(|secret| {
            let entry = Entry::new(secret, value(&secret.name))?;
            Ok((entry, secret.name.as_str(), secret.variable.as_str()))
        });
        let ours = asks.clone().map(|asker| Ok((Entry::ours(asker)?, MCP_TOKEN, MCP_URL)));
        let entries = keys.chain(ours).collect::<Result<Vec<_>, String>>()?;
        let failed = |error: std::io::Error| format!("no relay for keys: {error}");
        let (listener, port) = match at {
            ListenAt::Socket(path) => {
                (Listener::Socket(UnixListener::bind(path).map_err(failed)?), sandbox::SECRETS_PORT)
            }
            ListenAt::Loopback => {
                let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
                let listener = bound.map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let port = listener.local_addr().map_err(failed)?.port();
                (Listener::Loopback(TcpListener::from_std(listener).map_err(failed)?), port)
            }
        };
        let mut variables = Vec::new();
        let mut access = None;
        for (entry, token, url) in &entries {
            let path = entry.host.path().trim_end_matches('/');
            let address = format!("http://127.0.0.1:{port}{path}");
            if matches!(entry.target, Target::Ours(_)) {
                access =
                    Some(ToolServerAccess { url: address.clone(), token: entry.token.clone() });
            }
            variables.push((token.into(), entry.token.reveal().into()));
            variables.push((url.into(), address.into()));
        }
        let known = entries.iter().flat_map(|(entry, ..)| entry.secrets()).collect();
        let entries = entries.into_iter().map(|(entry, ..)| entry).collect();
        let socket = match at {
            ListenAt::Socket(path) => Some(path.to_path_buf()),
            ListenAt::Loopback => None,
        };
        let serving = tokio::spawn(serve(listener, entries));
        Ok(Self { socket, serving, variables, known, asks: asks.zip(access) })
    }
}

impl Entry {
    fn new(secret: &RelayedSecret, key: Option<&OsStr>) -> Result<Self, String> {
        let name = &secret.name;
        let missing = || {
            format!(
                "{name} is not set where the gateway started; set it there and restart the gateway"
            )
        };
        let key = key.and_then(OsStr::to_str).map(str::trim).filter(|key| !key.is_empty());
        let key = format!("{}{}", secret.before, key.ok_or_else(missing)?);
        let mut key = HeaderValue::from_str(&key)
            .map_err(|_| format!("{name} has characters that no key has; correct it"))?;
        key.set_sensitive(true);
        let header = HeaderName::from_bytes(secret.header.as_bytes())
            .map_err(|_| format!("{} is no header", secret.header))?;
        let host =
            secret.host.parse::<Url>().map_err(|_| format!("{} is no address", secret.host))?;
        Ok(Self { token: token()?, host, target: Target::Key { header, key } })
    }
    fn ours(asker: Arc<Asker>) -> Result<Self, String> {
        Ok(Self { token: token()?, host: asker.url().clone(), target: Target::Ours(asker) })
    }
    /// Its token, and its key with and without the word before it.
    fn secrets(&self) -> Vec<Secret> {
        let text = |bytes| Secret::new(String::from_utf8_lossy(bytes));
        let mut secrets = vec![self.token.clone()];
        if let Target::Key { key, .. } = &self.target {
            secrets.extend([text(key.as_bytes()), text(bare(key))]);
        }
        secrets
    }
    /// Whether a request has the token, in this key's header or in one of the usual ones.
    fn is_asked_by(&self, headers: &HeaderMap) -> bool {
        let names = [AUTHORIZATION.as_str(), "x-api-key", "x-goog-api-key"];
        let own = match &self.target {
            Target::Key { header, .. } => Some(header.as_str()),
            Target::Ours(_) => None,
        };
        let values = names.into_iter().chain(own).flat_map(|name| headers.get_all(name));
        let bare = |text: &str| text.rsplit(' ').next().unwrap_or_default().to_owned();
        let mut sent = values.filter_map(|value| value.to_str().ok());
        sent.any(|text| self.token.matches(&bare(text)))
    }
    /// The address at the host, if the path is below the host's own.
    fn url(&self, asked: &Uri) -> Option<Url> {
        // A request for another host, as a proxy gets it.
        if asked.authority().is_some() {
            return None;
        }
        let path = asked.path_and_query().map(http::uri::PathAndQuery::as_str)?;
        let url = format!("{}{path}", self.host.origin().ascii_serialization());
        let url = url.parse::<Url>().ok()?;
        // After parsing, which takes dots out of the path.
        let below = url.path().strip_prefix(self.host.path().trim_end_matches('/'))?;
        let sound = url.origin() == self.host.origin()
            && url.username().is_empty()
            && match self.target {
                Target::Key { .. } => below.is_empty() || below.starts_with('/'),
                Target::Ours(_) => below.is_empty() && url.query().is_none(),
            };
        sound.then_some(url)
    }
}

/// A new token of a run.
fn token() -> Result<Secret, String> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(Secret::new(format!("sk-quintet-{}", hex::encode(random))))
}

enum Listener {
    Socket(UnixListener),
    Loopback(TcpListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(listener) => Box::new(listener.accept().await?.0),
            Self::Loopback(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn serve(listener: Listener, entries: Arc<[Entry]>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            let _ = connections.join_next().await;
        }
        match listener.accept().await {
            Ok(stream) => {
                connections.spawn(connection(stream, entries.clone()));
            }
            // Out of descriptors: some come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: Box<dyn Stream>, entries: Arc<[Entry]>) {
    let service = service_fn(move |request| {
        let entries = entries.clone();
        async move { Ok::<_, Infallible>(answer(&entries, request).await) }
    });
    // One request each: a kept connection would end under a client that waits between two.
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = served.await;
}

async fn answer(entries: &[Entry], request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let Some(entry) = entries.iter().find(|entry| entry.is_asked_by(&parts.headers)) else {
        return refuse(StatusCode::UNAUTHORIZED, "This needs the token of the run in its header.");
    };
    if !METHODS.contains(&parts.method) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "This method is not passed on.");
    }
    let Some(url) = entry.url(&parts.uri) else {
        return refuse(
            StatusCode::FORBIDDEN,
            "This token is valid for its own host and path only.",
        );
    };
    let (header, key) = match &entry.target {
        Target::Key { header, key } => (header, key),
        Target::Ours(asker) => {
            return asker.pass_on(url, (parts.method, &parts.headers), body).await;
        }
    };
    let max = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    if body.size_hint().lower() > max {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request has more than 32 MiB.");
    }
    let Some(client) = client_for(&url) else {
        return refuse(StatusCode::BAD_GATEWAY, "The system's certificates cannot be loaded.");
    };
    let mut headers = passed_on(parts.headers);
    headers.remove(AUTHORIZATION);
    headers.remove(PROXY_AUTHORIZATION);
    headers.insert(header.clone(), key.clone());
    let has_body = !body.is_end_stream();
    let mut request = client.request(parts.method, url).headers(headers);
    if has_body {
        request = request.body(reqwest::Body::wrap(Limited::new(body, REQUEST_BYTES_MAX)));
    }
    match request.send().await {
        Ok(response) => relayed(response, key),
        Err(error) if is_too_long(&error) => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request has more than 32 MiB.")
        }
        Err(error) => {
            tracing::warn!(error = %error.without_url(), "a host for a key does not answer");
            refuse(StatusCode::BAD_GATEWAY, "The host of the key does not answer.")
        }
    }
}

/// The key without the word before it.
fn bare(key: &HeaderValue) -> &[u8] {
    let key = key.as_bytes();
    key.rsplit(|byte| *byte == b' ').next().unwrap_or(key)
}

/// The response as it comes in, so that events arrive one by one.
fn relayed(response: reqwest::Response, key: &HeaderValue) -> Answer {
    let (parts, body) = Response::from(response).into_parts();
    // A length may be that of a body to a HEAD, which has none.
    let length = parts.headers.get(http::header::CONTENT_LENGTH).cloned();
    let mut headers = passed_on(parts.headers);
    headers.extend(length.map(|length| (http::header::CONTENT_LENGTH, length)));
    // A host that repeats the request's headers gives no key away by its own.
    let bare = bare(key);
    let shows = |value: &HeaderValue| value.as_bytes().windows(bare.len()).any(|part| part == bare);
    let kept =
        headers.into_iter().fold((HeaderMap::new(), None), |(mut kept, last), (name, value)| {
            let name = name.or(last);
            if let Some(name) = name.clone().filter(|_| !shows(&value)) {
                kept.append(name, value);
            }
            (kept, name)
        });
    let body = Limited::new(body, RESPONSE_BYTES_MAX).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = kept.0;
    answer
}

/// The headers that are not the connection's own, and none that names a key.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in DROPPED.into_iter().chain(named.iter().map(String::as_str)) {
        headers.remove(name);
    }
    headers
}

fn is_too_long(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
