//! `quintet.toml` and variables: all problems are listed, and then nothing starts.

use crate::bed::{Done, Home};

/// Runs `up` with an invalid file; returns its output.
fn refused(text: &str) -> (Home, Done) {
    let home = Home::with_config(text);
    let config = home.path("quintet.toml");
    let done = home.run(&["up", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
    (home, done)
}

#[test]
fn config_lists_all_mistakes_and_starts_nothing() {
    let (home, done) = refused(
        "[endpoints.telegram.main]\nsecret_token = \"bad secret!\"\nbot_token = \"1:a\"\n[endpoints.discord.d]\npublic_key = \"zz\"\n
         [budget]\ntime_zone = \"Atlantis\"\n[agents.codegen]\nrunner = \"command\"\n[limits]\nsender_per_minute = -1\n",
    );
    for path in [
        "endpoints.telegram.main.secret_token",
        "endpoints.discord.d.public_key",
        "endpoints.discord.d.application_id",
        "endpoints.discord.d.bot_token",
        "budget.time_zone",
        "agents.codegen.command",
        "limits.sender_per_minute",
    ] {
        assert!(done.err.contains(path), "{path} in {}", done.err);
    }
    for name in ["server.json", "inbox.db", "quintet.db", "objects", "tokens/operator"] {
        assert!(!home.data().join(name).exists(), "{name} was made");
    }
    let beside: Vec<_> = std::fs::read_dir(home.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        beside.iter().all(|name| ["home", "data", "quintet.toml"].contains(&name.as_str())),
        "{beside:?}"
    );
    assert_eq!(std::fs::read_dir(home.path("home")).unwrap().count(), 0, "the home stays empty");
}

#[test]
fn config_errors_never_print_secrets() {
    let (_, done) = refused(
        "[endpoints.telegram.main]\nsecret_token = \"hush hush!\"\nbot_token = \"4242:SECRETBOTTOKEN\"\ncolour = 1\n",
    );
    assert!(!done.err.contains("hush") && !done.err.contains("SECRETBOTTOKEN"), "{}", done.err);
}

#[test]
fn config_rejects_an_unknown_key_anywhere() {
    let (_, done) = refused(
        "[budget]\ndayly = 5\n[paint]\ncolour = 1\n[gateway]\nspeed = 1\n[server]\ncolour = 2\n",
    );
    for path in ["budget.dayly", "paint", "gateway.speed", "server.colour"] {
        assert!(done.err.contains(path), "{path} in {}", done.err);
    }
}

#[test]
fn config_rejects_an_unknown_runner_and_a_model_without_its_name() {
    let (_, done) = refused(
        "[models.anthropic]\napi_key = \"sk-ant-hush\"\n[agents.codegen]\nrunner = \"gemini\"\n",
    );
    for part in ["models.anthropic.model: is missing", "agents.codegen.runner", "is no runner"] {
        assert!(done.err.contains(part), "{part} in {}", done.err);
    }
    assert!(!done.err.contains("sk-ant-hush"), "{}", done.err);
}

#[test]
fn config_lists_each_mistake_once() {
    let (_, done) = refused(
        "[models.anthropic]\napi_key = \"x\"\n[agents.codegen]\nrunner = \"gemini\"\n[budget]\ndaily = \"much\"\n",
    );
    for path in ["models.anthropic.model", "agents.codegen.runner", "budget.daily"] {
        let lines: Vec<_> =
            done.err.lines().filter(|line| line.trim().starts_with(&format!("{path}:"))).collect();
        assert_eq!(lines.len(), 1, "{path}: {lines:#?}");
    }
}

#[test]
fn config_names_file_and_line_of_invalid_toml() {
    let home = Home::with_config("[budget\ndaily = 5\n");
    let config = home.path("quintet.toml");
    let done = home.run(&["up", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    assert!([2, 3].contains(&done.code), "{done:?}");
    assert!(done.err.contains("quintet.toml") && done.err.contains("line 1"), "{}", done.err);
    let missing = home.run(&["up", "--listen", "127.0.0.1:0", "--config", "nowhere.toml"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.err.contains("nowhere.toml"), "{}", missing.err);
}

#[test]
fn config_variable_overrides_the_file() {
    let home = Home::with_config("[budget]\ndaily = 5\n").and("QUINTET_BUDGET__DAILY", "7.25");
    let _server = home.up();
    let budget = home.run(&["budget", "--json"]).json();
    let day = budget["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|scope| scope["scope"] == "all" && scope["window"] == "day")
        .unwrap();
    assert_eq!(day["limit"], 7.25, "{budget}");
}

#[test]
fn config_variable_without_a_table_is_a_warning() {
    let home = Home::new().and("QUINTET_COLOUR", "red").and("QUINTET_PAINT__COLOUR", "red");
    let _server = home.up();
    for name in ["QUINTET_COLOUR", "QUINTET_PAINT__COLOUR"] {
        assert!(home.log("err.log").contains(name), "{}", home.log("err.log"));
    }
}

#[test]
fn config_variable_without_a_key_is_a_warning() {
    let home = Home::new().and("QUINTET_BUDGET__COLOUR", "red");
    let server = home.spawn();
    let _server = server.ready(&home);
    assert!(home.log("err.log").contains("QUINTET_BUDGET__COLOUR"), "{}", home.log("err.log"));
}

/// A program with a version and a sign-in, one that is not there, and one for no agent.
fn with_agents(home: &Home) {
    let claude = home.script("claude", "echo '2.1.330 (Claude Code)'");
    let config = format!(
        "[agents.codegen]\nrunner = \"claude-code\"\ncommand = [\"{}\"]\nestimated_cost = 0.1\n\
         [agents.secruity]\nrunner = \"command\"\ncommand = [\"/usr/bin/nonexistent-claude\"]\n",
        claude.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
}

/// The text of doctor's findings about an agent, with their verdicts.
fn about(home: &Home, agent: &str) -> Vec<String> {
    let config = home.path("quintet.toml");
    let done = home.run(&["doctor", "--json", "--config", config.to_str().unwrap()]);
    let found = done.json().as_array().unwrap().clone();
    let text = |f: &serde_json::Value| format!("{}: {} | {}", f["verdict"], f["what"], f["fix"]);
    found.iter().map(text).filter(|text| text.contains(agent)).collect()
}

#[test]
fn doctor_and_start_name_agents_that_cannot_do_what_their_table_says() {
    let home = Home::with_config("");
    with_agents(&home);
    for is_up in [false, true] {
        let server = is_up.then(|| home.up());
        let wrong = about(&home, "secruity");
        let has = |words: &str| {
            wrong.iter().any(|text| text.starts_with("\"warning") && text.contains(words))
        };
        assert!(has("nonexistent-claude is not there"), "{wrong:?}");
        assert!(has("the graph has no agent secruity") && has("[agents.security]"), "{wrong:?}");
        let version = if is_up { ", version 2.1.330 (Claude Code)" } else { "" };
        let expected = format!("is there{version}, and no sign-in");
        // A program that is slow to name its version is known without it at first.
        crate::bed::until("its version", || {
            about(&home, "agent codegen")[0].contains(&expected).then_some(())
        });
        if server.is_some() {
            let log = crate::bed::until("the warnings", || {
                Some(home.log("err.log"))
                    .filter(|log| log.contains("the graph has no agent secruity"))
            });
            assert!(log.contains("nonexistent-claude is not there"), "{log}");
        }
    }
    // The server of the loop has ended; its graph is still the one to compare with.
    let unknown = |id: &str| {
        let words = format!("the graph has no agent {id}");
        about(&home, id).iter().any(|text| text.contains(&words))
    };
    assert!(unknown("secruity"), "{:?}", about(&home, "secruity"));
    let folder = home.path("graph");
    std::fs::create_dir_all(folder.join("agents")).unwrap();
    let agent = "---\nagentId: secruity\n---\n# Looks for faults\n";
    std::fs::write(folder.join("agents/agent-secruity.md"), agent).unwrap();
    let server = home.up();
    let folder = folder.to_str().unwrap();
    home.run(&["graph", "publish", folder, "--allow-removal"]).ok();
    server.stop();
    assert!(!unknown("secruity") && unknown("codegen"), "{:?}", about(&home, "agent"));
    // The owner's own sign-in is not the agent's.
    std::fs::create_dir_all(home.path("home/.claude")).unwrap();
    std::fs::write(home.path("home/.claude/.credentials.json"), "{}").unwrap();
    let right = about(&home, "agent codegen");
    let state = "~/.local/state/quintet/codegen/claude-code";
    let fix = format!("CLAUDE_CONFIG_DIR={state} claude auth login");
    assert!(right.iter().any(|text| text.contains(&fix)), "{right:?}");
    let folder = home.path("home").join(state.trim_start_matches("~/"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".credentials.json"), "{}").unwrap();
    let right = about(&home, "agent codegen: its program");
    assert!(right[0].starts_with("\"ok") && right[0].contains("signed in"), "{right:?}");
}

#[test]
fn model_that_its_program_is_not_known_to_have_is_warned_about() {
    let home = Home::with_config("");
    let claude = home.script("claude", "echo '2.1.330 (Claude Code)'");
    let agent = |id: &str, model: &str| {
        format!(
            "[agents.{id}]\nrunner = \"claude-code\"\ncommand = [\"{}\"]\nmodel = \"{model}\"\nestimated_cost = 0.1\n",
            claude.display()
        )
    };
    let config = agent("codegen", "claude-sonet-5-5") + &agent("security", "opus");
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    let _server = home.up();
    let names =
        |text: &str| text.contains("claude-sonet-5-5") && text.contains("claude-sonnet-5-5");
    crate::bed::until("the warning", || Some(()).filter(|()| names(&home.log("err.log"))));
    let found = about(&home, "claude-sonet-5-5");
    assert!(found[0].starts_with("\"warning") && names(&found[0]), "{found:?}");
    assert!(!about(&home, "agent security").iter().any(|text| text.contains("its model")));
}

#[test]
fn wrong_workspace_is_listed_with_the_other_problems() {
    let home = Home::with_config(
        "[budget]\ndaily = \"much\"\n[agents.codegen]\nrunner = \"command\"\ncommand = [\"cat\"]\nworkspace = \"~/none\"\nsecrets = [\"NO_SUCH_KEY\"]\n",
    );
    let done = home.run(&["up", "--config", home.path("quintet.toml").to_str().unwrap()]);
    assert_eq!(done.code, 2, "{done:?}");
    for path in ["budget.daily", "agents.codegen.workspace", "agents.codegen.secrets"] {
        assert!(done.err.contains(path), "{path}: {}", done.err);
    }
}

#[test]
fn agent_without_its_program_is_told_at_once_and_nobody_is_asked() {
    let home = Home::with_config(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"/usr/bin/nonexistent-agent\"]\n",
    );
    let server = home.up();
    crate::bed::until("the gateway's word", || {
        let rows = home.run(&["gateways", "--json"]).json();
        Some(()).filter(|()| rows["gateways"][0]["unready"][0]["agent"] == "codegen")
    });
    let refused = home.run(&["send", "telegram", "@codegen fix the build"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let told = format!("{}{}", refused.out, refused.err);
    assert!(told.contains("nonexistent-agent is not there"), "{told}");
    let pending = home.run(&["approvals", "--json"]).json();
    assert_eq!(pending["approvals"], serde_json::json!([]));
    let event = &server.get("/webhook-aggregator/api/events?limit=1")["events"][0];
    assert_eq!(event["reason"], "agent_unavailable", "{event}");
    let shown = home.run(&["gateways"]).ok();
    assert!(shown.contains("codegen is not ready: its program"), "{shown}");
}
