//! Slack: Events API, interactivity and slash commands in; `chat.postMessage` and `chat.update`
//! out.

mod app;
mod incoming;
mod outgoing;
mod sample;
mod setup;

use super::{Aim, Attempt, Channel, Connection, Incoming, SendResult, Setup, secret};
use app::{App, signature};
use http::HeaderMap;
use inbox::OutboxRow;
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;

/// The channel.
pub struct Slack;

impl Channel for Slack {
    fn default_api_base(&self) -> &'static str {
        "https://slack.com/api"
    }

    /// A workspace's id is in capitals, as a variable's name is.
    fn name_of_variable(&self, word: &str) -> String {
        word.to_owned()
    }

    fn connect(
        &self,
        name: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>> {
        let signing_secret =
            secret(section, "signing_secret", "Copy it from the app's Basic Information page.");
        let bot_token = secret(
            section,
            "bot_token",
            "Copy the Bot User OAuth Token (xoxb-…) from the app's OAuth page.",
        );
        let team = section.text("team");
        if team.as_deref().is_some_and(|team| !is_team(team)) {
            section.wrong(
                "team",
                "is not the id of a workspace.",
                "Copy it from the address of the workspace in a browser: app.slack.com/client/T….",
            );
        }
        // A name in capitals alone is a name: an id without any digit is rare.
        let named = is_team(name) && name.bytes().any(|b| b.is_ascii_digit());
        let team = team.or_else(|| named.then(|| name.to_owned()));
        let (signing_secret, bot_token) = (signing_secret?, bot_token?);
        Some(Arc::new(App { api_base, signing_secret, bot_token, team }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

/// `T` and at least eight more capitals and digits.
fn is_team(text: &str) -> bool {
    text.len() >= 9
        && text.starts_with('T')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

impl Connection for App {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> bool {
        incoming::verify(self, headers, body, now_ms)
    }
    fn read(&self, headers: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        incoming::read(self, headers, body)
    }
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        Setup::steps(setup::STEPS, path, public)
    }
}
