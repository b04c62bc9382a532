//! Connecting an endpoint with its platform: trying its credentials, registering what the
//! platform's API can register, hearing its first message, and checking it later.
//!
//! For `quintet setup`, the dashboard's page of the same steps, and `quintet doctor`.

use super::lenient;
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use platform::ports::{Outbound, OutboundRequest, OutboundResponse};
use platform::secret::Secret;
use serde_json::Value;

/// Maximum time of a trial, milliseconds.
const TRIAL_MS: u64 = 15_000;

/// One account on a platform: where its API is, and what opens it.
pub struct Account<'a> {
    pub outbound: &'a dyn Outbound,
    /// Without a slash at its end.
    pub api_base: String,
    pub bot_token: Secret,
    /// Slack's app-level token, which opens the socket.
    pub app_token: Option<Secret>,
}

/// The reason why a step failed, with its fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
    pub fix: String,
    /// The platform did not answer: trying again may help.
    pub is_away: bool,
}

impl Trouble {
    /// The platform says no.
    pub(super) fn refused(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), is_away: false }
    }
    /// The platform does not answer.
    pub(super) fn away(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), is_away: true }
    }
}

/// A person on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    /// As people call them; may be empty. Written by that person, so it is not to be trusted.
    pub name: String,
}

/// An account as its platform describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// The platform's own id of the account: bot, workspace or application.
    pub account: String,
    /// The account as people know it: `@desk_bot (Desk)`.
    pub title: String,
    /// Name of the endpoint, unless the owner gives another.
    pub endpoint: String,
    /// Keys of the configuration that the platform told.
    pub keys: Vec<(&'static str, String)>,
    /// Where a first message is written, as an instruction that follows “Now ”.
    pub first_message: String,
    /// The account's owner, where the platform tells.
    pub owner: Option<Person>,
    /// Worth knowing, or to be mended, one line each.
    pub notes: Vec<Note>,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Fine,
    Warning,
    Error,
}

/// A result of a check, with its fix unless it is fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub weight: Weight,
    pub what: String,
    pub fix: String,
}

impl Note {
    pub(super) fn fine(what: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, what: what.into(), fix: String::new() }
    }
    pub(super) fn warning(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, what: what.into(), fix: fix.into() }
    }
    pub(super) fn error(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { weight: Weight::Error, what: what.into(), fix: fix.into() }
    }
}

impl From<Trouble> for Note {
    /// A platform that does not answer proves nothing wrong.
    fn from(trouble: Trouble) -> Self {
        let Trouble { what, fix, is_away } = trouble;
        if is_away { Self::warning(what, fix) } else { Self::error(what, fix) }
    }
}

/// A secret that a person copies from the platform's pages.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its key in the configuration.
    pub key: &'static str,
    /// Its name on the platform's pages.
    pub title: &'static str,
    /// The page that has it.
    pub place: &'static str,
    /// Whether the text may be one: a cheap test that names the usual mistakes.
    pub sound: fn(&str) -> Result<(), &'static str>,
}

/// Milliseconds by which the platform's clock and ours may differ.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// A message that a person wrote to the account directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstMessage {
    pub from: Person,
    /// By the platform's clock, milliseconds since the epoch; `None` where it has no date.
    pub sent_ms: Option<i64>,
    pub text: String,
}

impl FirstMessage {
    /// Whether its date says that it is older than this time. A platform hands over what waited,
    /// so a stranger's message of yesterday may come first.
    pub fn is_before(&self, since_ms: i64) -> bool {
        self.sent_ms.is_some_and(|sent| sent < since_ms.saturating_sub(CLOCKS_DIFFER_MS))
    }
    /// Whether this word is in it, alone or after a command.
    pub fn says(&self, word: &str) -> bool {
        self.text.split_whitespace().any(|said| said == word)
    }
}

