//! The dashboard's configuration: its URL prefix, its host names, and `[server] hosts`.

use platform::config::{Report, Section, is_loopback};
use serde_json::Value;

/// Default interval between calls of [`crate::tick`].
pub const PROBE_INTERVAL_MS: i64 = 15_000;

/// Settings that come from the runtime instead of the file.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// Prefix of every external path: `/monitoring-dashboard` natively, empty on Workers.
    pub base_path: String,
    /// The `host:port` addresses it listens on. Empty if the platform routes by host name.
    pub listen: Vec<String>,
    /// Whether browsers use https, so that cookies are `Secure`.
    pub secure_cookies: bool,
    /// Interval between calls of `tick`; 0 means [`PROBE_INTERVAL_MS`].
    pub probe_interval_ms: i64,
}

/// The dashboard's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub base_path: String,
    pub listen: Vec<String>,
    /// `[server] hosts`: additional host names. Default: none.
    pub hosts: Vec<String>,
    pub secure_cookies: bool,
    pub probe_interval_ms: i64,
}

impl Config {
    /// A configuration without a file.
    pub fn at(place: HostSettings) -> Self {
        Self {
            base_path: place.base_path.trim_end_matches('/').to_owned(),
            listen: place.listen,
            hosts: Vec::new(),
            secure_cookies: place.secure_cookies,
            probe_interval_ms: if place.probe_interval_ms > 0 {
                place.probe_interval_ms
            } else {
                PROBE_INTERVAL_MS
            },
        }
    }
    /// Reads `[server]` of the whole configuration.
    pub fn read(root: &Value, place: HostSettings, report: &Report) -> Self {
        let mut server = Section::new(root.get("server"), "server", report);
        let hosts = server.texts("hosts").unwrap_or_default();
        if hosts
            .iter()
            .any(|host| host.contains("://") || host.contains('/') || host.trim().is_empty())
        {
            server.wrong(
                "hosts",
                "contains an invalid host name.",
                "Write host names only, such as hosts = [\"quintet.example.org\"].",
            );
        }
        server.finish();
        Self { hosts, ..Self::at(place) }
    }
    /// The external path of a page.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }
    /// The `Path` of its cookie.
    pub fn cookie_path(&self) -> &str {
        if self.base_path.is_empty() { "/" } else { &self.base_path }
    }
    /// Whether the browser uses https, directly or to a proxy in front. A client that claims it by
    /// itself gets a stricter cookie, and nothing more.
    pub fn is_https(&self, headers: &http::HeaderMap) -> bool {
        self.secure_cookies
            || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
    }
    /// Whether a `Host` header is allowed: a listen address, loopback with the same port,
    /// `localhost`, or a configured name.
    pub fn answers_to(&self, host: &str) -> bool {
        if self.listen.is_empty() {
            return true;
        }
        let host = host.to_ascii_lowercase();
        let (name, port) = split_port(&host);
        let listens = |address: &String| {
            let (own_name, own_port) = split_port(address);
            let reachable_here = is_loopback(own_name) || matches!(own_name, "0.0.0.0" | "[::]");
            host == address.to_ascii_lowercase()
                || (port == own_port
                    && (name == "localhost" || (reachable_here && is_loopback(name))))
        };
        // A forwarded port may change or disappear, so loopback without a port is allowed.
        if host == "localhost" {
            return true;
        }
        let named =
            |known: &String| known.eq_ignore_ascii_case(&host) || known.eq_ignore_ascii_case(name);
        self.listen.iter().any(listens) || self.hosts.iter().any(named)
    }
}

/// Splits a `Host` header into name and port; an IPv6 address keeps its brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn native(hosts: &[&str]) -> Config {
        let root = json!({ "server": { "hosts": hosts } });
        let place = HostSettings {
            base_path: "/monitoring-dashboard".into(),
            listen: vec!["127.0.0.1:8787".into()],
            ..HostSettings::default()
        };
        let report = Report::default();
        let config = Config::read(&root, place, &report);
        assert!(report.into_problems().is_empty());
        config
    }

    #[test]
    fn config_answers_only_to_its_own_host_names() {
        let config = native(&["quintet.example.org"]);
        for good in [
            "127.0.0.1:8787",
            "localhost:8787",
            "LOCALHOST:8787",
            "[::1]:8787",
            "quintet.example.org",
            "quintet.example.org:443",
        ] {
            assert!(config.answers_to(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:8787",
            "127.0.0.1",
            "localhost:1",
            "localhost.evil.example:8787",
            "10.0.0.1:8787",
        ] {
            assert!(!config.answers_to(bad), "{bad}");
        }
    }

    #[test]
    fn config_refuses_a_host_with_a_scheme() {
        let report = Report::default();
        Config::read(
            &json!({ "server": { "hosts": ["https://x"], "port": 1 } }),
            HostSettings::default(),
            &report,
        );
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["server.hosts", "server.port"]);
    }
}
