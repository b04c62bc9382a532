//! Slack: Events API, interactivity and slash commands in; `chat.postMessage` and `chat.update`
//! out.

mod app;
mod enrol;
mod files;
mod incoming;
mod look_up;
mod mrkdwn;
mod names;
mod outgoing;
mod sample;
mod setup;
mod socket;
mod tokens;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, LookUp, Mode, Protocol, SendResult,
    Setup, secret,
};
use app::{App, Way, reply_path, signature};
use bytes::Bytes;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use names::Names;
use platform::config::Section;
use platform::ports::OutboundResponse;
use socket::SocketMode;
use std::sync::Arc;

/// The channel.
pub struct Slack;

const APP_TOKEN: &str = "Make an app-level token (xapp-…) with the scope connections:write on the app's Basic Information page, and switch on Socket Mode.";
const SIGNING_SECRET: &str = "Copy it from the app's Basic Information page; without a public address, write an app_token (xapp-…) instead.";
const SOCKET: Mode = Mode::Fetched {
    name: "socket",
    webhook_fix: "Write mode = \"webhook\", and the signing_secret from the app's Basic Information page.",
};

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
        let way = way(section);
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
        let (way, bot_token) = (way?, bot_token?);
        Some(Arc::new(App { api_base, way, bot_token, team, names: Names::default() }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

/// With an app-level token, Slack's messages come over a connection of ours; else by its webhook.
fn way(section: &mut Section<'_>) -> Option<Way> {
    let choices = [("socket", true), ("webhook", false)];
    let by_socket = section.one_of("mode", &choices).unwrap_or_else(|| section.has("app_token"));
    let signing_secret = section.secret("signing_secret");
    let app_token = section.secret("app_token");
    if by_socket {
        let app_token = section.required("app_token", app_token, APP_TOKEN)?;
        if !app_token.reveal().starts_with("xapp-") {
            section.wrong("app_token", "is not an app-level token.", APP_TOKEN);
        }
        return Some(Way::Socket(app_token));
    }
    section.required("signing_secret", signing_secret, SIGNING_SECRET).map(Way::Webhook)
}

/// `T` and at least eight more capitals and digits.
fn is_team(text: &str) -> bool {
    text.len() >= 9
        && text.starts_with('T')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

impl Connection for App {
    /// A workspace, a channel, and in channels a thread.
    fn chat_of(&self, conversation: &str) -> Option<(String, Option<String>)> {
        let mut parts = conversation.splitn(3, ':').skip(1);
        let (channel, thread) = (parts.next()?, parts.next());
        let is_named = !channel.is_empty() && thread != Some("");
        is_named.then(|| (channel.to_owned(), thread.map(str::to_owned)))
    }
    fn verify(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> bool {
        incoming::verify(self, headers, body, now_ms)
    }
    fn read(&self, headers: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        incoming::read(self, headers, body)
    }
    fn look_up(&self, body: &[u8], _: i64) -> Option<LookUp> {
        look_up::next(self, body)
    }
    fn learn(&self, about: &str, answer: &OutboundResponse) {
        self.names.learn(about, answer);
    }
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn length(&self, row: &OutboxRow) -> Length {
        outgoing::length_of(row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        match aim {
            Aim::Upload(step) => files::judge(step, answer),
            _ => outgoing::judge(aim, answer),
        }
    }
    fn fetch(&self, file: &OfferedFile, _: Option<&OutboundResponse>) -> Fetch {
        files::fetch(self, file)
    }
    fn not_a_file(&self, file: &OfferedFile, answer: &OutboundResponse) -> Option<String> {
        files::not_a_file(file, answer)
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
    fn mode(&self) -> Mode {
        match self.way {
            Way::Webhook(_) => Mode::Webhook,
            Way::Socket(_) => SOCKET,
        }
    }
    fn protocol(&self) -> Option<Box<dyn Protocol + '_>> {
        match &self.way {
            Way::Webhook(_) => None,
            Way::Socket(token) => Some(Box::new(SocketMode::new(self, token))),
        }
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        match self.way {
            Way::Webhook(_) => Setup::steps(setup::STEPS, path, public),
            Way::Socket(_) => Setup::Steps(setup::SOCKET_STEPS.to_owned()),
        }
    }
}
