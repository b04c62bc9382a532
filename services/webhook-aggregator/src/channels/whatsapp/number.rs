//! One phone number of a business, and the ids that WhatsApp has for numbers and people.

use crate::channels::{SEND_TIMEOUT_MS, text_at};
use bytes::Bytes;
use http::Method;
use platform::ports::OutboundRequest;
use platform::secret::Secret;
use serde_json::Value;

/// One phone number.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) api_base: String,
    /// Meta's id of it.
    pub(super) id: String,
    /// Meta signs its webhooks with this.
    pub(super) app_secret: Secret,
    /// Meta names it when it asks whether the address of the webhook is ours.
    pub(super) verify_token: Secret,
    pub(super) access_token: Secret,
    /// Approvers and senders.
    pub(super) heard: Vec<String>,
}

impl Number {
    /// A person: by the phone number, or by the id that stands for it where the person hides the
    /// number; by the one of the two that the configuration names.
    pub(super) fn person(&self, value: &Value, [number, hidden]: [&str; 2]) -> Option<String> {
        let number = text_at(value, number).filter(|id| is_person(id));
        let hidden = text_at(value, hidden).filter(|id| is_person(id));
        let is_heard = |id: &&str| self.heard.iter().any(|heard| heard == id);
        hidden.filter(is_heard).or(number).or(hidden).map(str::to_owned)
    }
    /// A request to the API, with a JSON body or without one.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> OutboundRequest {
        let mut headers = vec![self.authorization()];
        headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
        OutboundRequest {
            method,
            url: format!("{}/{path}", self.api_base),
            headers,
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
            timeout_ms: SEND_TIMEOUT_MS,
        }
    }
    /// The header that opens the API.
    pub(super) fn authorization(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.access_token.reveal()))
    }
}

/// Whether this is an id of a phone number or of a file, as Meta gives them.
pub(super) fn is_id(text: &str) -> bool {
    (5..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this names a person: a phone number in digits, or `DE.` and an id of Meta's.
pub(super) fn is_person(text: &str) -> bool {
    is_hidden(text)
        || (5..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this stands for a number that its person hides (a business-scoped user id).
pub(super) fn is_hidden(text: &str) -> bool {
    let Some((country, id)) = text.split_once('.') else { return false };
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    is_country && !id.is_empty() && id.len() <= 140 && id.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn person_is_a_number_or_the_id_that_stands_for_it() {
        for id in ["15550001111", "4915112345678", "DE.13491208655302741918", "US.ENT.118157"] {
            assert!(is_person(id), "{id}");
        }
        for id in ["+15550001111", "1 555", "me", "", "DE.", "de.1", "*", "DEU.1", "DE.a b"] {
            assert!(!is_person(id), "{id}");
        }
    }
}
