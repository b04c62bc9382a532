//! `quintet config`: the file, what is in force, and the change of one key.

use crate::bed::Home;
use std::io::Write;
use std::process::Stdio;

const BEFORE: &str = "# mine\n[budget] # money\ndaily = 5.0 # dollars\n\n[agents.codegen]\nrunner = \"command\"\ncommand = [\"true\"]\nestimated_cost = 0.1\n";

fn file(home: &Home) -> String {
    std::fs::read_to_string(home.path("data/quintet.toml")).unwrap()
}

#[test]
fn config_is_shown_without_secrets_and_changed_key_by_key_with_its_comments() {
    let home = Home::new();
    std::fs::create_dir_all(home.data()).unwrap();
    let path = home.run(&["config", "path"]).ok();
    assert!(path.trim().ends_with("data/quintet.toml"), "{path}");
    assert!(home.run(&["config", "show"]).ok().contains("every key has its default"));
    std::fs::write(home.path("data/quintet.toml"), BEFORE).unwrap();

    home.run(&["config", "set", "budget.daily", "7.5"]).ok();
    assert!(
        file(&home).starts_with("# mine\n[budget] # money\ndaily = 7.5 # dollars\n"),
        "{}",
        file(&home)
    );
    home.run(&["config", "set", "approvals.risk_tolerance", "conservative"]).ok();
    home.run(&["config", "set", "agents.codegen.env", "[\"A\", \"B\"]"]).ok();
    let shown = home.run(&["config", "show", "--json"]).json();
    assert_eq!(
        (&shown["approvals"]["risk_tolerance"], &shown["agents"]["codegen"]["env"][1]),
        (&"conservative".into(), &"B".into())
    );
    assert_eq!(home.run(&["config", "show", "budget.daily"]).ok().trim(), "7.5");
    home.run(&["config", "unset", "agents.codegen.env"]).ok();

    let before = file(&home);
    for (args, why) in [
        (&["config", "set", "budget.daly", "3"][..], "budget.daly"),
        (&["config", "set", "budget.daily", "much"], "budget.daily"),
        (&["config", "set", "budget", "3"], "is a table"),
        (&["config", "set", "budget..daily", "3"], "is no key"),
        (&["config", "unset", "budget.monthly"], "has no `budget.monthly`"),
        (&["config", "set", "endpoints.telegram.main.bot_token", "1:x"], "holds a secret"),
    ] {
        let refused = home.run(args);
        assert!(refused.code == 2 && refused.err.contains(why), "{args:?}: {refused:?}");
    }
    assert_eq!(home.run(&["config", "show", "budget.monthly"]).code, 1);
    assert_eq!(file(&home), before);
    // A name with a dot is in quotes, as in the file.
    let key = "budget.endpoints.\"telegram.main\".daily";
    let odd = home.run(&["config", "set", key, "5"]);
    assert!(odd.ok().contains("is changed"));
    assert_eq!(home.run(&["config", "show", key]).ok().trim(), "5");
    home.run(&["config", "unset", key]).ok();

    let mut set = home.command(&["config", "set", "models.claude.api_key", "-"]);
    std::fs::write(home.path("data/quintet.toml"), format!("{before}\n[models.claude]\napi = \"anthropic\"\nmodel = \"claude-opus-5-5\"\napi_key = \"old\"\n")).unwrap();
    let mut child = set.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"sk-new-key\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(file(&home).contains("api_key = \"sk-new-key\""));
    let shown = home.run(&["config", "show"]).ok();
    assert!(shown.contains("api_key = \"***\"") && !shown.contains("sk-new-key"), "{shown}");
}

#[test]
fn changed_key_is_taken_up_by_the_running_server_or_it_says_that_a_restart_is_due() {
    let home = Home::with_config(BEFORE);
    let _server = home.up();
    let limits = home.run(&["config", "set", "limits.sender_per_minute", "7"]).ok();
    assert!(limits.contains("The running server has taken it up."), "{limits}");
    let budget = home.run(&["config", "set", "budget.daily", "9"]).ok();
    assert!(budget.contains("[budget]") && budget.contains("restart the server"), "{budget}");
    assert!(std::fs::read_to_string(home.path("quintet.toml")).unwrap().contains("daily = 9"));
}

/// A comment above a table may be about the file.
#[test]
fn comment_above_a_removed_table_stays() {
    let home = Home::new();
    std::fs::create_dir_all(home.data()).unwrap();
    std::fs::write(
        home.path("data/quintet.toml"),
        "# Read the runbook before you change this.\n\n[budget]\ndaily = 5\n",
    )
    .unwrap();
    home.run(&["config", "unset", "budget"]).ok();
    assert_eq!(file(&home), "# Read the runbook before you change this.\n");
}
