//! The way of a run to our own MCP server, where its program asks the owner.
//!
//! The program sends the token of its run. The request goes on with the real token, and with the
//! task and the agent in headers that only this relay sets. An answer may take a day: nothing here
//! has a time limit, and a server that restarts in between is asked again, where the same question
//! is still open.

use super::forward::{Answer, Failure, client_for, refuse};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use platform::ports::ProgramSpec;
use platform::secret::Secret;
use reqwest::Url;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// Maximum bytes of a question.
const QUESTION_BYTES_MAX: usize = 1 << 20;
/// Parts of an answer that the program has not read yet; a day of signs of life has fewer.
const UNREAD_MAX: usize = 16 << 10;
/// A server that is away this long is not restarting.
const AWAY_MAX: Duration = Duration::from_mins(10);
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const PASSED_ON: [&str; 3] = ["accept", "content-type", "mcp-protocol-version"];
const TASK: &str = personal_assistant::TASK_HEADER;
const AGENT: &str = personal_assistant::AGENT_HEADER;

/// Our MCP server, and the token that it takes from agents.
#[derive(Clone)]
pub struct ToolServer {
    pub url: String,
    pub token: Secret,
}

/// The asking run, as the server is told.
pub(super) struct Asker {
    headers: HeaderMap,
    /// Questions that are open.
    open: watch::Sender<u32>,
}

impl Asker {
    /// The error is a sentence.
    pub(super) fn new(
        server: &ToolServer,
        agent: &str,
        spec: &ProgramSpec,
    ) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", server.token.reveal());
        for (name, text) in [(TASK, spec.task.as_str()), (AGENT, agent), ("authorization", &bearer)]
        {
            let mut value = HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| format!("the header {name} cannot carry its value"))?;
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(Self { headers, open: watch::Sender::new(0) })
    }
    /// The number of open questions, as it changes.
    pub(super) fn open(&self) -> watch::Receiver<u32> {
        self.open.subscribe()
    }
    /// Passes one request on.
    pub(super) async fn pass_on(
        &self,
        url: Url,
        (method, sent): (Method, &HeaderMap),
        body: Incoming,
    ) -> Answer {
        let Ok(body) = Limited::new(body, QUESTION_BYTES_MAX).collect().await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request has more than 1 MiB.");
        };
        let Some(client) = client_for(&url) else {
            return refuse(StatusCode::BAD_GATEWAY, "The system's certificates cannot be loaded.");
        };
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            headers
                .extend(sent.get(name).map(|value| (HeaderName::from_static(name), value.clone())));
        }
        headers.extend(self.headers.clone());
        let question = Question { client, url, method, headers, body: body.to_bytes() };
        let open = Open::new(&self.open);
        match question.ask().await {
            Some(response) => streamed(question, response, open),
            None => refuse(StatusCode::BAD_GATEWAY, "The server cannot be reached."),
        }
    }
}

/// Counts as an open question until it is dropped.
struct Open(watch::Sender<u32>);

impl Open {
    fn new(count: &watch::Sender<u32>) -> Self {
        count.send_modify(|open| *open = open.saturating_add(1));
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// A request that can be repeated: the server joins it to the question that is open.
struct Question {
    client: &'static reqwest::Client,
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Question {
    /// The response; none where the server stays away.
    async fn ask(&self) -> Option<reqwest::Response> {
        let since = Instant::now();
        loop {
            let request = self.client.request(self.method.clone(), self.url.clone());
            let sent = request.headers(self.headers.clone()).body(self.body.clone()).send().await;
            let is_away =
                |response: &reqwest::Response| matches!(response.status().as_u16(), 502..=504);
            match sent {
                Ok(response) if !is_away(&response) => return Some(response),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = %error.without_url(), "a question was not sent");
                }
            }
            if since.elapsed() > AWAY_MAX {
                return None;
            }
            sleep(AGAIN_AFTER).await;
        }
    }
}

/// The response as it comes in. It is read whether the program reads it or not, so that a program
/// cannot keep its question open by leaving the answer unread.
fn streamed(question: Question, response: reqwest::Response, open: Open) -> Answer {
    let (parts, mut unread) = mpsc::channel(UNREAD_MAX);
    let status = response.status();
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, CACHE_CONTROL] {
        headers.extend(response.headers().get(&name).map(|value| (name.clone(), value.clone())));
    }
    tokio::spawn(async move {
        tokio::select! {
            // The program or its run has ended.
            () = parts.closed() => {}
            () = read(&question, response, &parts) => {}
        }
        drop(open);
    });
    let stream = futures_util::stream::poll_fn(move |cx| unread.poll_recv(cx));
    let mut answer = Response::new(StreamBody::new(stream).boxed_unsync());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

type Part = Result<Frame<Bytes>, Failure>;

async fn read(question: &Question, mut response: reqwest::Response, parts: &mpsc::Sender<Part>) {
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                if parts.try_send(Ok(Frame::data(bytes))).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let is_stream = is_event_stream(&response);
                let next = if is_stream { question.ask().await } else { None };
                let Some(next) = next.filter(is_event_stream) else {
                    let _ = parts.try_send(Err(error.without_url().into()));
                    return;
                };
                response = next;
                // Ends a line that was cut off.
                let _ = parts.try_send(Ok(Frame::data(Bytes::from_static(b"\n\n"))));
            }
        }
    }
}

fn is_event_stream(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
