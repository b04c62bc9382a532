//! Parses a realistic folder from end to end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must stop"
)]

use contracts::graph::{Finding, Severity, SkillKind, SourceFile};
use skill_graph_loader::{Parsed, Reading, parse::parse};

fn folder(files: &[(&str, &str)]) -> Parsed {
    parse(
        files
            .iter()
            .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect(),
        Reading::default(),
    )
}

fn codes(parsed: &Parsed) -> Vec<(&str, &str, u32)> {
    let worth = parsed
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Hint && finding.code != "few_examples");
    worth.map(|finding| (finding.code.as_str(), finding.path.as_str(), finding.line)).collect()
}

const CODEGEN: &str = "---\ntitle: Codegen\nagentId: codegen\ndescription: Writes code.\nkeywords: [bug]\ncomplexity: [simple, complex]\nrelatedAgents: [security]\nmodel: opus\n---\n# Codegen\n## Examples\n- fix the bug\n";
const SECURITY: &str = "---\ntitle: Security\nagentId: security\ndescription: Finds holes. NOT for bugs.\n---\n# Security\n## Triggers\n- audit the login\n";

#[test]
fn folder_of_agents_channels_and_guides_becomes_a_graph() {
    let parsed = folder(&[
        ("agents/agent-codegen.md", CODEGEN),
        ("agents/agent-security.md", SECURITY),
        (
            "channels/channel-slack.md",
            "---\nplatform: slack\nlatency: low\nrelatedAgents: codegen\n---\n# Slack\n",
        ),
        (
            "guides/deploy.md",
            "# Deploy\nSee [[agent-codegen|the coder]] and [Slack](../channels/channel-slack.md).\n",
        ),
    ]);
    assert_eq!(codes(&parsed), []);
    let graph = &parsed.graph;
    let codegen = &graph.agents[0];
    assert_eq!(
        (codegen.id.as_str(), codegen.skill.as_str(), codegen.model.as_deref()),
        ("codegen", "agent-codegen", Some("opus"))
    );
    assert_eq!(
        (
            codegen.examples[0].as_str(),
            codegen.complexity.len(),
            codegen.related_agents[0].as_str()
        ),
        ("fix the bug", 2, "security")
    );
    assert_eq!(
        (graph.agents[1].description.as_str(), graph.agents[1].negatives.as_slice()),
        ("Finds holes.", &["bugs".to_owned()][..])
    );
    assert_eq!(
        (graph.channels[0].id.as_str(), graph.channels[0].latency.as_deref()),
        ("slack", Some("low"))
    );
    let links: Vec<_> =
        graph.links.iter().map(|link| (link.from.as_str(), link.to.as_str())).collect();
    assert_eq!(links, [("deploy", "agent-codegen"), ("deploy", "channel-slack")]);
}

#[test]
fn one_bad_file_never_fails_the_folder() {
    let parsed = folder(&[
        ("agents/a.md", CODEGEN),
        ("agents/b.md", "---\nkeywords: [a, b\n---\n# B\n"),
        ("../../etc/passwd.md", "root"),
        (".obsidian/workspace.md", "x"),
        ("empty.md", ""),
        ("logo.png", "\u{fffd}"),
        ("agents/c.md", SECURITY),
    ]);
    assert_eq!(
        codes(&parsed),
        [("bad_path", "../../etc/passwd.md", 0), ("bad_front_matter", "agents/b.md", 3)]
    );
    assert_eq!(
        parsed.graph.skills.iter().map(|skill| skill.id.as_str()).collect::<Vec<_>>(),
        ["a", "c", "empty"]
    );
}

#[test]
fn folder_reports_a_path_that_is_too_long() {
    let long = format!("{}/a.md", "deep/".repeat(210));
    let hidden = format!(".git/{long}");
    let parsed = folder(&[(&long, "# A\n"), (&hidden, "# B\n")]);
    assert_eq!(parsed.findings.len(), 1, "what is hidden is not mentioned: {:?}", parsed.findings);
    let finding = &parsed.findings[0];
    assert_eq!((finding.code.as_str(), finding.severity), ("bad_path", Severity::Error));
    assert!(
        finding.message.contains("longer than 1024 bytes")
            && !finding.message.contains("out of the folder"),
        "{finding:?}"
    );
    assert!(finding.fix.starts_with("Shorten"), "{finding:?}");
}

