//! Reads a section of the configuration and lists all of its problems, each with its fix.
//!
//! The file (TOML natively, one JSON secret on Workers) arrives as JSON. A service's `config.rs`
//! reads it with [`Section`]; keys that were never read are errors when the section is finished.

use crate::secret::Secret;
use contracts::{Micros, TokenPrices};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The message for an unknown key.
pub const UNKNOWN_KEY: &str = "is not a known key.";

/// One problem of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `endpoints.telegram.main.bot_token`.
    pub path: String,
    pub message: String,
    pub fix: String,
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.path, self.message, self.fix)
    }
}

/// All problems, collected while reading.
#[derive(Debug, Default)]
pub struct Report(RefCell<Vec<ConfigProblem>>);

impl Report {
    /// Adds a problem once, because several services read the same tables.
    pub fn add(&self, path: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) {
        let problem = ConfigProblem { path: path.into(), message: message.into(), fix: fix.into() };
        let mut problems = self.0.borrow_mut();
        if problems
            .iter()
            .all(|known| known.path != problem.path || known.message != problem.message)
        {
            problems.push(problem);
        }
    }
    /// The problems, in the order found.
    pub fn into_problems(self) -> Vec<ConfigProblem> {
        self.0.into_inner()
    }
}

/// A table of the configuration.
pub struct Section<'a> {
    report: &'a Report,
    path: String,
    table: Option<&'a Map<String, Value>>,
    asked: BTreeSet<String>,
}

impl<'a> Section<'a> {
    /// The table at `path`. A value that is not a table is reported and read as empty.
    pub fn new(value: Option<&'a Value>, path: &str, report: &'a Report) -> Self {
        let table = value.and_then(Value::as_object);
        if value.is_some() && table.is_none() {
            report.add(path, "is not a table.", format!("Write [{path}] and the keys below it."));
        }
        Self { report, path: path.to_owned(), table, asked: BTreeSet::new() }
    }
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
    /// The raw value of a key.
    pub fn value(&mut self, key: &str) -> Option<&'a Value> {
        self.asked.insert(key.to_owned());
        self.table?.get(key)
    }
    /// Whether the key exists.
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }
    /// Reports a problem of a key.
    pub fn wrong(&self, key: &str, message: &str, fix: &str) {
        self.report.add(self.at(key), message, fix);
    }
    /// A sub-table.
    pub fn section(&mut self, key: &str) -> Section<'a> {
        let path = self.at(key);
        let value = self.value(key);
        Section::new(value, &path, self.report)
    }
    /// The names of the sub-tables, for `[endpoints.telegram.<name>]`. Counts all as read.
    pub fn names(&mut self) -> Vec<String> {
        let names: Vec<String> =
            self.table.into_iter().flat_map(|table| table.keys().cloned()).collect();
        self.asked.extend(names.iter().cloned());
        names
    }
    /// A text. Numbers are accepted as written, because ids are often unquoted.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.wrong(key, "is not a text.", "Put it in quotes.");
                None
            }
        }
    }
    /// One of these words, the first of which is the default.
    pub fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let given = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == given).map(|(_, choice)| *choice);
        if found.is_none() {
            let words = choices.iter().map(|(word, _)| format!("\"{word}\""));
            let words = words.collect::<Vec<_>>().join(" nor ");
            let default = choices.first().map_or("", |(word, _)| word);
            let fix = format!("Write one of them; {default} is the default.");
            self.wrong(key, &format!("is neither {words}."), &fix);
        }
        found
    }
    /// A secret text; it must not be empty.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.wrong(key, "is empty.", "Fill it in, or remove the key.");
            return None;
        }
        Some(Secret::new(text))
    }
    /// Reports a missing required key.
    pub fn required<T>(&mut self, key: &str, value: Option<T>, fix: &str) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.wrong(key, "is missing.", fix);
        }
        value
    }
    /// A list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = value.as_array().map(|list| {
            list.iter()
                .map(|item| match item {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
        });
        if let Some(Some(texts)) = texts {
            return Some(texts);
        }
        self.wrong(key, "is not a list of texts.", "Write it as [\"one\", \"two\"].");
        None
    }
    /// An integer within bounds.
    pub fn whole(&mut self, key: &str, min: i64, max: i64) -> Option<i64> {
        let number = self.value(key)?.as_i64().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.wrong(
                key,
                &format!("is not a whole number from {min} to {max}."),
                "Correct the number.",
            );
        }
        number
    }
    /// An amount of dollars.
    pub fn dollars(&mut self, key: &str) -> Option<Micros> {
        let amount = self.value(key)?.as_f64().and_then(Micros::from_dollars);
        if amount.is_none() {
            self.wrong(key, "is not an amount of dollars.", "Write it as a number, such as 12.50.");
        }
        amount
    }
    /// `input_price` and `output_price`: dollars per million tokens; both or none.
    pub fn token_prices(&mut self) -> Option<TokenPrices> {
        let (input, output) = (self.dollars("input_price"), self.dollars("output_price"));
        match (input, output) {
            (Some(input), Some(output)) => Some(TokenPrices { input, output }),
            _ if self.has("input_price") != self.has("output_price") => {
                let missing = if self.has("input_price") { "output_price" } else { "input_price" };
                self.wrong(
                    missing,
                    "is missing beside the other price.",
                    "Write both, in dollars per million tokens.",
                );
                None
            }
            _ => None,
        }
    }
    /// True or false.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = self.value(key)?.as_bool();
        if flag.is_none() {
            self.wrong(key, "is neither true nor false.", "Write true or false without quotes.");
        }
        flag
    }
    /// An https address, or http to this machine, without trailing slash.
    pub fn url(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        if is_safe_url(&text) {
            return Some(text.trim_end_matches('/').to_owned());
        }
        self.wrong(
            key,
            "is not an https address.",
            "Use https://…; plain http is allowed to 127.0.0.1, [::1] and localhost only.",
        );
        None
    }
    /// Reports a key of a later version.
    pub fn later(&mut self, key: &str) {
        if self.value(key).is_some() {
            self.wrong(key, "is not in this version.", "Remove it for now.");
        }
    }
    /// Reports every key that was never read.
    pub fn finish(self) {
        for key in self.table.into_iter().flat_map(Map::keys) {
            if !self.asked.contains(key) {
                let known: Vec<_> = self.asked.iter().map(String::as_str).collect();
                self.report.add(
                    self.at(key),
                    UNKNOWN_KEY,
                    format!(
                        "Remove it, or correct its spelling; the keys here are: {}.",
                        known.join(", ")
                    ),
                );
            }
        }
    }
}

