//! `OpenAI`'s chat completions, as many servers speak them: the request, and the answer whole or as
//! a stream of chunks (platform.openai.com/docs/api-reference/chat).

use crate::question::{Part, Question, Role, Stop};
use crate::reading::{ANSWER_BYTES_MAX, Reading, arguments, count};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::TokenUsage;
use platform::models::Model;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The field that asks for the usage at the end of a stream.
pub const STREAM_OPTIONS: &str = "stream_options";

/// The address of the call.
pub fn url(base_url: &str) -> String {
    format!("{base_url}/chat/completions")
}

/// The headers of a call.
pub fn headers(model: &Model) -> Vec<(&'static str, String)> {
    let key = model.api_key.as_ref();
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(key.map(|key| ("authorization", format!("Bearer {}", key.reveal()))));
    headers
}

/// The body of a call.
pub fn body(model: &Model, question: &Question, output_max: u64) -> Value {
    let mut turns = Vec::new();
    if !question.system.is_empty() {
        turns.push(json!({"role": "system", "content": question.system}));
    }
    for message in &question.messages {
        turns.extend(of_turn(message.role, &message.parts, model.sees_images));
    }
    let mut body = json!({
        "model": model.model,
        "messages": turns,
        "stream": true,
        STREAM_OPTIONS: {"include_usage": true},
    });
    let Some(fields) = body.as_object_mut() else { return body };
    // OpenAI's own reasoning models refuse the older name, and other servers know only that one.
    let is_own = model.base_url.starts_with("https://api.openai.com/");
    let limit = if is_own { "max_completion_tokens" } else { "max_tokens" };
    fields.insert(limit.to_owned(), output_max.into());
    if !question.tools.is_empty() {
        let tools = question.tools.iter().map(|tool| {
            let function = json!({
                "name": tool.name, "description": tool.description, "parameters": tool.schema,
            });
            json!({"type": "function", "function": function})
        });
        fields.insert("tools".to_owned(), tools.collect());
    }
    if let Some(format) = &question.format {
        let schema = json!({"name": format.name, "schema": format.schema, "strict": true});
        let format = json!({"type": "json_schema", "json_schema": schema});
        fields.insert("response_format".to_owned(), format);
    }
    body
}

/// A turn as the messages of this protocol: each result is one of its own.
fn of_turn(role: Role, parts: &[Part], sees_images: bool) -> Vec<Value> {
    let (mut out, mut content, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) => content.push(json!({"type": "text", "text": text})),
            Part::Image(image) if sees_images => {
                let data = STANDARD.encode(&image.bytes);
                let url = json!({"url": format!("data:{};base64,{data}", image.kind)});
                content.push(json!({"type": "image_url", "image_url": url}));
            }
            Part::Image(_) => {
                content.push(json!({"type": "text", "text": "(a picture, which you cannot see)"}));
            }
            Part::Call { id, name, arguments } => {
                let text = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
                let function = json!({"name": name, "arguments": text});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            Part::Result { id, text, .. } => {
                out.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
            }
            Part::Sealed(_) => {}
        }
    }
    if content.is_empty() && calls.is_empty() {
        return out;
    }
    let mut message = Map::new();
    let name = if role == Role::User { "user" } else { "assistant" };
    message.insert("role".to_owned(), name.into());
    message.insert("content".to_owned(), as_content(content));
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    out.push(message.into());
    out
}

/// Text alone is a text: small servers know nothing else.
fn as_content(parts: Vec<Value>) -> Value {
    let texts: Option<Vec<&str>> =
        parts.iter().map(|part| part.get("text").and_then(Value::as_str)).collect();
    match texts {
        Some(texts) if texts.is_empty() => Value::Null,
        Some(texts) => texts.join("\n\n").into(),
        None => parts.into(),
    }
}

fn stop(reason: &str) -> Stop {
    match reason {
        "stop" => Stop::End,
        "tool_calls" | "function_call" => Stop::Calls,
        "length" => Stop::Length,
        "content_filter" => Stop::Refusal,
        other => Stop::Other(other.to_owned()),
    }
}

