//! The knowledge runner's answers over the default graph's files.

use crate::bed::{Bed, Graph, task, until};
use serde_json::{Value, json};

const FILES: &[(&str, &str)] = &[
    (
        "debugging-a-runtime-error",
        include_str!("../../../../routing-knowledge/guides/debugging-a-runtime-error.md"),
    ),
    (
        "halting-and-resuming",
        include_str!("../../../../routing-knowledge/guides/halting-and-resuming.md"),
    ),
    ("agent-runners", include_str!("../../../../routing-knowledge/guides/agent-runners.md")),
];

/// A file as served by the loader; parses just enough front matter for these tests.
fn skill((id, text): &(&str, &str)) -> Value {
    let mut parts = text.splitn(3, "---\n");
    let front = parts.nth(1).unwrap();
    let title = front.lines().find_map(|line| line.strip_prefix("title: ")).unwrap();
    json!({"id": id, "path": format!("guides/{id}.md"), "kind": "guide", "title": title, "description": "", "keywords": [], "aliases": [],
        "tags": [], "headings": [], "relatedAgents": [], "body": parts.next().unwrap()})
}

fn agent(id: &str, fallback: bool) -> Value {
    json!({"id": id, "skill": format!("agent-{id}"), "title": id, "description": format!("Does what {id} does."), "keywords": [], "aliases": [], "bullets": [],
        "examples": ["secret example line"], "negatives": ["NOT for tickets: that is [[agent-pm]]."], "complexity": [], "relatedAgents": [],
        "relatedChannels": [], "model": null, "fallback": fallback, "public": false})
}

fn hit(id: &str) -> Value {
    json!({"id": id, "path": "p", "kind": "guide", "title": id, "description": "", "heading": null, "snippet": "", "highlights": [], "score": 1.0})
}

async fn ask(who: &str, message: &str, decided: &[&str], found: &[&str]) -> Value {
    let bed = Bed::start(&json!({}));
    *bed.plane.graph.lock().unwrap() = Graph {
        agents: vec![agent("codegen", false), agent("assistant", true)],
        files: FILES.iter().map(skill).collect(),
        hits: found.iter().map(|id| hit(id)).collect(),
    };
    let mut task = task("t", 1, who, message);
    task.context.skill_files = decided.iter().map(|id| (*id).to_owned()).collect();
    bed.plane.push(task);
    until("answered", || bed.plane.count("/result") == 1).await;
    assert!(bed.programs.started().is_empty());
    let result = bed.plane.bodies("/result").remove(0);
    assert_eq!(
        (result["actualCost"].as_f64(), bed.plane.bodies("/settle")[0]["actualCost"].as_f64()),
        (Some(0.0), Some(0.0))
    );
    assert!(result["text"].as_str().unwrap().chars().count() <= 3_000);
    result
}

#[tokio::test]
async fn knowledge_quotes_the_best_sections_with_their_source() {
    let result = ask(
        "codegen",
        "fix the TypeError in the login flow",
        &["agents/agent-codegen.md"],
        &["debugging-a-runtime-error", "agent-runners"],
    )
    .await;
    let text = result["text"].as_str().unwrap();
    assert_eq!(result["outcome"], "success");
    assert!(
        text.starts_with("codegen, answering from the skill graph (no model is configured)."),
        "{text}"
    );
    assert!(text.contains("**TypeError in a login flow** [debugging-a-runtime-error]"), "{text}");
    assert!(
        text.contains("A missing await") && text.contains("From: [debugging-a-runtime-error]"),
        "{text}"
    );
    assert!(!text.contains("[["), "{text}");
}

#[tokio::test]
async fn knowledge_gives_the_same_answer_to_the_same_question() {
    let question = || {
        ask(
            "codegen",
            "how do I stop a runaway agent",
            &["halting-and-resuming"],
            &["agent-runners"],
        )
    };
    let first = question().await;
    assert_eq!(first, question().await);
    assert!(first["text"].as_str().unwrap().contains("[halting-and-resuming]"), "{first}");
}

#[tokio::test]
async fn knowledge_admits_when_nothing_matches_and_describes_the_agent() {
    let text =
        ask("codegen", "bake sourdough bread", &[], &["debugging-a-runtime-error"]).await["text"]
            .as_str()
            .unwrap()
            .to_owned();
    assert!(
        text.contains("Nothing in the skill graph fits this message.")
            && text.contains("Does what codegen does.")
            && text.contains("NOT for tickets: that is [agent-pm]."),
        "{text}"
    );
    assert!(!text.contains("secret example line"), "{text}");
}

#[tokio::test]
async fn knowledge_assistant_greets_and_lists_the_agents() {
    let text = ask("assistant", "hello!", &[], &["agent-runners"]).await["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.starts_with(
            "Hello! I am assistant, answering from the skill graph (no model is configured)."
        ),
        "{text}"
    );
    assert!(text.contains("- codegen: Does what codegen does."), "{text}");
    let text =
        ask("assistant", "what does halting a task promise?", &[], &["halting-and-resuming"]).await
            ["text"]
            .as_str()
            .unwrap()
            .to_owned();
    assert!(text.contains("**What a halt promises** [halting-and-resuming]"), "{text}");
}

#[tokio::test]
async fn knowledge_fails_without_cost_if_the_graph_is_unreadable() {
    let bed = Bed::start(&json!({}));
    bed.plane.refuse("search", &[contracts::ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "codegen", "fix it"));
    until("answered", || bed.plane.count("/result") == 1).await;
    assert_eq!(bed.plane.bodies("/result")[0]["outcome"], "failed");
}
