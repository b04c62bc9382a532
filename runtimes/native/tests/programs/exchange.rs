//! Files that a run is given in `in` and leaves in `out`.

use crate::bed::{BOTH, Bed, bed, reach, script, to_end, well};
use bytes::Bytes;
use contracts::task::{WorkAction, WorkOrder};
use platform::ports::{
    Changes, Exchange, InputFile, LeftFile, ProgramSpec, Programs, Workspace, Worktree,
};
use std::path::{Path, PathBuf};
use std::process::Command;

fn exchange(files: &[(&str, &str)]) -> Exchange {
    let file = |(name, text): &(&str, &str)| InputFile {
        name: (*name).to_owned(),
        content: Bytes::copy_from_slice(text.as_bytes()),
    };
    Exchange { files: files.iter().map(file).collect(), bytes_max: 100, files_max: 3 }
}

/// The lines, the changes, and the files that it left.
async fn run(bed: &Bed, spec: ProgramSpec) -> (Vec<String>, Option<Changes>, Vec<LeftFile>) {
    let mut running = bed.programs.start(spec).await.unwrap();
    let (lines, end) = to_end(&mut *running).await;
    assert_eq!(end, well(), "{lines:?}");
    let changes = running.changes().await;
    let left = running.left().await;
    assert_eq!(running.left().await, [], "each file once");
    (lines, changes, left)
}

