//! The knowledge runner's answers over the default graph's files.

use crate::bed::{Bed, Knowledge, task, until};
use contracts::calls::personal_assistant::Settle;
use contracts::calls::skill_graph_loader::Search;
use contracts::calls::webhook_aggregator::FinishTask;
use contracts::graph::{Agent, SearchHit, Skill, SkillKind};
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
fn skill((id, text): &(&str, &str)) -> Skill {
    let mut parts = text.splitn(3, "---\n");
    let front = parts.nth(1).unwrap();
    let title = front.lines().find_map(|line| line.strip_prefix("title: ")).unwrap();
    Skill {
        id: (*id).to_owned(),
        path: format!("guides/{id}.md"),
        kind: SkillKind::Guide,
        title: title.to_owned(),
        description: String::new(),
        keywords: Vec::new(),
        aliases: Vec::new(),
        tags: Vec::new(),
        headings: Vec::new(),
        related_agents: Vec::new(),
        body: parts.next().unwrap().to_owned(),
        extra: std::collections::BTreeMap::default(),
    }
}

fn agent(id: &str, fallback: bool) -> Agent {
    Agent {
        id: id.into(),
        skill: format!("agent-{id}"),
        title: id.to_owned(),
        description: format!("Does what {id} does."),
        keywords: Vec::new(),
        aliases: Vec::new(),
        bullets: Vec::new(),
        examples: vec!["secret example line".to_owned()],
        negatives: vec!["NOT for tickets: that is [[agent-pm]].".to_owned()],
        complexity: Vec::new(),
        related_agents: Vec::new(),
        related_channels: Vec::new(),
        model: None,
        fallback,
        public: id != "security",
    }
}

fn hit(id: &str) -> SearchHit {
    SearchHit {
        id: id.to_owned(),
        path: "p".to_owned(),
        kind: SkillKind::Guide,
        title: id.to_owned(),
        description: String::new(),
        heading: None,
        snippet: String::new(),
        highlights: Vec::new(),
        score: 1.0,
    }
}

async fn ask(who: &str, message: &str, decided: &[&str], found: &[&str]) -> Value {
    let bed = Bed::start(&json!({}));
    bed.knows(Knowledge {
        agents: vec![agent("security", false), agent("codegen", false), agent("assistant", true)],
        files: FILES.iter().map(skill).collect(),
        hits: found.iter().map(|id| hit(id)).collect(),
    });
    let mut task = task("t", 1, who, message);
    task.context.skill_files = decided.iter().map(|id| (*id).to_owned()).collect();
    bed.plane.push(task);
    until("answered", || bed.fakes.count::<FinishTask>() == 1).await;
    assert!(bed.programs.started().is_empty());
    let result = bed.fakes.bodies::<FinishTask>().remove(0);
    assert_eq!(
        (result["actualCost"].as_f64(), bed.fakes.bodies::<Settle>()[0]["actualCost"].as_f64()),
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
async fn knowledge_assistant_greets_with_what_is_here_and_quotes_no_guide() {
    let decided = ["writing-example-messages", "halting-and-resuming"];
    for (message, opening) in [
        ("hello!", "Hello! I am the assistant of this Quintet."),
        ("hello, who are you?", "I am the assistant of this Quintet."),
        ("¿Quién eres?", "I am the assistant of this Quintet."),
    ] {
        let answer = ask("assistant", message, &decided, &["agent-runners"]).await;
        let text = answer["text"].as_str().unwrap();
        assert!(text.starts_with(opening), "{message}: {text}");
        assert!(!text.contains("security"), "not for anybody: {text}");
        assert!(
            text.ends_with(
                "- codegen: Does what codegen does.\n- assistant: Does what assistant does."
            ),
            "{text}"
        );
    }
    let thanks = ask("assistant", "thanks!", &decided, &["agent-runners"]).await;
    assert_eq!(thanks["text"], "You're welcome.");
    let unknown = ask("assistant", "bake sourdough bread", &[], &["agent-runners"]).await;
    let text = unknown["text"].as_str().unwrap();
    assert!(text.starts_with("I have no answer to that."), "{text}");
}

#[tokio::test]
async fn knowledge_assistant_answers_about_questions_of_its_guides() {
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
    bed.refuse::<Search>(&[contracts::ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "codegen", "fix it"));
    until("answered", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<FinishTask>()[0]["outcome"], "failed");
}
