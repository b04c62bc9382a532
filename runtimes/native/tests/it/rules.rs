//! `quintet rules`, `quintet audit`, `quintet budget set`, and `[approvals]`.

use crate::bed::Home;

#[test]
fn rules_are_shown_tried_changed_and_removed_by_commands() {
    let home = Home::with_config(
        "[approvals]\ncost_threshold = 4.0\n[agents.codegen]\nrunner = \"command\"\ncommand = [\"true\"]\nestimated_cost = 3.0\n",
    );
    let _server = home.up();
    let shown = home.run(&["rules"]).ok();
    assert!(shown.contains("you are asked above") && shown.contains("$4.00"), "{shown}");
    assert!(shown.contains("configuration") && shown.contains("up to $1.00"), "{shown}");
    let asked = home.run(&["send", "telegram", "@codegen fix the build"]);
    assert_eq!(asked.code, 1, "it waits: {asked:?}");

    let allow = ["rules", "allow", "--agent", "codegen", "--up-to", "3", "--until", "7d", "--try"];
    let tried = home.run(&allow).ok();
    assert!(tried.contains("Nothing is changed.") && tried.contains("ask → approve"), "{tried}");
    assert!(!home.run(&["rules"]).ok().contains("pol_"), "it was only tried");
    let made = home.run(&allow[..allow.len() - 1]).ok();
    assert!(made.contains("approve without asking codegen, up to $3.00"), "{made}");
    let replayed = home.run(&["rules", "replay", "--json"]).json();
    assert_eq!((&replayed["changed"], &replayed["before"]["ask"]), (&1.into(), &1.into()));
    home.run(&["send", "telegram", "@codegen fix it again"]).ok();

    let id = home.run(&["rules", "--json"]).json()["rules"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(home.run(&["rules", "remove", "pol_0"]).code, 2);
    assert!(!home.run(&["rules", "remove", &id]).ok().contains(&id));
    let set = home.run(&["rules", "set", "--threshold", "9", "--always-ask", "deploy"]).ok();
    assert!(set.contains("changed at runtime") && set.contains("deploy"), "{set}");
    let cleared = home.run(&["rules", "set", "--clear", "always-ask"]).ok();
    assert!(!cleared.contains("deploy"), "{cleared}");
    assert!(home.run(&["rules", "reset"]).ok().contains("$4.00"));
    for wrong in [
        &["rules", "set"][..],
        &["rules", "allow"],
        &["rules", "allow", "--up-to", "3", "--until", "soon"],
        &["rules", "set", "--tolerance", "bold"],
    ] {
        assert_eq!(home.run(wrong).code, 2, "{wrong:?}");
    }
    let refused = home.run(&["rules", "set", "--only", "nobody"]);
    assert!(refused.code == 1 && refused.err.contains("There is no agent nobody"), "{refused:?}");
}

#[test]
fn audit_lists_what_was_changed_and_verifies_the_log() {
    let home = Home::new();
    let _server = home.up();
    assert!(home.run(&["audit"]).ok().contains("nothing has been decided"));
    let set = home.run(&["budget", "set", "--daily", "12.5"]).ok();
    assert!(set.contains("$12.50") && set.contains("api"), "{set}");
    assert_eq!(home.run(&["budget", "set"]).code, 2);
    assert!(home.run(&["budget", "reset"]).ok().contains("$50.00"));
    home.run(&["halt"]).ok();
    home.run(&["resume"]).ok();
    let log = home.run(&["audit"]).ok();
    for action in ["budget.changed", "budget.reset", "halt", "resume"] {
        assert!(log.contains(action), "{action}: {log}");
    }
    let verdict = home.run(&["audit", "verify"]).ok();
    assert!(verdict.contains("All 4 entries") && verdict.contains("newest hash: "), "{verdict}");
}

#[test]
fn end_of_a_rule_is_a_time_of_the_machines_own_zone() {
    let home = Home::with_config("");
    let _server = home.up();
    let args = ["rules", "allow", "--up-to", "3", "--until", "2099-01-31T18:00", "--json"];
    let mut command = home.command(&args);
    let made = command.env("TZ", "Asia/Tokyo").output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["policy"]["rules"][0]["until"], "2099-01-31T09:00:00Z", "{made}");
}