/// Whether a configured address may be called: https, or http to loopback.
pub fn is_safe_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") => !host.is_empty() && !has_user,
        Some("http") => !has_user && is_loopback(host),
        _ => false,
    }
}

/// [`is_safe_url`] for WebSockets: `wss`, or `ws` to this machine.
pub fn is_safe_socket_url(text: &str) -> bool {
    text.starts_with("ws") && is_safe_url(&text.replacen("ws", "http", 1))
}

/// Whether a host name means this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn config_lists_all_problems_at_once() {
        let value =
            json!({"daily": "much", "monthly": 5.0, "weekly": 1, "url": "http://example.com"});
        let report = Report::default();
        let mut section = Section::new(Some(&value), "budget", &report);
        assert_eq!(section.dollars("daily"), None);
        assert_eq!(section.dollars("monthly"), Some(Micros(5_000_000)));
        assert_eq!(section.url("url"), None);
        section.finish();
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["budget.daily", "budget.url", "budget.weekly"]);
    }

    #[test]
    fn config_allows_plain_http_to_this_machine_only() {
        assert!(is_safe_url("http://127.0.0.1:11434/v1"));
        assert!(is_safe_url("https://slack.com/api"));
        for bad in [
            "http://10.0.0.1",
            "http://127.0.0.1@evil.example/",
            "ftp://x",
            "slack.com",
            "http://localhost.evil.example",
        ] {
            assert!(!is_safe_url(bad), "{bad}");
        }
        assert!(
            is_safe_socket_url("ws://127.0.0.1:9/link") && is_safe_socket_url("wss://a.example")
        );
        for bad in
            ["ws://10.0.0.1", "ws://a.example", "https://a.example", "wss://u@a.example", "wss:"]
        {
            assert!(!is_safe_socket_url(bad), "{bad}");
        }
    }
}
