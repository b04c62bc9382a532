//! `quintet graph import`: copies the agents and skills of a folder or a git repository into the
//! owner's graph.

pub mod bounds;
mod repository;

use crate::cli::Import as Asked;
use crate::config_file;
use crate::data_dir::{DataDir, GRAPH};
use crate::exit::{No, Usage};
use crate::terminal::{counted, remark, say, say_json};
use anyhow::{Context, Result};
use contracts::graph::SourceFile;
use graph_folder::import::{
    Gathered, Import, PlaceError, Target, choose, folder_name, place, restore,
};
use platform::text::printable;
use serde_json::json;
use skill_graph_loader::listed;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Maximum names that are printed of each kind.
const NAMES_SHOWN: usize = 8;

/// Where the files come from.
enum Source {
    Folder(PathBuf),
    /// A git directory on this machine.
    GitDir(PathBuf),
    Url(String),
}

/// Copies the files, and prints what was found and the next step.
///
/// # Errors
/// When the source cannot be read, has no agent or skill, or would refuse the graph.
pub fn import(asked: &Asked, data: &DataDir, as_json: bool) -> Result<()> {
    let source = source_of(&asked.source)?;
    let name = name_of(asked, &source)?;
    let into = asked.into.clone().unwrap_or_else(|| data.join(GRAPH));
    restore(&into, &name)?;
    let folder = into.join(&name);
    if folder.symlink_metadata().is_ok() && !asked.replace {
        return Err(No(PlaceError::Exists(folder).to_string()).into());
    }
    let target = Target {
        files: files_of(&into)?,
        configured: configured(asked.config.as_deref(), data)?,
        reading: asked.reading.into(),
        name,
    };
    let gathered = match &source {
        Source::Folder(folder) => Gathered::from_folder(folder)?,
        Source::GitDir(folder) => repository::of_this_machine(folder)?,
        Source::Url(url) => repository::of_address(url)?,
    };
    let import = choose(&target, gathered).map_err(|refused| No(refused.to_string()))?;
    if asked.into.is_none() {
        // Private from the start, also before the first `quintet up`.
        data.create()?;
    }
    let placed =
        place(&into, &target.name, &import.files, asked.replace).map_err(|error| match error {
            PlaceError::Exists(_) => No(error.to_string()).into(),
            PlaceError::Io { .. } => anyhow::Error::from(error),
        })?;
    if as_json {
        say_json(&report(&import, &placed));
    } else {
        tell(&import, &placed, &into);
    }
    Ok(())
}

fn source_of(text: &str) -> Result<Source> {
    if let Some(rest) = text.strip_prefix("https://") {
        let host = rest.split('/').next().unwrap_or_default();
        if host.is_empty() || host.contains('@') {
            let why = "the address must name a host, without a user or a password. For a private \
                repository, clone it yourself and import its folder.";
            return Err(Usage(why.to_owned()).into());
        }
        return Ok(Source::Url(text.to_owned()));
    }
    let folder = Path::new(text);
    if !folder.exists() && (text.contains("://") || text.contains("::") || text.contains('@')) {
        let why = format!(
            "`{}` is neither a folder nor an https address. Use the https:// address of the \
             repository, or clone it and import its folder.",
            printable(text)
        );
        return Err(Usage(why).into());
    }
    let folder = folder
        .canonicalize()
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if !folder.is_dir() {
        return Err(Usage(format!("{} is a file. Name its folder.", folder.display())).into());
    }
    let is_git_dir = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
    Ok(if is_git_dir { Source::GitDir(folder) } else { Source::Folder(folder) })
}

