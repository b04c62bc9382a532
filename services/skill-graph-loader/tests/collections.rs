//! Folders as people have them, each a small copy of a shape found in public: which files are
//! agents, under which ids, and which findings their owner reads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

use contracts::graph::{Finding, Severity, SkillKind, SourceFile};
use skill_graph_loader::{Parsed, Reading, check_folder};
use std::path::Path;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn files(all: &[(&str, &str)]) -> Vec<SourceFile> {
    all.iter().map(|(path, text)| file(path, text)).collect()
}

/// A folder of `tests/folders`.
fn kept(name: &str) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders").join(name);
    let (mut files, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(file(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

fn ids(parsed: &Parsed) -> Vec<&str> {
    let mut ids: Vec<&str> = parsed.graph.agents.iter().map(|agent| agent.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn codes(parsed: &Parsed) -> Vec<&str> {
    parsed.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn bad(parsed: &Parsed) -> Vec<&Finding> {
    parsed.findings.iter().filter(|finding| finding.severity != Severity::Hint).collect()
}

/// A subagent as Claude Code reads it.
fn subagent(name: &str) -> String {
    format!(
        "---\nname: {name}\ndescription: Use for {name}.\ntools: Read\nmodel: sonnet\n---\nYou are {name}.\n"
    )
}

#[test]
fn collection_of_subagents_in_category_folders_is_all_agents() {
    let parsed = check_folder(kept("subagents-in-category-folders"), Reading::default());
    assert_eq!(ids(&parsed), ["rust-engineer", "terraform-engineer"]);
    assert_eq!(codes(&parsed), ["few_examples", "few_examples"], "nothing invented");
    assert!(bad(&parsed).is_empty());
}

#[test]
fn collection_with_a_description_over_lines_loads_it_up_to_the_next_key() {
    let parsed = check_folder(kept("description-over-lines"), Reading::default());
    let brand = &parsed.graph.agents[0];
    assert_eq!(
        (brand.id.as_str(), brand.description.as_str()),
        ("brand", "Use this agent for brand work.")
    );
    assert_eq!(brand.examples, ["We need a visual identity for our app"]);
    assert_eq!(parsed.graph.skills[0].extra["color"], "blue", "the key after it is a key");
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
}

#[test]
fn collection_with_example_tags_learns_what_a_person_says() {
    let parsed = check_folder(kept("example-tags"), Reading::default());
    let deployer = &parsed.graph.agents[0];
    assert_eq!(deployer.examples, ["ship version 2.3 to production"]);
    assert_eq!(deployer.description, "Use this agent for deployments.");
    let all = serde_json::to_string(deployer).unwrap();
    assert!(!all.contains("I'll deploy it") && !all.contains("because"), "{all}");
}

#[test]
fn collection_with_an_example_in_its_body_learns_it_too() {
    let text = "---\nname: a\ndescription: A.\n---\n<example>\nuser: \"first words\"\nassistant: \"no\"\n</example>\n";
    let parsed = check_folder(files(&[("a.md", text)]), Reading::default());
    assert_eq!(parsed.graph.agents[0].examples, ["first words"]);
}

#[test]
fn collection_names_are_found_in_either_form_of_unicode() {
    let parsed = check_folder(kept("nfd-file-name"), Reading::default());
    assert_eq!(codes(&parsed), ["few_examples"], "{:?}", parsed.findings);
    assert_eq!(parsed.graph.links.len(), 1);
    let agent = "# A\n## Examples\n- fill it\n";
    let parsed = check_folder(files(&[("agents/Cafe\u{301}.md", agent)]), Reading::default());
    assert_eq!(ids(&parsed), ["Caf\u{e9}"], "as people type it");
    let twice = [("agents/Cafe\u{301}.md", agent), ("agents/Caf\u{e9}.md", agent)];
    assert_eq!(bad(&check_folder(files(&twice), Reading::default()))[0].code, "duplicate_path");
}

#[test]
fn collection_of_skills_keeps_what_belongs_to_a_skill() {
    let parsed = check_folder(kept("skills-with-an-inner-agents-folder"), Reading::default());
    assert_eq!(ids(&parsed), ["maker", "pdf"]);
    let kind =
        |path: &str| parsed.graph.skills.iter().find(|skill| skill.path == path).unwrap().kind;
    assert_eq!(kind("maker/agents/grader.md"), SkillKind::Guide);
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
    // Also with front matter; but what says itself that it is an agent is one.
    let mut more = kept("skills-with-an-inner-agents-folder");
    more.push(file("maker/agents/judge.md", &subagent("judge")));
    assert_eq!(ids(&check_folder(more.clone(), Reading::default())), ["maker", "pdf"]);
    more.push(file("maker/agents/own.md", "---\nagentId: own\ndescription: Own.\n---\n"));
    assert_eq!(ids(&check_folder(more, Reading::default())), ["own"]);
}

#[test]
fn collection_of_skills_beside_agents_is_knowledge_unless_it_is_read_otherwise() {
    let mut all = kept("skills-with-an-inner-agents-folder");
    all.push(file(
        "template/SKILL.md",
        "---\nname: t\ndescription: Replace with what it is for.\n---\n",
    ));
    assert_eq!(
        ids(&check_folder(all.clone(), Reading::default())),
        ["maker", "pdf"],
        "a template is no skill"
    );
    all.push(file("agents/x.md", &subagent("x")));
    let parsed = check_folder(all.clone(), Reading::default());
    assert_eq!(ids(&parsed), ["x"]);
    let told = parsed.findings.iter().filter(|finding| finding.code == "skill_is_knowledge");
    assert_eq!(told.clone().count(), 2);
    assert!(told.clone().all(|finding| finding.fix.contains("--skills-as-agents")));
    let reading = Reading { skills_as_agents: true };
    assert_eq!(ids(&check_folder(all, reading)), ["maker", "pdf", "x"]);
}

#[test]
fn collection_has_agents_beside_papers_and_commands() {
    let command = "---\nname: fetch\ndescription: Fetches an agent.\n---\nGet $ARGUMENTS.\n";
    let parsed = check_folder(
        files(&[
            ("README.md", &subagent("readme")),
            ("categories/01/README.md", "# Core\n"),
            ("CONTRIBUTING.md", &subagent("contributing")),
            ("LICENSE.md", "MIT"),
            ("AGENTS.md", "# How to work here\n"),
            ("tools/catalog/fetch.md", command),
            (
                "commands/review.md",
                "---\ndescription: Reviews.\nargument-hint: [file] [--deep]\n---\n",
            ),
            ("docs/agents/overview.md", "# Overview of the agents\n"),
            ("categories/01/api.md", &subagent("api")),
        ]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["api"]);
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
}

#[test]
fn collection_of_another_program_loads_from_its_hidden_folder() {
    let parsed = check_folder(
        files(&[
            (".claude/agents/review.md", &subagent("review")),
            (".claude/settings.md", &subagent("no")),
            (".opencode/agent/plan.md", "---\ndescription: Plans.\nmode: subagent\n---\n"),
            (".opencode/agent/review.md", &subagent("review").replace("sonnet", "opus")),
            (".github/agents/docs.agent.md", "---\ndescription: Writes docs.\n---\n"),
        ]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["docs", "plan", "review"]);
    let copy = parsed.findings.iter().find(|finding| finding.code == "agent_copy").unwrap();
    assert_eq!(copy.path, ".opencode/agent/review.md", "the same agent for another program");
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
}

#[test]
fn collection_of_workspaces_has_an_agent_for_each_soul() {
    let soul = "# Orion\n\nPlans the week of a team.\n\n## Rules\n- be brief\n";
    let parsed = check_folder(
        files(&[
            ("agents/productivity/orion/SOUL.md", soul),
            ("agents/productivity/orion/IDENTITY.md", "# Identity\n- **Name:** Orion\n"),
            ("agents/productivity/orion/AGENTS.md", "# What to do\n"),
            ("agents/productivity/orion/README.md", "# Orion\n"),
            ("workspace-lens/SOUL.md", "# Lens\n\nLooks at pictures.\n"),
        ]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["lens", "orion"]);
    assert_eq!(parsed.graph.agents[0].description, "Plans the week of a team.");
    let alone =
        check_folder(files(&[("SOUL.md", soul), ("USER.md", "# Me\n")]), Reading::default());
    assert_eq!(ids(&alone), ["openclaw"]);
}

#[test]
fn collection_of_plugins_gets_namespaces_for_repeated_names() {
    let other = subagent("architect").replace("You are", "I am");
    let all = [
        ("plugins/api/agents/architect.md", subagent("architect")),
        ("plugins/backend/agents/architect.md", other.clone()),
        ("plugins/backend/agents/tester.md", subagent("tester")),
    ];
    let some: Vec<(&str, &str)> = all.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let parsed = check_folder(files(&some), Reading::default());
    assert_eq!(ids(&parsed), ["api/architect", "backend/architect", "tester"]);
    assert!(codes(&parsed).contains(&"namespaced_agents"));
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
    // Two collections with the same folders inside: their own folder is enough.
    let inner = [
        ("theirs/dev/core/architect.md", subagent("architect")),
        ("others/dev/core/architect.md", other.clone()),
    ];
    let inner: Vec<(&str, &str)> =
        inner.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(
        ids(&check_folder(files(&inner), Reading::default())),
        ["others/architect", "theirs/architect"]
    );
    // The owner's agent keeps its name, and so does one that fixes its id.
    let mut own = files(&some);
    own.push(file("agents/architect.md", &subagent("architect").replace("Use", "Call")));
    own.push(file("more/tester.md", "---\nagentId: tester\ndescription: T.\n---\n"));
    assert_eq!(
        ids(&check_folder(own, Reading::default())),
        ["api/architect", "architect", "backend/architect", "backend/tester", "tester"]
    );
}

#[test]
fn collection_with_one_agent_twice_has_it_once() {
    let text = subagent("architect");
    let parsed = check_folder(
        files(&[
            ("plugins/api/agents/architect.md", &text),
            ("plugins/backend/agents/architect.md", &text),
        ]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["architect"]);
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
    // The same program's agent in another folder is another agent.
    let (one, two) = (subagent("plan"), subagent("plan").replace("You", "I"));
    let parsed = check_folder(
        files(&[
            ("app/.claude/agents/plan.md", &one),
            ("app/.opencode/agent/plan.md", &two),
            ("web/.claude/agents/plan.md", &two.replace('I', "They")),
            ("web/copy/plan.md", &one),
        ]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["app/plan", "copy/plan", "web/plan"]);
    // Two agents of one name in one folder still refuse the graph.
    let parsed = check_folder(
        files(&[
            ("agents/a.md", &subagent("same")),
            ("agents/b.md", &subagent("same").replace("You", "I")),
        ]),
        Reading::default(),
    );
    assert_eq!(bad(&parsed)[0].code, "duplicate_agent");
}

#[test]
fn collection_in_a_folder_with_a_long_name_takes_no_bare_id() {
    let long = format!("them/{}/coder.md", "x".repeat(96));
    let own = subagent("coder").replace("You", "I");
    let parsed = check_folder(
        files(&[("dev/coder.md", &own), (&long, &subagent("coder"))]),
        Reading::default(),
    );
    assert_eq!(ids(&parsed), ["dev/coder"]);
    let found = bad(&parsed)[0];
    assert_eq!((found.code.as_str(), found.path.as_str()), ("bad_id", long.as_str()));
    assert!(found.fix.contains("agentId"), "{found:?}");
}

#[test]
fn collection_of_agents_with_the_same_keywords_gets_a_few_hints() {
    let text = |n: usize| {
        let keywords = "keywords: [roses, soil, water]";
        format!("---\nname: a{n}\ndescription: Gardens {n}.\n{keywords}\n---\n")
    };
    let many: Vec<SourceFile> =
        (0..150).map(|n| file(&format!("dev/a{n:03}.md"), &text(n))).collect();
    let parsed = check_folder(many, Reading::default());
    let found: Vec<&Finding> =
        parsed.findings.iter().filter(|finding| finding.code == "overlapping_agents").collect();
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(found[0].message, "144 more agents share most of their keywords with another");
    assert_eq!((found[1].path.as_str(), found[1].line), ("dev/a001.md", 4));
    assert_eq!(found[1].message, "shares 3 keywords with dev/a000.md");
}

#[test]
fn collection_of_notes_has_no_agents_and_only_hints() {
    let parsed = check_folder(
        files(&[
            (
                "Notes/Trip.md",
                "---\ncategories:\n  - \"[[Trips]]\"\n---\nSee [[Japan]] and [[Kyoto]].\n",
            ),
            ("References/Kyoto.md", "# Kyoto\n"),
            ("Templates/Trip Template.md", "---\ndate: {{date}}\n---\n"),
        ]),
        Reading::default(),
    );
    assert!(ids(&parsed).is_empty());
    assert!(codes(&parsed).contains(&"broken_link"), "{:?}", parsed.findings);
    assert!(bad(&parsed).is_empty(), "{:?}", parsed.findings);
}

#[test]
fn collection_of_hundreds_gets_one_hint_of_a_kind() {
    let many: Vec<SourceFile> =
        (0..150).map(|n| file(&format!("dev/a{n}.md"), &subagent(&format!("a{n}")))).collect();
    let parsed = check_folder(many, Reading::default());
    assert_eq!((ids(&parsed).len(), codes(&parsed)), (150, vec!["few_examples"]));
    assert!(parsed.findings[0].message.starts_with("150 agents"), "{:?}", parsed.findings);
}

#[test]
fn endless_lists_of_one_file_get_fifty_findings_of_a_kind() {
    let names: String = (0..1_500).map(|n| format!("  - nobody-{n}\n")).collect();
    let file = format!(
        "---\nname: a\ndescription: Does it.\nrelatedAgents:\n{names}complexity:\n{names}---\n<example>\n{}",
        "<example>\n".repeat(900)
    );
    let parsed = check_folder(files(&[("a.md", &file)]), Reading::default());
    for code in ["unknown_agent", "unknown_complexity"] {
        let found: Vec<_> = parsed.findings.iter().filter(|finding| finding.code == code).collect();
        assert_eq!(found.len(), 50, "{code}");
        assert!(found[49].message.ends_with("1450 more of this kind"), "{:?}", found[49]);
    }
}
