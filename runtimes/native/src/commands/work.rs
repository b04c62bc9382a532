//! `quintet work`: the git worktrees of conversations on this machine.

use crate::cli::Work;
use crate::data_dir::work_dir;
use crate::exit::{No, Usage};
use crate::programs::{tree_lock::TreeLock, worktree::Tree};
use crate::terminal::{ask, say, say_json, table};
use anyhow::{Context, Result};
use platform::text::printable;
use sandbox::folder::WorkRoot;
use serde_json::json;

/// Maximum bytes of a diff.
const DIFF_BYTES_MAX: usize = 1 << 30;

/// Runs the subcommand; lists without one.
///
/// # Errors
/// When there is no such worktree, or git refuses.
pub fn work(command: Option<Work>, as_json: bool) -> Result<()> {
    let folder = work_dir();
    let root =
        WorkRoot::open(&folder).with_context(|| format!("cannot open {}", folder.display()))?;
    match command.unwrap_or(Work::List) {
        Work::List => list(&root, as_json),
        Work::Show { id } => show(&root, &named(&root, &id)?, as_json),
        Work::Diff { id } => {
            let text = named(&root, &id)?.comparison(&root).text(DIFF_BYTES_MAX);
            let text = text.context("git did not compare")?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<String> = text.lines().map(printable).collect();
            if as_json {
                say_json(&json!({ "id": id, "diff": text }));
            } else if !lines.is_empty() {
                say(&lines.join("\n"));
            }
            Ok(())
        }
        Work::Keep { id } => keep(&root, &named(&root, &id)?, as_json),
        Work::Discard { id, yes } => discard(&root, &named(&root, &id)?, yes, as_json),
    }
}

fn named(root: &WorkRoot, id: &str) -> Result<Tree> {
    let found = Tree::named(root, id);
    found.ok_or_else(|| {
        No(format!("there is no worktree {}. `quintet work` lists them.", printable(id))).into()
    })
}

fn list(root: &WorkRoot, as_json: bool) -> Result<()> {
    let trees = Tree::all(root)?;
    if as_json {
        say_json(&json!({ "worktrees": trees }));
        return Ok(());
    }
    if trees.is_empty() {
        say(
            "No worktrees. An agent with isolation = \"worktree\" makes one for each conversation.",
        );
        return Ok(());
    }
    let rows: Vec<Vec<String>> = trees
        .iter()
        .map(|tree| {
            let changed = tree.comparison(root).changes().map(|changed| changed.len().to_string());
            let repository = tree.repository.display().to_string();
            let changed = changed.unwrap_or_else(|_| "?".to_owned());
            vec![tree.id.clone(), changed, tree.branch.clone(), repository]
        })
        .collect();
    say(&table(&["id", "files", "branch", "repository"], &rows));
    Ok(())
}

fn show(root: &WorkRoot, tree: &Tree, as_json: bool) -> Result<()> {
    let changes = tree.comparison(root).changes().context("git did not compare")?;
    if as_json {
        let files: Vec<_> = changes
            .iter()
            .map(|changed| {
                let path = changed.path.to_string_lossy();
                json!({ "path": path, "added": changed.added, "removed": changed.removed, "new": changed.is_new })
            })
            .collect();
        say_json(&json!({ "worktree": tree, "files": files }));
        return Ok(());
    }
    say(&format!(
        "{}\n  branch      {}\n  repository  {}\n  folder      {}",
        tree.id,
        tree.branch,
        tree.repository.display(),
        tree.path.display()
    ));
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|changed| {
            let how = if changed.is_new { "new" } else { "changed" };
            let count = format!("+{} \u{2212}{}", changed.added, changed.removed);
            vec![changed.path.to_string_lossy().into_owned(), count, how.to_owned()]
        })
        .collect();
    if rows.is_empty() {
        say("Nothing is changed.");
    } else {
        say(&table(&["file", "lines", ""], &rows));
    }
    Ok(())
}

fn keep(root: &WorkRoot, tree: &Tree, as_json: bool) -> Result<()> {
    let _used = TreeLock::of_order(root, &tree.id).context("nothing was removed")?;
    tree.keep(root).context("nothing was removed")?;
    if as_json {
        say_json(&json!({ "kept": tree.branch, "repository": tree.repository }));
        return Ok(());
    }
    say(&format!(
        "The branch {} is kept and its worktree removed. Merge it with:\n  git -C {} merge {}",
        tree.branch,
        tree.repository.display(),
        tree.branch
    ));
    Ok(())
}

fn discard(root: &WorkRoot, tree: &Tree, yes: bool, as_json: bool) -> Result<()> {
    if !yes {
        let question = format!("Discard {} with its branch and all its changes? [y/N] ", tree.id);
        if !matches!(ask(&question)?.as_str(), "y" | "Y" | "yes") {
            return Err(Usage("nothing was discarded. Add --yes to discard it.".to_owned()).into());
        }
    }
    let _used = TreeLock::of_order(root, &tree.id).context("nothing was discarded")?;
    tree.discard(root).context("not everything was removed")?;
    if as_json {
        say_json(&json!({ "discarded": tree.branch }));
    } else {
        say(&format!("{} and its branch are discarded.", tree.id));
    }
    Ok(())
}
