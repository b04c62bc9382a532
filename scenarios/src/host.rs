//! Where a story is played. The stories and the player know nothing of what stands behind a host.
//!
//! | host | what it is | time |
//! | --- | --- | --- |
//! | [`crate::in_process::InProcess`] | the six services on memory ports, in this process | a clock moved by hand: an hour costs nothing |
//! | [`crate::native::Native`] | the real `quintet` binary, its files, its processes | the machine's |
//! | [`crate::workerd::Workerd`] | the five Workers on Cloudflare's runtime, joined by `quintet gateway --control` | the machine's |

use crate::agent::Agent;
use crate::telegram::Telegram;
use async_trait::async_trait;
use serde_json::Value;

/// A request to the host's front door.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Whose token goes along: `operator`, `viewer`, `agent`, `gateway`, or `nobody`.
    pub scope: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// What came back; a body that is no JSON is a text.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// An answer of these bytes.
    pub fn new(status: u16, bytes: &[u8]) -> Self {
        let body = serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()));
        Self { status, body }
    }
}

/// A runtime that can be told a story.
#[async_trait]
pub trait Host: Send {
    /// `in-process`, `native`: as `hosts:` in a story names it.
    fn name(&self) -> &'static str;
    /// The platform this host sends its answers to.
    fn telegram(&self) -> &Telegram;
    /// A request to the front door. An error is a host that does not answer at all.
    async fn send(&mut self, request: Request) -> Result<Answer, String>;
    /// From now on the agent's program does this.
    fn set_agent(&mut self, agent: &Agent) -> Result<(), String>;
    /// How often the agent's program was started, restarts of the host included.
    fn runs(&self, agent: &str) -> usize;
    /// The host's time, milliseconds.
    fn now_ms(&self) -> i64;
    /// Lets a moment pass between two looks at something that is to come.
    async fn breathe(&mut self);
    /// Lets that much of the host's time pass.
    async fn advance(&mut self, ms: i64);
    /// The longest `advance` that this host's time allows; none where time is free.
    fn advance_max_ms(&self) -> Option<i64>;
    /// Dies without warning, in the middle of whatever it does, and starts again over what it had stored.
    async fn restart(&mut self) -> Result<(), String>;
    /// What helps to understand a failure, such as the end of a log.
    fn notes(&self) -> String;
    /// Ends it.
    async fn close(&mut self);
}
