//! WhatsApp's Cloud API: signed webhooks of Meta in, `/messages` out.

mod examine;
mod files;
mod incoming;
mod markup;
mod number;
mod outgoing;
mod refusal;
mod sample;
mod setup;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, SendResult, Setup, form, header,
    hub, secret,
};
use bytes::Bytes;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use number::{Number, is_id, is_person};
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;

/// The channel.
pub struct WhatsApp;

const APP_SECRET: &str = "Copy the App secret from the app's page: App settings, Basic (https://developers.facebook.com/apps).";
const VERIFY_TOKEN: &str =
    "Choose any text, and enter the same on the app's page: WhatsApp, Configuration, Verify token.";
const ACCESS_TOKEN: &str = "Make a token of a system user with the rights whatsapp_business_messaging and whatsapp_business_management (https://business.facebook.com/settings/system-users).";
const NUMBER: &str = "Copy the Phone number ID from the app's page: WhatsApp, API Setup.";
const PERSON: &str =
    "Write the number with its country code, digits alone, such as \"15550001111\".";

/// Meta posts up to 3 MB at once.
const BODY_BYTES_MAX: usize = 3 << 20;
/// Any other request.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Maximum characters of a challenge, which is a number.
const CHALLENGE_CHARS_MAX: usize = 200;

impl Channel for WhatsApp {
    fn default_api_base(&self) -> &'static str {
        "https://graph.facebook.com/v26.0"
    }
    fn asks_first(&self) -> bool {
        true
    }

    fn connect(
        &self,
        name: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>> {
        let named = Some(name).filter(|name| is_id(name)).map(str::to_owned);
        let id = section.text("phone_number_id").or(named);
        let id = section.required("phone_number_id", id, NUMBER);
        if id.as_deref().is_some_and(|id| !is_id(id)) {
            section.wrong("phone_number_id", "is not the id of a phone number.", NUMBER);
        }
        let app_secret = secret(section, "app_secret", APP_SECRET);
        let verify_token = secret(section, "verify_token", VERIFY_TOKEN);
        let access_token = secret(section, "access_token", ACCESS_TOKEN);
        let mut heard = Vec::new();
        for list in ["approvers", "senders"] {
            let people = section.texts(list).unwrap_or_default();
            if people.iter().any(|id| id != "*" && !is_person(id)) {
                section.wrong(list, "has an id that is no number of WhatsApp.", PERSON);
            }
            heard.extend(people);
        }
        Some(Arc::new(Number {
            api_base,
            id: id?,
            app_secret: app_secret?,
            verify_token: verify_token?,
            access_token: access_token?,
            heard,
        }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

impl Connection for Number {
    fn verify(&self, headers: &HeaderMap, body: &[u8], _: i64) -> bool {
        let signed = hub::signature(self.app_secret.reveal().as_bytes(), body);
        header(headers, hub::HEADER).is_some_and(|sent| {
            subtle::ConstantTimeEq::ct_eq(sent.as_bytes(), signed.as_bytes()).into()
        })
    }
    fn challenge(&self, query: &str) -> Option<String> {
        let fields = form::parse(query.as_bytes());
        let field = |name: &str| {
            fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let is_ours =
            field("hub.verify_token").is_some_and(|token| self.verify_token.matches(token));
        let asked = field("hub.challenge").filter(|asked| asked.len() <= CHALLENGE_CHARS_MAX)?;
        (is_ours && field("hub.mode") == Some("subscribe")).then(|| asked.to_owned())
    }
    fn read(&self, _: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        incoming::read(self, body)
    }
    fn body_bytes_max(&self, headers: &HeaderMap) -> usize {
        if headers.contains_key(hub::HEADER) { BODY_BYTES_MAX } else { REQUEST_BYTES_MAX }
    }
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn length(&self, row: &OutboxRow) -> Length {
        outgoing::length_of(row)
    }
    fn edits(&self) -> bool {
        false
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn fetch(&self, file: &OfferedFile, found: Option<&OutboundResponse>) -> Fetch {
        files::fetch(self, file, found)
    }
    fn file_bytes_max(&self) -> u64 {
        files::BYTES_MAX
    }
    fn next_file(
        &self,
        row: &OutboxRow,
        file: &KeptFile,
        content: &Bytes,
        _: i64,
    ) -> Option<Attempt> {
        files::send(self, row, file, content)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        setup::set_up(self, path, public)
    }
}
