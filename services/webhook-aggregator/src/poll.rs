//! Ways in that need no public address: platforms that are asked for their messages.
//!
//! A message is confirmed to its platform only after its commit, by the next request. A message
//! that is handed over twice is known by its key, as with webhooks.

use crate::channels::{Connection, Link, Poll, Polled};
use crate::config::Endpoint;
use crate::{Deps, ingest};
use futures_util::future::join_all;
use platform::backoff::Exponential;
use platform::ports::{OutboundRequest, OutboundResponse};

/// Between attempts after a failure.
const BACKOFF: Exponential = Exponential { first_ms: 1_000, max_ms: 60_000 };
/// Least time between two requests that bring nothing, for a platform that does not wait.
const EMPTY_MS: i64 = 1_000;
/// While another program reads the same messages, or the token is refused.
const REFUSED_MS: i64 = 30_000;

/// Asks every endpoint that is to be asked, until the process ends.
pub async fn poll(deps: &Deps) {
    let endpoints = deps.config.endpoints.iter();
    let asked = endpoints.filter_map(|endpoint| {
        let connection = &**endpoint.connection.as_ref()?;
        Some(follow(Reader::new(deps, endpoint, connection)?))
    });
    join_all(asked).await;
}

async fn follow(mut reader: Reader<'_>) {
    let deps = reader.deps;
    let mut failures = 0;
    loop {
        let since_ms = deps.clock.now_ms();
        let wait_ms = match reader.round().await {
            Ok(Round::News) => {
                failures = 0;
                continue;
            }
            Ok(Round::Nothing) => {
                failures = 0;
                EMPTY_MS - (deps.clock.now_ms() - since_ms)
            }
            Ok(Round::Later { after_ms, link }) => {
                reader.note(link);
                after_ms
            }
            Err(error) => {
                failures += 1;
                reader.note(Link::reconnecting(error));
                BACKOFF.wait_ms(failures, &*deps.clock)
            }
        };
        if wait_ms > 0 {
            deps.clock.sleep_until(deps.clock.now_ms() + wait_ms).await;
        }
    }
}

/// The result of one request.
enum Round {
    News,
    Nothing,
    Later { after_ms: i64, link: Link },
}

struct Reader<'a> {
    deps: &'a Deps,
    endpoint: &'a Endpoint,
    connection: &'a dyn Connection,
    poll: &'a dyn Poll,
    /// Confirms the messages before it.
    after: Option<i64>,
    /// The webhook is removed.
    is_prepared: bool,
}

impl<'a> Reader<'a> {
    /// None for a platform that sends its messages.
    fn new(deps: &'a Deps, endpoint: &'a Endpoint, connection: &'a dyn Connection) -> Option<Self> {
        let poll = connection.poll()?;
        Some(Self { deps, endpoint, connection, poll, after: None, is_prepared: false })
    }
    /// The error is a sentence.
    async fn round(&mut self) -> Result<Round, String> {
        if !self.is_prepared {
            let answer = self.send(self.poll.prepare()).await?;
            if answer.status != 200 {
                return Ok(self.refused(&answer, self.poll.read(&answer)));
            }
            self.is_prepared = true;
            // The next answer may take as long as no message comes.
            self.note(Link::connected());
        }
        let answer = self.send(self.poll.next(self.after)).await?;
        match self.poll.read(&answer) {
            Polled::Updates(updates) if updates.is_empty() => {
                self.note(Link::connected());
                Ok(Round::Nothing)
            }
            Polled::Updates(updates) => {
                self.note(Link::connected());
                for (id, body) in updates {
                    let taken =
                        ingest::take(self.deps, self.endpoint, self.connection, &body).await;
                    taken.map_err(|error| error.0.detail)?;
                    self.after = Some(id.saturating_add(1));
                }
                Ok(Round::News)
            }
            other => Ok(self.refused(&answer, other)),
        }
    }
    fn note(&self, link: Link) {
        let deps = self.deps;
        deps.links.note(self.endpoint.shard(), link, deps.clock.now_ms());
    }
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, String> {
        let answer = self.deps.outbound.send(request).await;
        answer.map_err(|error| format!("The platform does not answer ({error})."))
    }
    fn refused(&mut self, answer: &OutboundResponse, polled: Polled) -> Round {
        match polled {
            Polled::Later { after_ms, why } => {
                Round::Later { after_ms, link: Link::reconnecting(why) }
            }
            Polled::Refused { why, prepare } => {
                self.is_prepared &= !prepare;
                let link = Link::refused(why, None);
                Round::Later { after_ms: REFUSED_MS, link }
            }
            Polled::Updates(_) => {
                let why = format!("The platform answered {}.", answer.status);
                Round::Later { after_ms: REFUSED_MS, link: Link::reconnecting(why) }
            }
        }
    }
}
