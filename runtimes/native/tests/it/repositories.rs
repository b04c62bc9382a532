//! Attacks of an agent on the owner's git repositories, by what it leaves in its work folder.

use crate::bed::{Done, Home};
use crate::workspaces::{ask, configure, git, repository};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository that no agent was given, with a commit of this subject.
const PRIVATE: &str = "private-subject";

fn private(home: &Home) -> PathBuf {
    let other = home.path("home/other");
    std::fs::create_dir_all(&other).unwrap();
    git(home, &other, &["init", "--quiet", "--initial-branch=main"]);
    commit(home, &other, PRIVATE);
    other
}

fn commit(home: &Home, repository: &Path, subject: &str) {
    let user = ["-c", "user.name=Ines", "-c", "user.email=ines@example.org"];
    let commit = ["commit", "--quiet", "--allow-empty", "-m", subject];
    git(home, repository, &[&user[..], &commit[..]].concat());
}

/// The id of the worktree that an answer names.
fn id_in(said: &str) -> &str {
    said.split("work diff ").nth(1).unwrap().split(' ').next().unwrap()
}

/// The only id in the list of worktrees.
fn only_id(home: &Home) -> String {
    let list: serde_json::Value =
        serde_json::from_str(&home.run(&["work", "list", "--json"]).out).unwrap();
    assert_eq!(list["worktrees"].as_array().unwrap().len(), 1, "{list}");
    list["worktrees"][0]["id"].as_str().unwrap().to_owned()
}

/// A command that is killed with everything it started after 20 s.
fn limited(home: &Home, args: &[&str]) -> Done {
    let own = home.command(args);
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "20"]).arg(own.get_program()).args(own.get_args());
    command.env_clear().process_group(0);
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn git_file_that_an_agent_plants_opens_no_other_repository() {
    let home = Home::new();
    let other = private(&home);
    let app = repository(&home);
    let notes = home.path("home/src/notes");
    std::fs::create_dir_all(&notes).unwrap();
    for (folder, workspace) in [(notes, "~/src/notes"), (app.join("part"), "~/src/app/part")] {
        let script = format!(
            "message=$(cat | tail -n 1); exec 2>/dev/null\n\
             case \"$message\" in\n\
             plant) rm -rf .git; echo 'gitdir: {0}/.git' > .git && echo planted;;\n\
             link) rm -rf .git; ln -s {0}/.git .git && echo linked;;\n\
             *) git log --format=%s; cat {0}/.git/HEAD {0}/.git/logs/HEAD;;\n\
             esac; echo ran",
            other.display()
        );
        configure(&home, &script, &format!("workspace = \"{workspace}\""));
        for plant in ["plant", "link"] {
            let server = home.up();
            ask(&home, "telegram", &format!("@codegen {plant}"));
            let said = ask(&home, "telegram", "@codegen look");
            assert!(said.contains("ran") && !said.contains(PRIVATE), "{workspace}: {said}");
            drop(server);
            let _restarted = home.up();
            let said = ask(&home, "telegram", "@codegen look");
            assert!(said.contains("ran") && !said.contains(PRIVATE), "{workspace}: {said}");
            assert!(folder.join(".git").symlink_metadata().is_err(), "{workspace}: .git is left");
        }
    }
}

#[test]
fn repository_made_after_the_start_is_no_repository_of_the_workspace() {
    let home = Home::new();
    let notes = home.path("home/src/notes");
    std::fs::create_dir_all(&notes).unwrap();
    configure(&home, "cat >/dev/null; echo x > new; echo ran", "workspace = \"~/src/notes\"");
    let _server = home.up();
    git(&home, &notes, &["init", "--quiet", "--initial-branch=main"]);
    commit(&home, &notes, "later");
    assert_eq!(ask(&home, "telegram", "@codegen work"), "ran", "it counts no changes");
    assert!(
        home.log("err.log").contains("was not there when the server started"),
        "{}",
        home.log("err.log")
    );
}

/// Turns the branch of the agent into another name for the owner's.
const SYMBOLIC: &str = r"
cat >/dev/null; exec 2>/dev/null
echo x > x; git add x; git commit --quiet -m x
branch=$(git symbolic-ref HEAD); common=$(git rev-parse --git-common-dir)
{ HOW; } && echo planted
";