/// `prompt_tokens` include those read from and written to a cache, so they are taken out.
fn usage(value: &Value) -> Option<TokenUsage> {
    let prompt = value.get("prompt_tokens")?.as_u64()?;
    let cached = count(value, "/prompt_tokens_details/cached_tokens").min(prompt);
    let written = count(value, "/prompt_tokens_details/cache_write_tokens").min(prompt - cached);
    Some(TokenUsage {
        input: prompt - cached - written,
        output: count(value, "/completion_tokens"),
        cache_read: cached,
        cache_write: written,
        cache_write_1h: 0,
    })
}

/// Reads chunks; a whole answer is one chunk with a message in place of a delta.
#[derive(Debug, Default)]
pub struct Stream {
    reading: Reading,
    text: String,
    refusal: String,
    calls: BTreeMap<u64, Call>,
    bytes: usize,
    is_done: bool,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Stream {
    /// Whether `[DONE]` has come.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }
    /// The answer.
    pub fn into_reading(self) -> Reading {
        let Self { mut reading, text, refusal, calls, .. } = self;
        if !text.is_empty() {
            reading.parts.push(Part::Text(text));
        } else if !refusal.is_empty() {
            reading.parts.push(Part::Text(refusal));
            reading.stop = Some(Stop::Refusal);
        }
        let has_calls = !calls.is_empty();
        for (place, call) in calls {
            // Some servers leave the id out.
            let id = if call.id.is_empty() { format!("call_{place}") } else { call.id };
            let arguments = arguments(&call.arguments);
            reading.parts.push(Part::Call { id, name: call.name, arguments });
        }
        // Some servers say "stop" all the same.
        if has_calls && reading.stop == Some(Stop::End) {
            reading.stop = Some(Stop::Calls);
        }
        reading
    }
    /// `data: [DONE]`.
    pub fn done(&mut self) {
        self.is_done = true;
        self.reading.is_complete = true;
    }
    /// Takes a chunk; returns the text that it adds.
    ///
    /// # Errors
    /// An error of the server in the middle of its answer, or an answer that is too long.
    pub fn take(&mut self, chunk: &Value) -> Result<Option<String>, String> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let words = error.get("message").or(Some(error)).and_then(Value::as_str);
            return Err(format!("its answer broke off: {}", words.unwrap_or("without a reason")));
        }
        if let Some(model) = chunk.get("model").and_then(Value::as_str) {
            self.reading.model.get_or_insert_with(|| model.to_owned());
        }
        self.reading.usage = chunk.get("usage").and_then(usage).or(self.reading.usage);
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(None) };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.reading.stop = Some(stop(reason));
            // Not every server ends with [DONE].
            self.reading.is_complete = true;
        }
        let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        let text = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        let (added, refusal) = (content(delta.get("content")), text("refusal"));
        self.bytes += added.len() + refusal.len();
        self.refusal.push_str(refusal);
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for (place, call) in calls.into_iter().flatten().enumerate() {
            self.call(place, call);
        }
        if self.bytes > ANSWER_BYTES_MAX {
            return Err("its answer is longer than 4 MiB".to_owned());
        }
        self.text.push_str(&added);
        Ok(Some(added).filter(|added| !added.is_empty()))
    }

    fn call(&mut self, place: usize, call: &Value) {
        let index = call.get("index").and_then(Value::as_u64).unwrap_or(place as u64);
        let known = self.calls.entry(index).or_default();
        let text = |path: &str| call.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if known.id.is_empty() {
            text("/id").clone_into(&mut known.id);
        }
        known.name.push_str(text("/function/name"));
        let added = match call.pointer("/function/arguments") {
            Some(Value::String(text)) => text.clone(),
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => String::new(),
        };
        self.bytes += added.len();
        known.arguments.push_str(&added);
    }
}

/// A text, or a list of parts with texts.
fn content(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect()
        }
        _ => String::new(),
    }
}
