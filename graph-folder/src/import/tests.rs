//! Imports into graphs with agents of their owner.

use super::*;
use skill_graph_loader::Reading;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}
fn source(files: &[(&str, &str)]) -> Gathered {
    let files = files.iter().map(|(path, text)| file(path, text)).collect();
    Gathered { files, ..Gathered::default() }
}
fn import(files: &[(&str, &str)], own: Vec<SourceFile>) -> Result<Import, Refused> {
    let target = Target { name: "them".to_owned(), files: own, ..Target::default() };
    choose(&target, source(files))
}
fn agent(path: &str, front: &str) -> SourceFile {
    file(path, &format!("---\n{front}\ndescription: Mine.\n---\n"))
}
fn reasons(import: &Import) -> Vec<(&str, &str)> {
    import.skipped.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect()
}
fn paths(import: &Import) -> Vec<&str> {
    import.files.iter().map(|file| file.path.as_str()).collect()
}
const CODER: &str = "---\nname: coder\ndescription: Codes.\n---\nSee [notes](../docs/notes.md).\n";

#[test]
fn import_takes_agents_skills_and_what_they_use() {
    let import = import(
        &[
            ("README.md", "# Read me\n"),
            ("docs/notes.md", "# Notes\n"),
            ("docs/other.md", "# Other\n"),
            ("agents/coder.md", CODER),
            ("skills/pdf/SKILL.md", "---\nname: pdf\ndescription: PDF.\n---\n"),
            ("skills/pdf/reference/forms.md", "# Forms\n"),
        ],
        Vec::new(),
    )
    .unwrap();
    assert_eq!(
        paths(&import),
        [
            "them/agents/coder.md",
            "them/docs/notes.md",
            "them/skills/pdf/SKILL.md",
            "them/skills/pdf/reference/forms.md"
        ]
    );
    assert_eq!((import.agents.len(), import.skills.len()), (1, 1));
    let skipped: Vec<&str> = import.skipped.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(skipped, ["README.md", "docs/other.md"]);
}

#[test]
fn import_takes_the_files_beside_a_soul() {
    let files = [
        ("notes.md", "# Notes\n"),
        ("ada/SOUL.md", "# Ada\n\nYou are Ada.\n"),
        ("ada/USER.md", "# The user\n"),
        ("ada/memory/2026-01-02.md", "# A day\n"),
        ("adam/USER.md", "# Of no agent\n"),
    ];
    let import = import(&files, Vec::new()).unwrap();
    assert_eq!(
        paths(&import),
        ["them/ada/SOUL.md", "them/ada/USER.md", "them/ada/memory/2026-01-02.md"]
    );
    assert_eq!(import.agents, ["ada"]);
}

#[test]
fn import_takes_no_rights_and_says_so() {
    let text = CODER.replace("name: coder", "name: coder\npublic: true\nfallback: true");
    let flow = "---\n{name: sly, description: S., public: true}\n---\n";
    let import = import(&[("coder.md", &text), ("sly.md", flow)], Vec::new()).unwrap();
    assert_eq!(import.agents, ["coder"]);
    assert_eq!(import.rights, [("coder.md".to_owned(), "public, fallback".to_owned())]);
    assert!(!import.files[0].text.contains("public"), "{:?}", import.files);
    assert_eq!(import.skipped[0].path, "sly.md");
}

#[test]
fn import_leaves_the_owners_agents_their_ids() {
    let own = vec![agent("agents/coder.md", "name: coder")];
    assert_eq!(import(&[("coder.md", CODER)], own).unwrap().agents, ["them/coder"]);
    // The id of the owner's agent would get its folder in front, or go to the new one.
    let fixed = CODER.replace("name: coder", "agent_id: Coder");
    let spelled = CODER.replace("name: coder", "name: coder\nagentId:");
    for (text, theirs) in [(CODER, "x/coder.md"), (&fixed, "x.md"), (&spelled, "x.md")] {
        let own = vec![agent("dev/coder.md", "name: coder")];
        let refused = import(&[(theirs, text)], own).unwrap_err().to_string();
        for part in [
            "`coder` (dev/coder.md) would become `dev/coder`",
            &format!("because of them/{theirs}"),
            "Write `agentId: coder` into dev/coder.md",
        ] {
            assert!(refused.contains(part), "{part} in {refused}");
        }
    }
    let advised = vec![agent("dev/coder.md", "agentId: coder")];
    assert_eq!(import(&[("x/coder.md", CODER)], advised).unwrap().agents, ["x/coder"]);
}