/// The new folder's name: asked for, or owner and name of a repository, or the folder's.
fn name_of(asked: &Asked, source: &Source) -> Result<String> {
    let last = |path: &Path| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let text = match (&asked.name, source) {
        (Some(name), _) => name.clone(),
        (None, Source::Url(url)) => {
            let path = url.trim_start_matches("https://").trim_end_matches('/');
            let parts: Vec<&str> = path.split('/').skip(1).collect();
            parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join("-")
        }
        (None, Source::Folder(path) | Source::GitDir(path)) => last(path),
    };
    let name = folder_name(text.strip_suffix(".git").unwrap_or(&text));
    if asked.name.as_ref().is_some_and(|wanted| *wanted != name) {
        let why = format!(
            "`{}` cannot be the name of the new folder. Use lower-case letters, digits, `-`, `_` \
             and `.`, and no name such as `agents` or `skills`.",
            printable(&text)
        );
        return Err(Usage(why).into());
    }
    if name.is_empty() {
        return Err(
            Usage("the source has no name to use. Give one with --as NAME.".to_owned()).into()
        );
    }
    Ok(name)
}

/// The files of the graph that the new ones enter, as they are served: the limits and rules of a
/// foreign source do not hold for them.
fn files_of(into: &Path) -> Result<Vec<SourceFile>> {
    Ok(if into.exists() { graph_folder::read_any(into)?.0 } else { Vec::new() })
}

/// The ids of the agents in the configuration: a new agent of such an id would run what its owner
/// wrote there.
fn configured(given: Option<&Path>, data: &DataDir) -> Result<BTreeSet<String>> {
    let file = config_file::path(given, data);
    if file.is_none() {
        remark(
            "there is no quintet.toml in the data directory, so no agent's settings are looked at; \
             if yours is elsewhere, name it with --config FILE",
        );
    }
    let tree = config_file::read_tree(file.as_deref())?.value;
    let agents = tree.get("agents").and_then(serde_json::Value::as_object);
    Ok(agents.into_iter().flatten().map(|(id, _)| id.clone()).collect())
}

fn report(import: &Import, placed: &Path) -> serde_json::Value {
    let skipped: Vec<_> = import
        .skipped
        .iter()
        .map(|file| json!({ "path": file.path, "reason": file.reason }))
        .collect();
    let rights: Vec<_> = import
        .rights
        .iter()
        .map(|(path, rights)| json!({ "path": path, "rights": rights }))
        .collect();
    json!({
        "folder": placed,
        "files": import.files.len(),
        "agents": import.agents,
        "skills": import.skills,
        "fallback": import.fallback,
        "rightsLeftOut": rights,
        "skipped": skipped,
    })
}

fn tell(import: &Import, placed: &Path, into: &Path) {
    let some = |names: &[String]| {
        let printable: Vec<String> = names.iter().map(|name| printable(name)).collect();
        listed(&printable, NAMES_SHOWN)
    };
    say(&format!("imported {} into {}", counted(import.files.len(), "file"), placed.display()));
    if !import.agents.is_empty() {
        let count = counted(import.agents.len(), "agent");
        say(&format!("  {count}: {}", some(&import.agents)));
    }
    if !import.skills.is_empty() {
        let count = counted(import.skills.len(), "skill");
        say(&format!("  {count}, as knowledge: {}", some(&import.skills)));
    }
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in &import.skipped {
        reasons.entry(&file.reason).or_default().push(file.path.clone());
    }
    for (reason, paths) in reasons {
        say(&format!("  {} skipped ({}): {}", paths.len(), printable(reason), some(&paths)));
    }
    for (path, rights) in &import.rights {
        remark(&format!(
            "{} asks for {rights}, which an import does not give; write it into the copy yourself if you mean it",
            printable(path)
        ));
    }
    if let Some(id) = &import.fallback {
        remark(&format!(
            "{} gets every message that fits no other agent, because of its name. Write \
             `fallback: true` into another agent if you do not want that.",
            printable(id)
        ));
    }
    if !import.skills.is_empty() {
        say("--skills-as-agents makes skills agents, in each command that reads the folder");
    }
    let folder = into.display();
    say(&format!(
        "next: quintet graph check {folder}, then quintet up --graph {folder} (or quintet graph publish {folder} for a running server)"
    ));
}