#[test]
fn branch_that_names_another_branch_moves_and_deletes_no_branch_of_the_owner() {
    for how in [
        "echo 'ref: refs/heads/main' > $common/$branch",
        "rm -f $common/$branch; ln -s ../main $common/$branch",
        "rm -f $common/$branch; ln -s refs/heads/main $common/$branch",
        "rm -f $common/$branch; mkfifo $common/$branch",
    ] {
        for end in ["keep", "discard"] {
            let home = Home::new();
            let app = repository(&home);
            let main = git(&home, &app, &["rev-parse", "main"]);
            configure(
                &home,
                &SYMBOLIC.replace("HOW", how),
                "workspace = \"~/src/app\"\nisolation = \"worktree\"",
            );
            let server = home.up();
            assert!(ask(&home, "telegram", "@codegen work").starts_with("planted"), "{how}");
            drop(server);
            let id = only_id(&home);
            let yes: &[&str] = if end == "discard" { &["--yes"] } else { &[] };
            let done = limited(&home, &[&["work", end, &id], yes].concat());
            // Killed by the time limit, or by a panic.
            assert!((0..=3).contains(&done.code), "{how}, {end}: {done:?}");
            assert_eq!(git(&home, &app, &["rev-parse", "main"]), main, "{how}, {end}: {done:?}");
            git(&home, &app, &["fsck", "--strict"]);
        }
    }
}

