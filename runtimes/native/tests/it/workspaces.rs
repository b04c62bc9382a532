//! Agents in the owner's folders: which folders are refused, and git worktrees that keep two
//! conversations apart.

use crate::bed::{Done, Home};
use std::path::Path;
use std::process::Command;

/// Git as the owner runs it.
pub fn git(home: &Home, folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home.path("home"));
    let output = git.current_dir(folder).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit in the home's `src/app`.
pub fn repository(home: &Home) -> std::path::PathBuf {
    let app = home.path("home/src/app");
    std::fs::create_dir_all(&app).unwrap();
    git(home, &app, &["init", "--quiet", "--initial-branch=main"]);
    git(home, &app, &["config", "user.name", "Ines"]);
    git(home, &app, &["config", "user.email", "ines@example.org"]);
    std::fs::write(app.join("main.txt"), "one\ntwo\n").unwrap();
    std::fs::create_dir(app.join("part")).unwrap();
    std::fs::write(app.join("part/file.txt"), "part\n").unwrap();
    git(home, &app, &["add", "."]);
    git(home, &app, &["commit", "--quiet", "-m", "first"]);
    app
}

pub fn configure(home: &Home, script: &str, keys: &str) {
    let path = home.script("agent.sh", script);
    let config = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\n{keys}\n",
        path.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
}

pub fn ask(home: &Home, channel: &str, text: &str) -> String {
    let done = home.run(&["send", channel, text]);
    assert_eq!(done.code, 0, "{done:?}");
    done.out.trim().to_owned()
}

/// `up` with this workspace is refused; its words.
fn refused(home: &Home, keys: &str) -> Done {
    configure(home, "cat", keys);
    let config = home.path("quintet.toml");
    let done = home.run(&["up", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{keys}: {done:?}");
    done
}

#[test]
fn workspace_is_refused_at_the_start_with_the_key_and_the_fix() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("home/src/app")).unwrap();
    std::fs::create_dir_all(home.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path("home/src/out")).unwrap();
    std::fs::write(home.path("home/src/file"), "").unwrap();
    let elsewhere = home.path("elsewhere").display().to_string();
    let data = home.data().display().to_string();
    let root = home.path("").display().to_string();
    let roots = format!("[gateway]\nworkspace_roots = [\"{root}\"]");
    for (keys, words) in [
        ("workspace = \"~/src/none\"".to_owned(), "does not exist"),
        ("workspace = \"~/src/file\"".to_owned(), "is a file"),
        ("workspace = \"src/app\"".to_owned(), "no full path"),
        ("workspace = \"~/src/../src/app\"".to_owned(), "without \"..\""),
        (format!("workspace = \"{elsewhere}\""), "workspace_roots"),
        ("workspace = \"~/src/out\"".to_owned(), "workspace_roots"),
        (format!("workspace = \"{data}\"\n{roots}"), "Quintet's own"),
        (format!("workspace = \"{data}/tokens\"\n{roots}"), "Quintet's own"),
        (format!("workspace = \"{root}\"\n{roots}"), "Quintet's own"),
        ("workspace = \"~/src/app\"\nisolation = \"worktree\"".to_owned(), "git init"),
        ("isolation = \"worktree\"".to_owned(), "without a workspace"),
        ("workspace = \"~/src/app\"\nisolation = \"copy\"".to_owned(), "neither \"none\""),
        (
            "workspace = \"~/src/app\"\n[gateway]\nworkspace_roots = [\"~/none\"]".to_owned(),
            "gateway.workspace_roots",
        ),
    ] {
        let done = refused(&home, &keys);
        assert!(done.err.contains(words), "{keys}: {}", done.err);
        assert!(done.err.contains("agents.codegen."), "{keys}: {}", done.err);
    }
    let done = home.run(&["doctor", "--config", home.path("quintet.toml").to_str().unwrap()]);
    assert!(done.out.contains("gateway.workspace_roots"), "{done:?}");
}