#[test]
fn import_leaves_the_owners_skills_agents() {
    let own = || vec![agent("pdf/SKILL.md", "name: pdf")];
    let refused = import(&[("coder.md", CODER)], own()).unwrap_err().to_string();
    assert!(refused.contains("`pdf` (pdf/SKILL.md) would not be an agent"), "{refused}");
    assert!(refused.contains("--skills-as-agents"), "{refused}");
    let reading = Reading { skills_as_agents: true };
    let target = Target { name: "them".to_owned(), files: own(), reading, ..Target::default() };
    assert_eq!(choose(&target, source(&[("coder.md", CODER)])).unwrap().agents, ["coder"]);
}

#[test]
fn import_skips_an_agent_with_settings_of_the_owner() {
    let files = [("coder.md", CODER), ("b.md", "---\nname: Builder\ndescription: B.\n---\n")];
    let mut target = Target {
        name: "them".to_owned(),
        configured: BTreeSet::from(["builder".to_owned()]),
        ..Target::default()
    };
    let chosen = choose(&target, source(&files)).unwrap();
    assert_eq!(chosen.agents, ["coder"]);
    let reason = "[agents.Builder] of your configuration would run for it";
    assert_eq!(reasons(&chosen), [("b.md", reason)]);
    let refused = choose(&target, source(&files[1..])).unwrap_err();
    assert_eq!(
        refused,
        Refused::Skipped { path: "them/b.md".to_owned(), reason: reason.to_owned() }
    );
    // Settings that were written for an imported agent do not stop its next version.
    target.files = vec![file("them/old.md", files[1].1)];
    assert_eq!(choose(&target, source(&files)).unwrap().agents.len(), 2);
}

#[test]
fn import_makes_no_agent_the_fallback_by_its_name() {
    let assistant = "---\nname: assistant\ndescription: Helps.\n---\n";
    let files = [("a.md", assistant), ("coder.md", CODER)];
    let first = import(&files, Vec::new()).unwrap();
    assert_eq!(first.fallback.as_deref(), Some("assistant"));
    let own = vec![agent("agents/gardener.md", "name: gardener")];
    let second = import(&files, own).unwrap();
    assert_eq!((second.agents.as_slice(), second.fallback.as_ref()), (&["coder".into()][..], None));
    let reason = "`assistant` would get every message that fits no other agent";
    assert_eq!(reasons(&second), [("a.md", reason)]);
    let own = vec![agent("agents/gardener.md", "name: gardener\nfallback: true")];
    assert_eq!(import(&files, own).unwrap().agents.len(), 2);
    let again = import(&files, vec![file("them/a.md", assistant)]).unwrap();
    assert_eq!(again.agents.len(), 2);
}

#[test]
fn import_skips_an_agent_that_mentions_take_for_the_owners() {
    const REVIEW: &str = "name: code_review";
    const OPS: &str = "agentId: ops/sysadmin\ntitle: Root\naliases: [the boss]";
    for (theirs, own, name, owner) in [
        ("name: code-review", REVIEW, "code-review", "code_review"),
        ("name: code review", REVIEW, "code review", "code_review"),
        ("name: Code/Review", REVIEW, "Code/Review", "code_review"),
        // An id of theirs, and what one of the owner's is called beside its id.
        ("name: sysadmin", OPS, "sysadmin", "ops/sysadmin"),
        ("name: Root", OPS, "Root", "ops/sysadmin"),
        ("name: the_boss", OPS, "the_boss", "ops/sysadmin"),
        // The last part of an id, a title, an alias of theirs.
        ("agentId: x/sysadmin", OPS, "sysadmin", "ops/sysadmin"),
        ("name: r\ntitle: SysAdmin", OPS, "SysAdmin", "ops/sysadmin"),
        ("name: r\naliases: [a, The-Boss]", OPS, "The-Boss", "ops/sysadmin"),
        ("name: r\naliases: [code-review]", REVIEW, "code-review", "code_review"),
        ("name: r\ntitle: Code Review", REVIEW, "Code Review", "code_review"),
    ] {
        let text = format!("---\n{theirs}\ndescription: R.\n---\n");
        let own = vec![agent("agents/own.md", own)];
        let chosen = import(&[("r.md", &text), ("coder.md", CODER)], own).unwrap();
        assert_eq!(chosen.agents, ["coder"], "{theirs}");
        let reason = format!("`@{name}` would name it as well as your agent `{owner}`");
        assert_eq!(reasons(&chosen), [("r.md", reason.as_str())]);
    }
}

