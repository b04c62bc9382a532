//! Shared by both relays of a run: their answers, and the clients that send requests on.

use super::super::names::Names;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use platform::config::is_loopback;
use reqwest::Url;
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(15);

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
    let builder = || {
        reqwest::Client::builder()
            .dns_resolver(Arc::new(Names::of_client()))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
    };
    // A proxy would resolve a name of this machine to another host.
    if url.host_str().is_some_and(is_loopback) {
        NEAR.get_or_init(|| builder().no_proxy().build().ok()).as_ref()
    } else {
        FAR.get_or_init(|| builder().build().ok()).as_ref()
    }
}
