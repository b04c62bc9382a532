//! The way of a run to our own MCP server, where its program asks the owner.
//!
//! The program sends a token that is good for questions alone. The request goes on with the real
//! token, and with the token of the run's claim in a header that only this relay sets. An answer
//! may take a day: nothing here has a time limit, and a server that restarts in between is asked
//! again, where the same question is still open.

use super::super::away::{AGAIN_AFTER, AWAY_MAX, is_away};
use super::forward::{Answer, Failure, client_for, refuse};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use platform::ports::{PortError, PortErrorKind, PortResult, ToolAnswer, ToolCall};
use platform::secret::Secret;
use reqwest::Url;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// Maximum bytes of a question.
const QUESTION_BYTES_MAX: usize = 1 << 20;
/// Parts of an answer that the program has not read yet; a day of signs of life has fewer.
const UNREAD_MAX: usize = 16 << 10;
const PASSED_ON: [&str; 3] = ["accept", "content-type", "mcp-protocol-version"];

/// Our MCP server, and the token that it takes from agents.
#[derive(Clone)]
pub struct ToolServer {
    pub url: String,
    pub token: Secret,
}

/// The asking run, as the server is told.
pub(super) struct Asker {
    url: Url,
    headers: HeaderMap,
    /// Questions that are open.
    open: watch::Sender<u32>,
}

impl Asker {
    /// The run with this claim token. The error is a sentence.
    pub(super) fn new(server: &ToolServer, claim: &Secret) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", server.token.reveal());
        let run = HeaderName::from_static(personal_assistant::RUN_HEADER);
        for (name, text) in [(run, claim.reveal()), (AUTHORIZATION, &bearer)] {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| format!("the header {name} cannot carry its value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let url = server.url.parse().map_err(|_| format!("{} is no address", server.url))?;
        Ok(Self { url, headers, open: watch::Sender::new(0) })
    }
    pub(super) const fn url(&self) -> &Url {
        &self.url
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

/// Asks the owner about a tool call of a run, as its program could ask by itself.
pub(super) async fn ask(asker: Arc<Asker>, call: ToolCall) -> PortResult<ToolAnswer> {
    let unanswered = |why: String| PortError::clean(PortErrorKind::Unavailable, why);
    let url = asker.url.clone();
    let client = client_for(&url)
        .ok_or_else(|| unanswered("the system's certificates cannot be loaded".to_owned()))?;
    let arguments = json!({
        "tool_name": call.tool,
        "input": call.arguments,
        "tool_use_id": call.id,
    });
    let params = json!({ "name": "request_approval", "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let body = Bytes::from(body.to_string());
    if body.len() > QUESTION_BYTES_MAX {
        return Ok(ToolAnswer::Refused("Its arguments have more than 1 MiB.".to_owned()));
    }
    let mut headers = asker.headers.clone();
    for (name, value) in
        [(ACCEPT, "application/json, text/event-stream"), (CONTENT_TYPE, "application/json")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let question = Question { client, url, method: Method::POST, headers, body };
    let _open = Open::new(&asker.open);
    let response = question.ask().await;
    let response = response.ok_or_else(|| unanswered("the server cannot be reached".to_owned()))?;
    let status = response.status();
    let (parts, mut unread) = mpsc::channel::<Part>(UNREAD_MAX);
    let collecting = async {
        let mut text = Vec::new();
        while let Some(part) = unread.recv().await {
            if let Some(bytes) = part.ok().and_then(|frame| frame.into_data().ok()) {
                text.extend_from_slice(&bytes);
            }
        }
        text
    };
    let reading = async move { read(&question, response, &parts).await };
    let ((), text) = tokio::join!(reading, collecting);
    let text = String::from_utf8_lossy(&text);
    answer_in(&text).ok_or_else(|| unanswered(format!("the server answered {status}")))
}

/// The owner's word in the response, which is JSON or an event stream.
fn answer_in(text: &str) -> Option<ToolAnswer> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let mut messages = lines
        .chain([text.trim()])
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .filter(|message| message.get("id") == Some(&json!(1)));
    let result = messages.find_map(|message| message.get("result").cloned())?;
    let said = result.pointer("/content/0/text")?.as_str()?;
    let word: Value = serde_json::from_str(said).unwrap_or_default();
    let text = |name: &str| word.get(name).and_then(Value::as_str);
    let has_failed = result.get("isError") == Some(&Value::Bool(true));
    Some(match text("behavior") {
        Some("allow") if !has_failed => ToolAnswer::Allowed,
        Some("deny") => ToolAnswer::Refused(text("message").unwrap_or_default().to_owned()),
        _ => ToolAnswer::Refused(said.to_owned()),
    })
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
            match sent {
                Ok(response) if !is_away(response.status()) => return Some(response),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_allows_only_by_the_word_of_the_owner() {
        let result = |text: &str| json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [{ "type": "text", "text": text }] } });
        let allow = result(r#"{"behavior":"allow","updatedInput":{}}"#).to_string();
        let stream = format!(": waiting\n\nevent: message\ndata: {allow}\n\n");
        assert_eq!(answer_in(&allow), Some(ToolAnswer::Allowed));
        assert_eq!(answer_in(&stream), Some(ToolAnswer::Allowed));
        let refused = |text: &str| Some(ToolAnswer::Refused(text.to_owned()));
        let deny = result(r#"{"behavior":"deny","message":"Rejected by you."}"#).to_string();
        assert_eq!(answer_in(&deny), refused("Rejected by you."));
        assert_eq!(answer_in(&result("It is too long.").to_string()), refused("It is too long."));
        let mut failed = result(r#"{"behavior":"allow"}"#);
        failed["result"]["isError"] = json!(true);
        assert!(matches!(answer_in(&failed.to_string()), Some(ToolAnswer::Refused(_))));
        let other = allow.replace("\"id\":1", "\"id\":2");
        for none in ["", "{}", "allow", other.as_str(), r#"{"id":1,"error":{"code":-1}}"#] {
            assert_eq!(answer_in(none), None, "{none}");
        }
    }
}
