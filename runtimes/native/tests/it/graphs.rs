//! Skill graphs on the command line: check, publish, search, route.

use crate::bed::{Home, Server, until};
use std::path::Path;
use std::time::{Duration, Instant};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../routing-knowledge");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            assert!(std::fs::copy(entry.path(), target).is_ok());
        }
    }
}

/// An agent that waters plants; the default graph has nothing similar.
fn gardener() -> String {
    let plants =
        ["tomatoes", "roses", "the lemon tree", "basil", "the lawn", "orchids", "the hedge"];
    let deeds = [
        "water {}",
        "when should I prune {}",
        "{} look wilted, what now",
        "fertilise {} in spring",
    ];
    let lines: Vec<String> = plants
        .iter()
        .flat_map(|plant| deeds.map(|deed| format!("- {}", deed.replace("{}", plant))))
        .collect();
    format!(
        "---\ntitle: Gardener\ndescription: Waters, prunes and feeds the plants.\ntype: agent\nagentId: gardener\nkeywords:\n  - water\n  - prune\n---\n\n# Gardener\n\nPlants want water in the morning.\n\n## Examples\n\n{}\n",
        lines.join("\n")
    )
}

#[test]
fn default_graph_has_no_errors_and_no_warnings() {
    let home = Home::new();
    let done = home.run(&["graph", "check", DEFAULT]);
    assert_eq!(done.code, 0, "{done:?}");
    let json = home.run(&["graph", "check", DEFAULT, "--json"]).json();
    assert!(json["agents"].as_u64().is_some_and(|agents| agents >= 4), "{json}");
}

