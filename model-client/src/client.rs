//! One call from the hold to the last word: retries that obey the server, and a second model where
//! the first cannot be reached.

use crate::error::AskError;
use crate::question::{Message, Part, Question, Stop};
use crate::reading::{Reading, error_words};
use crate::reservation::Reservation;
use crate::sse::Splitter;
use crate::{anthropic, openai};
use bytes::{Bytes, BytesMut};
use contracts::{Micros, TokenUsage};
use futures_util::StreamExt;
use platform::backoff::Exponential;
use platform::models::{Api, Model};
use platform::ports::{Clock, Outbound, OutboundRequest, OutboundStream};
use serde_json::Value;
use std::sync::Arc;

/// Attempts after the first, as in the providers' own clients.
pub const RETRIES: u32 = 2;
/// Between attempts where the server names no wait.
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 8_000 };
/// A server that asks for a longer wait is not waited for.
const WAIT_MAX_MS: i64 = 60_000;
/// Maximum bytes of a whole answer on the wire, and of an error.
const BODY_BYTES_MAX: usize = 32 << 20;
const ERROR_BYTES_MAX: usize = 64 << 10;
/// Tokens that a picture counts at most: about 1,600 of the Messages API for the largest, with room
/// for newer models; chat completions count some thousand a tile in their cheapest models.
const IMAGE_TOKENS: u64 = 5_000;
const IMAGE_TOKENS_OPENAI: u64 = 40_000;
/// Tokens that a turn adds to its text, and a request to its turns.
const TURN_TOKENS: u64 = 16;
const REQUEST_TOKENS: u64 = 512;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub parts: Vec<Part>,
    pub stop: Stop,
    /// None if the server does not report it; then the call cost its ceiling.
    pub usage: Option<TokenUsage>,
    pub cost: Micros,
    /// The model that was asked: `[models.<name>]`, and its id.
    pub name: String,
    pub model: String,
}

impl Reply {
    /// Its text, without the calls.
    pub fn text(&self) -> String {
        Reading { parts: self.parts.clone(), ..Reading::default() }.text()
    }
    /// The calls in it: id, name and arguments.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call { id, name, arguments } => Some((id.as_str(), name.as_str(), arguments)),
            _ => None,
        })
    }
}

/// Asks models. Clones share the ports.
#[derive(Clone)]
pub struct Client {
    pub outbound: Arc<dyn Outbound>,
    pub clock: Arc<dyn Clock>,
    /// Attempts after the first, mostly [`RETRIES`].
    pub retries: u32,
}

/// A failed attempt.
struct Failure {
    error: AskError,
    /// `x-should-retry`.
    should_retry: Option<bool>,
    /// It had begun to answer.
    has_begun: bool,
}

impl Failure {
    /// Whether the server refuses this field of the request.
    fn refuses(&self, field: &str) -> bool {
        matches!(&self.error, AskError::Status { status: 400 | 422, message, .. } if message.contains(field))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self { error, should_retry: None, has_begun: false }
    }
}

impl Client {
    /// The most that a call may cost, at the dearest tier that its bytes could reach. Tokens are
    /// counted as one in three bytes of text, which is more than the tokenizers of English, German,
    /// Spanish or code make of it, and as one in two bytes outside of ASCII.
    pub fn ceiling(&self, model: &Model, question: &Question) -> Micros {
        let (prompt, longest) = prompt_tokens(question, model.api);
        let output = output_max(model, question);
        model.prices.ceiling((prompt, longest), output, self.clock.now_ms())
    }

