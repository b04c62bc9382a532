//! Files of a task: fetched before its run, stored after it; orders about worktrees.

use crate::bed::{Bed, saying, task, tool, until};
use bytes::Bytes;
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::calls::webhook_aggregator::{FinishTask, ReadFile, RenewTask, StoreFile};
use contracts::files::{Attachment, StoredFile};
use contracts::task::{LeasedTask, RenewAnswer, StopCause, WorkAction, WorkOrder};
use contracts::{ErrorCode, FileId};
use platform::edge::ApiError;
use platform::memory::ScriptedProgram;
use platform::ports::{InputFile, LeftFile};
use platform::secret::digest_hex;
use serde_json::json;

const CONTENT: &[u8] = b"%PDF-1.7";
/// The fakes read every body as JSON.
const LEFT: &[u8] = b"{}";

fn with_file(name: &str, sha256: String) -> LeasedTask {
    let mut task = task("t", 1, "worker", "read it");
    task.context.attachments = vec![Attachment {
        id: FileId::from("telegram.main.X-m0"),
        name: name.to_owned(),
        kind: "application/pdf".to_owned(),
        bytes: 8,
        sha256,
    }];
    task
}

fn bed() -> Bed {
    let bed = Bed::start(&tool());
    bed.fakes.on_bytes::<ReadFile>(|_, ()| Ok(Bytes::from_static(CONTENT)));
    bed.fakes.on::<StoreFile>(|_, ()| Ok(StoredFile { bytes: 2, sha256: digest_hex(LEFT) }));
    bed
}

fn left(name: &str, content: Option<&'static [u8]>) -> LeftFile {
    let content = content.map(Bytes::from_static);
    let path = content.is_none().then(|| "/folder/out/big".to_owned());
    LeftFile { name: name.to_owned(), bytes: 30_000_000, content, path }
}

#[tokio::test]
async fn run_is_given_its_files_and_its_result_names_those_that_it_left() {
    let bed = bed();
    let leaves = vec![left("out.json", Some(LEFT)), left("big", None)];
    let result = r#"{"type":"result","text":"Done."}"#;
    bed.programs.install("tool", ScriptedProgram { leaves, ..saying(&[result]) });
    bed.plane.push(with_file("a.pdf", digest_hex(CONTENT)));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let started = bed.programs.started();
    let exchange = started[0].exchange.clone().unwrap();
    let given = InputFile { name: "a.pdf".to_owned(), content: Bytes::from_static(CONTENT) };
    assert_eq!(exchange.files, [given]);
    assert_eq!((exchange.bytes_max, exchange.files_max), (20 << 20, 10));
    let reported = &bed.fakes.bodies::<FinishTask>()[0];
    let named = json!([{ "name": "out.json", "sha256": digest_hex(LEFT) }]);
    assert_eq!(reported["files"], named);
    let text = reported["text"].as_str().unwrap();
    assert!(text.starts_with("Done.\n\nNot sent: big (30.0 MB)."), "{text}");
    assert!(text.contains("It is at /folder/out/big until the next message here."), "{text}");
}

#[tokio::test]
async fn result_says_why_files_of_a_run_could_not_be_handed_over() {
    let bed = bed();
    let (leaves, unsent) = (vec![left("big", None)], vec!["Not all of it.".to_owned()]);
    let result = r#"{"type":"result","text":"Done."}"#;
    bed.programs.install("tool", ScriptedProgram { leaves, unsent, ..saying(&[result]) });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let reported = &bed.fakes.bodies::<FinishTask>()[0];
    let text = reported["text"].as_str().unwrap();
    assert!(text.starts_with("Done.\n\nNot all of it.\nNot sent: big "), "{text}");
}

#[tokio::test]
async fn run_is_not_begun_with_other_files_than_were_sent() {
    for (name, sha256) in [
        ("a.pdf", digest_hex(b"other")),
        ("../a.pdf", digest_hex(CONTENT)),
        (".a", digest_hex(CONTENT)),
    ] {
        let bed = bed();
        bed.programs.install("tool", saying(&[]));
        bed.plane.push(with_file(name, sha256));
        until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
        assert!(bed.programs.started().is_empty(), "{name}");
        let reported = &bed.fakes.bodies::<FinishTask>()[0];
        assert_eq!(reported["outcome"], "failed");
        assert!(reported["text"].as_str().unwrap().starts_with("Not started: "), "{reported}");
        assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0, "nothing was spent");
    }
}

#[tokio::test]
async fn file_that_the_server_does_not_take_is_said_and_the_answer_arrives() {
    let bed = bed();
    bed.fakes.on::<StoreFile>(|_, ()| Err(ApiError::new(ErrorCode::TooLarge, "too large")));
    let leaves = vec![left("out.json", Some(LEFT))];
    let result = r#"{"type":"result","text":"Done."}"#;
    bed.programs.install("tool", ScriptedProgram { leaves, ..saying(&[result]) });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let reported = &bed.fakes.bodies::<FinishTask>()[0];
    assert_eq!(reported.get("files"), None);
    assert_eq!(reported["text"], "Done.\n\nNot sent: out.json. The server did not take it.");
}

#[tokio::test]
async fn order_about_a_worktree_runs_no_agent_and_claims_nothing() {
    let bed = bed();
    let mut order = task("t", 1, "worker", "");
    let worktree = "worker-1".to_owned();
    order.context.order = Some(WorkOrder { worktree, action: WorkAction::Keep });
    bed.plane.push(order);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let reported = &bed.fakes.bodies::<FinishTask>()[0];
    assert_eq!(
        (&reported["outcome"], &reported["text"]),
        (&json!("success"), &json!("Keep of worker-1"))
    );
    assert_eq!(bed.fakes.count::<Claim>() + bed.fakes.count::<Settle>(), 0);
    assert!(bed.programs.started().is_empty());
}

/// An order may have waited for this machine while a halt came; it has no claim that would say so.
#[tokio::test]
async fn order_that_is_halted_before_it_begins_changes_nothing() {
    let bed = bed();
    bed.fakes.on::<RenewTask>(|_, _| {
        let reason = Some(StopCause::Halted);
        Ok(RenewAnswer { cancel: true, reason, lease_ms: 30_000, ..RenewAnswer::default() })
    });
    for (number, action) in [WorkAction::Keep, WorkAction::Discard].into_iter().enumerate() {
        let mut order = task(&format!("t{number}"), 1, "worker", "");
        order.context.order = Some(WorkOrder { worktree: "worker-1".to_owned(), action });
        bed.plane.push(order);
        until("reported", || bed.fakes.count::<FinishTask>() == number + 1).await;
        let reported = &bed.fakes.bodies::<FinishTask>()[number];
        assert_eq!(
            (&reported["outcome"], &reported["text"]),
            (&json!("failed"), &json!("Not done: it is halted. Press again after the resume."))
        );
    }
}

#[tokio::test]
async fn thousands_of_files_that_are_not_sent_take_eleven_lines() {
    let bed = bed();
    let long = "n".repeat(200);
    let leaves = (0..6_000).map(|n| left(&format!("{n}{long}"), None)).collect();
    let result = r#"{"type":"result","text":"Done."}"#;
    bed.programs.install("tool", ScriptedProgram { leaves, ..saying(&[result]) });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let reported = &bed.fakes.bodies::<FinishTask>()[0];
    let text = reported["text"].as_str().unwrap();
    assert!(text.starts_with("Done.\n\nNot sent: 0n"), "{text}");
    assert!(text.ends_with("Not sent: 5990 more files."), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("Not sent")).count(), 11);
}
