//! `POST /api/analyze`: the same scoring with all details; records nothing.

use crate::handle_route::{for_everybody, route};
use crate::{Deps, complexity};
use axum::Json;
use axum::extract::State;
use contracts::routing::{RouteAnswer, RouteRequest};
use platform::edge::{ApiResult, JsonBody};
use serde_json::{Value, json};
use text_model::Term;

/// The response of `/api/route` without a decision id, plus `steps`, `probabilities`, `inScope`,
/// `unknownWords`, `complexityReasons`, `estimatedTokens` (`{input, output}`, null for an agent
/// without a model), `spokeForWinner` and `spokeForRunnerUp`.
pub async fn analyze(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<RouteRequest>,
) -> ApiResult<Json<Value>> {
    let request = for_everybody(request)?;
    let (decision, answer, tokens) = route(&deps, &request).await;
    let content = decision.content.as_ref();
    let ranked = content.map_or(&[][..], |content| &content.ranked);
    let probabilities: Vec<Value> = ranked
        .iter()
        .map(|(agent, confidence)| json!({"agent": agent, "confidence": confidence}))
        .collect();
    Ok(Json(with(
        &answer,
        json!({
            "steps": decision.steps,
            "probabilities": probabilities,
            "inScope": content.map(|content| content.in_scope),
            "unknownWords": content.map(|content| content.unknown_words),
            "complexityReasons": complexity_reasons(&request),
            "estimatedTokens": tokens,
            "spokeForWinner": terms(content.map_or(&[][..], |content| &content.winner_terms)),
            "spokeForRunnerUp": terms(content.map_or(&[][..], |content| &content.runner_up_terms)),
        }),
    )))
}

fn complexity_reasons(request: &RouteRequest) -> Vec<String> {
    if request.complexity.is_some() {
        vec!["stated by the caller".to_owned()]
    } else {
        complexity::reasons(&request.message)
    }
}

fn terms(terms: &[Term]) -> Vec<Value> {
    terms.iter().map(|term| json!({"term": term.text, "weight": (f64::from(term.weight) * 1000.0).round() / 1000.0})).collect()
}

/// The response with extra members and without a decision id, because no decision was recorded.
fn with(answer: &RouteAnswer, more: Value) -> Value {
    let mut value = serde_json::to_value(answer).unwrap_or_default();
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.remove("decisionId");
        object.extend(more);
    }
    value
}
