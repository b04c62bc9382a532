//! The HTTP client of this program: no redirects, names looked up with a bound, no proxy for this
//! machine.

use super::names::Names;
use platform::config::is_loopback;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A client for hosts on this machine (`is_near`) or elsewhere.
pub fn builder(is_near: bool) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .dns_resolver(Arc::new(Names::of_client()))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(Duration::from_mins(1));
    // A proxy would resolve a name of this machine to another host.
    if is_near { builder.no_proxy() } else { builder }
}

/// Whether the URL names this machine.
pub fn is_near(url: &str) -> bool {
    url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(is_loopback)).unwrap_or(false)
}
