//! What the dashboard is told: its place in the URL space, the names it answers to, and `[server] hosts`.

use platform::config::{Report, Section, is_loopback};
use serde_json::Value;

/// How often the runtime calls [`crate::tick`], unless it says otherwise.
pub const PROBE_INTERVAL_MS: i64 = 15_000;

/// The part of the configuration that the runtime knows and no file says.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What stands before every path outside: `/monitoring-dashboard` natively, empty on Workers.
    pub base_path: String,
    /// The `host:port` addresses it listens on. Empty where the platform itself routes by host name.
    pub listen: Vec<String>,
    /// Whether browsers reach it by https, so that cookies are `Secure`.
    pub secure_cookies: bool,
    /// How often `tick` is called; 0 stands for [`PROBE_INTERVAL_MS`].
    pub probe_interval_ms: i64,
}

/// The dashboard's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub base_path: String,
    pub listen: Vec<String>,
    /// `[server] hosts`: further names it may be opened by. Default: none.
    pub hosts: Vec<String>,
    pub secure_cookies: bool,
    pub probe_interval_ms: i64,
}

impl Config {
    /// A configuration without a file.
    pub fn at(place: Place) -> Self {
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
    pub fn read(root: &Value, place: Place, report: &Report) -> Self {
        let mut server = Section::new(root.get("server"), "server", report);
        let hosts = server.texts("hosts").unwrap_or_default();
        if hosts
            .iter()
            .any(|host| host.contains("://") || host.contains('/') || host.trim().is_empty())
        {
            server.wrong(
                "hosts",
                "holds something that is no host name.",
                "Write names alone, such as hosts = [\"quintet.example.org\"].",
            );
        }
        server.finish();
        Self { hosts, ..Self::at(place) }
    }
    /// A path of this service as a browser sees it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }
    /// The `Path` of its cookie.
    pub fn cookie_path(&self) -> &str {
        if self.base_path.is_empty() { "/" } else { &self.base_path }
    }
    /// Whether a `Host` header names us: the listen address, this machine by the same port, `localhost`, or a configured name.
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
        // Without a port it is this machine all the same, by a forwarded one.
        if host == "localhost" {
            return true;
        }
        let named =
            |known: &String| known.eq_ignore_ascii_case(&host) || known.eq_ignore_ascii_case(name);
        self.listen.iter().any(listens) || self.hosts.iter().any(named)
    }
}

/// Name and port of a `Host` header; the brackets of an IPv6 address stay.
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
        let place = Place {
            base_path: "/monitoring-dashboard".into(),
            listen: vec!["127.0.0.1:8787".into()],
            ..Place::default()
        };
        let report = Report::default();
        let config = Config::read(&root, place, &report);
        assert!(report.into_problems().is_empty());
        config
    }

    #[test]
    fn only_our_own_names_are_answered_to() {
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
    fn a_host_with_a_scheme_is_refused() {
        let report = Report::default();
        Config::read(
            &json!({ "server": { "hosts": ["https://x"], "port": 1 } }),
            Place::default(),
            &report,
        );
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["server.hosts", "server.port"]);
    }
}
