//! `quintet upgrade`: a new program is tried on a backup, replaces the old one, and can be taken
//! back.

use crate::bed::{Done, Home, until};
use crate::status::signal;
use nix::sys::signal::Signal;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const REAL: &str = env!("CARGO_BIN_EXE_quintet");

/// A home with a program of its own, `own`, and a newer one, `newer`, of other bytes.
pub fn with_programs() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("bin")).unwrap();
    if std::fs::hard_link(REAL, own(&home)).is_err() {
        std::fs::copy(REAL, own(&home)).unwrap();
    }
    std::fs::copy(REAL, newer(&home)).unwrap();
    let mut file = std::fs::File::options().append(true).open(newer(&home)).unwrap();
    file.write_all(b"newer").unwrap();
    home
}

pub fn own(home: &Home) -> PathBuf {
    home.path("bin/quintet")
}

pub fn newer(home: &Home) -> PathBuf {
    home.path("newer")
}

pub fn is_newer(program: &Path) -> bool {
    std::fs::read(program).unwrap().ends_with(b"newer")
}

/// Runs the home's own program.
pub fn run(home: &Home, args: &[&str]) -> Done {
    let plain = home.command(args);
    let mut command = Command::new(own(home));
    command.args(args).current_dir(home.path("")).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn upgrade(home: &Home, more: &[&str]) -> Done {
    run(home, &[&["upgrade", "--from", "newer"], more].concat())
}

/// The names in the data directory that an upgrade leaves only while it runs.
fn left_over(home: &Home) -> Vec<String> {
    let names = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    let all = names(home.data()).chain(names(home.path("bin")));
    all.map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.') || name.ends_with(".new") || name.ends_with(".keep"))
        .collect()
}

pub fn backups(home: &Home) -> Vec<PathBuf> {
    let found = std::fs::read_dir(home.data().join("backups")).into_iter().flatten().flatten();
    found.map(|entry| entry.path()).collect()
}

/// A data directory with one message, and no server.
pub fn with_a_message(home: &Home) {
    let server = home.up();
    server.event_in(&server.say("fix the login"), "done");
    server.stop();
}

#[test]
fn upgrade_backs_up_replaces_and_can_be_taken_back() {
    let home = with_programs();
    with_a_message(&home);
    let out = upgrade(&home, &[]).ok();
    assert!(out.contains("To go back: quintet upgrade --back"), "{out}");
    let previous = home.path("bin/quintet.previous");
    assert!(is_newer(&own(&home)) && !is_newer(&previous));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&own(&home)), mode(&previous));
    let backup = &backups(&home)[0];
    assert!(out.contains(backup.to_str().unwrap()), "{out}");
    assert_eq!((mode(backup), mode(backup.parent().unwrap())), (0o600, 0o700));
    assert_eq!(left_over(&home), [""; 0]);
    assert!(upgrade(&home, &[]).ok().contains("It is this program already"));
    let out = run(&home, &["upgrade", "--back"]).ok();
    for part in ["again", "quintet restore '", "The database is as this version knows it"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(!is_newer(&own(&home)) && !previous.exists());
    let done = run(&home, &["upgrade", "--back"]);
    assert_eq!(done.code, 3, "{done:?}");
}

#[test]
fn upgrade_back_names_the_backup_when_the_database_is_newer() {
    let home = with_programs();
    with_a_message(&home);
    upgrade(&home, &[]).ok();
    // As the migration of a newer program leaves it.
    let database = rusqlite::Connection::open(home.data().join("quintet.db")).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let answer = run(&home, &["upgrade", "--back", "--json"]).json();
    assert_eq!(answer["databaseIsNewer"], true, "{answer}");
    let refused = run(&home, &["up", "--listen", "127.0.0.1:0"]);
    assert!(refused.code != 0 && refused.err.contains("newer"), "{refused:?}");
    let commands = answer["restore"].as_array().unwrap();
    for command in commands.iter().map(|command| command.as_str().unwrap()) {
        let command =
            command.replace("quintet restore", &format!("{} restore", own(&home).display()));
        let done = Command::new("sh").args(["-c", &command]).env_clear().output().unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
    }
    let server = home.up();
    let events = server.get("/webhook-aggregator/api/events");
    assert_eq!(events["events"][0]["text"], "fix the login", "{events}");
}

#[test]
fn upgrade_is_refused_while_a_server_runs_that_cannot_be_restarted() {
    let home = with_programs();
    let _server = home.up();
    for (more, why) in [(&[][..], "add --restart-service"), (&["--restart-service"], "no service")]
    {
        let done = upgrade(&home, more);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(why), "{why} in {}", done.err);
    }
    assert!(!is_newer(&own(&home)) && backups(&home).is_empty());
    assert_eq!(left_over(&home), [""; 0]);
}

