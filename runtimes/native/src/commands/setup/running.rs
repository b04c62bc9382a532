//! The running server of the data directory, as a set-up needs it.

use crate::client::Client;
use crate::data_dir::DataDir;
use crate::exit::No;
use crate::live::{InForce, PATH};
use crate::ports::clock::SystemClock;
use anyhow::{Context, Result};
use contracts::ChannelKind;
use contracts::calls::webhook_aggregator::ListEvents;
use contracts::event::{EventsQuery, Stage};
use platform::ports::Clock;
use platform::time::rfc3339;
use reqwest::Method;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two looks at the server's messages.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A server that answers.
pub struct Running {
    client: Client,
    /// The configuration file that it reads.
    pub file: PathBuf,
    /// Its endpoints, as `<channel>.<name>`.
    pub(super) endpoints: Vec<String>,
}

impl Running {
    /// The server of this data directory; none where no server runs.
    ///
    /// # Errors
    /// When one runs that cannot be asked: it would not take up what is written.
    pub async fn find(data: &DataDir) -> Result<Option<Self>> {
        if !data.is_in_use() {
            return Ok(None);
        }
        let client = Client::new(None, data)?;
        let in_force: InForce = client.ask_server(Method::GET, PATH).await.context(
            "another process uses the data directory and cannot be asked, so nothing was changed",
        )?;
        Ok(Some(Self { client, file: in_force.file, endpoints: in_force.endpoints }))
    }
    /// Waits until a server that was just started answers.
    ///
    /// # Errors
    /// When it does not within the patience.
    pub(super) async fn of_start(data: &DataDir) -> Result<Self> {
        const PATIENCE_LOOKS: u32 = 120;
        for _ in 0..PATIENCE_LOOKS {
            if data.server().is_some_and(|server| server.pid == std::process::id())
                && let Ok(Some(running)) = Self::find(data).await
            {
                return Ok(running);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(No("the server that was started does not answer".to_owned()).into())
    }
    /// Whether this is the file that the server reads.
    pub fn is_same_file(&self, file: &Path) -> bool {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        whole(&self.file) == whole(file)
    }
    /// Has the server read its configuration again.
    ///
    /// # Errors
    /// When it refuses the configuration, or does not answer.
    pub async fn reload(&self) -> Result<InForce> {
        self.client.ask_server(Method::POST, PATH).await
    }
    /// The unknown senders who wrote to an endpoint since this time, the first one first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn strangers(
        &self,
        channel: ChannelKind,
        endpoint: &str,
        since_ms: i64,
    ) -> Result<Vec<String>> {
        let query = EventsQuery {
            state: Some(Stage::Ignored.as_str().to_owned()),
            channel: Some(channel.as_str().to_owned()),
            ..EventsQuery::default()
        };
        let list = self.client.ask::<ListEvents>(&(), &query).await?;
        let since = rfc3339(since_ms);
        let is_new = |event: &&contracts::event::EventRow| {
            event.endpoint == endpoint && event.is_of_unknown_sender() && event.received_at >= since
        };
        let mut found: Vec<String> =
            list.events.iter().filter(is_new).filter_map(|event| event.sender.clone()).collect();
        found.reverse();
        Ok(found)
    }
}

/// Waits between two looks.
pub(super) async fn pause() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// The time now, milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    SystemClock.now_ms()
}
