//! The two clients by which the relay for keys and our MCP server's relay send a program's requests
//! on, and the answer for requests that they refuse.

use super::super::http_client;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use reqwest::Url;
use std::error::Error;
use std::sync::OnceLock;

pub(super) type Failure = Box<dyn Error + Send + Sync>;
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

pub(super) fn refuse(status: StatusCode, why: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(why.as_bytes())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// One client for all runs: loading the system's certificates takes longer than a run's start may.
pub(super) fn client_for(url: &Url) -> Option<&'static reqwest::Client> {
    static NEAR: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    static FAR: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let is_near = http_client::is_near(url.as_str());
    let client = if is_near { &NEAR } else { &FAR };
    client.get_or_init(|| http_client::builder(is_near).build().ok()).as_ref()
}
