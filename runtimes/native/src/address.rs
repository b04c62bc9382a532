//! Addresses of a control plane's services: natively all under one address, on Workers one host
//! name each.
//!
//! | given | used |
//! | --- | --- |
//! | `https://quintet.example.org` | the first that answers: `…/<service>/path` (native), or `https://<service>.quintet.example.org/path` (Workers) |
//! | `https://{service}.example.org` | the template, without a check |

use crate::exit::Unreachable;
use anyhow::Result;
use contracts::ServiceName;
use contracts::monitoring::Health;
use platform::config::is_safe_url;

/// Placeholder for the service's name in a template.
const NAME: &str = "{service}";

/// The addresses of all services.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses(String);

impl Addresses {
    /// All services under one address, each below its name.
    pub fn under(base: &str) -> Self {
        Self(format!("{}/{NAME}", base.trim_end_matches('/')))
    }
    /// The URL of a path of a service.
    pub fn url(&self, service: ServiceName, path: &str) -> String {
        format!("{}{path}", self.0.replace(NAME, service.as_str()))
    }
    /// The possible meanings of an address, the likeliest first.
    ///
    /// # Errors
    /// When the address is unsafe for a token: neither https nor on this machine.
    pub fn candidates(given: &str) -> Result<Vec<Self>> {
        let given = given.trim_end_matches('/');
        let sample = given.replace(NAME, ServiceName::WebhookAggregator.as_str());
        if !is_safe_url(&sample) {
            return Err(Unreachable(format!(
                "{given} is neither https nor on this machine, so a \
                token must not go there. Use an https:// address."
            ))
            .into());
        }
        if given.contains(NAME) {
            return Ok(vec![Self(given.to_owned())]);
        }
        let mut found = vec![Self::under(given)];
        // An IP address or a path cannot have a service's name in front.
        if let Some((scheme, host)) = given.split_once("://").filter(|(_, host)| {
            !host.contains('/') && host.parse::<std::net::SocketAddr>().is_err()
        }) {
            found.push(Self(format!("{scheme}://{NAME}.{host}")));
        }
        Ok(found)
    }
    /// Finds the candidate that answers.
    ///
    /// # Errors
    /// [`Unreachable`] with the addresses that were tried.
    pub async fn find(given: &str, http: &reqwest::Client) -> Result<Self> {
        let candidates = Self::candidates(given)?;
        if let [only] = candidates.as_slice()
            && given.contains(NAME)
        {
            return Ok(only.clone());
        }
        let mut tried = Vec::new();
        for candidate in candidates {
            let url = candidate.url(ServiceName::WebhookAggregator, "/health");
            if is_ours(http, &url).await {
                return Ok(candidate);
            }
            tried.push(url);
        }
        Err(Unreachable(format!(
            "no Quintet server answers at {}. Start it, or correct the address.",
            tried.join(" or ")
        ))
        .into())
    }
}

async fn is_ours(http: &reqwest::Client, url: &str) -> bool {
    let Ok(answer) = http.get(url).send().await else { return false };
    let bytes = answer.bytes().await.unwrap_or_default();
    serde_json::from_slice::<Health>(&bytes)
        .is_ok_and(|health| health.service == ServiceName::WebhookAggregator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(given: &str) -> Vec<String> {
        Addresses::candidates(given)
            .unwrap()
            .iter()
            .map(|found| found.url(ServiceName::AgencyRouter, "/api/route"))
            .collect()
    }

    #[test]
    fn address_tries_both_forms_and_uses_a_template_unchecked() {
        assert_eq!(
            urls("https://q.example.org/"),
            [
                "https://q.example.org/agency-router/api/route",
                "https://agency-router.q.example.org/api/route"
            ]
        );
        assert_eq!(
            urls("https://{service}.example.org"),
            ["https://agency-router.example.org/api/route"]
        );
        assert_eq!(
            urls("http://127.0.0.1:8787"),
            ["http://127.0.0.1:8787/agency-router/api/route"]
        );
        assert_eq!(
            urls("https://example.org/quintet"),
            ["https://example.org/quintet/agency-router/api/route"]
        );
        assert!(
            Addresses::candidates("http://example.org").is_err(),
            "a token never goes out in the clear"
        );
    }
}
