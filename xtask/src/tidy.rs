//! House rules that the compiler does not check. Every message names the fix.

mod architecture;
mod prose;

use crate::rooms::{self, Rooms};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
/// Maximum lines of a Worker's entry, which builds its ports and hands the request on; longer code
/// belongs in the service or in `cloudflare`. The bound was 50 at a width of 160.
const WORKER_LINES_MAX: usize = 65;
const BANNED_NAMES: &[(&str, &str)] = &[
    ("utils", "name what it does"),
    ("helpers", "name what it helps with, or put it where it is used"),
    ("common", "name the subject"),
    ("misc", "name the subject"),
    ("manager", "name the verb it does"),
    ("types", "put each type with its subject"),
];
/// Crates with a runtime, the system's time or the network, which a service never uses.
const RUNTIME_CRATES: &[&str] =
    &["tokio", "rusqlite", "reqwest", "worker", "rand", "hyper", "nix", "libc"];
/// Text forbidden in services, with the port to use instead.
const RUNTIME_WORDS: &[(&str, &str)] = &[
    ("std::env", "the config struct"),
    ("SystemTime", "the clock port"),
    ("Instant::now", "the clock port"),
    ("std::fs", "the objects port"),
    ("std::process", "the programs port"),
    ("std::net::Tcp", "the outbound port"),
    ("std::thread", "the background port"),
];

/// All violations of the rules.
pub fn problems(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    imports(root, &mut found);
    circles(root, &mut found);
    let texts: Vec<(String, String)> = rust_files(root)
        .iter()
        .map(|file| {
            let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
            (name, std::fs::read_to_string(file).unwrap_or_default())
        })
        .collect();
    for (name, text) in &texts {
        file_rules(name, text, &mut found);
    }
    architecture::rules(root, &texts, &mut found);
    for (path, text) in crate::documents::all() {
        if std::fs::read_to_string(root.join(&path)).unwrap_or_default() != text {
            found.push(format!("{path} is not what the code says; run `cargo xtask gen`"));
        }
    }
    found
}

/// Modules that need each other cannot be read, tested or moved one by one.
fn circles(root: &Path, found: &mut Vec<String>) {
    match rooms::all(root) {
        Err(error) => found.push(error),
        Ok(crates) => crates.iter().for_each(|rooms| circles_of(rooms, found)),
    }
}

fn circles_of(rooms: &Rooms, found: &mut Vec<String>) {
    let name = &rooms.name;
    for circle in rooms.circles() {
        let files = circle.join(", ");
        found.push(format!(
            "{name}: {files} need each other; move what they share into a file below them \
             (`cargo xtask rooms {name}` lists the arrows)"
        ));
    }
}

/// The workspace crates that a crate may use.
fn allowed(package: &str, services: &[&str]) -> Option<Vec<String>> {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    match package {
        "contracts" | "sandbox" => list(&[]),
        "platform" => list(&["contracts"]),
        "inbox" => list(&["contracts", "platform"]),
        "text-model" => list(&["contracts"]),
        "model-client" => list(&["contracts", "platform"]),
        "graph-folder" => list(&["contracts", "platform", "sandbox", "skill-graph-loader"]),
        "fakes" => list(&["contracts", "platform"]),
        "xtask" => list(&["contracts"]),
        "quintet" => Some(
            ["contracts", "platform", "inbox", "text-model", "graph-folder", "sandbox"]
                .iter()
                .chain(services)
                .map(|name| (*name).to_owned())
                .collect(),
        ),
        "scenarios" | "fuzz" => None,
        "cloudflare" => list(&["contracts", "platform", "inbox"]),
        // It also measures two services on the runtime.
        "worker-suite" => list(&[
            "cloudflare",
            "contracts",
            "platform",
            "inbox",
            "text-model",
            "agency-router",
            "skill-graph-loader",
        ]),
        name if name.starts_with("worker-") => Some(
            ["cloudflare", "platform", name.trim_start_matches("worker-")]
                .map(str::to_owned)
                .to_vec(),
        ),
        // Its domain is a crate of its own, which the runtimes keep in their storage.
        "webhook-aggregator" => list(&["contracts", "platform", "inbox"]),
        // Pure algorithms are crates of their own.
        "agency-router" => list(&["contracts", "platform", "text-model"]),
        // The two that ask models.
        "personal-assistant" | "agency-gateway" => list(&["contracts", "platform", "model-client"]),
        name if services.contains(&name) => list(&["contracts", "platform"]),
        _ => None,
    }
}

