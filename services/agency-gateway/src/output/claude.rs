//! `output = "claude"`: Claude Code's `--output-format stream-json` or `json`.
//!
//! Messages of subagents (`parent_tool_use_id`) are no answer. `total_cost_usd` is the running
//! total of the process. The usage of a message is repeated on each of its lines.

use super::told::{Told, text_at, tool};
use contracts::Tokens;
use serde_json::Value;

pub(super) fn read(told: &mut Told, object: &Value) -> Option<String> {
    let kind = text_at(object, "/type")?;
    if let Some(session) = text_at(object, "/session_id").filter(|id| !id.is_empty()) {
        told.session = Some(session.to_owned());
    }
    Some(match kind {
        "assistant" => assistant(told, object),
        "result" => {
            result(told, object);
            String::new()
        }
        "control_request" => asks(told, object),
        "rate_limit_event" => limit(told, object),
        "system"
        | "user"
        | "stream_event"
        | "control_response"
        | "control_cancel_request"
        | "keep_alive"
        | "tool_progress"
        | "auth_status" => String::new(),
        _ => return None,
    })
}

fn assistant(told: &mut Told, object: &Value) -> String {
    if let Some(usage) = object.pointer("/message/usage") {
        let name = text_at(object, "/message/id").unwrap_or_default();
        told.spend(name, tokens(usage, &OF_A_MESSAGE));
    }
    let is_subagent = object.get("parent_tool_use_id").is_some_and(Value::is_string);
    let (said, tools) = blocks(object);
    told.worked |= tools.is_some();
    match (is_subagent, said.trim().is_empty()) {
        (false, false) => told.say(said),
        (true, false) => said,
        (_, true) => tools.map(|text| told.work(text)).unwrap_or_default(),
    }
}

/// The text of a message, and its first tool.
fn blocks(object: &Value) -> (String, Option<String>) {
    let blocks = object.pointer("/message/content").and_then(Value::as_array);
    let of = |kind: &'static str| {
        let blocks = blocks.into_iter().flatten();
        blocks.filter(move |block| text_at(block, "/type") == Some(kind))
    };
    let said: Vec<_> = of("text").filter_map(|block| text_at(block, "/text")).collect();
    let used = of("tool_use")
        .next()
        .map(|block| tool(text_at(block, "/name").unwrap_or("a tool"), block.get("input")));
    (said.join("\n"), used)
}

fn result(told: &mut Told, object: &Value) {
    told.cost_so_far(object.get("total_cost_usd"));
    if let Some(usage) = object.get("usage").filter(|usage| usage.is_object()) {
        told.usage = Some(usage.clone());
    }
    total(told, object);
    for denied in object.get("permission_denials").and_then(Value::as_array).into_iter().flatten() {
        let name = text_at(denied, "/tool_name").unwrap_or("a tool");
        told.deny(tool(name, denied.get("tool_input")));
    }
    let text = text_at(object, "/result").map(str::to_owned);
    let subtype = text_at(object, "/subtype");
    let is_error = object.get("is_error").and_then(Value::as_bool).unwrap_or(false)
        || subtype.is_some_and(|subtype| subtype != "success");
    if !is_error {
        told.succeed(text);
        return;
    }
    let errors = object
        .get("errors")
        .and_then(Value::as_array)
        .map(|errors| errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
    let named = subtype.map(|subtype| match subtype {
        "error_max_budget_usd" => "the cost limit of this run is reached".to_owned(),
        other => other.replace('_', " "),
    });
    let status = object.get("api_error_status").and_then(Value::as_u64);
    told.is_limited = matches!(status, Some(429 | 529));
    let why = [text, errors, named].into_iter().flatten().find(|why| !why.trim().is_empty());
    told.ended = true;
    told.fail(why.as_deref());
}

/// The limit of the account: `resetsAt` is in seconds since the epoch.
fn limit(told: &mut Told, object: &Value) -> String {
    let is_rejected = text_at(object, "/rate_limit_info/status") == Some("rejected");
    let resets = object.pointer("/rate_limit_info/resetsAt").and_then(Value::as_i64);
    let until_ms = resets.and_then(|seconds| seconds.checked_mul(1000));
    told.limit_ends_ms = until_ms.filter(|_| is_rejected);
    String::new()
}

/// The tokens of the whole run where the result has more than the messages: it counts models that
/// wrote no message.
fn total(told: &mut Told, object: &Value) {
    let models = object.get("modelUsage").and_then(Value::as_object);
    let models = models.into_iter().flat_map(serde_json::Map::values);
    let all = models.fold(Tokens::default(), |sum, usage| sum.plus(tokens(usage, &OF_A_MODEL)));
    let main = object.get("usage").map(|usage| tokens(usage, &OF_A_MESSAGE)).unwrap_or_default();
    let spent = told.spent();
    let most = Tokens {
        input: all.input.max(main.input).max(spent.input),
        output: all.output.max(main.output).max(spent.output),
    };
    if most != spent {
        told.tokens.clear();
        told.spend("", most);
    }
}

/// Names of input, output, written to the cache, read from the cache.
const OF_A_MESSAGE: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
const OF_A_MODEL: [&str; 4] =
    ["inputTokens", "outputTokens", "cacheCreationInputTokens", "cacheReadInputTokens"];

/// Tokens that cost the same: writing to the cache costs a quarter more than input, reading from it
/// a tenth.
fn tokens(usage: &Value, names: &[&str; 4]) -> Tokens {
    let [input, output, made, read] =
        names.map(|name| usage.get(name).and_then(Value::as_u64).unwrap_or(0));
    let cache = made.saturating_add(made.div_ceil(4)).saturating_add(read.div_ceil(10));
    Tokens { input: input.saturating_add(cache), output }
}

/// It wants a permission that nobody can give it here.
fn asks(told: &mut Told, object: &Value) -> String {
    if text_at(object, "/request/subtype") != Some("can_use_tool") {
        return String::new();
    }
    let name = text_at(object, "/request/tool_name").unwrap_or("a tool");
    let asked = tool(name, object.pointer("/request/input"));
    told.asks = Some(asked.clone());
    told.work(format!("It asks to use {asked}"))
}
