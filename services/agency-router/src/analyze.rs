//! `POST /api/analyze`: the same scoring with all details; records nothing.

use crate::handle_route::{for_everybody, route};
use crate::{Deps, complexity};
use axum::Json;
use axum::extract::State;
use contracts::routing::{Alternative, Analysis, RouteRequest, WeighedTerm};
use platform::edge::{ApiResult, JsonBody};
use text_model::Term;

/// The response of `/api/route` with its steps, without a decision id.
pub async fn analyze(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<RouteRequest>,
) -> ApiResult<Json<Analysis>> {
    let request = for_everybody(request)?;
    let (decision, answer, tokens) = route(&deps, &request).await;
    let content = decision.content.as_ref();
    let ranked = content.map_or(&[][..], |content| &content.ranked);
    let probabilities = ranked
        .iter()
        .map(|(agent, confidence)| Alternative { agent: agent.clone(), confidence: *confidence })
        .collect();
    Ok(Json(Analysis {
        agent: answer.agent,
        confidence: answer.confidence,
        skill_files_used: answer.skill_files_used,
        routing_latency: answer.routing_latency,
        complexity: answer.complexity,
        reason: answer.reason,
        matched_keywords: answer.matched_keywords,
        alternatives: answer.alternatives,
        fallback: answer.fallback,
        out_of_scope: answer.out_of_scope,
        needs_choice: answer.needs_choice,
        estimated_cost: answer.estimated_cost,
        graph_version: answer.graph_version,
        cached: answer.cached,
        timestamp: answer.timestamp,
        probabilities,
        in_scope: content.map(|content| content.in_scope),
        unknown_words: content.map(|content| content.unknown_words),
        complexity_reasons: complexity_reasons(&request),
        estimated_tokens: tokens,
        spoke_for_winner: terms(content.map_or(&[][..], |content| &content.winner_terms)),
        spoke_for_runner_up: terms(content.map_or(&[][..], |content| &content.runner_up_terms)),
        steps: decision.steps,
    }))
}

fn complexity_reasons(request: &RouteRequest) -> Vec<String> {
    if request.complexity.is_some() {
        vec!["stated by the caller".to_owned()]
    } else {
        complexity::reasons(&request.message)
    }
}

fn terms(terms: &[Term]) -> Vec<WeighedTerm> {
    let rounded = |weight: f32| (f64::from(weight) * 1000.0).round() / 1000.0;
    terms
        .iter()
        .map(|term| WeighedTerm { term: term.text.clone(), weight: rounded(term.weight) })
        .collect()
}