#[test]
fn agent_in_a_worktree_replaces_no_object_of_the_owner() {
    let home = Home::new();
    let app = repository(&home);
    let blob = git(&home, &app, &["rev-parse", "HEAD:main.txt"]);
    let object = app.join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let before = std::fs::read(&object).unwrap();
    let script = format!(
        "cat >/dev/null; exec 2>/dev/null\n\
         rm -f {0} || mv {0} {0}.old; echo evil > {0}; chmod u+w {0}; echo evil >> {0}\n\
         echo new > new; git add new; git commit --quiet -m new && echo committed",
        object.display()
    );
    configure(&home, &script, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let _server = home.up();
    let said = ask(&home, "telegram", "@codegen work");
    assert!(said.starts_with("committed"), "{said}");
    assert_eq!(std::fs::read(&object).unwrap(), before);
    git(&home, &app, &["fsck", "--strict"]);
    let branch = format!("quintet/{}", id_in(&said));
    assert_eq!(git(&home, &app, &["show", &format!("{branch}:new")]), "new");
}

#[test]
fn broken_commit_of_an_agent_never_reaches_the_repository() {
    for breaks in [
        "rm -f $objects/$path",
        "rm -f $objects/$path; echo evil > $objects/$path",
        "other=$(echo evil | git hash-object -w --stdin)\n\
         rm -f $objects/$path; cp $objects/$(echo $other | sed 's|^..|&/|') $objects/$path",
    ] {
        let home = Home::new();
        let app = repository(&home);
        let main = git(&home, &app, &["rev-parse", "main"]);
        let script = format!(
            "cat >/dev/null; exec 2>/dev/null\n\
             echo new > new; git add new; git commit --quiet -m new && echo committed\n\
             objects=${{GIT_OBJECT_DIRECTORY:-$(git rev-parse --git-path objects)}}\n\
             path=$(git rev-parse HEAD:new | sed 's|^..|&/|')\n{breaks}"
        );
        configure(&home, &script, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
        let server = home.up();
        let said = ask(&home, "telegram", "@codegen work");
        assert!(said.starts_with("committed"), "{said}");
        drop(server);
        git(&home, &app, &["fsck", "--strict"]);
        let id = only_id(&home);
        assert_eq!(git(&home, &app, &["rev-parse", &format!("quintet/{id}")]), main, "{breaks}");
        let kept = home.run(&["work", "keep", &id]);
        assert!(kept.code != 0, "{kept:?}");
        assert_eq!(only_id(&home), id, "its work is still there");
    }
}

#[test]
fn link_among_the_objects_of_an_agent_copies_no_other_repository() {
    let home = Home::new();
    let app = repository(&home);
    let other = private(&home);
    let hash = git(&home, &other, &["rev-parse", "main"]);
    for pack in [false, true] {
        if pack {
            git(&home, &other, &["gc", "--quiet"]);
        }
        let script = format!(
            "cat >/dev/null; exec 2>/dev/null; cd $(git rev-parse --git-common-dir)\n\
             rmdir objects/pack; rm -f objects/pack; ln -s {0}/.git/objects/pack objects/pack\n\
             for n in $(seq 0 255); do d=$(printf %02x $n); ln -s {0}/.git/objects/$d objects/$d; done\n\
             echo {hash} > $(git symbolic-ref HEAD); echo ran",
            other.display()
        );
        configure(&home, &script, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
        let server = home.up();
        assert_eq!(ask(&home, "telegram", "@codegen work"), "ran");
        drop(server);
        let id = only_id(&home);
        assert!(home.run(&["work", "keep", &id]).code != 0);
        let all = git(&home, &app, &["cat-file", "--batch-check", "--batch-all-objects"]);
        assert!(!all.contains(&hash), "{all}");
    }
}

/// A repository with a program of the agent, and every way to put it where the owner's git looks.
const PLANTS: &str = r#"
cat >/dev/null; exec 2>/dev/null
mkdir evil; git init --quiet evil; git -C evil config core.fsmonitor "touch TRAP"
git -C evil -c user.name=x -c user.email=x@y commit --quiet --allow-empty -m x
git -C lib config core.fsmonitor "touch TRAP" && echo "possible: config"
echo "gitdir: ../evil/.git" > lib/.git && echo "possible: file"
rm -f lib/.git; mv lib old && echo "possible: move"
mkdir -p lib; echo "gitdir: ../evil/.git" > lib/.git
mv deep other && echo "possible: move above"
echo "gitdir: ../evil/.git" > empty/.git && echo "possible: empty"
rmdir empty && mkdir empty && echo "gitdir: ../evil/.git" > empty/.git && echo "possible: anew"
git -C deep/own config core.fsmonitor "touch TRAP" && echo "possible: nested"
echo evil > deep/own/.git/hooks/pre-commit && echo "possible: hook"
echo text > lib/text; echo text > deep/own/text
echo tried
"#;

#[test]
fn agent_plants_no_program_in_a_repository_below_its_workspace() {
    let home = Home::new();
    let app = repository(&home);
    let library = private(&home).display().to_string();
    for name in ["lib", "empty"] {
        let add = ["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", &library];
        git(&home, &app, &[&add[..], &[name]].concat());
    }
    git(&home, &app, &["commit", "--quiet", "-m", "submodules"]);
    // As a clone without submodules has it.
    std::fs::remove_file(app.join("empty/.git")).unwrap();
    let nested = app.join("deep/own");
    std::fs::create_dir_all(&nested).unwrap();
    git(&home, &nested, &["init", "--quiet"]);
    let trap = home.path("home/src/trap");
    let script = PLANTS.replace("TRAP", &trap.display().to_string());
    configure(&home, &script, "workspace = \"~/src/app\"");
    let server = home.up();
    let said = ask(&home, "telegram", "@codegen attack");
    assert!(said.contains("tried") && !said.contains("possible"), "{said}");
    drop(server);
    for folder in [app.clone(), app.join("lib"), nested] {
        git(&home, &folder, &["status", "--porcelain"]);
    }
    assert!(!trap.exists(), "a program was run");
    assert_eq!(std::fs::read_to_string(app.join("lib/text")).unwrap(), "text\n");
    assert_eq!(std::fs::read_dir(app.join("empty")).unwrap().count(), 0, "nothing is left in it");
}

#[test]
fn diff_of_a_folder_with_pipes_ends() {
    let home = Home::new();
    repository(&home);
    configure(
        &home,
        "cat >/dev/null; mkfifo pipe; ln -s pipe link; ln -s /dev/zero zero; ln -s new last\n\
         rm main.txt; mkfifo main.txt; echo new > new; echo ran",
        "workspace = \"~/src/app\"\nisolation = \"worktree\"",
    );
    let server = home.up();
    assert!(ask(&home, "telegram", "@codegen work").starts_with("ran"));
    drop(server);
    let id = only_id(&home);
    let diff = limited(&home, &["work", "diff", &id]);
    assert_eq!(diff.code, 0, "{diff:?}");
    assert!(diff.out.contains("+new\n") && diff.out.contains("b/link\n"), "{diff:?}");
    for args in [&["work", "show", &id][..], &["work", "keep", &id]] {
        let done = limited(&home, args);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
    }
}

/// Commits attributes that name every kind of program of the owner's configuration.
const ATTRIBUTES: &str = r"
cat >/dev/null
echo '* filter=trap diff=trap merge=trap' > .gitattributes; echo changed >> main.txt
git add . && git commit --quiet -m x && echo committed
echo later >> main.txt; echo new > new.txt
";

#[test]
fn attributes_that_an_agent_commits_choose_no_program_of_the_owner() {
    let home = Home::new();
    let app = repository(&home);
    let trap = home.path("home/src/trap");
    for key in [
        "filter.trap.clean",
        "filter.trap.smudge",
        "filter.trap.process",
        "diff.trap.textconv",
        "diff.trap.command",
        "merge.trap.driver",
    ] {
        git(&home, &app, &["config", key, &format!("touch {}; cat", trap.display())]);
    }
    configure(&home, ATTRIBUTES, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let server = home.up();
    let said = ask(&home, "telegram", "@codegen work");
    let id = id_in(&said);
    let diff = home.run(&["work", "diff", id]);
    assert!(diff.out.contains("+changed") && !trap.exists(), "{diff:?}");
    assert_eq!(home.run(&["work", "keep", id]).code, 0);
    assert!(!trap.exists(), "keep: a program was run");
    // The next run begins at the kept branch.
    let said = ask(&home, "telegram", "@codegen work");
    assert!(!trap.exists(), "a program was run for the new worktree: {said}");
    drop(server);
}

#[test]
fn run_that_fills_its_work_folder_ends_with_the_limit_and_its_key() {
    let home = Home::new();
    repository(&home);
    for keys in
        ["", "workspace = \"~/src/app\"\n", "workspace = \"~/src/app\"\nisolation = \"worktree\"\n"]
    {
        // It goes on growing: in a workspace the first look is what was there before.
        let script =
            "cat >/dev/null; echo begun; while sleep 0.2; do head -c 1M /dev/zero >> big; done";
        configure(&home, script, &format!("{keys}work_bytes_max = 4194304"));
        let _server = home.up();
        let done = home.run(&["send", "telegram", "@codegen work"]);
        let text = "codegen was stopped: its work folder has more than its limit of 4 MB (work_bytes_max).";
        assert!(
            done.code == 1 && format!("{}{}", done.out, done.err).contains(text),
            "{keys}: {done:?}"
        );
    }
}

#[test]
fn branch_that_the_owner_works_on_is_never_moved() {
    let home = Home::new();
    let app = repository(&home);
    let script = "cat > new; git add new && git commit --quiet -m new && echo committed";
    configure(&home, script, "workspace = \"~/src/app\"\nisolation = \"worktree\"");
    let server = home.up();
    let said = ask(&home, "telegram", "@codegen one");
    let branch = format!("quintet/{}", id_in(&said));
    git(&home, &app, &["switch", "--quiet", &branch]);
    let before = git(&home, &app, &["rev-parse", "HEAD"]);
    ask(&home, "telegram", "@codegen two");
    assert_eq!(git(&home, &app, &["rev-parse", "HEAD"]), before);
    assert_eq!(git(&home, &app, &["status", "--porcelain"]), "");
    drop(server);
    let id = only_id(&home);
    for args in [&["work", "keep", &id][..], &["work", "discard", &id, "--yes"]] {
        let done = home.run(args);
        assert!(done.code != 0 && done.err.contains("Switch to another branch"), "{done:?}");
    }
    git(&home, &app, &["switch", "--quiet", "main"]);
    assert_eq!(home.run(&["work", "keep", &id]).code, 0);
    assert!(git(&home, &app, &["show", &format!("{branch}:new")]).contains("two"));
}
