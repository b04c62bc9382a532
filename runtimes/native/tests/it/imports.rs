//! Agents that people already have: folders as they are, and `quintet graph import`.

use crate::bed::{Done, Home, until};
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDERS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/skill-graph-loader/tests/folders");

fn folder(name: &str) -> String {
    format!("{FOLDERS}/{name}")
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Makes a folder a repository with one commit; `first` is a git command before it.
fn committed(folder: &Path, first: &[&str]) {
    let all = [&["init", "--quiet"][..], first, &["add", "."], &["commit", "--quiet", "-m", "all"]];
    all.iter().filter(|arguments| !arguments.is_empty()).for_each(|one| git(folder, one));
}

const CODER: &str =
    "---\nname: coder\ndescription: Writes programs.\ntools: Read\n---\nYou code.\n";
const TESTER: &str =
    "---\nname: tester\ndescription: Tests programs.\npublic: true\n---\nYou test.\n";

/// A repository with agents, a skill, a link out of it, a submodule, and files with a filter.
fn repository(home: &Home) -> PathBuf {
    let inner = home.path("inner");
    write(&inner, &[("agents/inner.md", "---\nname: inner\ndescription: No.\n---\n")]);
    committed(&inner, &[]);
    let work = home.path("work");
    write(
        &work,
        &[
            ("README.md", "# Ours\n"),
            ("dev/coder.md", CODER),
            ("dev/tester.md", TESTER),
            ("skills/pdf/SKILL.md", "---\nname: pdf\ndescription: Reads PDF files.\n---\n"),
            ("skills/pdf/agents/judge.md", "# Judge\n"),
            (".claude/agents/secret.md", "---\nname: reviewer\ndescription: Reviews.\n---\n"),
            (".gitattributes", "*.md filter=evil\n"),
        ],
    );
    std::fs::write(work.join("huge.md"), "x".repeat(2 << 20)).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", work.join("dev/stolen.md")).unwrap();
    committed(&work, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "sub"]);
    let bare = home.path("team-tools.git");
    git(&work, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    bare
}

/// Settings and hooks of the owner and of a repository. Each writes its name into a folder when git
/// obeys it.
fn traps(home: &Home, bare: &Path) -> PathBuf {
    let marks = home.path("marks");
    std::fs::create_dir(&marks).unwrap();
    let trap = |name: &str| {
        let mark = format!("echo ran > '{}/{name}'", marks.display());
        // Git gives such a hook a command of its own to run, and the others a text to hand on.
        let script = format!("{mark}\ncase \"$1\" in git) exec \"$@\";; esac\nexec cat");
        home.script(&format!("trap-{name}"), &script).display().to_string()
    };
    let hooks = home.path("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for name in ["post-checkout", "reference-transaction"] {
        std::fs::copy(trap(name), hooks.join(name)).unwrap();
        std::fs::copy(trap(name), bare.join("hooks").join(name)).unwrap();
    }
    let decoy = home.path("decoy");
    let attributes = (".gitattributes", "*.md filter=evil\n");
    write(&decoy, &[("decoy.md", &CODER.replace("coder", "decoy")), attributes]);
    committed(&decoy, &[]);
    let settings = |place: &str| {
        format!(
            "[core]\nhooksPath = {}\nfsmonitor = {}\n[filter \"evil\"]\nsmudge = {}\n\
             [uploadpack]\npackObjectsHook = {}\n[tar \"tar\"]\ncommand = {}\n\
             [url \"file://{}\"]\ninsteadOf = file://{}\n",
            hooks.display(),
            trap(&format!("{place}-fsmonitor")),
            trap(&format!("{place}-smudge")),
            trap(&format!("{place}-pack")),
            trap(&format!("{place}-tar")),
            decoy.display(),
            bare.display(),
        )
    };
    std::fs::write(home.path("home/.gitconfig"), settings("owner")).unwrap();
    let own = std::fs::read_to_string(bare.join("config")).unwrap();
    std::fs::write(bare.join("config"), format!("{own}{}", settings("repository"))).unwrap();
    marks
}

fn marked(marks: &Path) -> Vec<String> {
    let names = std::fs::read_dir(marks).unwrap();
    names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn import_of_a_repository_obeys_no_settings_hooks_or_filters() {
    let home = Home::new();
    let bare = repository(&home);
    let marks = traps(&home, &bare);
    let done = home.run(&["graph", "import", bare.to_str().unwrap(), "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["agents"], serde_json::json!(["reviewer", "coder", "tester"]));
    assert_eq!(marked(&marks), Vec::<String>::new());
    // They are traps: git with the owner's settings obeys them.
    let clone = home.path("clone");
    let obeyed = Command::new("git")
        .args(["clone", "--quiet", &format!("file://{}", bare.display())])
        .arg(&clone)
        .env("HOME", home.path("home"))
        .output()
        .unwrap();
    assert!(clone.join("decoy.md").is_file(), "insteadOf: {obeyed:?}");
    let marks = marked(&marks);
    for name in ["post-checkout", "reference-transaction", "owner-smudge", "owner-pack"] {
        assert!(marks.iter().any(|mark| mark == name), "{name} in {marks:?}: {obeyed:?}");
    }
}

fn reasons(done: &Done) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let skipped = done.json()["skipped"].as_array().unwrap().clone();
    skipped.iter().map(|file| (text(&file["path"]), text(&file["reason"]))).collect()
}

#[test]
fn subagents_in_category_folders_are_checked_routed_and_served_as_they_are() {
    let home = Home::new();
    let folder = folder("subagents-in-category-folders");
    let checked = home.run(&["graph", "check", &folder, "--json"]);
    assert_eq!((checked.code, &checked.json()["agents"]), (0, &2.into()), "{checked:?}");
    let asked = "write a Terraform module as infrastructure code";
    let route = home.run(&["route", asked, "--graph", &folder, "--json"]);
    assert_eq!(route.code, 0, "{route:?}");
    let server = home.up_with(&["--graph", &folder]);
    let agents = until("the folder is served", || {
        let agents = server.get("/skill-graph-loader/api/agents")["agents"].clone();
        (agents.as_array().unwrap().len() == 2).then_some(agents)
    });
    assert_eq!(
        (&agents[0]["id"], &agents[1]["id"]),
        (&"rust-engineer".into(), &"terraform-engineer".into())
    );
}

#[test]
fn skills_beside_agents_are_agents_when_they_are_asked_for() {
    let home = Home::new();
    let mixed = home.path("mixed");
    write(
        &mixed,
        &[("a.md", CODER), ("pdf/SKILL.md", "---\nname: pdf\ndescription: Reads PDF.\n---\n")],
    );
    let mixed = mixed.to_str().unwrap();
    let agents = |more: &[&str]| {
        let arguments = [&["graph", "check", mixed, "--json"], more].concat();
        home.run(&arguments).json()["agents"].as_u64()
    };
    assert_eq!((agents(&[]), agents(&["--skills-as-agents"])), (Some(1), Some(2)));
    let cases = home.path("cases.jsonl");
    std::fs::write(&cases, "{\"text\": \"reads PDF\", \"label\": \"pdf\"}\n").unwrap();
    let accuracy = |more: &[&str]| {
        let arguments = ["eval", cases.to_str().unwrap(), "--graph", mixed, "--json"];
        home.run(&[&arguments, more].concat()).json()["accuracy"].as_f64()
    };
    assert_eq!((accuracy(&[]), accuracy(&["--skills-as-agents"])), (Some(0.0), Some(1.0)));
    let server = home.up_with(&["--graph", mixed, "--skills-as-agents"]);
    let served =
        || server.get("/skill-graph-loader/api/agents")["agents"].as_array().unwrap().len();
    until("both are served", || (served() == 2).then_some(()));
    let done = home.run(&["graph", "publish", mixed]);
    assert!(done.err.contains("pdf"), "the skill would disappear: {done:?}");
    home.run(&["graph", "publish", mixed, "--skills-as-agents"]).ok();
}

#[test]
fn many_hints_of_one_kind_are_printed_once_and_listed_in_json() {
    let home = Home::new();
    let vault = home.path("vault");
    let links: String = (0..30).map(|n| format!("[[Unwritten {n}]]\n")).collect();
    write(&vault, &[("a.md", CODER), ("notes/x.md", &links)]);
    let done = home.run(&["graph", "check", vault.to_str().unwrap()]);
    assert_eq!(done.code, 0, "unwritten notes are hints: {done:?}");
    assert_eq!(done.out.matches("[broken_link]\n").count(), 5, "{}", done.out);
    assert!(done.out.contains("hint: 25 more of [broken_link]; --json lists all"), "{}", done.out);
    let json = home.run(&["graph", "check", vault.to_str().unwrap(), "--json"]).json();
    let all = json["findings"].as_array().unwrap();
    assert_eq!(all.iter().filter(|finding| finding["code"] == "broken_link").count(), 30);
}

#[test]
fn import_of_a_repository_copies_agents_and_skills_without_rights() {
    let home = Home::new();
    let bare = repository(&home);
    let done = home.run(&["graph", "import", bare.to_str().unwrap(), "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let json = done.json();
    assert_eq!(json["agents"], serde_json::json!(["reviewer", "coder", "tester"]), "{json}");
    assert_eq!(json["skills"], serde_json::json!(["pdf"]));
    assert_eq!(json["rightsLeftOut"][0]["path"], "dev/tester.md");
    let reasons = reasons(&done);
    let why = |path: &str| reasons.iter().find(|(at, _)| at == path).map(|(_, why)| why.as_str());
    assert_eq!(why("README.md"), Some("no agent, and not part of a skill"));
    assert_eq!(why("dev/stolen.md"), Some("it is a link"));
    assert_eq!(why("huge.md"), Some("it is larger than 1 MB"));
    let copy = home.data().join("graph/team-tools");
    assert!(copy.join("skills/pdf/agents/judge.md").is_file());
    assert!(!copy.join("README.md").exists() && !copy.join("sub").exists());
    assert!(!std::fs::read_to_string(copy.join("dev/tester.md")).unwrap().contains("public"));
    // The data directory serves afterwards, with the imported agents.
    let graph = home.data().join("graph");
    let server = home.up_with(&["--graph", graph.to_str().unwrap()]);
    let agents = until("the import is served", || {
        let agents = server.get("/skill-graph-loader/api/agents")["agents"].clone();
        (agents.as_array().unwrap().len() == 3).then_some(agents)
    });
    assert!(agents.as_array().unwrap().iter().all(|agent| agent["public"] == false), "{agents}");
}

#[test]
fn import_says_what_it_found_and_the_next_step() {
    let home = Home::new();
    let mine = home.path("mine");
    write(&mine, &[("agents/coder.md", CODER)]);
    let theirs = home.path("theirs");
    write(&theirs, &[("coder.md", &CODER.replace("programs", "scripts")), ("notes.md", "# No\n")]);
    write(&theirs, &[("pdf/SKILL.md", "---\nname: pdf\ndescription: Reads PDF.\n---\n")]);
    let import = |more: &[&str]| {
        let into = ["graph", "import", theirs.to_str().unwrap(), "--into", mine.to_str().unwrap()];
        home.run(&[&into[..], more].concat())
    };
    let done = import(&[]);
    let said = done.out.clone();
    for part in [
        "imported 2 files into",
        "  1 agent: theirs/coder\n",
        "  1 skill, as knowledge: pdf\n",
        "--skills-as-agents makes skills agents, in each command that reads the folder",
        "1 skipped (no agent, and not part of a skill): notes.md",
        "next: quintet graph check",
    ] {
        assert!(said.contains(part), "{part} in {done:?}");
    }
    assert!(!home.data().exists(), "the graph is elsewhere");
    let again = import(&[]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("--replace"), "{again:?}");
    std::fs::write(theirs.join("more.md"), TESTER).unwrap();
    let replaced = import(&["--replace", "--json"]).json();
    assert_eq!(replaced["agents"], serde_json::json!(["theirs/coder", "tester"]));
    assert_eq!(import(&["--as", "agents"]).code, 2, "a name that means something");
    std::fs::remove_dir_all(theirs.join("pdf")).unwrap();
    let second = import(&["--as", "second"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("the agent of theirs/coder.md again"), "{second:?}");
}

#[test]
fn import_takes_no_id_settings_or_messages_of_the_owners_agents() {
    let home = Home::new();
    let mine = home.path("mine");
    write(&mine, &[("dev/coder.md", CODER)]);
    let theirs = home.path("theirs");
    let thief = "---\nagentId: coder\ndescription: Steals.\n---\n";
    write(&theirs, &[("thief.md", thief)]);
    let import = |more: &[&str]| {
        let (from, into) = (theirs.to_str().unwrap(), mine.to_str().unwrap());
        home.run(&[&["graph", "import", from, "--into", into, "--json"], more].concat())
    };
    let done = import(&[]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("because of theirs/thief.md"), "{done:?}");
    assert!(done.err.contains("name it with --config FILE"), "{done:?}");
    assert!(!mine.join("theirs").exists());
    std::fs::remove_file(theirs.join("thief.md")).unwrap();
    std::fs::create_dir(home.data()).unwrap();
    let elsewhere = home.path("elsewhere.toml");
    let here = home.data().join("quintet.toml");
    for config in [&elsewhere, &here] {
        std::fs::write(config, "[agents.Security]\nrunner = \"command\"\n").unwrap();
    }
    let named = |name: &str| format!("---\nname: {name}\ndescription: Does it.\n---\n");
    for name in ["security", "assistant", "reviewer"] {
        write(&theirs, &[(&format!("{name}.md"), &named(name))]);
    }
    let done = import(&[]);
    assert_eq!(done.json()["agents"], serde_json::json!(["reviewer"]), "{done:?}");
    assert!(!done.err.contains("--config"), "{done:?}");
    std::fs::remove_file(here).unwrap();
    let done = import(&["--replace", "--config", elsewhere.to_str().unwrap()]);
    assert_eq!(done.json()["agents"], serde_json::json!(["reviewer"]), "{done:?}");
    let reasons = reasons(&done);
    let why = |path: &str| reasons.iter().find(|(at, _)| at == path).map(|(_, why)| why.as_str());
    assert!(why("security.md").unwrap().contains("[agents.security]"), "{reasons:?}");
    assert!(why("assistant.md").unwrap().contains("fits no other agent"), "{reasons:?}");
}

#[test]
fn import_counts_agents_of_the_owner_that_it_would_not_take_from_a_source() {
    let home = Home::new();
    let mine = home.path("mine");
    write(&mine, &[("dev/large.md", &format!("{TESTER}{}", "x".repeat(2 << 20)))]);
    let latin = [CODER.as_bytes(), b"caf\xe9\n"].concat();
    std::fs::write(mine.join("dev/latin.md"), latin).unwrap();
    let theirs = home.path("theirs");
    for name in ["coder", "tester"] {
        let thief = format!("---\nagentId: {name}\ndescription: Steals.\n---\n");
        write(&theirs, &[("thief.md", &thief)]);
        let (theirs, mine) = (theirs.to_str().unwrap(), mine.to_str().unwrap());
        let done = home.run(&["graph", "import", theirs, "--into", mine]);
        assert_eq!(done.code, 1, "{name}: {done:?}");
        assert!(done.err.contains("because of theirs/thief.md"), "{name}: {done:?}");
    }
    // A folder without Markdown is an empty graph.
    let empty = home.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let done =
        home.run(&["graph", "import", theirs.to_str().unwrap(), "--into", empty.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn import_refuses_what_is_no_graph_and_leaves_nothing() {
    let home = Home::new();
    let empty = home.path("empty");
    write(&empty, &[("README.md", "# Nothing\n")]);
    let into = home.path("mine");
    let import =
        |source: &str| home.run(&["graph", "import", source, "--into", into.to_str().unwrap()]);
    let done = import(empty.to_str().unwrap());
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("no agent and no skill among 1 Markdown files"), "{done:?}");
    for source in [
        "http://example.org/x",
        "ssh://example.org/x",
        "git@example.org:x/y.git",
        "ext::sh -c touch% /tmp/x",
        "https://user:secret@example.org/x",
    ] {
        let done = import(source);
        assert_eq!(done.code, 2, "{source}: {done:?}");
    }
    assert_eq!(import("no-such-folder").code, 3);
    let unreachable = import("https://127.0.0.1:9/owner/name");
    assert_eq!(unreachable.code, 3, "{unreachable:?}");
    assert!(unreachable.err.contains("Check the address"), "{unreachable:?}");
    assert!(!into.exists());
}

#[test]
fn import_without_git_says_how_to_go_on() {
    let home = Home::new().and("PATH", "/nonexistent");
    let done = home.run(&["graph", "import", "https://127.0.0.1:9/owner/name"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("Install git; or download the repository"), "{done:?}");
}

#[test]
fn import_of_a_repository_with_thousands_of_git_warnings_ends() {
    let home = Home::new();
    let work = home.path("loud");
    // Git warns of each such line, with more than a pipe holds.
    write(&work, &[("coder.md", CODER), (".gitattributes", &"!no text\n".repeat(20_000))]);
    committed(&work, &[]);
    let done = home.run(&["graph", "import", work.join(".git").to_str().unwrap(), "--as", "loud"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn import_that_is_interrupted_leaves_no_git_and_the_next_one_no_folder() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::time::{Duration, SystemTime};
    let home = Home::new();
    let (temporary, programs) = (home.path("tmp"), home.path("programs"));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::create_dir(&programs).unwrap();
    let note = home.path("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", note.display());
    home.script("programs/git", &script);
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let home = home.and("PATH", &path).and("TMPDIR", temporary.to_str().unwrap());
    let mut import =
        home.command(&["graph", "import", "https://127.0.0.1:9/owner/name"]).spawn().unwrap();
    let git = until("git runs", || std::fs::read_to_string(&note).ok());
    // A shell has its background jobs ignore SIGINT, and they hand that on.
    kill(Pid::from_raw(import.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    import.wait().unwrap();
    until("git has ended", || {
        let about = std::fs::read_to_string(format!("/proc/{}/stat", git.trim()));
        about.map_or(true, |about| about.contains(") Z ")).then_some(())
    });
    let left = || std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left(), 1, "its clone");
    let folder = std::fs::read_dir(&temporary).unwrap().next().unwrap().unwrap().path();
    let earlier = SystemTime::now() - Duration::from_hours(2);
    std::fs::File::open(&folder).unwrap().set_modified(earlier).unwrap();
    home.script("programs/git", "exit 1");
    let next = home.run(&["graph", "import", "https://127.0.0.1:9/owner/name"]);
    assert_eq!((next.code, left()), (3, 0), "{next:?}");
}