/// The first messages of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Oldest first; a person may stand here twice.
    pub messages: Vec<FirstMessage>,
    /// There may be more behind these: if none of them is of use, this as `after` confirms them,
    /// so that later ones are handed over.
    pub further: Option<i64>,
}

/// The configuration of an endpoint that is checked.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    pub name: String,
    /// The server asks or holds a connection: no webhook.
    pub without_address: bool,
    /// Keys of the configuration that the platform knows as well.
    pub keys: Vec<(&'static str, String)>,
}

impl Checked {
    /// A key of the configuration.
    pub(super) fn key(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}

/// One platform, as its configured endpoints are checked.
#[async_trait]
pub trait Examine: Send + Sync {
    /// Checks a configured endpoint.
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note>;
}

/// One platform, as its accounts are connected.
#[async_trait]
pub trait Enrol: Examine {
    /// How a person comes by the secrets. `public` is the server's https address for webhooks;
    /// without it the endpoint needs none.
    fn guide(&self, public: Option<&str>) -> String;
    /// The `mode` of an endpoint that needs no public address.
    fn mode(&self) -> &'static str;
    /// The secrets to ask for; the first is the bot's token.
    fn secrets(&self) -> &'static [Asked];
    /// The question for the address of the platform, where everybody has another one.
    fn asks_address(&self) -> Option<&'static str> {
        None
    }
    /// Tries the credentials.
    ///
    /// # Errors
    /// When the platform refuses them, or does not answer.
    async fn learn(&self, account: &Account<'_>) -> Result<Learnt, Trouble>;
    /// The account that a configured endpoint is of, as [`Learnt::account`]; `None` where the
    /// configuration does not tell.
    fn account_of(&self, name: &str, table: &Value) -> Option<String>;
    /// Registers all that the API can register, for an endpoint without a public address; one line
    /// for each thing done.
    ///
    /// # Errors
    /// When the platform refuses, or does not answer.
    async fn register(
        &self,
        account: &Account<'_>,
        learnt: &Learnt,
    ) -> Result<Vec<String>, Trouble>;
    /// Whether first messages can be heard without being taken from the server.
    fn hears_without_taking(&self) -> bool {
        false
    }
    /// How the owner sends a word that nobody else can know, as an instruction that follows “Now ”.
    fn ask_word(&self, learnt: &Learnt, word: &str) -> String {
        format!("{}: the word {word}", learnt.first_message)
    }
    /// Hears first messages without taking them: the server gets them again and answers them.
    /// `None` where a platform hands a message over once only.
    async fn hear(
        &self,
        account: &Account<'_>,
        after: Option<i64>,
    ) -> Option<Result<Heard, Trouble>>;
    /// A person's name, by id; `None` where it cannot be learnt.
    async fn name_of(&self, account: &Account<'_>, id: &str) -> Option<String>;
}

/// The platform behind an account, named in its troubles.
pub(super) struct Api<'a> {
    pub(super) title: &'static str,
    pub(super) account: &'a Account<'a>,
}

impl Api<'_> {
    /// Sends one request with a JSON body, or without one.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        authorization: Option<String>,
        body: Option<&Value>,
    ) -> Result<(OutboundResponse, Value), Trouble> {
        let mut headers = Vec::new();
        headers.extend(authorization.map(|value| ("authorization", value)));
        headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
        let request = OutboundRequest {
            method,
            url: format!("{}/{path}", self.account.api_base),
            headers,
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
            timeout_ms: TRIAL_MS,
        };
        let answer = self.account.outbound.send(request).await.map_err(|error| {
            Trouble::away(
                format!(
                    "{} does not answer at {} ({})",
                    self.title, self.account.api_base, error.detail
                ),
                "Check the network of this machine, then run this again.",
            )
        })?;
        let body = lenient::json(&answer.body);
        if answer.status == 429 || answer.status >= 500 {
            let what = format!("{} answers {} for now", self.title, answer.status);
            return Err(Trouble::away(what, "Wait a minute, then run this again."));
        }
        Ok((answer, body))
    }
}
