//! The limits of a request for approval.

use crate::own_work;
use crate::policy::{MORE_MONEY, QUESTION, TOOL_CALL};
use crate::waiting::WAIT_SECONDS_MAX;
use contracts::Problem;
use contracts::approval::{ApproveRequest, DESCRIPTION_CHARS_MAX};
use platform::edge::ApiResult;
use serde_json::Value;

/// Maximum characters of an id, type, agent or operation.
pub(crate) const NAME_CHARS_MAX: usize = 200;
/// Maximum bytes of `arguments` as JSON.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;
/// Whole numbers above this are no longer exact in RFC 8785 JSON: two different ones could share a
/// digest.
const WHOLE_MAX: u64 = 1 << 53;

/// Refuses a request beyond the limits, with the field.
pub(crate) fn validate(request: &ApproveRequest) -> ApiResult<()> {
    let names = [
        ("taskId", request.task_id.as_str()),
        ("type", &request.kind),
        ("agentType", request.agent_type.as_str()),
    ];
    let operation = request.operation.as_deref().map(|operation| ("operation", operation));
    for (field, text) in names.into_iter().chain(operation) {
        if text.is_empty()
            || text != text.trim()
            || text.chars().any(char::is_control)
            || text.chars().count() > NAME_CHARS_MAX
        {
            let fix = format!(
                "Send 1 to {NAME_CHARS_MAX} characters, without control characters and surrounding spaces."
            );
            return Err(Problem::field(
                field,
                format!("`{field}` is empty, too long, or contains invalid characters."),
                fix,
            )
            .into());
        }
    }
    // That of a tool call is made of its arguments, which have a limit of their own.
    let is_tool_call = request.kind == TOOL_CALL;
    let most = if is_tool_call { 2 * ARGUMENTS_BYTES_MAX } else { DESCRIPTION_CHARS_MAX };
    if request.description.chars().count() > most {
        let detail = format!("The description has more than {most} characters.");
        return Err(Problem::field(
            "description",
            detail,
            "Shorten it to what the owner needs for the decision.",
        )
        .into());
    }
    if request.description.contains('\0') {
        return Err(Problem::field(
            "description",
            "The description contains a NUL character.",
            "Remove it.",
        )
        .into());
    }
    if request.wait.is_some_and(|wait| wait > WAIT_SECONDS_MAX) {
        return Err(Problem::field(
            "wait",
            format!("`wait` is more than {WAIT_SECONDS_MAX} seconds."),
            "Wait at most 30 seconds, then ask again.",
        )
        .into());
    }
    if let Some(arguments) = &request.arguments {
        if arguments.to_string().len() > ARGUMENTS_BYTES_MAX {
            return Err(Problem::field(
                "arguments",
                format!("`arguments` is larger than {ARGUMENTS_BYTES_MAX} bytes."),
                "Send a reference instead of the data.",
            )
            .into());
        }
        if !is_exact(arguments) {
            return Err(Problem::field(
                "arguments",
                "`arguments` contains an integer beyond 2^53.",
                "Send such numbers as text, because the digest cannot distinguish them.",
            )
            .into());
        }
    }
    Ok(())
}

/// Refuses the types, and the forms of task ids, of approvals that this service and the aggregator
/// make: a request by hand must not pass for one of them.
pub(crate) fn refuse_reserved(request: &ApproveRequest) -> ApiResult<()> {
    let is_reserved = |kind: &str| {
        [TOOL_CALL, QUESTION, MORE_MONEY].contains(&kind) || own_work::KINDS.contains(&kind)
    };
    if is_reserved(&request.kind) {
        let detail = format!("The type {} is for approvals that Quintet makes.", request.kind);
        let fix = "Use another type; for tool calls and questions use the MCP server at \
            /personal-assistant/mcp.";
        return Err(Problem::field("type", detail, fix).into());
    }
    let id = request.task_id.as_str();
    // `<task>~2` is a second run, `<task>~more1` a question for more money.
    let is_counted = id.rsplit_once('~').is_some_and(|(_, end)| {
        let digits = end.strip_prefix("more").unwrap_or(end);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let has_kind = id.split_once(':').is_some_and(|(kind, _)| is_reserved(kind));
    if is_counted || has_kind || id.contains("~more") {
        let detail = format!("Task ids like {id} are for tasks that Quintet makes.");
        let fix = "Choose another taskId: without `~more` or `~` and a number at its end, and not \
            beginning with a type that Quintet makes, such as `tool-call:` or `more-money:`.";
        return Err(Problem::field("taskId", detail, fix).into());
    }
    Ok(())
}

/// Whether every integer in it survives RFC 8785.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map(i64::unsigned_abs)
            .or_else(|| number.as_u64())
            .is_none_or(|whole| whole <= WHOLE_MAX),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn approve_refuses_numbers_that_a_digest_cannot_distinguish() {
        assert!(is_exact(&json!({"a": [1, 2.5, -9_007_199_254_740_992_i64]})));
        assert!(!is_exact(&json!({"a": [9_007_199_254_740_993_i64]})));
    }
}