    /// Asks the first of these models that can be reached. `hear` gets the text as it comes.
    ///
    /// The cost is taken from the reservation, also where the call fails.
    ///
    /// # Errors
    /// The reason of the last model that was asked. Text that was heard before stays with the
    /// caller.
    pub async fn ask(
        &self,
        models: &[&Model],
        question: &Question,
        reservation: &mut Reservation,
        hear: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Reply, AskError> {
        let mut last = AskError::Broken("no model is configured".to_owned());
        for (place, model) in models.iter().enumerate() {
            match self.ask_one(model, question, reservation, hear).await {
                Ok(reply) => return Ok(reply),
                // The reason of the one before says more.
                Err(Failure { error: AskError::Short { .. }, .. }) if place > 0 => {
                    return Err(last);
                }
                Err(Failure { error, has_begun, .. }) => {
                    let is_last = place + 1 == models.len();
                    let may_pass = error.may_pass() || error.is_sign_in();
                    if is_last || has_begun || !may_pass {
                        return Err(error);
                    }
                    tracing::warn!(%error, model = %model.name, "asking the fallback of a model");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask_one(
        &self,
        model: &Model,
        question: &Question,
        reservation: &mut Reservation,
        hear: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Reply, Failure> {
        let ceiling = self.ceiling(model, question);
        let (mut failures, mut failed) = (0, None);
        loop {
            if let Some(needed) = reservation.missing_for(ceiling) {
                // An attempt of unknown effect has used up its ceiling: another one is not paid.
                return Err(failed.unwrap_or_else(|| AskError::Short { needed }.into()));
            }
            reservation.take(ceiling);
            let failure = match self.attempt(model, question, hear).await {
                Ok(reading) => return Ok(self.reply(model, reading, ceiling, reservation)),
                Err(failure) => failure,
            };
            if failure.error.is_without_effect() {
                reservation.settle(ceiling, Micros::ZERO);
            }
            failures += 1;
            let again = failure.should_retry.unwrap_or_else(|| failure.error.may_pass());
            let wait = self.wait_ms(&failure.error, failures);
            let (true, Some(wait)) =
                (again && !failure.has_begun && failures <= self.retries, wait)
            else {
                return Err(failure);
            };
            tracing::info!(error = %failure.error, model = %model.name, wait, "asking a model again");
            self.clock.sleep_until(self.clock.now_ms() + wait).await;
            failed = Some(failure);
        }
    }

    /// None if the server asks for more than can be waited.
    fn wait_ms(&self, error: &AskError, failures: u32) -> Option<i64> {
        match error {
            AskError::Status { retry_after_ms: Some(wait), .. } => {
                (*wait <= WAIT_MAX_MS).then_some((*wait).max(0))
            }
            _ => Some(BACKOFF.wait_ms(failures, &*self.clock)),
        }
    }

    fn reply(
        &self,
        model: &Model,
        reading: Reading,
        ceiling: Micros,
        reservation: &mut Reservation,
    ) -> Reply {
        let now_ms = self.clock.now_ms();
        let cost = reading.usage.map_or(ceiling, |usage| model.prices.cost(&usage, now_ms));
        reservation.settle(ceiling, cost);
        let has_calls = reading.parts.iter().any(|part| matches!(part, Part::Call { .. }));
        let otherwise = if has_calls { Stop::Calls } else { Stop::End };
        Reply {
            parts: reading.parts,
            stop: reading.stop.unwrap_or(otherwise),
            usage: reading.usage,
            cost,
            name: model.name.clone(),
            model: model.model.clone(),
        }
    }

    async fn sent(
        &self,
        model: &Model,
        url: &str,
        headers: &[(&'static str, String)],
        body: &Value,
    ) -> Result<OutboundStream, Failure> {
        let request = OutboundRequest {
            method: http::Method::POST,
            url: url.to_owned(),
            headers: headers.to_vec(),
            body: body.to_string().into(),
            timeout_ms: model.timeout_ms,
        };
        let answer = self.outbound.open(request).await.map_err(AskError::Port)?;
        if answer.status == 200 { Ok(answer) } else { Err(refused(answer).await) }
    }

    async fn attempt(
        &self,
        model: &Model,
        question: &Question,
        hear: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Reading, Failure> {
        let output_max = output_max(model, question);
        let (url, headers, body) = match model.api {
            Api::Anthropic => (
                anthropic::url(&model.base_url),
                anthropic::headers(model),
                anthropic::body(model, question, output_max),
            ),
            Api::OpenAi => (
                openai::url(&model.base_url),
                openai::headers(model),
                openai::body(model, question, output_max),
            ),
        };
        let answer = match self.sent(model, &url, &headers, &body).await {
            // Some servers know no options of a stream.
            Err(failure) if failure.refuses(openai::STREAM_OPTIONS) => {
                let mut body = body;
                body.as_object_mut().map(|fields| fields.remove(openai::STREAM_OPTIONS));
                self.sent(model, &url, &headers, &body).await?
            }
            answer => answer?,
        };
        let mut listener = Listener::new(model.api, hear);
        let read = listener.read(answer).await;
        let has_begun = listener.has_begun;
        let broken = |why| Failure { error: AskError::Broken(why), should_retry: None, has_begun };
        read.map_err(broken)?;
        listener.into_reading().map_err(broken)
    }
}

/// An answer of an error status.
async fn refused(answer: OutboundStream) -> Failure {
    let OutboundStream { status, headers, body: mut parts } = answer;
    let mut body = BytesMut::new();
    while let Some(Ok(part)) = parts.next().await {
        if body.len() + part.len() > ERROR_BYTES_MAX {
            break;
        }
        body.extend_from_slice(&part);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| header(name).and_then(|text| text.trim().parse::<f64>().ok());
    let wait = number("retry-after-ms").or_else(|| number("retry-after").map(|s| s * 1000.0));
    let should_retry = match header("x-should-retry") {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let error = AskError::Status {
        status,
        message: error_words(&body),
        retry_after_ms: wait.filter(|wait| wait.is_finite()).map(|wait| wait as i64),
    };
    Failure { error, should_retry, has_begun: false }
}

/// Reads one answer.
struct Listener<'a> {
    stream: Stream,
    splitter: Splitter,
    /// The answer of a server that does not stream.
    whole: Option<BytesMut>,
    hear: &'a mut (dyn FnMut(&str) + Send),
    has_begun: bool,
    bytes: usize,
}

enum Stream {
    Anthropic(anthropic::Stream),
    OpenAi(openai::Stream),
}

impl<'a> Listener<'a> {
    fn new(api: Api, hear: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        let stream = match api {
            Api::Anthropic => Stream::Anthropic(anthropic::Stream::default()),
            Api::OpenAi => Stream::OpenAi(openai::Stream::default()),
        };
        let splitter = Splitter::default();
        Self { stream, splitter, whole: None, hear, has_begun: false, bytes: 0 }
    }

    async fn read(&mut self, mut answer: OutboundStream) -> Result<(), String> {
        while let Some(part) = answer.body.next().await {
            let part: Bytes =
                part.map_err(|error| format!("its answer broke off: {}", error.detail))?;
            self.bytes += part.len();
            if self.bytes > BODY_BYTES_MAX {
                return Err("its answer is longer than 32 MiB".to_owned());
            }
            let opens = part.iter().find(|byte| !byte.is_ascii_whitespace());
            let is_first = self.bytes == part.len();
            if is_first && opens == Some(&b'{') {
                self.whole = Some(BytesMut::new());
            }
            if let Some(whole) = &mut self.whole {
                whole.extend_from_slice(&part);
                continue;
            }
            let events = self.splitter.feed(&part);
            for data in events.map_err(|_| "its answer has an endless line".to_owned())? {
                self.take(&data)?;
            }
            if self.is_complete() {
                return Ok(());
            }
        }
        if let Some(data) = std::mem::take(&mut self.splitter).finish() {
            self.take(&data)?;
        }
        self.take_whole()
    }

    fn take(&mut self, data: &str) -> Result<(), String> {
        if data.trim() == "[DONE]" {
            if let Stream::OpenAi(stream) = &mut self.stream {
                stream.done();
            }
            return Ok(());
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|_| "its answer has an event that is no JSON".to_owned())?;
        let text = match &mut self.stream {
            Stream::Anthropic(stream) => stream.take(&event)?,
            Stream::OpenAi(stream) => stream.take(&event)?,
        };
        if let Some(text) = text {
            self.has_begun = true;
            (self.hear)(&text);
        }
        Ok(())
    }

    fn take_whole(&mut self) -> Result<(), String> {
        let Some(whole) = self.whole.take() else { return Ok(()) };
        let odd = || "its answer is none of its protocol".to_owned();
        let answer: Value = serde_json::from_slice(&whole).map_err(|_| odd())?;
        let text = match &mut self.stream {
            Stream::Anthropic(stream) => {
                let reading = anthropic::whole(&answer).ok_or_else(odd)?;
                let text = reading.text();
                *stream = anthropic::Stream::from(reading);
                Some(text).filter(|text| !text.is_empty())
            }
            Stream::OpenAi(stream) => {
                if answer.pointer("/choices/0/message").is_none() && answer.get("error").is_none() {
                    return Err(odd());
                }
                let text = stream.take(&answer)?;
                stream.done();
                text
            }
        };
        if let Some(text) = text {
            self.has_begun = true;
            (self.hear)(&text);
        }
        Ok(())
    }

    /// Nothing of use follows. The usage of chat completions comes after the stop, so its own end
    /// is waited for.
    fn is_complete(&self) -> bool {
        match &self.stream {
            Stream::Anthropic(stream) => stream.reading().is_complete,
            Stream::OpenAi(stream) => stream.is_done(),
        }
    }

    fn into_reading(self) -> Result<Reading, String> {
        let reading = match self.stream {
            Stream::Anthropic(stream) => stream.into_reading(),
            Stream::OpenAi(stream) => stream.into_reading(),
        };
        if reading.is_complete || reading.stop.is_some() {
            return Ok(reading);
        }
        let has_nothing = reading.parts.is_empty() && reading.model.is_none();
        let why = if has_nothing {
            "its answer is none of its protocol"
        } else {
            "its answer ended in the middle"
        };
        Err(why.to_owned())
    }
}

fn output_max(model: &Model, question: &Question) -> u64 {
    question.output_max.unwrap_or(model.output_max).min(model.output_max)
}

/// At least the tokens of a prompt, and its bytes, which are more than it can have.
fn prompt_tokens(question: &Question, api: Api) -> (u64, u64) {
    let bytes = std::cell::Cell::new(REQUEST_TOKENS);
    let of_text = |text: &str| {
        let wide = text.bytes().filter(|byte| !byte.is_ascii()).count() as u64;
        let narrow = text.len() as u64 - wide;
        bytes.set(bytes.get() + text.len() as u64 + TURN_TOKENS);
        narrow.div_ceil(3) + wide.div_ceil(2)
    };
    let of_part = |part: &Part| match part {
        Part::Text(text) | Part::Result { text, .. } => of_text(text),
        Part::Image(_) if api == Api::OpenAi => IMAGE_TOKENS_OPENAI,
        Part::Image(_) => IMAGE_TOKENS,
        Part::Call { name, arguments, .. } => of_text(name) + of_text(&arguments.to_string()),
        Part::Sealed(value) => of_text(&value.to_string()),
    };
    let of_turn = |turn: &Message| TURN_TOKENS + turn.parts.iter().map(of_part).sum::<u64>();
    let turns: u64 = question.messages.iter().map(of_turn).sum();
    let of_tool = |tool: &crate::Tool| {
        TURN_TOKENS
            + of_text(&tool.name)
            + of_text(&tool.description)
            + of_text(&tool.schema.to_string())
    };
    let tools: u64 = question.tools.iter().map(of_tool).sum();
    let format = question.format.as_ref().map_or(0, |one| of_text(&one.schema.to_string()));
    let prompt = REQUEST_TOKENS + of_text(&question.system) + turns + tools + format;
    (prompt, prompt.max(bytes.get()))
}
