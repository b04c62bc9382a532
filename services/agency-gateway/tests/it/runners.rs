//! Rules for every runner in the registry.

use crate::bed::{Bed, hanging, saying};
use agency_gateway::config::AgentConfig;
use agency_gateway::runners::{DEFAULT, Finish, Job, LATER, REGISTRY, RunEvent, TEXT_BYTES_MAX};
use contracts::task::TaskContext;
use contracts::{AgentId, Micros, TaskId};
use serde_json::json;

fn job() -> Job {
    Job {
        task: TaskId::from("t"),
        agent: AgentId::from("a"),
        message: "$(reboot); hello".to_owned(),
        context: TaskContext::default(),
        cost_limit: Micros(0),
    }
}

fn config(runner: &str) -> AgentConfig {
    AgentConfig {
        runner: runner.to_owned(),
        command: vec!["tool".to_owned()],
        ..AgentConfig::default()
    }
}

async fn end(run: &mut dyn agency_gateway::runners::Run) -> Finish {
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
        let mut run = (entry.make)(&bed.deps, &config(entry.name)).start(&job()).await;
        let first = end(&mut *run).await;
        assert_eq!(end(&mut *run).await, first, "{}", entry.name);
        assert!(!first.text.is_empty() && first.text.len() <= TEXT_BYTES_MAX, "{}", entry.name);
        run.stop().await;
        assert_eq!(end(&mut *run).await, first, "{}", entry.name);
    }
}

#[tokio::test]
async fn runner_can_be_stopped_twice() {
    for entry in REGISTRY {
        let bed = Bed::idle(&json!({}));
        *bed.plane.silent.lock().unwrap() = true;
        bed.programs.install("tool", hanging());
        let mut run = (entry.make)(&bed.deps, &config(entry.name)).start(&job()).await;
        run.stop().await;
        run.stop().await;
        end(&mut *run).await;
    }
}

#[tokio::test]
async fn runner_never_lets_a_message_choose_the_program() {
    for entry in REGISTRY {
        let bed = Bed::idle(&json!({}));
        bed.programs.install("tool", saying(&["ok"]));
        end(&mut *(entry.make)(&bed.deps, &config(entry.name)).start(&job()).await).await;
        for spec in bed.programs.started() {
            assert_eq!(
                (spec.program.as_str(), spec.args.len(), spec.stdin.as_str()),
                ("tool", 0, "$(reboot); hello")
            );
        }
    }
}

#[test]
fn runner_names_are_unique_and_include_the_default() {
    let names: Vec<_> = REGISTRY.iter().map(|entry| entry.name).collect();
    assert!(names.contains(&DEFAULT));
    for (at, name) in names.iter().enumerate() {
        assert!(!names[at + 1..].contains(name) && !LATER.contains(name), "{name}");
    }
}

#[tokio::test]
async fn command_runner_replaces_one_whole_argument_with_the_message() {
    let bed = Bed::idle(&json!({}));
    bed.programs.install("tool", saying(&["ok"]));
    let command = ["tool", "exec", "--", "{message}"].map(str::to_owned).to_vec();
    let agent = AgentConfig { command, ..config("command") };
    let entry = REGISTRY.iter().find(|entry| entry.name == "command").unwrap();
    end(&mut *(entry.make)(&bed.deps, &agent).start(&job()).await).await;
    let spec = bed.programs.started().remove(0);
    assert_eq!(
        (spec.args, spec.stdin),
        (vec!["exec".to_owned(), "--".to_owned(), "$(reboot); hello".to_owned()], String::new())
    );
    let nul = Job { message: "a\0b".to_owned(), ..job() };
    let finish = end(&mut *(entry.make)(&bed.deps, &agent).start(&nul).await).await;
    assert_eq!(
        (finish.outcome, finish.actual_cost),
        (contracts::approval::Outcome::Failed, Some(Micros(0)))
    );
}
