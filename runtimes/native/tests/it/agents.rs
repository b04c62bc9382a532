//! Agents' programs from outside: what they can see of the installation, and that a halt stops all
//! of their processes.

use crate::bed::{Home, Server, until};
use std::path::Path;
use std::time::{Duration, Instant};

/// Variables that a shell sets itself.
const OF_THE_SHELL: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];
const WORK: &str = "@codegen look around";

/// Configures codegen as this script, at no cost.
fn with_agent(script: &str, more: &str) -> Home {
    let home = Home::with_config("");
    let path = home.script("agent.sh", script);
    let config = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"{}\", \"--quiet\"]\n{more}",
        path.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    home
}

/// The lines between two marks.
fn part<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .skip_while(|line| *line != format!("== {name}"))
        .skip(1)
        .take_while(|line| !line.starts_with("== "))
        .collect()
}

const LOOK_AROUND: &str = r#"
echo "== message"; cat; echo
echo "== env"; env
echo "== arguments"; echo "$0 $@"
echo "== cwd"; pwd; ls -a
echo "== files"; for f in /proc/$$/fd/*; do readlink "$f"; done
echo "== above"; cat /proc/$PPID/environ 2>/dev/null | tr '\0' '\n'; cat /proc/$PPID/cmdline | tr '\0' '\n'; readlink /proc/$PPID/cwd
for f in /proc/$PPID/fd/*; do readlink "$f"; done
true
"#;

#[test]
fn agent_sees_named_variables_and_nothing_of_the_installation() {
    let home = with_agent(LOOK_AROUND, "env = [\"API_KEY\"]\nsession = \"none\"\n")
        .and("API_KEY", "k-123")
        .and("OTHER", "hidden")
        .and("TERM", "dumb");
    let home = home.and("QUINTET_OPERATOR_TOKEN", "chosen-by-the-owner-1234567890");
    let _server = home.up();
    let done = home.run(&["send", "telegram", WORK]);
    assert_eq!(done.code, 0, "{done:?}");
    let said = done.out.as_str();
    assert_eq!(part(said, "message").first(), Some(&"look around"), "{said}");

    let names: Vec<&str> = part(said, "env")
        .iter()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !OF_THE_SHELL.contains(name))
        .collect();
    assert!(
        names.contains(&"API_KEY") && names.contains(&"PATH") && names.contains(&"HOME"),
        "{names:?}"
    );
    assert!(
        names.iter().all(|name| ["PATH", "HOME", "LANG", "TERM", "API_KEY"].contains(name)
            || name.to_lowercase().ends_with("_proxy")
            || *name == "NODE_USE_ENV_PROXY"),
        "{names:?}"
    );

    let cwd = Path::new(part(said, "cwd")[0]);
    assert!(cwd.starts_with(home.path("home/.cache/quintet-work")), "{}", cwd.display());
    assert!(!cwd.starts_with(home.data()) && !home.data().starts_with(cwd));
    assert_eq!(part(said, "cwd")[1..], [".", "..", "out"], "only the empty folder for its files");
    assert!(!cwd.exists(), "and gone afterwards, as no message follows it");

    assert!(!said.contains("QUINTET_"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    assert!(
        !said.contains(&home.data().display().to_string()),
        "the data directory is named: {said}"
    );
    let tokens = std::fs::read_dir(home.data().join("tokens"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    for token in tokens.chain(["chosen-by-the-owner-1234567890".to_owned()]) {
        assert!(!said.contains(token.trim()), "a token is in sight: {said}");
    }
}

/// Prints every token it can find.
const READS_TOKENS: &str = r#"
cat >/dev/null
echo looking
cat "$(dirname "$0")"/data/tokens/* "$(dirname "$0")"/data/server.json "$HOME"/.local/share/quintet/tokens/* 2>/dev/null
find "$(dirname "$0")" -path '*/tokens/*' -type f
echo done
"#;

#[test]
fn agent_gets_no_descriptor_that_the_server_inherited() {
    for sandbox in ["strict", "off"] {
        let home = with_agent(
            "cat >/dev/null; cat <&8; cat /proc/self/fd/9/quintet.toml; echo tried",
            &format!("sandbox = \"{sandbox}\"\n"),
        );
        std::fs::write(home.path("key"), "a-private-key").unwrap();
        let shell = ["/bin/sh", "-c"];
        let _server = home.up_within(&shell, "exec 9<. 8<key; exec \"$0\" \"$@\"");
        let done = home.run(&["send", "telegram", WORK]);
        assert!(done.out.contains("tried"), "{done:?}");
        assert!(!done.out.contains("a-private-key") && !done.out.contains("runner"), "{done:?}");
    }
}

#[test]
fn agent_finds_no_tokens_unless_the_data_directory_is_visible() {
    let home = with_agent(READS_TOKENS, "");
    let server = home.up();
    let done = home.run(&["send", "telegram", WORK]);
    assert_eq!((done.code, done.out.trim()), (0, "looking\ndone"), "{done:?}");
    drop(server);

    let home = with_agent(READS_TOKENS, "data_directory = \"visible\"\n");
    let _server = home.up();
    let done = home.run(&["send", "telegram", WORK]);
    assert!(
        done.out.contains(home.token("operator").trim()),
        "the test looks in the right place: {done:?}"
    );
}

#[test]
fn agent_on_the_servers_port_needs_a_token_and_never_decides() {
    let home = Home::with_config("");
    let server = home.up();
    for path in [
        "/personal-assistant/api/budget",
        "/webhook-aggregator/api/events",
        "/agency-gateway/api/tasks/x",
        "/skill-graph-loader/api/graph",
        "/agency-router/api/agents",
        "/monitoring-dashboard/api/stats",
    ] {
        assert_eq!(server.ask("GET", path, &[], "").status, 401, "{path}");
        assert_eq!(
            server.ask("GET", path, &[("authorization", "Bearer agent")], "").status,
            401,
            "{path}"
        );
    }
    let agent = format!("Bearer {}", home.token("agent"));
    let halt = server.ask(
        "POST",
        "/personal-assistant/api/resume",
        &[("authorization", &agent), ("content-type", "application/json")],
        "{}",
    );
    assert_eq!(halt.status, 403, "an agent never decides: {halt:?}");
    let internal = server.ask(
        "POST",
        "/personal-assistant/internal/press",
        &[("authorization", &agent), ("content-type", "application/json")],
        "{}",
    );
    assert_eq!(internal.status, 404, "internal routes are not there: {internal:?}");
}

/// A tree of three: the agent, one in its own session, and a double-forked one in another session
/// that ignores SIGTERM. It notes each begin in `~/begun/log`.
fn tree(home: &Home) -> String {
    let mark = mark(home);
    format!(
        r#"
cat >/dev/null
echo begun >>~/begun/log
setsid sh -c 'while :; do sleep 1; done # {mark}' &
setsid sh -c 'setsid sh -c "trap : TERM HUP; while :; do sleep 1; done # {mark}" </dev/null >/dev/null 2>&1 & exit 0'
wait
"#
    )
}

fn mark(home: &Home) -> String {
    format!("tree of {}", home.path("").display())
}

/// The shells of the agent that run on this machine. Their ids inside the sandbox are others.
fn alive(home: &Home) -> Vec<u32> {
    let (mark, script) = (mark(home), home.path("agent.sh").display().to_string());
    let is_ours = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        words[0].ends_with("sh") && words.iter().any(|word| word.contains(&mark) || *word == script)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(is_ours).collect()
}

/// Starts a tree of three; returns it with its event.
fn running_tree() -> (Home, Server, String) {
    let home = with_agent("exit 1", "writable = [\"~/begun\"]\n");
    std::fs::create_dir_all(home.path("home/begun")).unwrap();
    home.script("agent.sh", &tree(&home));
    let server = home.up();
    let event = server.say(WORK);
    until("the tree has grown", || (alive(&home).len() == 3).then_some(()));
    (home, server, event)
}

/// Longer than the 5 s grace before processes are killed.
const SOON: Duration = Duration::from_secs(12);

#[test]
fn halt_stops_the_whole_process_tree_of_a_running_agent() {
    let (home, server, event) = running_tree();
    let start = Instant::now();
    home.run(&["halt", "--reason", "enough"]).ok();
    until("nothing of the tree is left", || alive(&home).is_empty().then_some(()));
    eprintln!("gone {:.1?} after the halt", start.elapsed());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let halted = server.event_in(&event, "halted");
    assert_eq!(halted["reason"], "halted", "{halted}");
    let halts = until("the halt is confirmed", || {
        Some(server.get("/personal-assistant/api/halts")).filter(|halts| halts["all"] == true)
    });
    assert_eq!(halts["halts"][0]["reason"], "enough", "{halts}");
}

#[test]
fn halt_of_one_task_leaves_the_others_running() {
    let (home, server, event) = running_tree();
    home.run(&["halt", &event]).ok();
    until("nothing of the tree is left", || alive(&home).is_empty().then_some(()));
    server.event_in(&event, "halted");
    assert_eq!(
        home.run(&["send", "telegram", "@security is the login form open to injection?"]).code,
        0
    );
}

#[test]
fn agent_stops_when_the_server_is_killed() {
    let (home, server, event) = running_tree();
    let start = Instant::now();
    server.kill();
    until("nothing of the tree is left", || alive(&home).is_empty().then_some(()));
    eprintln!("gone {:.1?} after the kill", start.elapsed());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // A run that may have had effects is never restarted automatically.
    let server = home.up();
    let dead = server.event_in(&event, "dead");
    assert_eq!(dead["reason"], "gateway_lost", "{dead}");
    let begun = std::fs::read_to_string(home.path("home/begun/log")).unwrap();
    assert_eq!(begun, "begun\n", "it was begun once");
}

#[test]
fn agent_stops_when_the_server_stops() {
    let (home, server, _) = running_tree();
    assert_eq!(server.stop(), Some(0), "{}", home.log("err.log"));
    assert_eq!(alive(&home), Vec::<u32>::new(), "when the server has ended, so has the tree");
}

#[test]
fn agent_outside_the_sandbox_is_named_at_the_start_and_by_doctor() {
    let home = with_agent("cat", "sandbox = \"off\"");
    let _server = home.up();
    let warning = "sandbox = \"off\" lets these agents reach everything that you can: codegen";
    assert!(home.log("err.log").contains(warning), "{}", home.log("err.log"));
    let config = home.path("quintet.toml");
    let doctor = home.run(&["doctor", "--config", config.to_str().unwrap()]);
    assert!(doctor.out.contains(warning), "{doctor:?}");
}

/// The owner's own Claude Code runs the hooks that its settings name, outside the sandbox.
#[test]
fn agent_plants_nothing_in_the_settings_of_the_owners_own_program() {
    let home = Home::with_config("");
    let script = home.script(
        "claude",
        r#"cat >/dev/null; mkdir -p ~/.claude; echo planted >~/.claude/settings.json; echo planted >~/.claude.json
echo its own >"$CLAUDE_CONFIG_DIR/settings.json"
echo '{"type":"result","subtype":"success","result":"tried","session_id":"s-1","total_cost_usd":0}'"#,
    );
    let config = format!(
        "[agents.codegen]\nrunner = \"claude-code\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\n",
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let (settings, global) =
        (home.path("home/.claude/settings.json"), home.path("home/.claude.json"));
    std::fs::create_dir_all(home.path("home/.claude")).unwrap();
    std::fs::write(&settings, "mine").unwrap();
    std::fs::write(&global, "mine").unwrap();
    let _server = home.up();
    let done = home.run(&["send", "telegram", WORK]);
    assert!(done.out.contains("tried"), "{done:?}");
    assert_eq!(std::fs::read_to_string(settings).unwrap(), "mine");
    assert_eq!(std::fs::read_to_string(global).unwrap(), "mine");
    let state = home.path("home/.local/state/quintet/codegen/claude-code/settings.json");
    assert_eq!(std::fs::read_to_string(state).unwrap(), "its own\n");
}

#[test]
fn failure_of_a_program_that_is_not_signed_in_says_how_to_sign_it_in() {
    let home = Home::with_config("");
    let script = home.script(
        "claude",
        r#"cat >/dev/null
echo '{"type":"result","subtype":"success","is_error":true,"result":"Not logged in · Please run /login","session_id":"s-1","total_cost_usd":0}'"#,
    );
    let config = format!(
        "[agents.codegen]\nrunner = \"claude-code\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\n",
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let _server = home.up();
    let done = home.run(&["send", "telegram", WORK]);
    let said = done.err.as_str();
    assert!(done.code == 1 && said.contains("Not logged in"), "{done:?}");
    let how = "codegen/claude-code claude auth login`, or set one of ANTHROPIC_API_KEY";
    assert!(said.contains(how), "{said}");
    // Signed in, it failed for another reason than that.
    let state = home.path("home/.local/state/quintet/codegen/claude-code");
    std::fs::write(state.join(".credentials.json"), "{}").unwrap();
    let done = home.run(&["send", "telegram", WORK]);
    assert!(done.code == 1 && !done.err.contains("auth login"), "{done:?}");
}