#[test]
fn import_takes_an_agent_that_no_mention_takes_for_one_of_the_owners() {
    let with = |front: &str| format!("---\n{front}\ndescription: T.\n---\n");
    let own = || vec![agent("agents/coder.md", "name: coder"), agent("agents/b.md", "title: B b")];
    let taken = |front: &str, own| import(&[("t.md", &with(front))], own).unwrap().agents;
    assert_eq!(taken("agentId: x/coder\ntitle: Coder", own()), ["x/coder"], "as without it");
    assert_eq!(taken("name: t\naliases: [c]\ntitle: '!'", own()), ["t"]);
    // The words decide between the owner's two already.
    let both = ["a/test", "b/test"].map(|id| agent(&format!("{id}.md"), &format!("agentId: {id}")));
    assert_eq!(taken("agentId: c/test", both.to_vec()), ["c/test"]);
}

#[test]
fn import_skips_an_agent_whose_id_would_be_too_long() {
    let own = vec![agent("agents/coder.md", "name: coder")];
    let long = format!("{}/coder.md", "x".repeat(96));
    let chosen =
        import(&[(&long, CODER), ("t.md", "---\nname: t\ndescription: T.\n---\n")], own).unwrap();
    assert_eq!(chosen.agents, ["t"]);
    let skipped = reasons(&chosen);
    assert!(skipped[0].0 == long && skipped[0].1.contains("longer than 100"), "{skipped:?}");
}

#[test]
fn import_skips_what_the_graph_has_already() {
    let own = vec![file("zz/coder.md", CODER)];
    let tester = "---\nname: tester\ndescription: T.\n---\n";
    let chosen = import(&[("coder.md", CODER), ("tester.md", tester)], own).unwrap();
    assert_eq!(chosen.agents, ["tester"]);
    assert_eq!(reasons(&chosen), [("coder.md", "the agent of zz/coder.md again")]);
}

#[test]
fn import_skips_the_toml_of_an_agent_beside_its_markdown() {
    let toml = "name = \"api\"\ndescription = \"D\"\ndeveloper_instructions = \"I\"\n";
    let mut gathered = Gathered::default();
    for (path, text) in [("x.TOML", toml), ("X.md", CODER), ("y.toml", toml)] {
        let entry = Entry::File { bytes: text.len() as u64 };
        gathered.offer(path, entry, || Ok(text.as_bytes().to_vec())).unwrap();
    }
    let target = Target { name: "them".to_owned(), ..Target::default() };
    let chosen = choose(&target, gathered).unwrap();
    assert_eq!(paths(&chosen), ["them/X.md", "them/y.md"]);
    assert_eq!(reasons(&chosen), [("x.TOML", "its copy would be x.md, which is there already")]);
}

#[test]
fn import_refuses_what_would_refuse_the_graph() {
    let fixed = CODER.replace("name: coder", "agentId: coder");
    let own = vec![agent("agents/coder.md", "agentId: coder")];
    let refused = import(&[("coder.md", &fixed)], own).unwrap_err();
    assert!(matches!(refused, Refused::Graph { .. }), "{refused}");
    let nothing = import(&[("README.md", "# No\n")], Vec::new()).unwrap_err();
    assert_eq!(nothing, Refused::Nothing(1));
}

#[test]
fn import_names_its_folder_safely() {
    for (text, name) in [
        ("wshobson-agents", "wshobson-agents"),
        ("agents", "imported-agents"),
        ("../../etc", "etc"),
        (".claude", "claude"),
        ("Ä b/c", "b-c"),
        ("…", ""),
    ] {
        assert_eq!(folder_name(text), name, "{text}");
    }
}