pub fn named(left: &[LeftFile]) -> Vec<(&str, Option<&str>)> {
    let text = |left: &'_ LeftFile| left.content.is_some();
    left.iter()
        .map(|left| {
            let content =
                left.content.as_ref().map(|content| std::str::from_utf8(content).unwrap());
            assert_eq!(text(left), content.is_some());
            (left.name.as_str(), content)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn program_finds_its_files_and_what_it_leaves_is_taken() {
    for confinement in BOTH {
        let bed = bed();
        let text = "cat in/a.txt; echo -n one > out/r.txt; mkdir out/sub; echo -n two > out/sub/y; \
                    ln -s /etc/passwd out/link; mkfifo out/pipe; head -c 101 /dev/zero > out/z";
        let spec = ProgramSpec {
            reach: reach(confinement),
            exchange: Some(exchange(&[("a.txt", "hello\n")])),
            ..script(text)
        };
        let (lines, _, left) = run(&bed, spec).await;
        assert_eq!(lines, ["hello"]);
        let expected = [("r.txt", Some("one")), ("sub_y", Some("two")), ("z", None)];
        assert_eq!(named(&left), expected);
        let root = std::fs::read_dir(bed.work.path().join("work")).unwrap();
        assert_eq!(root.count(), 0, "the folder is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_folder_has_the_files_of_the_newest_message_and_no_link_leads_out() {
    let bed = bed();
    let precious = bed.work.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    let spec = |text: &str, files: &[(&str, &str)]| ProgramSpec {
        reach: reach(BOTH[1]),
        kept_folder: Some("conversation".to_owned()),
        exchange: Some(exchange(files)),
        ..script(text)
    };
    let plant = format!("rm -rf in out; ln -s {0} in; ln -s {0} out", precious.display());
    let (_, _, left) = run(&bed, spec(&plant, &[("a", "1")])).await;
    assert_eq!(left, []);
    let (lines, _, left) = run(&bed, spec("ls in out; cp in/b out/c", &[("b", "2")])).await;
    assert_eq!(lines, ["in:", "b", "", "out:"]);
    assert_eq!(named(&left), [("c", Some("2"))]);
    assert_eq!(std::fs::read_dir(&precious).unwrap().count(), 0);
}

pub fn repository(bed: &Bed, files: &[&str]) -> PathBuf {
    let folder = bed.work.path().join("repository");
    std::fs::create_dir(&folder).unwrap();
    let git = |args: &[&str]| {
        let git = Command::new("git").current_dir(&folder).args(args).output().unwrap();
        assert!(git.status.success(), "{git:?}");
    };
    git(&["init", "--quiet"]);
    for (key, value) in [("user.name", "o"), ("user.email", "o@example.org")] {
        git(&["config", key, value]);
    }
    for file in files {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "owner's\n").unwrap();
    }
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "x"]);
    folder.canonicalize().unwrap()
}

pub fn working_in(bed: Bed, folder: &Path) -> Bed {
    let programs = bed.programs.agents_working([folder.display().to_string()]);
    Bed { programs, ..bed }
}

pub fn in_folder(folder: &Path, in_worktree: bool, text: &str) -> ProgramSpec {
    let worktree = Worktree { agent: "codegen".to_owned(), conversation: "c".to_owned() };
    ProgramSpec {
        reach: reach(BOTH[1]),
        exchange: Some(exchange(&[("a.txt", "hello\n")])),
        workspace: Some(Workspace {
            folder: folder.display().to_string(),
            worktree: in_worktree.then_some(worktree),
        }),
        ..script(text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_chat_are_no_work_in_a_worktree() {
    let bed = bed();
    let folder = repository(&bed, &["tracked.txt"]);
    let bed = working_in(bed, &folder);
    let text = "cat in/a.txt; echo new > work.txt; echo -n r > out/r; git add --all; \
                git -c user.name=a -c user.email=a@b commit --quiet --message y; git show --name-only --format=";
    let (lines, changes, left) = run(&bed, in_folder(&folder, true, text)).await;
    assert_eq!(lines, ["hello", "work.txt"]);
    assert_eq!(changes.unwrap().names, ["work.txt"]);
    assert_eq!(named(&left), [("r", Some("r"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_of_the_repository_named_out_is_never_sent() {
    let bed = bed();
    let folder = repository(&bed, &["out/page.html"]);
    let bed = working_in(bed, &folder);
    for in_worktree in [true, false] {
        let text = "cat out/page.html; echo built > out/new.html";
        let (lines, changes, left) = run(&bed, in_folder(&folder, in_worktree, text)).await;
        assert_eq!((lines, left), (vec!["owner's".to_owned()], Vec::new()), "{in_worktree}");
        assert_eq!(changes.unwrap().names, ["out/new.html"]);
    }
    assert!(folder.join("out/page.html").exists() && !folder.join("in").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn file_of_the_owner_is_not_replaced_by_one_of_a_message() {
    let bed = bed();
    let folder = repository(&bed, &["in/a.txt"]);
    let bed = working_in(bed, &folder);
    let started = bed.programs.start(in_folder(&folder, false, "true")).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("a.txt is there already"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.join("in/a.txt")).unwrap(), "owner's\n");
    assert_eq!(std::fs::read_dir(bed.work.path().join("work")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_shows_keeps_and_discards_a_worktree_once() {
    for (action, said) in [
        (WorkAction::Keep, "Kept on the branch quintet/codegen-"),
        (WorkAction::Discard, "Discarded, with the branch quintet/codegen-"),
    ] {
        let bed = bed();
        let folder = repository(&bed, &["tracked.txt"]);
        let bed = working_in(bed, &folder);
        let (_, changes, _) = run(&bed, in_folder(&folder, true, "echo new > work.txt")).await;
        let worktree = changes.unwrap().worktree.unwrap();
        let order = |action| {
            let worktree = worktree.clone();
            bed.programs.work(WorkOrder { worktree, action })
        };
        let diff = order(WorkAction::Diff).await.unwrap();
        assert!(diff.contains("+++ b/work.txt\n@@ -0,0 +1 @@\n+new\n"), "{diff}");
        assert!(order(action).await.unwrap().starts_with(said));
        assert!(order(action).await.unwrap().contains("kept or discarded before"));
        let git = Command::new("git")
            .current_dir(&folder)
            .args(["branch", "--list", "quintet/*"])
            .output()
            .unwrap();
        assert_eq!(git.stdout.is_empty(), action == WorkAction::Discard);
    }
}