#[test]
fn program_that_does_not_take_the_data_replaces_nothing() {
    let home = with_programs();
    with_a_message(&home);
    let version = "case \"$1\" in --version) echo \"quintet 99.0.0\";;";
    let real = format!("*) exec {REAL} \"$@\";; esac");
    for (script, why) in [
        ("echo hello".to_owned(), "says it is not Quintet"),
        ("exit 7".to_owned(), "exit status: 7"),
        ("echo quintet 0.0.1".to_owned(), "older than"),
        (format!("{version} __check) echo no room >&2; exit 1;; {real}"), "no room"),
        (format!("{version} restore) echo what is this >&2; exit 3;; {real}"), "what is this"),
    ] {
        home.script("newer", &script);
        let done = upgrade(&home, &[]);
        assert_eq!(done.code, 1, "{script}: {done:?}");
        assert!(done.err.contains(why), "{why} in {}", done.err);
        assert_eq!((backups(&home), left_over(&home)), (vec![], vec![]), "{script}");
        assert!(!home.path("bin/quintet.previous").exists(), "{script}");
    }
    std::fs::write(home.data().join("quintet.toml"), "[budget]\ndaily = \"much\"\n").unwrap();
    home.script("newer", &format!("{version} {real}"));
    let done = upgrade(&home, &[]);
    assert!(done.code == 1 && done.err.contains("budget.daily"), "{done:?}");
    std::fs::remove_file(home.data().join("quintet.toml")).unwrap();
    upgrade(&home, &[]).ok();
    assert_eq!(run(&home, &["--version"]).ok(), "quintet 99.0.0\n");
}

#[test]
fn check_of_an_upgrade_migrates_no_data_directory() {
    let home = Home::new();
    with_a_message(&home);
    let done = home.run(&["__check"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
}

/// With a script in the place of `systemctl` that stops and starts the process of the file `pid`.
fn with_service() -> Home {
    let home = with_programs();
    home.script(
        "bin/systemctl",
        &format!(
            "echo \"$*\" >> \"$HOME/ran\"\npid=$(cat {pid})\ncase \"$*\" in\n\
             *--property=MainPID*) echo MainPID=$pid;;\n\
             *stop*) kill $pid\nwhile grep -qs '^State:.[^Z]' /proc/$pid/status; do sleep 0.05; done;;\n\
             *start*) {own} up --listen 127.0.0.1:0 </dev/null >/dev/null 2>&1 & echo $! > {pid};;\nesac",
            pid = home.path("pid").display(),
            own = own(&home).display(),
        ),
    );
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    home.and("PATH", &path)
}

/// The commands that the service manager got, but for questions.
fn ran(home: &Home) -> Vec<String> {
    let ran = std::fs::read_to_string(home.path("home/ran")).unwrap();
    ran.lines().filter(|line| !line.contains("show")).map(str::to_owned).collect()
}

/// Stops the service that was started last, which must answer.
fn end_service(home: &Home) {
    let state = until("the service answers", || {
        let state = home.run(&["status", "--json"]).json();
        (state["server"]["running"] == "yes").then_some(state)
    });
    let pid = u32::try_from(state["server"]["pid"].as_u64().unwrap()).unwrap();
    assert_eq!(pid.to_string(), std::fs::read_to_string(home.path("pid")).unwrap().trim());
    signal(pid, Signal::SIGTERM);
    let file = home.data().join("server.json");
    until("the service has ended", || (!file.exists()).then_some(()));
}

#[test]
fn upgrade_restarts_the_service_with_the_new_program() {
    let home = with_service();
    let server = home.up();
    std::fs::write(home.path("pid"), server.pid().to_string()).unwrap();
    let out = upgrade(&home, &["--restart-service"]).ok();
    assert!(is_newer(&own(&home)), "{out}");
    assert_eq!(ran(&home), ["--user stop quintet.service", "--user start quintet.service"]);
    end_service(&home);
}

#[test]
fn service_goes_on_with_the_old_program_when_the_new_one_is_refused() {
    let home = with_service();
    let real = format!("*) exec {REAL} \"$@\";; esac");
    home.script(
        "newer",
        &format!("case \"$1\" in --version) echo quintet 99.0.0;; __check) exit 1;; {real}"),
    );
    let server = home.up();
    std::fs::write(home.path("pid"), server.pid().to_string()).unwrap();
    let done = upgrade(&home, &["--restart-service"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(run(&home, &["--version"]).ok(), home.run(&["--version"]).ok());
    assert_eq!(ran(&home), ["--user stop quintet.service", "--user start quintet.service"]);
    end_service(&home);
}
