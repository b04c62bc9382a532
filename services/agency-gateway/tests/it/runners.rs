//! Rules for every runner in the registry.

use crate::acp_agent::{answers, program};
use crate::bed::{Bed, breathe, hanging, saying};
use agency_gateway::runner::{Ended, Finish, Job, Run, RunEvent, Runner, TEXT_BYTES_MAX, Tools};
use agency_gateway::runners::{Entry, REGISTRY};
use agency_gateway::{Config, Program};
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::task::TaskContext;
use contracts::{AgentId, Micros, TaskId};
use platform::config::Report;
use platform::memory::runners::WRITING;
use platform::memory::{MemoryOutbound, ScriptedProgram};
use serde_json::json;
use std::sync::Arc;

fn job() -> Job {
    Job {
        task: TaskId::from("t"),
        agent: AgentId::from("a"),
        message: "$(reboot); hello".to_owned(),
        context: TaskContext::default(),
        cost_limit: Micros(0),
        session: None,
        claim: None,
        exchange: None,
    }
}

/// An agent `a` of this runner, and a model of each protocol.
fn table(runner: &str, command: &[&str]) -> serde_json::Value {
    let url = "http://127.0.0.1:9";
    let model = |api| json!({"api": api, "base_url": url, "model": "m", "input_price": 1, "output_price": 1});
    json!({
        "models": { "one": model("anthropic"), "other": model("openai") },
        "agents": { "a": { "runner": runner, "command": command } },
    })
}

/// Models that say this.
fn speaks(bed: &Bed, text: &str) {
    let body = json!({
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
    });
    bed.outbound.answer(move |_| Ok(MemoryOutbound::json(200, &body)));
}

/// Starts the job with an agent of this runner.
async fn start(bed: &Bed, runner: &str, command: &[&str], job: &Job) -> Box<dyn Run> {
    let report = Report::default();
    let config = Config::read(&table(runner, command), &report);
    assert_eq!(report.into_problems(), [], "{runner}");
    let tools = bed.tools();
    config.runner(&job.agent).start(&tools, job).await
}

async fn end(run: &mut dyn Run) -> Finish {
    loop {
        if let RunEvent::Finished(finish) = run.next().await {
            return finish;
        }
    }
}

#[tokio::test]
async fn runner_ends_once_and_stays_within_its_size() {
    for entry in REGISTRY {
        let bed = Bed::idle(&json!({}));
        bed.programs.install("tool", saying(&["x".repeat(400_000).as_str()]));
        speaks(&bed, &"x".repeat(400_000));
        let mut run = start(&bed, entry.kind.name, &["tool"], &job()).await;
        let first = end(&mut *run).await;
        assert_eq!(end(&mut *run).await, first, "{}", entry.kind.name);
        assert!(
            !first.text.is_empty() && first.text.len() <= TEXT_BYTES_MAX,
            "{}",
            entry.kind.name
        );
        run.stop().await;
        assert_eq!(end(&mut *run).await, first, "{}", entry.kind.name);
    }
}

#[tokio::test]
async fn runner_can_be_stopped_twice() {
    for entry in REGISTRY {
        let bed = Bed::idle(&json!({}));
        bed.silence();
        bed.outbound.hang();
        bed.programs.install("tool", hanging());
        let mut run = start(&bed, entry.kind.name, &["tool"], &job()).await;
        run.stop().await;
        run.stop().await;
        end(&mut *run).await;
    }
}

#[tokio::test]
async fn runner_never_lets_a_message_choose_the_program() {
    for entry in REGISTRY {
        let bed = Bed::idle(&json!({}));
        let is_spoken_to = matches!(entry.kind.name, "acp" | "openclaw");
        let plain = saying(&["ok"]);
        bed.programs.install("tool", if is_spoken_to { program(answers) } else { plain });
        speaks(&bed, "ok");
        end(&mut *start(&bed, entry.kind.name, &["tool"], &job()).await).await;
        let written = bed.programs.written().concat();
        for spec in bed.programs.started() {
            assert_eq!(spec.program, "tool");
            assert!(!spec.args.iter().any(|arg| arg.contains("reboot")), "{:?}", spec.args);
            let handed = format!("{}{written}", spec.stdin);
            assert!(handed.contains("$(reboot); hello"), "{handed}");
        }
    }
}

