//! A run's cost while it runs: reported at once above its limit, waited for, ended.

use crate::bed::{Bed, breathe, saying, task, tool, until};
use contracts::Micros;
use contracts::approval::ClaimAnswer;
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::calls::webhook_aggregator::{FinishTask, RenewTask};
use contracts::task::{RenewAnswer, StopCause};
use platform::memory::ScriptedProgram;
use serde_json::json;

fn spending(costs: &[f64]) -> ScriptedProgram {
    let lines = costs
        .iter()
        .map(|cost| format!(r#"{{"type":"progress","text":"at ${cost}","costUsd":{cost}}}"#));
    ScriptedProgram { lines: lines.collect(), hangs: true, ..ScriptedProgram::default() }
}

fn word(limit: i64) -> RenewAnswer {
    RenewAnswer { cost_limit: Micros(limit), ..RenewAnswer::default() }
}

#[tokio::test]
async fn cost_above_the_limit_is_reported_at_once_and_the_run_goes_on_when_granted() {
    let bed = Bed::start(&tool());
    *bed.plane.money.lock().unwrap() = word(5_000_000);
    bed.programs.install(
        "tool",
        saying(&[
            r#"{"type":"progress","text":"x","costUsd":0.9}"#,
            r#"{"type":"progress","text":"y","costUsd":1.1}"#,
            r#"{"type":"result","text":"Done.","costUsd":1.8}"#,
        ]),
    );
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(
        bed.fakes.bodies::<RenewTask>(),
        [json!({"epoch": 1, "progress": "y", "costMicros": 1_100_000})],
        "only what exceeds the limit of $1 hurries"
    );
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 1.8);
    assert!(bed.programs.rests().is_empty());
}

#[tokio::test]
async fn run_that_may_not_spend_more_ends_with_what_it_did_and_its_cost_is_posted() {
    let bed = Bed::start(&tool());
    let detail = Some("The budget does not cover more.".to_owned());
    *bed.plane.money.lock().unwrap() =
        RenewAnswer { cancel: true, reason: Some(StopCause::Budget), detail, ..word(1_000_000) };
    bed.programs.install("tool", spending(&[10.0, 20.0, 30.0]));
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    let settled = &bed.fakes.bodies::<Settle>()[0];
    assert_eq!((&settled["outcome"], &settled["actualCost"]), (&json!("cancelled"), &json!(10.0)));
    let result = &bed.fakes.bodies::<FinishTask>()[0];
    assert_eq!((&result["reason"], &result["outcome"]), (&json!("budget"), &json!("cancelled")));
    let text = "It was at: at $10\n\nworker was stopped after spending $10.00. The budget does not cover more.";
    assert_eq!(result["text"], text);
}

#[tokio::test]
async fn run_rests_while_the_owner_is_asked_and_goes_on_or_ends() {
    for goes_on in [true, false] {
        let bed = Bed::start(&tool());
        *bed.plane.money.lock().unwrap() = RenewAnswer { pause: true, ..word(1_000_000) };
        bed.programs.install("tool", spending(&[10.0, 11.0]));
        bed.plane.push(task("t", 1, "worker", "go"));
        until("asked", || bed.programs.rests() == [true]).await;
        breathe().await;
        let renewed = bed.fakes.count::<RenewTask>();
        bed.clock.advance(2_000);
        until("renewed soon", || bed.fakes.count::<RenewTask>() == renewed + 1).await;
        breathe().await;
        let costs: Vec<_> = bed.fakes.bodies::<RenewTask>();
        assert!(costs.iter().all(|body| body["costMicros"] == 10_000_000), "nothing more is read");
        *bed.plane.money.lock().unwrap() = if goes_on {
            word(12_000_000)
        } else {
            RenewAnswer { cancel: true, reason: Some(StopCause::Stopped), ..word(1_000_000) }
        };
        bed.clock.advance(2_000);
        if goes_on {
            until("goes on", || bed.programs.rests() == [true, false]).await;
            breathe().await;
            assert!(bed.programs.stopped().is_empty());
        } else {
            until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
            assert_eq!(bed.fakes.bodies::<FinishTask>()[0]["reason"], "stopped");
            assert_eq!(bed.programs.stopped(), ["t"]);
        }
    }
}

#[tokio::test]
async fn agent_that_may_cost_something_does_not_run_where_the_server_approved_it_as_free() {
    for (price, runs) in [(None, false), (Some(0.5), false), (Some(0.0), true)] {
        let mut config = tool();
        if let Some(price) = price {
            config["agents"]["worker"]["estimated_cost"] = json!(price);
        }
        let bed = Bed::start(&config);
        bed.fakes.on::<Claim>(|_, _| {
            Ok(ClaimAnswer { claim_token: "token".to_owned(), cost_limit: Micros::ZERO })
        });
        bed.programs.install("tool", saying(&[r#"{"type":"result","text":"Done."}"#]));
        bed.plane.push(task("t", 1, "worker", "go"));
        until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
        assert_eq!(bed.programs.started().len(), usize::from(runs), "{price:?}");
        let result = &bed.fakes.bodies::<FinishTask>()[0];
        assert_eq!(result["outcome"], if runs { "success" } else { "unavailable" });
        if !runs {
            let text = result["text"].as_str().unwrap();
            assert!(
                text.contains("Write the same [agents.worker], with its price, into the server's")
            );
            assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0);
        }
    }
}
