//! `POST /internal/train`: trains a model for a graph before its publish.

use crate::Deps;
use axum::Json;
use axum::extract::{Request, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::Problem;
use contracts::graph::{Agent, Finding, Graph, Severity};
use contracts::routing::{TrainAnswer, TrainRequest};
use platform::edge::{ApiError, ApiResult, read_body};
use text_model::{HeldOutFigures, Model, TooManyAgents, TrainingSet};

/// Maximum bytes of a graph as JSON, without the bodies of its files.
const BYTES_MAX: usize = 48 << 20;
/// Maximum findings of each kind per training.
const FINDINGS_MAX: usize = 20;
/// Percentage of held-out examples below which an agent gets a finding, and the minimum examples
/// for that.
const GOOD_PERCENT: usize = 90;
const HELD_OUT_MIN: usize = 5;

/// Trains; the same graph always gives the same bytes.
pub async fn train(State(deps): State<Deps>, request: Request) -> ApiResult<Json<TrainAnswer>> {
    let body = read_body(request, BYTES_MAX).await?;
    let request: TrainRequest = serde_json::from_slice(&body).map_err(|error| {
        ApiError::from(Problem::field(
            "graph",
            format!("The graph cannot be read: {error}."),
            "Send {\"graph\": …} in the format of GET /api/graph.",
        ))
    })?;
    drop(body);
    if let Some(refused) = TooManyAgents::of(&request.graph) {
        return Err(Problem::field("graph", refused.to_string(), refused.fix()).into());
    }
    let start = (deps.stopwatch)();
    let trained = Model::train_and_try(&TrainingSet::from_graph(&request.graph));
    let train_ms = ((deps.stopwatch)() - start).max(0.0);
    let Some((model, held_out)) = trained else {
        let detail = "No agent of the graph has examples, keywords or a description to learn from.";
        return Err(
            Problem::field("graph", detail, "Add example messages to at least one agent.").into()
        );
    };
    let mut findings = accuracy(&request.graph, &model, &held_out);
    findings.extend(overlaps(&request.graph, &model));
    Ok(Json(TrainAnswer { model_base64: STANDARD.encode(model.to_bytes()), train_ms, findings }))
}

/// `POST /internal/published`: the loader now serves another version.
pub async fn published(State(deps): State<Deps>) -> http::StatusCode {
    deps.shared.graph.look_again();
    http::StatusCode::NO_CONTENT
}

/// Held-out accuracy: for the whole graph, and for each agent that could improve.
fn accuracy(graph: &Graph, model: &Model, held_out: &[HeldOutFigures]) -> Vec<Finding> {
    let sum = |of: fn(&HeldOutFigures) -> usize| held_out.iter().map(of).sum::<usize>();
    let (lines, right) = (sum(|figures| figures.lines), sum(|figures| figures.right));
    if lines < HELD_OUT_MIN {
        return Vec::new();
    }
    let per_mille = (right * 1000 + lines / 2) / lines;
    let message = format!(
        "held out, {} of {} examples find their agent ({}.{} %)",
        grouped(right),
        grouped(lines),
        per_mille / 10,
        per_mille % 10
    );
    // No particular file.
    let whole = hint(
        "held_out_accuracy",
        String::new(),
        message,
        "Run `quintet graph check DIR` for advice.".to_owned(),
    );
    let weak = model
        .labels()
        .iter()
        .zip(held_out)
        .filter_map(|(label, figures)| weak(graph, model, label, *figures));
    [whole].into_iter().chain(weak.take(FINDINGS_MAX)).collect()
}

fn weak(graph: &Graph, model: &Model, label: &str, figures: HeldOutFigures) -> Option<Finding> {
    let HeldOutFigures { lines, right, taken } = figures;
    if lines < HELD_OUT_MIN || right * 100 >= lines * GOOD_PERCENT {
        return None;
    }
    let (place, count) = taken?;
    let (other, agent) =
        (model.labels().get(place)?, graph.agents.iter().find(|agent| agent.id.as_str() == label)?);
    // Rounded down, so that nothing below the bound seems to reach it.
    let (percent, go) = (right * 100 / lines, if count == 1 { "goes" } else { "go" });
    let message = format!(
        "held out, {} of {} examples find it ({percent} %); {} {go} to {other}",
        grouped(right),
        grouped(lines),
        grouped(count)
    );
    Some(hint(
        "weak_agent",
        path_of(graph, agent),
        message,
        format!("Write more examples that distinguish it from {other}."),
    ))
}

/// Formats a number with commas between thousands.
fn grouped(number: usize) -> String {
    if number < 1000 {
        number.to_string()
    } else {
        format!("{},{:03}", grouped(number / 1000), number % 1000)
    }
}

/// Examples that the model assigns to another agent despite training on them: the two agents
/// overlap there.
fn overlaps(graph: &Graph, model: &Model) -> Vec<Finding> {
    let examples =
        graph.agents.iter().flat_map(|agent| agent.examples.iter().map(move |text| (agent, text)));
    let misread = examples.filter_map(|(agent, text)| {
        let scored = model.score(text);
        let winner =
            model.labels().get(scored.winner).filter(|winner| *winner != agent.id.as_str())?;
        Some(overlap(graph, agent, text, winner))
    });
    misread.take(FINDINGS_MAX).collect()
}

fn overlap(graph: &Graph, agent: &Agent, text: &str, winner: &str) -> Finding {
    let text: String = text.chars().take(80).collect();
    let message = format!("the example “{text}” of {} reads like {winner}", agent.id);
    let fix =
        format!("Reword it, move it to {winner}, or give {} more examples of this kind.", agent.id);
    hint("overlapping_example", path_of(graph, agent), message, fix)
}

fn path_of(graph: &Graph, agent: &Agent) -> String {
    graph.skill(&agent.skill).map_or_else(String::new, |skill| skill.path.clone())
}

fn hint(code: &str, path: String, message: String, fix: String) -> Finding {
    Finding { severity: Severity::Hint, code: code.to_owned(), path, line: 0, message, fix }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn found(graph: &Graph) -> Vec<Finding> {
        let (model, held_out) = Model::train_and_try(&TrainingSet::from_graph(graph)).unwrap();
        accuracy(graph, &model, &held_out)
    }

    /// The small graph, with half of security's messages similar to codegen's.
    fn mixed() -> Graph {
        let lines = |text: &'static str, numbers: std::ops::Range<u8>| {
            numbers.map(move |n| format!("{text} {n}"))
        };
        let examples = |id: &str| match id {
            "codegen" => lines("fix the build number", 0..40).collect(),
            "security" => lines("scan server number", 0..10)
                .chain(lines("fix the build number", 40..50))
                .collect(),
            "pm" => lines("plan the sprint of week", 0..20).collect(),
            _ => Vec::new(),
        };
        let mut graph = samples::graph();
        graph.agents.iter_mut().for_each(|agent| agent.examples = examples(agent.id.as_str()));
        graph
    }

    #[test]
    fn train_names_an_agent_with_low_accuracy_and_the_fix() {
        let found = found(&mixed());
        let all: Vec<_> = found
            .iter()
            .map(|one| {
                (one.code.as_str(), one.path.as_str(), one.message.as_str(), one.fix.as_str())
            })
            .collect();
        let whole = "held out, 70 of 80 examples find their agent (87.5 %)";
        let security = "held out, 10 of 20 examples find it (50 %); 10 go to codegen";
        let expected = [
            ("held_out_accuracy", "", whole, "Run `quintet graph check DIR` for advice."),
            (
                "weak_agent",
                "agents/agent-security.md",
                security,
                "Write more examples that distinguish it from codegen.",
            ),
        ];
        assert_eq!(all, expected);
        assert!(found.iter().all(|one| (one.severity, one.line) == (Severity::Hint, 0)));
    }

    #[test]
    fn train_reports_no_accuracy_for_few_examples() {
        let mut graph = samples::graph();
        graph.agents.iter_mut().for_each(|agent| agent.examples.truncate(1));
        assert_eq!(found(&graph), []);
    }

    #[test]
    fn train_groups_thousands() {
        assert_eq!([7, 999, 2_474, 1_000_000].map(grouped), ["7", "999", "2,474", "1,000,000"]);
    }

    #[test]
    fn eval_trains_on_exclusions_but_never_tests_them() {
        let mut graph = samples::graph();
        let examples: usize = graph.agents.iter().map(|agent| agent.examples.len()).sum();
        for agent in &mut graph.agents {
            agent.negatives = vec![format!("anything but {}", agent.id)];
        }
        let report = text_model::evaluate::cross_validate(
            &graph,
            &mut text_model::evaluate::Surroundings { seconds: &|| 0.0, progress: &mut |_, _| {} },
        )
        .unwrap();
        assert_eq!(report.lines, examples);
        assert!(
            report.worst_errors.iter().all(|error| !error.text.starts_with("anything but")),
            "{:?}",
            report.worst_errors
        );
    }
}
