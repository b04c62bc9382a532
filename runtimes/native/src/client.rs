//! HTTP client of the commands: the server's address, the operator's token, and how to report a
//! refusal.

use crate::address::Addresses;
use crate::away::is_away;
use crate::data_dir::{DataDir, token_variable, variable};
use crate::exit::{No, Refused, Unreachable};
use crate::http_client::is_near;
use crate::identity;
use crate::ports::clock::SystemClock;
use crate::ports::outbound::client_for;
use anyhow::{Context, Result};
use contracts::calls::Call;
use contracts::{Problem, ServiceName};
use platform::edge::Scope;
use platform::ports::ClockExt;
use platform::ports::calls::{Prepared, prepare};
use platform::secret::Secret;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Calls a server as the operator.
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// Resolved by the first request if `--server` gave the address.
    addresses: OnceCell<Addresses>,
    token: Secret,
    /// The key with which the server of the data directory proves itself, before anything is sent.
    key: Option<Secret>,
    proven: OnceCell<()>,
}

impl Client {
    /// Uses the server of `--server` or of the data directory's `server.json`, and the token of the
    /// variable or of its file.
    ///
    /// # Errors
    /// When no server is known, or there is no token.
    pub fn new(server: Option<&str>, data: &DataDir) -> Result<Self> {
        Self::of(Scope::Operator, server, data)
    }
    /// The same with the token of another scope.
    ///
    /// # Errors
    /// As above.
    pub fn of(scope: Scope, server: Option<&str>, data: &DataDir) -> Result<Self> {
        let token_variable = token_variable(scope);
        let own = data.server().map(|file| file.address);
        // `localhost` may lead to another address on which another program listens.
        let server = server.filter(|url| !own.as_deref().is_some_and(|own| is_same(url, own)));
        let base = match server {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => own.ok_or_else(|| {
                Unreachable(format!(
                    "no server is running on {}. Start one with `quintet up`, or \
                    name one with --server URL.",
                    data.path().display()
                ))
            })?,
        };
        let addresses = match server {
            Some(given) => Addresses::candidates(given).map(|_| OnceCell::new())?,
            None => OnceCell::new_with(Some(Addresses::under(&base))),
        };
        let token = match variable(&token_variable) {
            Some(token) => Secret::new(token),
            None if server.is_some() && is_near(&base) => {
                return Err(Unreachable(format!(
                    "{base} is not the server of {}, whose token goes to its own server only. Set \
                     {token_variable} to the token of the server there.",
                    data.path().display()
                ))
                .into());
            }
            None => {
                let path = data.join("tokens").join(scope.as_str());
                let text = std::fs::read_to_string(&path);
                Secret::new(
                    text.map_err(|_| {
                        Unreachable(format!(
                            "no {scope} token. Set {token_variable}, or run this on the machine \
                             with {}.",
                            path.display(),
                            scope = scope.as_str()
                        ))
                    })?
                    .trim(),
                )
            }
        };
        let http = client_for(&base, Duration::from_mins(1))?;
        let key = match server {
            Some(_) => None,
            None => Some(data.kept_secret(identity::KEY).ok_or_else(|| not_ours(&base))?),
        };
        Ok(Self { http, base, addresses, token, key, proven: OnceCell::new() })
    }
    /// The URL of a path at the root.
    ///
    /// # Errors
    /// [`Unreachable`] when the server of the data directory does not answer there.
    pub async fn url(&self, path: &str) -> Result<String> {
        self.prove().await?;
        Ok(format!("{}{path}", self.base))
    }
    /// Has the server prove that it is the data directory's, once.
    async fn prove(&self) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let ask = || async {
            let nonce = SystemClock.random_hex(identity::NONCE_CHARS / 2);
            let url = format!("{}{}?nonce={nonce}", self.base, identity::PATH);
            let answer = self.http.get(url).send().await.map_err(|error| {
                Unreachable(format!(
                    "{} does not answer ({}). Start the server with `quintet up`.",
                    self.base,
                    error.without_url()
                ))
            })?;
            if answer.status() == 503 {
                return Err(Unreachable(format!("{} is busy. Try again.", self.base)));
            }
            let said = answer.text().await.unwrap_or_default();
            let expected = Secret::new(identity::proof(key, &self.base, &nonce));
            if expected.matches(&said) { Ok(()) } else { Err(not_ours(&self.base)) }
        };
        self.proven.get_or_try_init(ask).await?;
        Ok(())
    }
    /// The HTTP client without the token, for requests that authenticate otherwise.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }
    /// Makes a call as the operator.
    ///
    /// # Errors
    /// [`Unreachable`] when no server answers, [`No`] when the server refuses.
    pub async fn ask<C>(&self, params: &C::Params, request: &C::Request) -> Result<C::Reply>
    where
        C: Call<Request: Serialize, Reply: DeserializeOwned>,
    {
        let Prepared { callee, method, path, body } = prepare::<C>(params, request)?;
        let method = reqwest::Method::from_bytes(method.as_str().as_bytes())?;
        let request = self.http.request(method, self.address(callee, &path).await?);
        self.send(request.header("content-type", "application/json").body(body)).await
    }
    /// The URL of a path of a service.
    ///
    /// # Errors
    /// [`Unreachable`] when no server answers.
    pub async fn address(&self, service: ServiceName, path: &str) -> Result<String> {
        self.prove().await?;
        Ok(self
            .addresses
            .get_or_try_init(|| Addresses::find(&self.base, &self.http))
            .await?
            .url(service, path))
    }
    /// Posts a message of another protocol to personal-assistant; the answer may be a stream.
    ///
    /// # Errors
    /// [`Unreachable`] when no server answers or it is overloaded, [`No`] when it refuses.
    pub async fn post_message(
        &self,
        path: &str,
        body: &str,
        patience: Duration,
    ) -> Result<reqwest::Response> {
        let request = self
            .http
            .post(self.address(ServiceName::PersonalAssistant, path).await?)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .timeout(patience)
            .bearer_auth(self.token.reveal());
        let answer = request.body(body.to_owned()).send().await.map_err(|e| {
            Unreachable(format!("{} does not answer: {}", self.base, e.without_url()))
        })?;
        match answer.status().as_u16() {
            // A protocol error has a body of its own.
            200..=299 | 400 => Ok(answer),
            status if is_away(answer.status()) => {
                Err(Unreachable(format!("{} answers {status}", self.base)).into())
            }
            status => {
                let text = answer.text().await.unwrap_or_default();
                let said = serde_json::from_str::<Problem>(&text).map(|problem| problem.detail);
                let said = said.unwrap_or_default();
                Err(No(format!("{} answers {status}: {said}", self.base)).into())
            }
        }
    }
    /// Asks a path of the server itself, beside its services, as the operator.
    ///
    /// # Errors
    /// [`Unreachable`] when no server answers, [`No`] when the server refuses.
    pub async fn ask_server<A: DeserializeOwned>(
        &self,
        method: reqwest::Method,
        path: &str,
    ) -> Result<A> {
        let url = self.url(path).await?;
        self.send(self.http.request(method, url)).await
    }
    async fn send<A: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<A> {
        let answer = request.bearer_auth(self.token.reveal()).send().await.map_err(|e| {
            Unreachable(format!("{} does not answer: {}", self.base, e.without_url()))
        })?;
        let ok = answer.status().is_success();
        let status = answer.status();
        let bytes = answer
            .bytes()
            .await
            .map_err(|e| Unreachable(format!("the response ended early: {}", e.without_url())))?;
        if ok {
            return serde_json::from_slice(&bytes)
                .context("this version cannot read the server's response");
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) if is_away(status) => {
                Err(Unreachable(format!("{}\n{}", problem.detail, problem.fix)).into())
            }
            Ok(problem) => {
                let said = format!("{}\n{}{}", problem.detail, problem.fix, findings(&problem));
                Err(Refused { said, problem }.into())
            }
            Err(_) => Err(Unreachable(format!(
                "{} answered {status} without a readable body. Check that it is a Quintet server.",
                self.base
            ))
            .into()),
        }
    }
}

/// Whether both name this machine and the same port.
fn is_same(given: &str, own: &str) -> bool {
    let port = |url: &str| url.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
    is_near(given) && port(given).is_some() && port(given) == port(own)
}

fn not_ours(base: &str) -> Unreachable {
    Unreachable(format!(
        "the server is not running: another program answers at {base}, and nothing was sent to it. \
         Start the server with `quintet up`."
    ))
}

/// Findings of a refusal, one line each.
fn findings(problem: &Problem) -> String {
    let found: Vec<contracts::graph::Finding> = problem
        .extra
        .get("findings")
        .and_then(|list| serde_json::from_value(list.clone()).ok())
        .unwrap_or_default();
    found.iter().map(|finding| format!("\n{}", crate::finding::line(finding))).collect()
}

/// JSON bodies without reqwest's own feature for them.
pub trait JsonBody: Sized {
    /// Sets body and content type.
    ///
    /// # Errors
    /// When the value cannot be serialised.
    fn json_body(self, body: &impl Serialize) -> Result<Self>;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &impl Serialize) -> Result<Self> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(body)?))
    }
}
