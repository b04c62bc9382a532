//! Hosts play stories. The stories and the player do not know which host they run on.
//!
//! | host | implementation | time |
//! | --- | --- | --- |
//! | [`crate::in_process::InProcess`] | the six services on memory ports, in this process | a manual clock: an hour costs nothing |
//! | [`crate::native::Native`] | the real `quintet` binary with its files and processes | real time |
//! | [`crate::workerd::Workerd`] | the five Workers on Cloudflare's runtime, joined by `quintet gateway --control` | real time |

use crate::agent::Agent;
use crate::telegram::Telegram;
use async_trait::async_trait;
use serde_json::Value;

/// A request to the host's front door.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// The token's scope: `operator`, `viewer`, `agent`, `gateway`, or `nobody`.
    pub scope: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// A response; a body that is not JSON is a text.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// A response with these bytes.
    pub fn new(status: u16, bytes: &[u8]) -> Self {
        let body = serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()));
        Self { status, body }
    }
}

/// A runtime that plays stories.
#[async_trait]
pub trait Host: Send {
    /// `in-process`, `native` or `workerd`, as in a story's `hosts:`.
    fn name(&self) -> &'static str;
    /// The fake platform of this host.
    fn telegram(&self) -> &Telegram;
    /// Sends a request to the front door. An error means that the host does not answer at all.
    async fn send(&mut self, request: Request) -> Result<Answer, String>;
    /// Changes the agent's program.
    ///
    /// # Errors
    /// When the program cannot be written.
    fn set_agent(&mut self, agent: &Agent) -> Result<(), String>;
    /// How often the agent's program was started, across restarts of the host.
    fn runs(&self, agent: &str) -> usize;
    /// The host's time, milliseconds.
    fn now_ms(&self) -> i64;
    /// A short pause between two checks.
    async fn breathe(&mut self);
    /// Lets this much of the host's time pass.
    async fn advance(&mut self, ms: i64);
    /// The longest `advance` on this host; none if time costs nothing.
    fn advance_max_ms(&self) -> Option<i64>;
    /// Kills the process at an arbitrary point and starts it again on the same storage.
    async fn restart(&mut self) -> Result<(), String>;
    /// Output that helps to explain a failure, such as the end of a log.
    fn notes(&self) -> String;
    /// Stops the host.
    async fn close(&mut self);
}
