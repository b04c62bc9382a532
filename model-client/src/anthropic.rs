//! Anthropic's Messages API: the request, and the answer whole or as a stream of events
//! (platform.claude.com/docs/en/api/messages, …/messages-streaming).

use crate::question::{Message, Part, Question, Role, Stop};
use crate::reading::{ANSWER_BYTES_MAX, Reading, arguments, count};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::TokenUsage;
use platform::models::Model;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The address of the call.
pub fn url(base_url: &str) -> String {
    let version = if base_url.ends_with("/v1") { "" } else { "/v1" };
    format!("{base_url}{version}/messages")
}

/// The headers of a call. The key goes into one of them only.
pub fn headers(model: &Model) -> Vec<(&'static str, String)> {
    let key = model.api_key.as_ref().map(|key| ("x-api-key", key.reveal().to_owned()));
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("anthropic-version", model.version.clone()),
    ];
    headers.extend(key);
    headers
}

/// The body of a call.
pub fn body(model: &Model, question: &Question, output_max: u64) -> Value {
    let mut body = json!({
        "model": model.model,
        "max_tokens": output_max,
        "messages": messages(&question.messages, model.sees_images),
        "stream": true,
    });
    let Some(fields) = body.as_object_mut() else { return body };
    // Tools, system and messages are cached in this order, so one mark covers what is before it.
    if !question.system.is_empty() {
        let system = json!([{
            "type": "text", "text": question.system, "cache_control": {"type": "ephemeral"},
        }]);
        fields.insert("system".to_owned(), system);
    }
    if !question.tools.is_empty() {
        let tools = question.tools.iter().map(|tool| {
            json!({"name": tool.name, "description": tool.description, "input_schema": tool.schema})
        });
        fields.insert("tools".to_owned(), tools.collect());
    }
    if let Some(format) = &question.format {
        let format = json!({"format": {"type": "json_schema", "schema": format.schema}});
        fields.insert("output_config".to_owned(), format);
    }
    body
}

/// The turns. The last one is marked, so that the next call of a longer conversation reads them
/// from the cache.
fn messages(messages: &[Message], sees_images: bool) -> Value {
    let last = messages.len().saturating_sub(1);
    let turn = |(place, message): (usize, &Message)| {
        let role = if message.role == Role::User { "user" } else { "assistant" };
        let mut parts: Vec<Value> =
            message.parts.iter().filter_map(|part| content(part, sees_images)).collect();
        if place == last && messages.len() > 1 {
            let marked = parts.iter_mut().rev().find_map(Value::as_object_mut);
            if let Some(part) = marked {
                part.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
            }
        }
        (!parts.is_empty()).then(|| json!({"role": role, "content": parts}))
    };
    messages.iter().enumerate().filter_map(turn).collect()
}

/// Texts without a letter are refused by the server, and so are turns without a part.
fn content(part: &Part, sees_images: bool) -> Option<Value> {
    Some(match part {
        Part::Text(text) if text.trim().is_empty() => return None,
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image(image) if sees_images => {
            let data = STANDARD.encode(&image.bytes);
            let source = json!({"type": "base64", "media_type": image.kind, "data": data});
            json!({"type": "image", "source": source})
        }
        Part::Image(_) => json!({"type": "text", "text": "(a picture, which you cannot see)"}),
        Part::Call { id, name, arguments } => {
            let input = if arguments.is_object() { arguments.clone() } else { json!({}) };
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        Part::Result { id, text, is_error } => {
            json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error})
        }
        Part::Sealed(value) => value.clone(),
    })
}

fn stop(reason: &str) -> Stop {
    match reason {
        "end_turn" | "stop_sequence" => Stop::End,
        "tool_use" => Stop::Calls,
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::Context,
        "refusal" => Stop::Refusal,
        other => Stop::Other(other.to_owned()),
    }
}

/// `input_tokens` are those outside of any cache. Fields that are not there are zero.
fn usage(value: &Value) -> Option<TokenUsage> {
    value.get("input_tokens").or_else(|| value.get("output_tokens"))?.as_u64()?;
    let written = count(value, "/cache_creation_input_tokens");
    let hour = count(value, "/cache_creation/ephemeral_1h_input_tokens").min(written);
    Some(TokenUsage {
        input: count(value, "/input_tokens"),
        output: count(value, "/output_tokens"),
        cache_read: count(value, "/cache_read_input_tokens"),
        cache_write: written - hour,
        cache_write_1h: hour,
    })
}

