//! `POST /internal/train`: a model for a graph that is about to be published.

use crate::Deps;
use crate::model::{Model, TrainingSet};
use axum::Json;
use axum::extract::{Request, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::Problem;
use contracts::graph::{Agent, Finding, Graph, Severity};
use contracts::routing::{TrainAnswer, TrainRequest};
use platform::edge::{ApiError, ApiResult, read_body};

/// A graph without the bodies of its files, as JSON.
const BYTES_MAX: usize = 48 << 20;
/// Findings of one training.
const FINDINGS_MAX: usize = 20;

/// Trains; the same graph always gives the same bytes.
pub async fn train(State(deps): State<Deps>, request: Request) -> ApiResult<Json<TrainAnswer>> {
    let body = read_body(request, BYTES_MAX).await?;
    let request: TrainRequest = platform::json::from_slice(&body).map_err(|error| {
        ApiError::from(Problem::field("graph", format!("The graph cannot be read: {error}."), "Send {\"graph\": …} as GET /api/graph gives it."))
    })?;
    drop(body);
    let start = (deps.stopwatch)();
    let model = Model::train(&TrainingSet::from_graph(&request.graph));
    let train_ms = ((deps.stopwatch)() - start).max(0.0);
    let Some(model) = model else {
        let detail = "No agent of the graph has examples, keywords or a description to learn from.";
        return Err(Problem::field("graph", detail, "Add example messages to at least one agent.").into());
    };
    let findings = findings(&request.graph, &model);
    Ok(Json(TrainAnswer { model_base64: STANDARD.encode(model.to_bytes()), train_ms, findings }))
}

/// `POST /internal/published`: the loader serves another version now.
pub async fn published(State(deps): State<Deps>) -> http::StatusCode {
    deps.shared.graph.look_again();
    http::StatusCode::NO_CONTENT
}

/// Examples that the model gives to another agent although it has learnt them: the two agents overlap there.
fn findings(graph: &Graph, model: &Model) -> Vec<Finding> {
    let examples = graph.agents.iter().flat_map(|agent| agent.examples.iter().map(move |text| (agent, text)));
    let misread = examples.filter_map(|(agent, text)| {
        let scored = model.score(text);
        let winner = model.labels().get(scored.winner).filter(|winner| *winner != agent.id.as_str())?;
        Some(overlap(graph, agent, text, winner))
    });
    misread.take(FINDINGS_MAX).collect()
}

fn overlap(graph: &Graph, agent: &Agent, text: &str, winner: &str) -> Finding {
    let text: String = text.chars().take(80).collect();
    Finding {
        severity: Severity::Hint,
        code: "overlapping_example".to_owned(),
        path: graph.skill(&agent.skill).map_or_else(String::new, |skill| skill.path.clone()),
        line: 0,
        message: format!("the example “{text}” of {} reads like {winner}", agent.id),
        fix: format!("Reword it, move it to {winner}, or give {} more examples of this kind.", agent.id),
    }
}