#[test]
fn agent_works_in_its_workspace_and_the_answer_ends_with_its_changes() {
    let home = Home::new();
    let app = repository(&home);
    std::fs::write(app.join("part/file.txt"), "changed by the owner\n").unwrap();
    configure(
        &home,
        "message=$(cat); pwd; git log --format=%s; echo three >> main.txt; echo new > \"a b.txt\"\n\
         echo '#!/bin/sh' > .git/hooks/pre-commit || echo no hooks\n\
         git config core.fsmonitor evil || echo no config\n\
         mv .git .old || echo no move",
        "workspace = \"~/src/app\"",
    );
    let _server = home.up();
    let said = ask(&home, "telegram", "@codegen work");
    assert!(said.starts_with(&format!("{}\nfirst\n", app.display())), "{said}");
    for refused in ["no hooks", "no config", "no move"] {
        assert!(said.contains(refused), "{refused}: {said}");
    }
    let last = said.lines().last().unwrap();
    let expected = "Changed: 2 files (a_b.txt, main.txt), +2 \u{2212}0 lines, on branch main.";
    assert_eq!(last, expected, "{said}");
    assert_eq!(std::fs::read_to_string(app.join("main.txt")).unwrap(), "one\ntwo\nthree\n");
    let left = std::fs::read_dir(home.path("home/.cache/quintet-work")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left beside it");
}

const WORKS: &str = r#"
message=$(cat | tail -n 1)
pwd
echo "$message" >> main.txt
echo "$message" > new.txt
git add . && git commit --quiet -m "$message" && echo committed
echo later > loose.txt
"#;

#[test]
fn conversations_in_worktrees_never_meet() {
    let home = Home::new();
    let app = repository(&home);
    configure(&home, WORKS, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let _server = home.up();
    let first = ask(&home, "telegram", "@codegen alpha");
    let second = ask(&home, "slack", "@codegen beta");
    assert!(first.contains("committed") && second.contains("committed"), "{first}\n{second}");
    let folder = |said: &str| said.lines().next().unwrap().to_owned();
    assert_ne!(folder(&first), folder(&second));
    let work = home.path("home/.cache/quintet-work").canonicalize().unwrap();
    assert!(Path::new(&folder(&first)).starts_with(&work), "{first}");
    let again = ask(&home, "telegram", "@codegen gamma");
    assert_eq!(folder(&again), folder(&first), "the conversation keeps its worktree");
    assert!(again.contains("Changed: 3 files"), "{again}");

    let branches =
        git(&home, &app, &["branch", "--list", "--format=%(refname:short)", "quintet/*"]);
    assert_eq!(branches.lines().count(), 2, "{branches}");
    assert!(branches.lines().all(|name| name.starts_with("quintet/codegen-")), "{branches}");
    for branch in branches.lines() {
        let text = git(&home, &app, &["show", &format!("{branch}:main.txt")]);
        assert_eq!(text.contains("alpha"), !text.contains("beta"), "{text}");
        assert_eq!(git(&home, &app, &["log", "-1", "--format=%an", branch]), "Ines");
    }
    assert_eq!(git(&home, &app, &["status", "--porcelain"]), "", "the owner's tree is untouched");
    git(&home, &app, &["fsck", "--strict"]);
}

/// Everything by which the owner's git could be made to run a program, or another branch be moved.
const ATTACKS: &str = r#"
exec 2>/dev/null
cat >/dev/null
own=$(git rev-parse --git-dir)
try() { if "$@"; then echo "possible: $*"; fi; }
try sh -c "echo evil > $own/hooks/post-checkout"
try sh -c "echo evil > $own/config"
try sh -c "echo evil > $own/info/attributes"
try sh -c "echo x > $own/objects/info/alternates"
try mv "$own/hooks" "$own/other"
try mv "$own/config" "$own/other"
try git config core.fsmonitor evil
try sh -c "echo evil > $own/commondir"
try mv "$own/commondir" "$own/other"
try sh -c "echo evil > .git"
try mv .git .other
mkdir -p APP/.git/hooks APP/.git/refs/heads/quintet APP/.git/worktrees/x
for name in hooks/post-checkout config HEAD refs/heads/main refs/heads/quintet/x worktrees/x/HEAD; do
echo evil > APP/.git/$name
done
git update-ref refs/heads/main $(git commit-tree -m x HEAD^{tree})
git branch other
echo x > APP/main.txt
echo tried
"#;

#[test]
fn agent_in_a_worktree_changes_no_hook_no_configuration_and_no_other_branch() {
    let home = Home::new();
    let app = repository(&home);
    let before = git(&home, &app, &["rev-parse", "main"]);
    let config = std::fs::read(app.join(".git/config")).unwrap();
    let attacks = ATTACKS.replace("APP", &app.display().to_string());
    configure(&home, &attacks, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let _server = home.up();
    assert_eq!(ask(&home, "telegram", "@codegen attack"), "tried");
    assert_eq!(git(&home, &app, &["status", "--porcelain"]), "", "the owner's tree is untouched");
    assert_eq!(git(&home, &app, &["rev-parse", "main"]), before);
    let branches = git(&home, &app, &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches.lines().count(), 2, "{branches}");
    assert!(branches.starts_with("main\nquintet/codegen-"), "{branches}");
    assert_eq!(std::fs::read(app.join(".git/config")).unwrap(), config);
    for name in ["hooks/post-checkout", "worktrees", "refs/heads/quintet/x"] {
        assert!(!app.join(".git").join(name).exists(), "{name}");
    }
}

/// Programs that git would run if it read the agent's own attributes and repositories.
const TRAPS: &str = r#"
cat >/dev/null
echo '*.txt filter=trap diff=trap' > .gitattributes
mkdir sub && cd sub && git init --quiet . && git config core.fsmonitor "touch $HOME/src/trap" 
git -c user.name=x -c user.email=x@y commit --quiet --allow-empty -m x; cd ..
echo changed > main.txt
"#;

#[test]
fn counting_the_changes_runs_no_program_that_the_agent_names() {
    for isolation in ["none", "worktree"] {
        let home = Home::new();
        let app = repository(&home);
        let trap = home.path("home/src/trap");
        for key in ["filter.trap.clean", "diff.trap.textconv", "diff.trap.command"] {
            git(&home, &app, &["config", key, &format!("touch {}; cat", trap.display())]);
        }
        git(&home, &app, &["config", "core.fsmonitor", &format!("touch {}", trap.display())]);
        let keys = format!("workspace = \"~/src/app\"\nisolation = \"{isolation}\"");
        configure(&home, TRAPS, &keys);
        let _server = home.up();
        let said = ask(&home, "telegram", "@codegen work");
        assert!(
            said.contains("Changed: 2 files (.gitattributes, main.txt), +2 \u{2212}2"),
            "{said}"
        );
        assert!(!trap.exists(), "{isolation}: a program was run");
    }
}

#[test]
fn work_is_listed_shown_kept_and_discarded() {
    let home = Home::new();
    let app = repository(&home);
    configure(&home, WORKS, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let server = home.up();
    let said = ask(&home, "telegram", "@codegen alpha");
    ask(&home, "slack", "@codegen beta");
    drop(server);
    let id = said.split("work diff ").nth(1).unwrap().split(' ').next().unwrap();
    let list = home.run(&["work"]);
    assert_eq!((list.code, list.out.lines().count()), (0, 3), "{list:?}");
    assert!(list.out.contains(&format!("quintet/{id}")), "{list:?}");
    let show = home.run(&["work", "show", id]);
    assert!(show.out.contains("loose.txt") && show.out.contains("main.txt"), "{show:?}");
    let diff = home.run(&["work", "diff", id]);
    assert!(diff.out.contains("+alpha") && diff.out.contains("+later"), "{diff:?}");
    assert_eq!(home.run(&["work", "show", "../etc"]).code, 1);

    let branch = format!("quintet/{id}");
    let kept = home.run(&["work", "keep", id]);
    assert!(kept.code == 0 && kept.out.contains(&format!("merge {branch}")), "{kept:?}");
    git(&home, &app, &["merge", "--quiet", &branch]);
    assert_eq!(std::fs::read_to_string(app.join("loose.txt")).unwrap(), "later\n");
    assert_eq!(home.run(&["work", "show", id]).code, 1, "its worktree is gone");

    let list: serde_json::Value =
        serde_json::from_str(&home.run(&["work", "list", "--json"]).out).unwrap();
    let other = list["worktrees"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["worktrees"].as_array().unwrap().len(), 1);
    let asked = home.run(&["work", "discard", &other]);
    assert_eq!(asked.code, 2, "{asked:?}");
    let gone = home.run(&["work", "discard", &other, "--yes"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let branches = git(&home, &app, &["branch", "--list", "--format=%(refname:short)"]);
    assert_eq!(branches, format!("main\n{branch}"));
    assert_eq!(git(&home, &app, &["worktree", "list"]).lines().count(), 1);
}
