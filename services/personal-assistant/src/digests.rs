//! The digests of a request for approval: what a decision is bound to, and what a repetition is
//! known by.

use contracts::agent_run::RUNS;
use contracts::approval::ApproveRequest;
use contracts::{ErrorCode, Micros};
use platform::edge::{ApiError, ApiResult};
use platform::secret::digest_hex;
use serde_json::{Value, json};

/// Lower-case hex SHA-256 of the RFC 8785 form.
pub fn canonical_digest(value: &Value) -> ApiResult<String> {
    let bytes = serde_json_canonicalizer::to_vec(value)
        .map_err(|_| ApiError::new(ErrorCode::Internal, "The request has no canonical form."))?;
    Ok(digest_hex(&bytes))
}

/// The digest that binds a decision to the work. Absent operation or arguments count as null.
pub fn digest(request: &ApproveRequest, amount: Micros) -> ApiResult<String> {
    canonical_digest(&json!({
        "taskId": request.task_id,
        "agentType": request.agent_type,
        "type": request.kind,
        "operation": request.operation,
        "arguments": request.arguments,
        "description": request.description,
        "costLimitMicros": amount.0,
    }))
}

/// The digest that identifies a repeated request: everything the caller states about the work,
/// before any rule.
pub fn fingerprint(request: &ApproveRequest) -> ApiResult<String> {
    let mut arguments = request.arguments.clone();
    let of_event = request.channel_context.as_ref().is_some_and(|from| from.event_id.is_some());
    if let (Some(Value::Object(stated)), true) = (&mut arguments, of_event) {
        // The same message is the same work, even if a gateway came meanwhile. The decision holds
        // for the programs of the first request.
        stated.remove(RUNS);
    }
    canonical_digest(&json!([
        request.task_id,
        request.agent_type,
        request.kind,
        request.operation,
        arguments,
        request.description,
        request.estimated_cost.0,
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approval_digest_matches_the_contract() {
        let request: ApproveRequest = serde_json::from_value(json!({
            "taskId": "t-1", "type": "codegen", "description": "Fix it", "estimatedCost": 1.25, "agentType": "codegen", "operation": "run",
        }))
        .unwrap();
        let text = r#"{"agentType":"codegen","arguments":null,"costLimitMicros":1250000,"description":"Fix it","operation":"run","taskId":"t-1","type":"codegen"}"#;
        assert_eq!(digest(&request, Micros(1_250_000)).unwrap(), digest_hex(text.as_bytes()));
    }
}
