//! Ways in over connections that we open: the driver of each platform's [`Protocol`].
//!
//! A message is stored before its platform learns that we have it. One that is handed over twice
//! is known by its key, as with webhooks.

use crate::Deps;
use crate::channels::{Ack, Action, Input, Line, OPEN_MS, Protocol, Taking};
use crate::config::Endpoint;
use crate::ingest::{self, Received};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, join_all, pending, select, select_all};
use futures_util::stream::FuturesUnordered;
use inbox::{InboxExt, KeepSocket, ReadSocket};
use platform::ports::{Clock, Dial, Frame, OutboundRequest, Socket};
use std::collections::VecDeque;
use std::pin::pin;

/// Maximum time for a close code to reach the other side.
const CLOSE_MS: i64 = 2_000;
/// Maximum time to send a frame: a connection that takes none is gone.
const SAY_MS: i64 = 10_000;

/// Keeps up the connections of every endpoint that has one, until the process ends.
pub async fn sockets(deps: &Deps, dial: &dyn Dial) {
    let endpoints = deps.config.endpoints.iter();
    let kept_up = endpoints.filter_map(|endpoint| {
        let protocol = endpoint.connection.as_ref()?.protocol()?;
        Some(Driver::new(deps, dial, endpoint, protocol).run())
    });
    join_all(kept_up).await;
}

struct Driver<'a> {
    deps: &'a Deps,
    dial: &'a dyn Dial,
    endpoint: &'a Endpoint,
    protocol: Box<dyn Protocol + 'a>,
    lines: Vec<(Line, Box<dyn Socket>)>,
    /// Requests and openings whose results are still to come.
    waits: FuturesUnordered<BoxFuture<'a, Option<Happened>>>,
    inputs: VecDeque<Input>,
    /// The message that was stored last, until it is acknowledged.
    stored: Option<Received>,
}

/// The result of something that took time.
enum Happened {
    Answered(Input),
    Opened(Line, Box<dyn Socket>),
}

impl<'a> Driver<'a> {
    fn new(
        deps: &'a Deps,
        dial: &'a dyn Dial,
        endpoint: &'a Endpoint,
        protocol: Box<dyn Protocol + 'a>,
    ) -> Self {
        Self {
            deps,
            dial,
            endpoint,
            protocol,
            lines: Vec::new(),
            waits: FuturesUnordered::new(),
            inputs: VecDeque::new(),
            stored: None,
        }
    }