fn imports(root: &Path, found: &mut Vec<String>) {
    let metadata = match MetadataCommand::new().current_dir(root).no_deps().exec() {
        Ok(metadata) => metadata,
        Err(error) => {
            found.push(format!("cargo metadata: {error}"));
            return;
        }
    };
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let is_service = |package: &&Package| package.manifest_path.as_str().contains("/services/");
    let services: Vec<&str> =
        metadata.packages.iter().filter(is_service).map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        let names: Vec<&str> = normal.map(|dependency| dependency.name.as_str()).collect();
        if let Some(allowed) = allowed(package.name.as_str(), &services) {
            for name in names
                .iter()
                .filter(|name| ours.contains(name) && !allowed.contains(&(**name).to_owned()))
            {
                found.push(format!(
                    "{} may not use {name}: services speak `contracts` through the `calls` port",
                    package.name
                ));
            }
        }
        let inner =
            services.contains(&package.name.as_str()) || package.name.as_str() == "contracts";
        for name in names.iter().filter(|name| inner && RUNTIME_CRATES.contains(name)) {
            found.push(format!(
                "{} may not use {name}: ask for a port in `platform` instead",
                package.name
            ));
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            found.push(format!("{}: add [lints] workspace = true", package.manifest_path));
        }
        if !package.manifest_path.with_file_name("README.md").exists() {
            found.push(format!(
                "{} has no README.md; say what it is, who uses it, where to start reading, how to \
                 test it, and one invariant",
                package.name
            ));
        }
    }
}

/// The repository's Rust files: everything outside target and hidden folders.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut open = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn file_rules(name: &str, text: &str, found: &mut Vec<String>) {
    if !text.starts_with("//!") {
        found.push(format!("{name}:1: open the file with a `//!` line that says what it is for"));
    }
    let lines = text.lines().count();
    let is_entry = name.starts_with("workers/")
        && name.ends_with("/src/lib.rs")
        && !name.starts_with("workers/suite/");
    let most = if is_entry { WORKER_LINES_MAX } else { LINES_MAX };
    if lines > most {
        found.push(format!("{name}: {lines} lines; split it, {most} is the limit"));
    }
    prose::rules(name, text, found);
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".rs");
    if let Some((_, instead)) = BANNED_NAMES.iter().find(|(banned, _)| *banned == stem) {
        found.push(format!("{name}: a file of this name becomes a drawer; {instead}"));
    }
    if name.starts_with("services/") && name.contains("/src/") {
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for (word, instead) in RUNTIME_WORDS.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!(
                    "{name}:{}: {word} belongs to a runtime; use {instead}",
                    number + 1
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidy_names_the_broken_rule_and_the_fix() {
        let mut found = Vec::new();
        file_rules("services/x/src/utils.rs", "fn a() { std::env::var(\"X\"); }", &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found.iter().all(|problem| problem.contains(';') || problem.contains("open the file"))
        );
    }

    #[test]
    fn tidy_forbids_a_service_to_use_another() {
        let services = ["agency-router", "personal-assistant"];
        assert!(
            !allowed("agency-router", &services)
                .unwrap()
                .contains(&"personal-assistant".to_owned())
        );
        assert_eq!(allowed("contracts", &services), Some(vec![]));
    }
}