/// JSON readers stop at 128 levels, so accepted front matter can go to the router and back.
#[test]
fn front_matter_depth_stays_below_the_limit_of_json_readers() {
    let nested =
        |depth: usize| format!("---\na: {}{}\n---\n", "[".repeat(depth), "]".repeat(depth));
    let deepest = (1..130)
        .rev()
        .find(|depth| folder(&[("a.md", &nested(*depth))]).graph.skills.len() == 1)
        .unwrap();
    let parsed = folder(&[("a.md", &nested(deepest)), ("b.md", &nested(deepest + 1))]);
    assert_eq!(codes(&parsed), [("bad_front_matter", "b.md", 2)]);
    let request =
        serde_json::to_vec(&contracts::routing::TrainRequest { graph: parsed.graph.clone() })
            .unwrap();
    let back: contracts::routing::TrainRequest = serde_json::from_slice(&request).unwrap();
    assert_eq!(back.graph, parsed.graph);
}

#[test]
fn folder_reports_two_agents_with_one_id_and_keeps_the_first() {
    let parsed = folder(&[
        ("agents/z.md", CODEGEN),
        ("agents/a.md", &SECURITY.replace("agentId: security", "agentId: Codegen")),
    ]);
    let errors: Vec<&Finding> =
        parsed.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(
        (errors.len(), errors[0].code.as_str(), errors[0].path.as_str(), errors[0].line),
        (1, "duplicate_agent", "agents/z.md", 3)
    );
    assert_eq!(parsed.graph.agents.len(), 1);
}

#[test]
fn folder_findings_name_their_line() {
    let parsed = folder(&[
        (
            "agents/a.md",
            "---\nagentId: a\ntitle: A\naliases: [both]\ncomplexity: [simple, huge]\nrelatedAgents:\n  - ghost\n---\n## Examples\n- fix the bug!\n\n[[nowhere]]\n",
        ),
        (
            "agents/b.md",
            "---\nagentId: b\ntitle: B\naliases: [both]\ndescription: B.\n---\n## Examples\n- Fix the bug\n",
        ),
    ]);
    let expected = [
        ("missing_description", "agents/a.md", 1),
        ("duplicate_alias", "agents/a.md", 4),
        ("unknown_complexity", "agents/a.md", 5),
        ("unknown_agent", "agents/a.md", 7),
        ("broken_link", "agents/a.md", 12),
        ("duplicate_alias", "agents/b.md", 4),
        ("shared_example", "agents/b.md", 8),
    ];
    assert_eq!(codes(&parsed), expected);
    assert!(
        parsed
            .findings
            .iter()
            .all(|finding| !finding.message.is_empty() && !finding.fix.is_empty())
    );
}

#[test]
fn folder_of_skills_alone_turns_them_into_agents() {
    let skill = "---\nname: weather\ndescription: \"Weather by city. NOT for: climate history.\"\nhomepage: https://wttr.in\nmetadata: {openclaw: {emoji: x}}\n---\n# Weather\n## When to use\n- User asks \"will it rain\"\n";
    let alone = folder(&[("skills/weather/SKILL.md", skill)]).graph;
    assert_eq!(
        (alone.agents[0].id.as_str(), alone.agents[0].examples[0].as_str()),
        ("weather", "will it rain")
    );
    let parsed = folder(&[("skills/weather/SKILL.md", skill), ("agents/a.md", CODEGEN)]);
    let said = parsed
        .findings
        .iter()
        .find(|finding| finding.code == "skill_is_knowledge")
        .expect("its author is told");
    assert_eq!((said.path.as_str(), said.severity), ("skills/weather/SKILL.md", Severity::Hint));
    assert!(said.fix.contains("agentId"));
    let beside = parsed.graph;
    assert_eq!(
        (beside.agents.len(), beside.skills[1].kind, beside.skills[1].id.as_str()),
        (1, SkillKind::Skill, "weather")
    );
    assert_eq!(beside.skills[1].extra.keys().collect::<Vec<_>>(), ["homepage", "metadata"]);
}