    async fn run(mut self) {
        let kept = self.deps.inbox.ask(&self.endpoint.shard(), ReadSocket).await;
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(endpoint = %self.endpoint.shard(), %error, "the state of the connection cannot be read");
            None
        });
        self.inputs.push_back(Input::Started(kept));
        loop {
            while let Some(input) = self.inputs.pop_front() {
                for action in self.protocol.step(input, &*self.deps.clock) {
                    self.act(action).await;
                }
                self.begin();
            }
            self.wait().await;
        }
    }

    /// Begins the work on a message that was acknowledged over its connection.
    fn begin(&mut self) {
        let is_unacknowledged = matches!(self.inputs.front(), Some(Input::Taken(..)));
        if let Some(stored) = self.stored.take_if(|_| !is_unacknowledged) {
            stored.begin(self.deps);
        }
    }

    async fn wait(&mut self) {
        match next(self).await {
            Next::Due => self.inputs.push_back(Input::Due),
            Next::Result(None) => {}
            Next::Result(Some(Happened::Answered(input))) => self.inputs.push_back(input),
            Next::Result(Some(Happened::Opened(line, socket))) => {
                self.lines.push((line, socket));
                self.inputs.push_back(Input::Opened(line));
            }
            Next::Frame(line, frame) => self.frame(line, frame),
        }
    }

    fn frame(&mut self, line: Line, frame: Frame) {
        let input = match frame {
            Frame::Text(text) => Input::Text(line, text),
            Frame::Alive => Input::Alive(line),
            Frame::Closed { code, reason } => {
                tracing::debug!(endpoint = %self.endpoint.shard(), code, reason, "a connection ended");
                self.lines.retain(|(known, _)| *known != line);
                Input::Closed(line, code)
            }
        };
        self.inputs.push_back(input);
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Ask(request) => self.ask(request),
            Action::Open(line, url) => self.open(line, url),
            Action::Say(line, text) => self.say(line, Some(text)).await,
            Action::Ping(line) => self.say(line, None).await,
            Action::Close(line, code) => self.close(line, code),
            Action::Take(line, taking) => self.take(line, taking).await,
            Action::Acknowledge(request) => self.acknowledge(request),
            Action::Keep(state) => self.keep(state).await,
            Action::Report(link) => {
                self.deps.links.note(self.endpoint.shard(), link, self.deps.clock.now_ms());
            }
        }
    }

    fn ask(&self, request: OutboundRequest) {
        let outbound = self.deps.outbound.clone();
        self.waits.push(Box::pin(async move {
            Some(Happened::Answered(match outbound.send(request).await {
                Ok(answer) => Input::Answered(answer),
                Err(error) => Input::Unanswered(error.detail),
            }))
        }));
    }

    fn open(&self, line: Line, url: String) {
        let dial = self.dial;
        self.waits.push(Box::pin(async move {
            Some(match dial.open(&url, OPEN_MS).await {
                Ok(socket) => Happened::Opened(line, socket),
                Err(error) => Happened::Answered(Input::NotOpened(line, error.detail)),
            })
        }));
    }

    /// Sends a text, or a ping. A connection that does not take it is gone.
    async fn say(&mut self, line: Line, text: Option<String>) {
        let Some((_, socket)) = self.lines.iter_mut().find(|(known, _)| *known == line) else {
            return;
        };
        if !say(&mut **socket, text, &*self.deps.clock).await {
            self.lines.retain(|(known, _)| *known != line);
            self.inputs.push_back(Input::Closed(line, None));
        }
    }

    fn close(&mut self, line: Line, code: u16) {
        let Some(index) = self.lines.iter().position(|(known, _)| *known == line) else { return };
        let (_, mut socket) = self.lines.remove(index);
        let clock = self.deps.clock.clone();
        self.waits.push(Box::pin(async move {
            let until_ms = clock.now_ms() + CLOSE_MS;
            select(socket.close(code), clock.sleep_until(until_ms)).await;
            None
        }));
    }

    async fn take(&mut self, line: Line, taking: Taking) {
        let (deps, endpoint) = (self.deps, self.endpoint);
        let received = match (taking, endpoint.connection.as_deref()) {
            (Taking::Webhook(body), Some(connection)) => {
                let headers = http::HeaderMap::new();
                ingest::receive(deps, endpoint, connection, &headers, &body).await
            }
            (Taking::Plain(inbound, body), _) => {
                ingest::store(deps, endpoint, *inbound, &body).await
            }
            // Only an endpoint with a platform has a protocol.
            (Taking::Webhook(_), None) => Ok(Received::nothing(Ack::empty(200))),
        };
        // To take the next one is to acknowledge the one before.
        if let Some(earlier) = self.stored.take() {
            earlier.begin(deps);
        }
        let input = match received {
            Ok(received) => {
                let ack = received.ack.clone();
                self.stored = Some(received);
                Input::Taken(line, ack)
            }
            Err(_) => Input::NotTaken(line),
        };
        self.inputs.push_front(input);
    }

    /// Work on a message begins after its acknowledgement: an answer that overtook it would not be
    /// accepted.
    fn acknowledge(&mut self, request: OutboundRequest) {
        let stored = self.stored.take();
        let (deps, shard) = (self.deps, self.endpoint.shard());
        self.waits.push(Box::pin(async move {
            match deps.outbound.send(request).await {
                Ok(answer) if answer.status < 300 => {}
                Ok(answer) => {
                    tracing::warn!(endpoint = %shard, status = answer.status, "an acknowledgement was refused");
                }
                Err(error) => {
                    tracing::warn!(endpoint = %shard, %error, "an acknowledgement was not sent");
                }
            }
            if let Some(stored) = stored {
                stored.begin(deps);
            }
            None
        }));
    }

    /// An older state makes the platform repeat what is known here.
    async fn keep(&mut self, state: Option<String>) {
        let shard = self.endpoint.shard();
        if let Err(error) = self.deps.inbox.ask(&shard, KeepSocket { state }).await {
            tracing::warn!(endpoint = %shard, %error, "the state of the connection was not kept");
        }
    }
}

/// The next event of a driver.
enum Next {
    /// The machine's time has come.
    Due,
    Result(Option<Happened>),
    Frame(Line, Frame),
}

/// Waits for the machine's time, a result or a frame, in this order of preference.
async fn next(driver: &mut Driver<'_>) -> Next {
    let Driver { deps, protocol, lines, waits, .. } = driver;
    let due_ms = protocol.due_ms();
    let due = pin!(async {
        match due_ms {
            Some(at_ms) => deps.clock.sleep_until(at_ms).await,
            None => pending().await,
        }
    });
    let result = pin!(async {
        match waits.next().await {
            Some(result) => result,
            None => pending().await,
        }
    });
    let frame = pin!(async {
        if lines.is_empty() {
            return pending().await;
        }
        let next = lines.iter_mut().map(|(line, socket)| {
            let line = *line;
            Box::pin(async move { (line, socket.next().await) })
        });
        select_all(next).await.0
    });
    match select(due, select(result, frame)).await {
        Either::Left(_) => Next::Due,
        Either::Right((Either::Left((result, _)), _)) => Next::Result(result),
        Either::Right((Either::Right(((line, frame), _)), _)) => Next::Frame(line, frame),
    }
}

/// Sends a text, or a ping; false when the connection does not take it.
async fn say(socket: &mut dyn Socket, text: Option<String>, clock: &dyn Clock) -> bool {
    let sending = pin!(async {
        match text {
            Some(text) => socket.send(text).await,
            None => socket.ping().await,
        }
    });
    let sent = select(sending, clock.sleep_until(clock.now_ms() + SAY_MS)).await;
    matches!(sent, Either::Left((Ok(()), _)))
}
