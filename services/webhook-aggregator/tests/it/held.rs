//! Messages that are kept while their agent, their endpoint or everything is halted.

use crate::bed::{Bed, OPERATOR, bed};
use contracts::approval::{ApprovalState, ApproveAnswer};
use contracts::calls::personal_assistant::{Approve, CheckHalts};
use contracts::halt::{HaltCheck, HaltCheckAnswer};
use contracts::{ErrorCode, Shard, TaskId};
use serde_json::{Value, json};

/// Each request is refused by a halt.
fn refuse_all(bed: &Bed) {
    bed.world.set(|answers| {
        let halted = fakes::approve_answer(ApprovalState::Rejected);
        let code = Some(ErrorCode::Halted.as_str().to_owned());
        answers.approve = Some(ApproveAnswer { approved: false, code, ..halted });
    });
}

async fn pump(bed: &Bed) {
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
}

/// A message for an agent that is halted is kept like one during a halt of everything, and looked
/// at once a minute, not in a loop.
#[tokio::test]
async fn message_for_a_halted_agent_is_kept_until_its_resume() {
    let bed = bed();
    bed.fakes.on::<CheckHalts>(|(), asked| {
        let held = asked.agent.is_some() && asked.endpoint.is_some();
        Ok(HaltCheckAnswer { held, ..HaltCheckAnswer::default() })
    });
    refuse_all(&bed);
    bed.telegram(1, "Fix the build").await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("parked"), &json!("halted")));
    let agent = event["agent"].as_str().unwrap();
    let said = event["replies"][0]["text"].as_str().unwrap();
    assert!(said.starts_with(&format!("{agent} is halted. Your message is saved")), "{said}");
    let asked = bed.fakes.count::<Approve>();
    bed.clock.advance(61_000);
    pump(&bed).await;
    assert_eq!(bed.fakes.count::<Approve>(), asked, "nothing is asked for during the halt");
    // A message for another agent does not wait behind it.
    bed.fakes.on::<CheckHalts>(|(), _| Ok(HaltCheckAnswer::default()));
    bed.world.set(|answers| answers.approve = None);
    bed.telegram(2, "And now?").await;
    let other = bed.event("2").await;
    assert_eq!(other["state"], "running");
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Nothing.").await;
    bed.clock.advance(61_000);
    pump(&bed).await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("running"), &Value::Null));
}

/// It says what is halted: a chat that is halted must not blame the agent.
#[tokio::test]
async fn message_of_a_halted_chat_says_that_the_chat_is_halted() {
    let bed = bed();
    bed.fakes.on::<CheckHalts>(|(), _| {
        Ok(HaltCheckAnswer { held: true, endpoint_held: true, ..HaltCheckAnswer::default() })
    });
    refuse_all(&bed);
    bed.telegram(1, "Fix the build").await;
    let event = bed.event("1").await;
    let said = event["replies"][0]["text"].as_str().unwrap();
    assert!(said.starts_with("This chat is halted. Your message is saved"), "{said}");
}

/// A halt of the message itself outlasts that of its agent, whichever run of it was named.
#[tokio::test]
async fn kept_message_that_is_halted_alone_never_starts() {
    for named in ["first", "second"] {
        let bed = bed();
        let held = |asked: &HaltCheck| asked.agent.is_some() && asked.endpoint.is_some();
        bed.fakes.on::<CheckHalts>(move |(), asked| {
            Ok(HaltCheckAnswer { held: held(&asked), ..HaltCheckAnswer::default() })
        });
        refuse_all(&bed);
        bed.telegram(1, "Fix the build").await;
        assert_eq!(bed.event("1").await["state"], "parked");
        // The halt of the task stays when that of the agent is lifted.
        let number = usize::from(named == "second");
        bed.fakes.on::<CheckHalts>(move |(), asked| {
            let by_task: Vec<_> = asked.tasks.get(number).cloned().into_iter().collect();
            Ok(HaltCheckAnswer { halted: by_task.clone(), by_task, ..HaltCheckAnswer::default() })
        });
        bed.world.set(|answers| answers.approve = None);
        bed.clock.advance(61_000);
        pump(&bed).await;
        let event = bed.event("1").await;
        assert_eq!(
            (&event["state"], &event["reason"]),
            (&json!("refused"), &json!("halted")),
            "{named}"
        );
        assert!(bed.lease().await.is_empty(), "{named}");
        let said = event["replies"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap();
        assert!(said.contains("Stopped by the owner before it started."), "{said}");
    }
}

/// A replay is a new order: an older halt of a run before it does not count while it is kept.
#[tokio::test]
async fn replay_of_a_halted_message_is_kept_and_starts_like_any_other() {
    let bed = bed();
    let of_first = |asked: &HaltCheck| -> Vec<TaskId> {
        asked.tasks.iter().filter(|task| !task.as_str().contains('~')).cloned().collect()
    };
    bed.fakes.on::<CheckHalts>(move |(), asked| {
        let by_task = of_first(&asked);
        Ok(HaltCheckAnswer { halted: by_task.clone(), by_task, ..HaltCheckAnswer::default() })
    });
    refuse_all(&bed);
    bed.telegram(1, "Fix the build").await;
    assert_eq!(bed.event("1").await["state"], "refused");
    bed.fakes.on::<CheckHalts>(move |(), asked| {
        let by_task = of_first(&asked);
        Ok(HaltCheckAnswer { held: true, by_task, ..HaltCheckAnswer::default() })
    });
    let id = bed.event("1").await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/events/{id}/replay");
    assert_eq!(bed.post(&path, OPERATOR, &json!({})).await.0, 200);
    bed.settle().await;
    assert_eq!(bed.event("1").await["state"], "parked");
    bed.fakes.on::<CheckHalts>(move |(), asked| {
        Ok(HaltCheckAnswer { by_task: of_first(&asked), ..HaltCheckAnswer::default() })
    });
    bed.world.set(|answers| answers.approve = None);
    bed.clock.advance(61_000);
    pump(&bed).await;
    assert_eq!(bed.event("1").await["state"], "running");
}

/// The same where both halts are there before the message is looked at.
#[tokio::test]
async fn message_that_is_halted_alone_is_refused_during_the_halt_of_its_agent() {
    let bed = bed();
    bed.fakes.on::<CheckHalts>(|(), asked| {
        let by_task = asked.tasks.clone();
        Ok(HaltCheckAnswer {
            held: true,
            halted: asked.tasks,
            by_task,
            ..HaltCheckAnswer::default()
        })
    });
    refuse_all(&bed);
    bed.telegram(1, "Fix the build").await;
    assert_eq!(bed.event("1").await["state"], "refused");
}

/// A message kept in the line of its conversation leaves it when only its agent stays halted.
#[tokio::test]
async fn message_kept_in_a_halt_of_everything_steps_aside_for_a_halt_of_its_agent() {
    let bed = bed();
    bed.fakes
        .on::<CheckHalts>(|(), _| Ok(HaltCheckAnswer { all: true, ..HaltCheckAnswer::default() }));
    refuse_all(&bed);
    bed.telegram(1, "Fix the build").await;
    assert_eq!(bed.event("1").await["state"], "routed");
    bed.fakes.on::<CheckHalts>(|(), asked| {
        Ok(HaltCheckAnswer { held: asked.agent.is_some(), ..HaltCheckAnswer::default() })
    });
    bed.clock.advance(61_000);
    pump(&bed).await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("parked"), &json!("halted")));
    assert_eq!(event["replies"].as_array().unwrap().len(), 1, "it was said once");
}
