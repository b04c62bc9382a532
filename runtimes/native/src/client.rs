//! HTTP client of the commands: the server's address, the operator's token, and how to report a
//! refusal.

use crate::address::Addresses;
use crate::data_dir::{DataDir, variable};
use crate::exit::{No, Unreachable};
use crate::ports::outbound::client_for;
use anyhow::{Context, Result};
use contracts::calls::Call;
use contracts::{Problem, ServiceName};
use platform::edge::Scope;
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
}

impl Client {
    /// Uses the server of `--server` or of the data directory's `server.json`, and the token of the
    /// variable or of its file.
    ///
    /// # Errors
    /// When no server is known, or there is no token.
    pub fn new(server: Option<&str>, data: &DataDir) -> Result<Self> {
        let base = match server {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => data.server().map(|file| file.address).ok_or_else(|| {
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
        let token = match variable("QUINTET_OPERATOR_TOKEN") {
            Some(token) => Secret::new(token),
            None => {
                let path = data.join("tokens").join(Scope::Operator.as_str());
                let text = std::fs::read_to_string(&path);
                Secret::new(
                    text.map_err(|_| {
                        Unreachable(format!(
                            "no operator token. Set QUINTET_OPERATOR_TOKEN, or run this on the \
                             machine with {}.",
                            path.display()
                        ))
                    })?
                    .trim(),
                )
            }
        };
        let http = client_for(&base, Duration::from_mins(1))?;
        Ok(Self { http, base, addresses, token })
    }
    /// The URL of a path at the root.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
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
        Ok(self
            .addresses
            .get_or_try_init(|| Addresses::find(&self.base, &self.http))
            .await?
            .url(service, path))
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
            Ok(problem) if matches!(problem.status, 502 | 503) => {
                Err(Unreachable(format!("{}\n{}", problem.detail, problem.fix)).into())
            }
            Ok(problem) => {
                Err(No(format!("{}\n{}{}", problem.detail, problem.fix, findings(&problem))).into())
            }
            Err(_) => Err(Unreachable(format!(
                "{} answered {status} without a readable body. Check that it is a Quintet server.",
                self.base
            ))
            .into()),
        }
    }
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
