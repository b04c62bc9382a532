//! The hand-over of files outside the sandbox touches no folder but the run's own.

use crate::bed::{Bed, bed, line, to_end, well};
use crate::exchange::{in_folder, named, repository, working_in};
use bytes::Bytes;
use contracts::task::{WorkAction, WorkOrder};
use platform::ports::{InputFile, LeftFile, ProgramSpec, Programs, Running};
use std::path::Path;

/// Its end, the files that it left, and the lines about those that are not sent.
async fn ended(mut running: Box<dyn Running>) -> (Vec<LeftFile>, Vec<String>) {
    let (lines, end) = to_end(&mut *running).await;
    assert_eq!(end, well(), "{lines:?}");
    (running.left().await, running.unsent().await)
}

async fn run(bed: &Bed, spec: ProgramSpec) -> (Vec<LeftFile>, Vec<String>) {
    ended(bed.start(spec).await).await
}

fn given(spec: ProgramSpec, files: &[(&str, &'static str)]) -> ProgramSpec {
    let file = |(name, text): &(&str, &'static str)| InputFile {
        name: (*name).to_owned(),
        content: Bytes::from_static(text.as_bytes()),
    };
    let mut exchange = spec.exchange.unwrap();
    exchange.files = files.iter().map(file).collect();
    ProgramSpec { exchange: Some(exchange), ..spec }
}

/// Says so, and waits until there is a file `go`.
const WAITS: &str = "echo ready; while [ ! -e go ]; do sleep 0.05; done;";

/// The workspace lies two folders below the top, and the agent puts a link in the place of the
/// first.
#[tokio::test(flavor = "multi_thread")]
async fn link_above_the_workspace_leads_the_server_to_no_other_folder() {
    let bed = bed();
    let top = repository(&bed, &["packages/web/page.html"]);
    let folder = top.join("packages/web");
    let precious = bed.work.path().join("precious");
    for name in ["web/in", "web/out"] {
        std::fs::create_dir_all(precious.join(name)).unwrap();
        std::fs::write(precious.join(name).join("key"), "secret").unwrap();
    }
    let bed = working_in(bed, &folder);
    let plant = format!(
        "echo -n mine > out/mine; cd ../..; mv packages old; ln -s {} packages",
        precious.display()
    );
    let (left, _) = run(&bed, in_folder(&folder, true, &plant)).await;
    assert_eq!(named(&left), [("mine", Some("mine"))]);
    let next = bed.programs.start(in_folder(&folder, true, "true")).await.err().unwrap();
    assert!(next.detail.contains("packages is a symbolic link"), "{}", next.detail);
    for name in ["web/in", "web/out"] {
        let names = std::fs::read_dir(precious.join(name)).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["key"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_in_one_workspace_never_swap_files() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let first = format!("{WAITS} echo -n one > out/one");
    let mut first = bed.start(in_folder(&folder, false, &first)).await;
    assert_eq!(line(&mut *first).await, "ready");
    let second = in_folder(&folder, false, "test ! -e in/b.txt; test -e in/a.txt; touch go");
    let (left, unsent) = run(&bed, given(second, &[("b.txt", "other")])).await;
    assert_eq!(left, []);
    assert!(unsent[0].contains("because another run uses the folder"), "{unsent:?}");
    assert_eq!(unsent.len(), 1);
    let (left, unsent) = ended(first).await;
    assert_eq!((named(&left), unsent), (vec![("one", Some("one"))], Vec::new()));
    let third = in_folder(&folder, false, "cp in/a.txt out/three");
    let (left, _) = run(&bed, third).await;
    assert_eq!(named(&left), [("three", Some("hello\n"))], "the folders are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_in_out_are_said_in_one_line() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let text = "cd out; seq 10000 | xargs touch";
    let (left, unsent) = run(&bed, in_folder(&folder, true, text)).await;
    assert_eq!(left.iter().filter(|left| left.content.is_some()).count(), 3);
    assert!(left.len() <= 1_000);
    assert!(unsent[0].contains("more than 1000 entries"), "{unsent:?}");
    assert_eq!(unsent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_of_the_owner_with_the_same_content_stays() {
    let bed = bed();
    let folder = repository(&bed, &["in/a.txt"]);
    let bed = working_in(bed, &folder);
    let spec = in_folder(&folder, false, "cat in/a.txt in/b.txt");
    run(&bed, given(spec, &[("a.txt", "owner's\n"), ("b.txt", "x")])).await;
    assert_eq!(std::fs::read_to_string(folder.join("in/a.txt")).unwrap(), "owner's\n");
    assert!(!folder.join("in/b.txt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_start_leaves_no_file() {
    let bed = bed();
    let folder = repository(&bed, &["in/b.txt"]);
    let bed = working_in(bed, &folder);
    let spec = given(in_folder(&folder, false, "true"), &[("a.txt", "x"), ("b.txt", "y")]);
    let error = bed.programs.start(spec).await.err().unwrap();
    assert!(error.detail.contains("b.txt is there already"), "{}", error.detail);
    assert!(!folder.join("in/a.txt").exists() && !folder.join("out").exists());
    let free = given(in_folder(&folder, false, "true"), &[]);
    assert_eq!(run(&bed, free).await, (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn person_is_told_why_nothing_of_a_folder_with_other_files_is_sent() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let big = in_folder(&folder, false, "head -c 101 /dev/zero > out/big");
    assert_eq!(named(&run(&bed, big).await.0), [("big", None)]);
    let (left, unsent) = run(&bed, in_folder(&folder, false, "echo x > out/small")).await;
    assert_eq!(left, []);
    assert!(unsent[0].contains("because the folder had files before this run"), "{unsent:?}");
    let quiet = run(&bed, in_folder(&folder, false, "true")).await;
    assert_eq!(quiet, (Vec::new(), Vec::new()), "nothing is new");
}

fn order(worktree: &str, action: WorkAction) -> WorkOrder {
    WorkOrder { worktree: worktree.to_owned(), action }
}

fn only_tree(work: &Path) -> String {
    let names = std::fs::read_dir(work).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let of = |name: &String| Some(name.strip_prefix("tree-")?.strip_suffix(".about")?.to_owned());
    let trees: Vec<String> = names.filter_map(|name| of(&name)).collect();
    let [tree] = trees.as_slice() else { panic!("{trees:?}") };
    tree.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn order_during_a_run_is_refused_and_loses_nothing() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let text = format!("{WAITS} rm go; echo new > work.txt; cat tracked.txt");
    let mut running = bed.start(in_folder(&folder, true, &text)).await;
    assert_eq!(line(&mut *running).await, "ready");
    let work = bed.work.path().join("work");
    let tree = only_tree(&work);
    for action in [WorkAction::Diff, WorkAction::Keep, WorkAction::Discard] {
        let error = bed.programs.work(order(&tree, action)).await.unwrap_err();
        assert!(error.detail.contains("the agent is working there now"), "{}", error.detail);
    }
    std::fs::write(work.join(format!("tree-{tree}/go")), "").unwrap();
    ended(running).await;
    let diff = bed.programs.work(order(&tree, WorkAction::Diff)).await.unwrap();
    assert!(diff.contains("+++ b/work.txt"), "{diff}");
    let said = bed.programs.work(order(&tree, WorkAction::Discard)).await.unwrap();
    assert!(said.starts_with("Discarded"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_that_is_too_long_is_refused_with_the_command_to_read_it() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let text = "for n in $(seq 20); do yes line | head -c 900000 > f$n; done";
    run(&bed, in_folder(&folder, true, text)).await;
    let tree = only_tree(&bed.work.path().join("work"));
    let error = bed.programs.work(order(&tree, WorkAction::Diff)).await.unwrap_err();
    assert_eq!(error.detail, format!("the diff is too long; run `quintet work diff {tree}`"));
    // Each new file takes a run of git.
    run(&bed, in_folder(&folder, true, "rm f*; seq 1001 | sed 's/^/e/' | xargs touch")).await;
    let error = bed.programs.work(order(&tree, WorkAction::Diff)).await.unwrap_err();
    assert!(error.detail.contains("too long"), "{}", error.detail);
}