#[test]
fn a_runner_names_a_program_where_its_kind_says_so() {
    for entry in REGISTRY {
        let config = Config::read(&table(entry.kind.name, &["tool"]), &Report::default());
        assert_eq!(config.programs().count() == 1, entry.kind.is_program, "{}", entry.kind.name);
    }
}

/// A runner that no service knows: it answers with the key of its own.
#[derive(Debug)]
struct MadeUp {
    flavour: String,
    program: Program,
}

#[async_trait]
impl Runner for MadeUp {
    async fn start(&self, _: &Tools, job: &Job) -> Box<dyn Run> {
        let text = format!("{} tastes of {}", job.agent, self.flavour);
        Box::new(Ended(Finish::free(Outcome::Success, text)))
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
}

const MADE_UP: Entry = Entry {
    kind: WRITING,
    read: |_, section, program| {
        let flavour = section.text("flavour").unwrap_or_default();
        Arc::new(MadeUp { flavour, program })
    },
};

#[tokio::test]
async fn a_made_up_runner_reads_keys_of_its_own_and_runs() {
    let agent = json!({"runner": WRITING.name, "flavour": "lime", "command": ["tool"]});
    let table = json!({ "agents": { "A": agent, "b": {"runner": "command"} } });
    let report = Report::default();
    let config = Config::read_with(&[MADE_UP], &table, &report);
    let problems = report.into_problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].fix, format!("The runners are: {}.", WRITING.name));
    assert_eq!(config.programs().map(|(id, _)| id).collect::<Vec<_>>(), ["A"]);
    let bed = Bed::idle(&json!({}));
    let tools = bed.tools();
    let finish = end(&mut *config.runner(&job().agent).start(&tools, &job()).await).await;
    assert_eq!(finish.text, "a tastes of lime");
}

#[tokio::test]
async fn command_runner_replaces_one_whole_argument_with_the_message() {
    let bed = Bed::idle(&json!({}));
    bed.programs.install("tool", saying(&["ok"]));
    let command = ["tool", "exec", "--", "{message}"];
    end(&mut *start(&bed, "command", &command, &job()).await).await;
    let spec = bed.programs.started().remove(0);
    assert_eq!(
        (spec.args, spec.stdin),
        (vec!["exec".to_owned(), "--".to_owned(), "$(reboot); hello".to_owned()], String::new())
    );
    let nul = Job { message: "a\0b".to_owned(), ..job() };
    let finish = end(&mut *start(&bed, "command", &command, &nul).await).await;
    assert_eq!((finish.outcome, finish.actual_cost), (Outcome::Failed, Some(Micros(0))));
}

#[tokio::test]
async fn command_runner_ends_a_program_that_stays_after_its_result() {
    let bed = Bed::idle(&json!({}));
    let result = r#"{"type":"result","subtype":"success","result":"Done.","total_cost_usd":0.5}"#;
    let lines = vec![result.to_owned()];
    bed.programs.install("claude", ScriptedProgram { lines, hangs: true, ..saying(&[]) });
    let command = ["claude", "--output-format", "stream-json"];
    let mut run = start(&bed, "command", &command, &job()).await;
    let ending = tokio::spawn(async move { end(&mut *run).await });
    breathe().await;
    bed.clock.advance(4_999);
    breathe().await;
    assert!(bed.programs.stopped().is_empty() && !ending.is_finished(), "it has its grace");
    bed.clock.advance(1);
    let finish = ending.await.unwrap();
    assert_eq!((finish.outcome, finish.text.as_str()), (Outcome::Success, "Done."));
    assert_eq!(finish.actual_cost, Some(Micros(500_000)));
    assert_eq!(bed.programs.stopped(), ["t"]);
}
