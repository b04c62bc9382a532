//! A request to the API and its expected response: a block marked `http`.
//!
//! The first line is the request, JSON lines below it are its body, the rest are expectations.

use crate::failure::Mismatch;
use crate::grammar::{Form, parse};
use serde_json::Value;

/// A request and its expectations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    /// The token's scope, or `nobody`.
    pub scope: String,
    pub body: String,
    pub status: u16,
    /// Repeats the request until the response matches or the patience ends.
    pub eventually: bool,
    pub facts: Vec<Fact>,
}

/// Expected content at a JSON pointer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Is(String, Value),
    Contains(String, String),
    Has(String, usize),
}

/// A line below the body.
pub enum Wanted {
    Status(u16, bool),
    Fact(Fact),
}

/// The first line.
pub const REQUESTS: &[Form<Exchange>] = &[
    Form { text: "METHOD PATH", read: |v| request(&v[0], &v[1], "operator") },
    Form { text: "METHOD PATH as SCOPE", read: |v| request(&v[0], &v[1], &v[2]) },
];

/// The lines below the body.
pub const FORMS: &[Form<Wanted>] = &[
    Form { text: "answers STATUS", read: |v| Ok(Wanted::Status(status(&v[0])?, false)) },
    Form { text: "eventually answers STATUS", read: |v| Ok(Wanted::Status(status(&v[0])?, true)) },
    Form {
        text: "POINTER is JSON",
        read: |v| Ok(Wanted::Fact(Fact::Is(pointer(&v[0])?, json(&v[1])?))),
    },
    Form {
        text: "POINTER contains \"TEXT\"",
        read: |v| Ok(Wanted::Fact(Fact::Contains(pointer(&v[0])?, v[1].clone()))),
    },
    Form {
        text: "POINTER has COUNT entries",
        read: |v| {
            Ok(Wanted::Fact(Fact::Has(
                pointer(&v[0])?,
                v[1].parse().map_err(|_| format!("`{}` is not a number", v[1]))?,
            )))
        },
    },
];

fn request(method: &str, path: &str, scope: &str) -> Result<Exchange, String> {
    if !["GET", "POST", "PUT", "DELETE"].contains(&method) || !path.starts_with('/') {
        return Err("a request starts with GET, POST, PUT or DELETE and a path such as \
            /personal-assistant/api/budget"
            .to_owned());
    }
    if !["operator", "viewer", "agent", "gateway", "nobody"].contains(&scope) {
        return Err(format!(
            "`{scope}` is not a scope; write operator, viewer, agent, gateway or nobody"
        ));
    }
    Ok(Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        scope: scope.to_owned(),
        ..Exchange::default()
    })
}

fn status(word: &str) -> Result<u16, String> {
    word.parse()
        .ok()
        .filter(|status| (100..600).contains(status))
        .ok_or_else(|| format!("`{word}` is not an HTTP status"))
}

fn pointer(word: &str) -> Result<String, String> {
    if word.starts_with('/') {
        Ok(word.to_owned())
    } else {
        Err(format!("`{word}` is not a JSON pointer; it must start with /"))
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("`{text}` is not JSON ({error}); texts need quotes"))
}

impl Exchange {
    /// Reads a whole block.
    ///
    /// # Errors
    /// The invalid line within the block (from 0), with its problem.
    pub fn read(lines: &[&str]) -> Result<Self, (usize, String)> {
        let first = lines.first().ok_or((0, "the block is empty".to_owned()))?;
        let mut exchange = parse(REQUESTS, first).map_err(|why| (0, why))?;
        let starts = |line: &str| {
            line.starts_with('/') || line.starts_with("answers ") || line.starts_with("eventually ")
        };
        let body_end =
            lines.iter().skip(1).position(|line| starts(line)).map_or(lines.len(), |at| at + 1);
        lines[1..body_end].join("\n").trim().clone_into(&mut exchange.body);
        for (at, line) in
            lines.iter().enumerate().skip(body_end).filter(|(_, line)| !line.trim().is_empty())
        {
            match parse(FORMS, line).map_err(|why| (at, why))? {
                Wanted::Status(status, eventually) => {
                    (exchange.status, exchange.eventually) = (status, eventually);
                }
                Wanted::Fact(fact) => exchange.facts.push(fact),
            }
        }
        if exchange.status == 0 {
            return Err((
                0,
                "the block has no expected status; add a line such as `answers 200`".to_owned(),
            ));
        }
        Ok(exchange)
    }
    /// Compares a response with the expectations.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, status: u16, body: &Value) -> Result<(), Mismatch> {
        if status != self.status {
            return Err(Mismatch::new(
                format!("status {}", self.status),
                format!("status {status}: {body}"),
            ));
        }
        self.facts.iter().try_for_each(|fact| fact.check(body))
    }
}

impl Fact {
    fn check(&self, body: &Value) -> Result<(), Mismatch> {
        let (pointer, wanted, holds): (&str, String, fn(&Self, &Value) -> bool) = match self {
            Self::Is(pointer, value) => (
                pointer,
                value.to_string(),
                |fact, found| matches!(fact, Self::Is(_, value) if value == found),
            ),
            Self::Contains(pointer, text) => (
                pointer,
                format!("…{text}…"),
                |fact, found| matches!(fact, Self::Contains(_, text) if found.as_str().is_some_and(|found| found.contains(text))),
            ),
            Self::Has(pointer, n) => (
                pointer,
                format!("{n} entries"),
                |fact, found| matches!(fact, Self::Has(_, n) if found.as_array().is_some_and(|found| found.len() == *n)),
            ),
        };
        match body.pointer(pointer) {
            Some(found) if holds(self, found) => Ok(()),
            Some(found) => {
                Err(Mismatch::new(format!("{pointer}: {wanted}"), format!("{pointer}: {found}")))
            }
            None => Err(Mismatch::new(
                format!("{pointer}: {wanted}"),
                format!("nothing there in {body}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn http_block_has_request_body_and_expectations() {
        let block = [
            "PUT /personal-assistant/api/budget",
            "{\"daily\":",
            " 0.1}",
            "",
            "answers 200",
            "/scopes/0/limit is 0.1",
        ];
        let exchange = Exchange::read(&block).unwrap();
        assert_eq!(
            (exchange.scope.as_str(), exchange.status, exchange.eventually),
            ("operator", 200, false)
        );
        assert_eq!(serde_json::from_str::<Value>(&exchange.body).unwrap(), json!({"daily": 0.1}));
        assert!(exchange.check(200, &json!({"scopes": [{"limit": 0.1}]})).is_ok());
        let wrong = exchange.check(200, &json!({"scopes": [{"limit": 0.2}]})).unwrap_err();
        assert_eq!(wrong, Mismatch::new("/scopes/0/limit: 0.1", "/scopes/0/limit: 0.2"));
    }

    #[test]
    fn http_block_needs_an_expected_status() {
        assert_eq!(Exchange::read(&["GET /x"]).unwrap_err().0, 0);
        assert_eq!(Exchange::read(&["GET /x", "answers 200", "/a is red"]).unwrap_err().0, 2);
    }
}