#[test]
fn folder_adds_the_folder_to_colliding_stems() {
    let graph = folder(&[
        ("a/x.md", ""),
        ("b/x.md", ""),
        ("b/y.md", ""),
        ("c/b/x.md", ""),
        ("s/SKILL.md", ""),
        ("s.md", ""),
    ])
    .graph;
    let ids: Vec<&str> = graph.skills.iter().map(|skill| skill.id.as_str()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<std::collections::BTreeSet<_>>().len(), "{ids:?}");
    assert_eq!(&ids[..2], ["a/x", "b/x"]);
}

#[test]
fn folder_reads_a_large_file_with_a_warning() {
    let parsed = folder(&[("big.md", &format!("# Big\n{}\n# End\n", "word ".repeat(60_000)))]);
    assert_eq!(codes(&parsed), [("large_file", "big.md", 0)]);
    assert_eq!(parsed.graph.skills[0].headings, ["Big", "End"]);
}

#[test]
fn folder_parse_is_independent_of_file_order() {
    let files = [("agents/a.md", CODEGEN), ("agents/b.md", SECURITY), ("c.md", "[[a]]")];
    let mut turned = files;
    turned.reverse();
    assert_eq!(folder(&files), folder(&turned));
}

/// The default graph, which users see first, has no findings.
#[test]
fn default_graph_has_no_errors_and_no_warnings() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../routing-knowledge");
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                files.push(SourceFile {
                    path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    let parsed = parse(files, Reading::default());
    assert_eq!(codes(&parsed), []);
    assert!(parsed.graph.agents.len() >= 4 && parsed.graph.fallback_agent().is_some());
    assert!(parsed.graph.agents.iter().all(|agent| agent.examples.len() >= 60), "examples");
}

/// Random input never panics, and every id is unique.
#[test]
fn folder_parse_never_panics_on_noise() {
    let pieces = [
        "---\n",
        "title: T\n",
        "keywords: [",
        "]\n",
        "# H\n",
        "- \"q\" ",
        "[[",
        "]]",
        "|",
        "\\|",
        "%%",
        "```\n",
        "é東",
        "\t",
        "\r\n",
        "NOT for ",
        ": ",
        "&a *a ",
        "\u{feff}",
        "## Examples\n",
        "..\n",
        "](x.md)",
        "[",
        "<!--",
        "\0",
    ];
    let mut dice = fastrand::Rng::with_seed(1);
    let mut next = |below: usize| dice.usize(0..below);
    for round in 0..600 {
        let files = (0..3).map(|n| SourceFile {
            path: format!("agents/{}{n}.md", ["", "x/", "skills/SKILL"][next(3)]),
            text: (0..next(40)).map(|_| pieces[next(pieces.len())]).collect(),
        });
        let parsed = parse(files.collect(), Reading::default());
        let ids: std::collections::BTreeSet<_> =
            parsed.graph.skills.iter().map(|skill| &skill.id).collect();
        assert_eq!(ids.len(), parsed.graph.skills.len(), "round {round}");
    }
}

/// Hostile text for quadratic algorithms: each is scanned once, not once per character.
#[test]
fn folder_parse_is_as_fast_on_hostile_text() {
    let pieces = [
        "[",
        "[[a",
        "“",
        "NOT for x. ",
        "%%",
        "`",
        "- ",
        "> ",
        "#",
        "| a ",
        "word ",
        "[a](b) ",
        "[[x]] ",
        "*a_ ",
        "<",
        "&a *a ",
    ];
    for piece in pieces {
        let body = piece.repeat(60_000 / piece.len());
        let text = format!(
            "---\nagentId: a\ndescription: \"{}\"\n---\n# {body}\n\n## Examples\n\n- {body}\n\n{body}\n",
            "NOT for it. ".repeat(2000)
        );
        let parsed = folder(&[("agents/a.md", &text), ("b.md", &body)]);
        assert_eq!(parsed.graph.skills.len(), 2, "{piece}");
        assert!(parsed.findings.len() < 300, "{piece}: {}", parsed.findings.len());
        skill_graph_loader::Searcher::build(std::sync::Arc::new(parsed.graph)).search("word a", 10);
    }
}