/// The answer of a server that does not stream.
pub fn whole(answer: &Value) -> Option<Reading> {
    let content = answer.get("content")?.as_array()?;
    let text_at = |part: &Value, key: &str| {
        part.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let part = |part: &Value| match part.get("type").and_then(Value::as_str) {
        Some("text") => Part::Text(text_at(part, "text")),
        Some("tool_use") => Part::Call {
            id: text_at(part, "id"),
            name: text_at(part, "name"),
            arguments: part.get("input").cloned().unwrap_or_default(),
        },
        _ => Part::Sealed(part.clone()),
    };
    Some(Reading {
        parts: content.iter().map(part).collect(),
        stop: answer.get("stop_reason").and_then(Value::as_str).map(stop),
        usage: answer.get("usage").and_then(usage),
        model: answer.get("model").and_then(Value::as_str).map(str::to_owned),
        is_complete: true,
    })
}

/// A block that has begun, with what was added to it.
#[derive(Debug)]
struct Block {
    begun: Value,
    text: String,
    signature: String,
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub struct Stream {
    reading: Reading,
    blocks: BTreeMap<u64, Block>,
    usage: Value,
    bytes: usize,
}

impl From<Reading> for Stream {
    fn from(reading: Reading) -> Self {
        Self { reading, ..Self::default() }
    }
}

impl Stream {
    /// The reading so far.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }
    /// The answer. Blocks that did not end are part of it.
    pub fn into_reading(mut self) -> Reading {
        let open: Vec<u64> = self.blocks.keys().copied().collect();
        for index in open {
            self.end_block(index);
        }
        self.reading
    }
    /// Takes an event; returns the text that it adds.
    ///
    /// # Errors
    /// An error of the server in the middle of its answer, or an answer that is too long.
    pub fn take(&mut self, event: &Value) -> Result<Option<String>, String> {
        let index = count(event, "/index");
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => {
                let message = event.get("message").unwrap_or(&Value::Null);
                self.reading.model =
                    message.get("model").and_then(Value::as_str).map(str::to_owned);
                self.usage(message.get("usage"));
            }
            "content_block_start" => {
                let begun = event.get("content_block").cloned().unwrap_or_default();
                let text = begun.get("text").and_then(Value::as_str).unwrap_or_default();
                let first = text.to_owned();
                let block = Block { text: first.clone(), signature: String::new(), begun };
                self.blocks.insert(index, block);
                return Ok(Some(first).filter(|text| !text.is_empty()));
            }
            "content_block_delta" => return self.delta(index, event.get("delta")),
            "content_block_stop" => self.end_block(index),
            "message_delta" => {
                let reason = event.pointer("/delta/stop_reason").and_then(Value::as_str);
                self.reading.stop = reason.map(stop).or_else(|| self.reading.stop.take());
                self.usage(event.get("usage"));
            }
            "message_stop" => self.reading.is_complete = true,
            "error" => {
                let words = event.pointer("/error/message").and_then(Value::as_str);
                let kind = event.pointer("/error/type").and_then(Value::as_str);
                let words = words.or(kind).unwrap_or("without a reason");
                return Err(format!("its answer broke off: {words}"));
            }
            // Pings, and kinds of events that are newer than this.
            _ => {}
        }
        Ok(None)
    }

    fn delta(&mut self, index: u64, delta: Option<&Value>) -> Result<Option<String>, String> {
        let (Some(block), Some(delta)) = (self.blocks.get_mut(&index), delta) else {
            return Ok(None);
        };
        let text = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        let (added, is_text) = match delta.get("type").and_then(Value::as_str).unwrap_or_default() {
            "text_delta" => (text("text"), true),
            "input_json_delta" => (text("partial_json"), false),
            "thinking_delta" => (text("thinking"), false),
            "signature_delta" => {
                block.signature.push_str(text("signature"));
                return Ok(None);
            }
            _ => return Ok(None),
        };
        self.bytes += added.len();
        if self.bytes > ANSWER_BYTES_MAX {
            return Err("its answer is longer than 4 MiB".to_owned());
        }
        block.text.push_str(added);
        Ok(is_text.then(|| added.to_owned()).filter(|added| !added.is_empty()))
    }

    fn end_block(&mut self, index: u64) {
        let Some(Block { mut begun, text, signature }) = self.blocks.remove(&index) else { return };
        let word =
            |key: &str| begun.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let part = match word("type").as_str() {
            "text" => Part::Text(text),
            "tool_use" => {
                let given = begun.get("input").filter(|_| text.is_empty()).cloned();
                let arguments = given.unwrap_or_else(|| arguments(&text));
                Part::Call { id: word("id"), name: word("name"), arguments }
            }
            "thinking" => {
                if let Some(fields) = begun.as_object_mut() {
                    fields.insert("thinking".to_owned(), text.into());
                    fields.insert("signature".to_owned(), signature.into());
                }
                Part::Sealed(begun)
            }
            _ => Part::Sealed(begun),
        };
        self.reading.parts.push(part);
    }

    /// Counts are totals: a later one replaces the one before it, and one that is left out stays.
    fn usage(&mut self, given: Option<&Value>) {
        let Some(Value::Object(given)) = given else { return };
        if !self.usage.is_object() {
            self.usage = json!({});
        }
        if let Some(fields) = self.usage.as_object_mut() {
            let counts = given.iter().filter(|(_, value)| !value.is_null());
            fields.extend(counts.map(|(name, value)| (name.clone(), value.clone())));
        }
        self.reading.usage = usage(&self.usage);
    }
}
