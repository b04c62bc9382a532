//! The release workflow, `cargo binstall` and the `Containerfile` fit the packages.

use crate::bench::{elf, root, run};
use saphyr_parser::{Event, Parser};
use std::fs;
use std::process::Command;
use xtask::package::{self, TARGETS, Target};

/// A YAML document; scalars without their type.
#[derive(Debug, PartialEq)]
enum Node {
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    fn parse(text: &str) -> Self {
        let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0).filter(|event| {
            !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing)
        });
        let first = events.next().unwrap();
        Self::read(first, &mut events)
    }

    fn read<'a>(event: Event<'a>, rest: &mut impl Iterator<Item = Event<'a>>) -> Self {
        match event {
            Event::Scalar(text, ..) => Self::Text(text.into_owned()),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match rest.next().unwrap() {
                        Event::SequenceEnd => return Self::List(list),
                        event => list.push(Self::read(event, rest)),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map: Vec<(String, Self)> = Vec::new();
                loop {
                    let key = match rest.next().unwrap() {
                        Event::MappingEnd => return Self::Map(map),
                        Event::Scalar(key, ..) => key.into_owned(),
                        event => panic!("{event:?} is no key"),
                    };
                    assert!(map.iter().all(|(other, _)| *other != key), "{key} is there twice");
                    let value = rest.next().unwrap();
                    map.push((key, Self::read(value, rest)));
                }
            }
            event => panic!("{event:?} is not in a workflow"),
        }
    }

    fn find(&self, key: &str) -> Option<&Self> {
        let Self::Map(map) = self else { return None };
        map.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |node, key| {
            node.find(key).unwrap_or_else(|| panic!("there is no {key} of {path}"))
        })
    }

    fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("{self:?} is no list") };
        list
    }

    fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("{self:?} is no text") };
        text
    }
}

fn workflow() -> Node {
    Node::parse(&fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap())
}

fn released() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().filter(|target| target.is_released())
}

#[test]
fn release_workflow_builds_every_released_target() {
    let workflow = workflow();
    let built: Vec<_> = workflow
        .at("jobs.package.strategy.matrix.include")
        .list()
        .iter()
        .map(|one| one.at("target").text())
        .collect();
    assert_eq!(built, released().map(|target| target.triple).collect::<Vec<_>>());
}

#[test]
fn release_workflow_pins_every_action_by_its_commit() {
    let workflow = workflow();
    for job in ["package", "attest", "draft"] {
        for step in workflow.at(&format!("jobs.{job}.steps")).list() {
            let Some(action) = step.find("uses") else {
                assert!(!step.at("run").text().is_empty());
                continue;
            };
            let (name, commit) = action.text().split_once('@').unwrap();
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(name.contains('/') && pinned, "{}", action.text());
        }
    }
}

#[test]
fn release_workflow_may_write_only_the_draft_and_the_attestation() {
    let workflow = workflow();
    let rights = |path: &str| match workflow.at(path) {
        Node::Map(map) => {
            map.iter().map(|(key, value)| format!("{key}: {}", value.text())).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(rights("permissions"), ["contents: read"]);
    assert_eq!(rights("jobs.draft.permissions"), ["contents: write"]);
    assert_eq!(rights("jobs.package.permissions"), ["contents: read"]);
    assert_eq!(
        rights("jobs.attest.permissions"),
        ["contents: read", "id-token: write", "attestations: write"]
    );
    // The one that signs runs nothing of the build, and only for a tag.
    let steps = workflow.at("jobs.attest.steps").list();
    assert!(steps.iter().all(|step| step.find("run").is_none()));
    for job in ["attest", "draft"] {
        let only = workflow.at(&format!("jobs.{job}.if")).text();
        assert_eq!(only, "startsWith(github.ref, 'refs/tags/')", "{job}");
    }
    let draft = workflow.at("jobs.draft.steps").list().last().unwrap().at("run").text();
    assert!(draft.contains("--draft --verify-tag"), "{draft}");
}

#[test]
fn release_workflow_packages_by_the_command_of_this_repository() {
    let workflow = workflow();
    let steps = workflow.at("jobs.package.steps").list();
    let runs: Vec<_> = steps.iter().filter_map(|step| step.find("run")).map(Node::text).collect();
    let guide = fs::read_to_string(root().join("docs/install.md")).unwrap();
    for command in ["cargo build --release", "cargo xtask package"] {
        let line = runs.iter().find(|line| line.starts_with(command)).unwrap();
        assert!(guide.contains(*line), "docs/install.md has another command than `{line}`");
    }
}

#[test]
fn binstall_finds_the_binary_in_the_archive() {
    let manifest = fs::read_to_string(root().join("runtimes/native/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    for target in released() {
        let filled = |key: &str| {
            binstall[key]
                .as_str()
                .unwrap()
                .replace("{ version }", env!("CARGO_PKG_VERSION"))
                .replace("{ target }", target.triple)
                .replace("{ bin }", "quintet")
                .replace("{ binary-ext }", "")
        };
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("quintet");
        fs::write(&binary, elf(target)).unwrap();
        package::run(&root(), &binary, target.triple, folder.path()).unwrap();
        let url = filled("pkg-url");
        let (place, name) = url.rsplit_once('/').unwrap();
        assert_eq!(place, format!("{{ repo }}/releases/download/v{}", env!("CARGO_PKG_VERSION")));
        let file = folder.path().join(name);
        let listing = run(Command::new("tar").arg("-tzf").arg(&file));
        assert!(listing.lines().any(|line| line == filled("bin-dir")), "{listing}");
    }
}

#[test]
fn container_runs_as_an_ordinary_user_and_checks_itself_by_its_binary() {
    let text = fs::read_to_string(root().join("packaging/Containerfile")).unwrap();
    let last = |word: &str| {
        text.lines().rev().find_map(|line| line.strip_prefix(&format!("{word} "))).unwrap()
    };
    assert_eq!(last("FROM"), "scratch");
    assert!(!last("USER").starts_with('0') && last("USER") != "root");
    let data = last("VOLUME");
    assert!(last("ENV").contains(&format!("QUINTET_DATA={data}")));
    let copied: Vec<_> = text.lines().filter(|line| line.starts_with("COPY ")).collect();
    assert!(copied.iter().any(|line| line.contains("--chown=65532:65532") && line.ends_with(data)));
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    let program = list(last("ENTRYPOINT")).remove(0);
    assert!(copied.iter().any(|line| line.ends_with(&format!(" quintet {program}"))));
    let check = list(last("HEALTHCHECK").split_once(" CMD ").unwrap().1);
    assert_eq!(check, [program.as_str(), "endpoints"]);
    assert_eq!(list(last("CMD"))[0], "up");
}