#[test]
fn graph_check_reports_file_and_fix() {
    let home = Home::new();
    let folder = home.path("broken");
    copy(Path::new(DEFAULT), &folder);
    std::fs::write(
        folder.join("agents/agent-twin.md"),
        "---\ntype: agent\nagentId: codegen\ntitle: Twin\n---\nHello.\n",
    )
    .unwrap();
    std::fs::write(folder.join("guides/lost.md"), "# Lost\n\nSee [[nowhere at all]].\n").unwrap();
    let done = home.run(&["graph", "check", folder.to_str().unwrap()]);
    assert_eq!(done.code, 1, "{done:?}");
    for part in ["error: agents/agent-twin.md", "guides/lost.md", "nowhere at all", "fix:"] {
        assert!(done.out.contains(part), "{part} in {}", done.out);
    }
    let json = home.run(&["graph", "check", folder.to_str().unwrap(), "--json"]);
    assert_eq!(json.code, 1);
    assert!(
        json.json()["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["severity"] == "error"),
        "{json:?}"
    );
    let missing = home.run(&["graph", "check", "no-such-folder"]);
    assert_eq!(missing.code, 3, "{missing:?}");
}

#[test]
fn published_agent_is_found_routed_to_and_answers() {
    let home = Home::new();
    let _server = home.up();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    std::fs::write(folder.join("agents/agent-gardener.md"), gardener()).unwrap();
    let published = home
        .run(&["graph", "publish", folder.to_str().unwrap(), "--message", "plants", "--json"])
        .json();
    assert_eq!(
        (published["agents"].as_u64(), published["changed"].as_bool()),
        (Some(5), Some(true)),
        "{published}"
    );
    let tried = published["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "held_out_accuracy");
    assert!(
        tried.is_some_and(|finding| finding["message"]
            .as_str()
            .unwrap()
            .contains("examples find their agent")),
        "{published}"
    );
    assert!(home.run(&["graph", "search", "prune"]).ok().contains("gardener"));
    assert!(home.run(&["graph", "search", "prune", "--json"]).json()["results"].is_array());
    // The router's copy of the graph is at most two seconds old (house.md).
    let start = Instant::now();
    until("a message reaches the new agent", || {
        let sent = home.run(&["send", "web", "the roses look wilted, should I water them"]).ok();
        sent.starts_with("gardener").then_some(())
    });
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let route = home
        .run(&[
            "route",
            "the roses look wilted, should I water them",
            "--graph",
            folder.to_str().unwrap(),
            "--json",
        ])
        .json();
    assert_eq!(route["agent"], "gardener");
    let again = home.run(&["graph", "publish", folder.to_str().unwrap(), "--json"]).json();
    assert_eq!(
        (&again["changed"], &again["version"]),
        (&false.into(), &published["version"]),
        "the same folder again changes nothing"
    );
}

/// The files below a folder, with their inodes: a file that is written anew has another.
fn inodes(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                open.push(entry.path());
            } else {
                found.push((entry.path(), about.ino()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn folder_that_was_routed_with_before_is_not_learnt_again() {
    let home = Home::new();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    let cache = home.path("home/.cache/quintet/route");
    let route = || {
        let done = home.run(&[
            "route",
            "fix the failing test",
            "--graph",
            folder.to_str().unwrap(),
            "--json",
        ]);
        done.json()["agent"].clone()
    };
    let kept = || std::fs::read_dir(&cache).into_iter().flatten().flatten().count();
    let models = || {
        let mut all = inodes(&cache);
        all.retain(|(path, _)| path.to_string_lossy().contains("/objects/"));
        all
    };
    assert_eq!(route(), "codegen");
    let learnt = models();
    assert!(!learnt.is_empty());
    assert_eq!((route(), models()), ("codegen".into(), learnt.clone()));
    let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    assert!(
        !inodes(&cache)
            .iter()
            .any(|(path, _)| text(path).contains("fix the failing test")
                && path.ends_with("graph.db"))
    );
    // Another content is another model, and a damaged one is made again.
    std::fs::write(folder.join("agents/agent-gardener.md"), gardener()).unwrap();
    assert_eq!((route(), kept()), ("codegen".into(), 2));
    for (path, _) in inodes(&cache) {
        std::fs::write(path, "damaged").unwrap();
    }
    assert_eq!(route(), "codegen");
    for number in 0..9 {
        std::fs::write(folder.join("note.md"), format!("# Note {number}\n")).unwrap();
        route();
    }
    assert_eq!(kept(), 8);
}

#[test]
fn graph_publish_refuses_to_remove_agents_by_accident() {
    let home = Home::new();
    let server = home.up();
    let before = server.get("/skill-graph-loader/api/graph");
    let folder = home.path("alone");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("agent-gardener.md"), gardener()).unwrap();
    let refused = home.run(&["graph", "publish", folder.to_str().unwrap()]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("codegen"), "{}", refused.err);
    assert_eq!(
        server.get("/skill-graph-loader/api/graph")["version"],
        before["version"],
        "the old one goes on"
    );
    let allowed = home
        .run(&["graph", "publish", folder.to_str().unwrap(), "--allow-removal", "--json"])
        .json();
    assert_eq!(allowed["agents"], 1, "{allowed}");
}

#[test]
fn watched_folder_is_published_whenever_it_is_valid() {
    let home = Home::new();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    let wrong = home.run(&["up", "--listen", "127.0.0.1:0", "--graph", "no-such-folder"]);
    assert_eq!(
        (wrong.code, wrong.out.as_str()),
        (3, ""),
        "a wrong name is noticed before the work begins: {wrong:?}"
    );
    let server = home.up_with(&["--graph", folder.to_str().unwrap()]);
    let versions = || {
        home.run(&["graph", "versions", "--json"]).json()["versions"].as_array().unwrap().clone()
    };
    let of = |agents: u64| {
        until("the folder is published", || {
            versions().iter().find(|row| row["current"] == true && row["agents"] == agents).cloned()
        })
    };
    let first = of(4);
    let file = folder.join("agents/agent-gardener.md");
    std::fs::write(&file, gardener()).unwrap();
    of(5);
    let diff = home.run(&["graph", "diff", "--json"]).json();
    assert_eq!(
        (&diff["from"], &diff["agentsAdded"]),
        (&first["version"], &serde_json::json!(["gardener"])),
        "{diff}"
    );
    assert!(home.run(&["graph", "diff"]).ok().contains("+ agent gardener"));
    // Invalid: the previous graph stays current, and the error names the file.
    std::fs::write(folder.join("agents/twin.md"), "---\nagentId: gardener\n---\n# Twin\n").unwrap();
    until("the twin is refused", || home.log("err.log").contains("agents/twin.md:").then_some(()));
    // A missing agent is not removed without permission.
    std::fs::remove_file(folder.join("agents/twin.md")).unwrap();
    std::fs::remove_file(&file).unwrap();
    until("the removal is refused", || {
        home.log("err.log").contains("gardener would disappear").then_some(())
    });
    assert_eq!(server.get("/skill-graph-loader/api/agents")["agents"].as_array().unwrap().len(), 5);
    let back = home.run(&["graph", "rollback", "--json"]).json();
    assert_eq!((&back["version"], &back["changed"]), (&first["version"], &true.into()), "{back}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn watched_folder_gives_no_rights_without_the_owner() {
    let home = Home::new();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    let file = folder.join("agents/agent-gardener.md");
    std::fs::write(&file, gardener()).unwrap();
    let watched = ["--graph", folder.to_str().unwrap()];
    let server = home.up_with(&watched);
    let is_public = |server: &Server| {
        let agents = server.get("/skill-graph-loader/api/graph")["agents"].clone();
        let gardener = |agent: &&serde_json::Value| agent["id"] == "gardener";
        agents.as_array().unwrap().iter().find(gardener).unwrap()["public"].clone()
    };
    assert_eq!(is_public(&server), false);

    std::fs::write(&file, gardener().replacen("---\n", "---\npublic: true\n", 1)).unwrap();
    let refused = |times: usize| {
        until("the right is refused", || {
            let log = home.log("err.log");
            (log.matches("gardener becomes public").count() == times).then_some(())
        });
    };
    refused(1);
    assert_eq!(is_public(&server), false);
    // Nor by a restart.
    assert_eq!(server.stop(), Some(0));
    let with_slash = format!("{}/", folder.display());
    let server = home.up_with(&["--graph", &with_slash]);
    refused(2);
    assert_eq!(is_public(&server), false);
    // Nor by a link in its place.
    assert_eq!(server.stop(), Some(0));
    let moved = home.path("moved");
    std::fs::rename(&folder, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &folder).unwrap();
    let server = home.up_with(&watched);
    refused(3);
    assert_eq!(is_public(&server), false);

    let done = home.run(&["graph", "publish", folder.to_str().unwrap()]);
    assert!(done.err.contains("gives rights: gardener becomes public"), "{done:?}");
    assert_eq!(is_public(&server), true);
}

#[test]
fn watched_folder_suggests_the_repair_before_the_removal() {
    let home = Home::new();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    let file = folder.join("agents/agent-gardener.md");
    std::fs::write(&file, gardener()).unwrap();
    let server = home.up_with(&["--graph", folder.to_str().unwrap()]);
    std::fs::write(&file, gardener().replace("keywords:", "keywords: [")).unwrap();
    let said = until("the removal is refused", || {
        Some(home.log("err.log")).filter(|log| log.contains("--allow-removal"))
    });
    let at = |part: &str| said.find(part).unwrap_or_else(|| panic!("{part} in {said}"));
    assert!(at("error: agents/agent-gardener.md:7: ") < at("gardener would disappear"), "{said}");
    assert!(at("fix: correct ") < at("or, if it is intended, run quintet graph publish"), "{said}");
    assert_eq!(server.get("/skill-graph-loader/api/agents")["agents"].as_array().unwrap().len(), 5);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn graph_check_ends_with_the_reason_that_a_publish_would_be_refused() {
    let home = Home::new();
    let folder = home.path("guides-only");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("lost.md"), "# Lost\n\nNobody here.\n").unwrap();
    let check = || home.run(&["graph", "check", folder.to_str().unwrap()]);
    let last = |done: &crate::bed::Done| {
        done.out.lines().rev().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let done = check();
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(last(&done)[1], "a publish would be refused: no agent is left", "{done:?}");
    assert!(last(&done)[0].starts_with("  fix: Add a file in agents/"), "{done:?}");
    let json = home.run(&["graph", "check", folder.to_str().unwrap(), "--json"]).json();
    assert_eq!(json["refused"], "no agent is left", "{json}");
    std::fs::write(folder.join("one.md"), gardener()).unwrap();
    assert!(!check().out.contains("refused"), "{:?}", check());
    std::fs::write(folder.join("two.md"), gardener()).unwrap();
    let done = check();
    assert_eq!(
        (done.code, last(&done)[1].as_str()),
        (1, "a publish would be refused: two agents share an id"),
        "{done:?}"
    );
    assert_eq!(last(&done)[0], "  fix: Give one of them another `agentId`.");
}

#[test]
fn suggest_writes_a_correction_only_after_its_confirmation() {
    let home = Home::new();
    let server = home.up();
    let folder = home.path("mine");
    copy(Path::new(DEFAULT), &folder);
    let message = "fix the TypeError that the importer throws on an empty row";
    let event = server.say(message);
    let decision = server.event_in(&event, "done")["decisionId"].as_str().unwrap().to_owned();
    assert!(home.run(&["suggest"]).ok().starts_with("Nothing to suggest"));
    let bearer = format!("Bearer {}", home.token("operator").trim());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let feedback =
        serde_json::json!({ "decisionId": decision, "correct": false, "agent": "pm" }).to_string();
    assert_eq!(server.ask("POST", "/agency-router/api/feedback", &headers, &feedback).status, 200);
    let listed = home.run(&["suggest", "--json"]).json();
    assert_eq!(
        (&listed[0]["message"], &listed[0]["agent"]),
        (&message.into(), &"pm".into()),
        "{listed}"
    );
    let mine = folder.to_str().unwrap();
    assert_eq!(home.run(&["suggest", "--graph", mine, "--accept", "7"]).code, 2);
    let skill = "---\nname: pdf\ndescription: Reads PDF.\n---\n# PDF\n";
    let mixed = home.path("mixed");
    std::fs::create_dir_all(mixed.join("pdf")).unwrap();
    std::fs::write(mixed.join("one.md"), gardener()).unwrap();
    std::fs::write(mixed.join("pdf/SKILL.md"), skill).unwrap();
    let to_skill = ["suggest", "--graph", mixed.to_str().unwrap(), "--accept", "1=pdf"];
    assert_eq!(home.run(&to_skill).code, 2, "a skill beside agents is knowledge");
    home.run(&[&to_skill[..], &["--skills-as-agents"]].concat()).ok();
    assert!(std::fs::read_to_string(mixed.join("pdf/SKILL.md")).unwrap().contains(message));
    let file = folder.join("agents/agent-pm.md");
    assert!(!std::fs::read_to_string(&file).unwrap().contains(message));
    home.run(&["suggest", "--graph", mine, "--accept", "1"]).ok();
    assert!(std::fs::read_to_string(&file).unwrap().contains(&format!("\n- {message}\n")));
    assert_eq!(home.run(&["graph", "check", mine]).code, 0);
    assert_eq!(
        home.run(&["suggest", "--graph", mine, "--json"]).json(),
        serde_json::json!([]),
        "what the folder has is not suggested again"
    );
}
