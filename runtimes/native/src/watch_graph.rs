//! `quintet up --graph DIR`: the folder is the graph, published at the start and again whenever it has changed and is sound.
//!
//! The folder is looked at once a second by names, sizes and times. That finds what every editor, sync tool and network drive
//! does, where notices of the system would miss the last two. A folder that is still being written is left until it rests.

use crate::commands::graph::line;
use crate::graph_folder;
use crate::stop::until;
use crate::terminal::remark;
use anyhow::Result;
use contracts::graph::{Finding, Severity, SourceFile};
use skill_graph_loader::{Deps, PublishError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch as flag;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Findings printed after a change; `quintet graph check` has them all.
const FINDINGS_SHOWN: usize = 5;

/// A folder, and how it looked when it was published last.
pub struct Watched {
    folder: PathBuf,
    seen: u64,
}

/// Publishes the folder at the start. A graph that cannot be published is said on stderr; the one before it serves on.
///
/// # Errors
/// When the folder cannot be read: a wrong name should be noticed before the work begins.
pub async fn first(loader: &Deps, folder: &Path) -> Result<Watched> {
    // Looked at before it is read: what changes in between is seen again.
    let seen = graph_folder::fingerprint(folder);
    // Whoever names a folder wants its agents, whatever was served before.
    publish(loader, folder, graph_folder::read(folder)?, true).await;
    Ok(Watched { folder: folder.to_owned(), seen })
}

/// Looks until the end.
pub async fn watch(loader: Deps, mut watched: Watched, stopped: flag::Receiver<bool>) {
    let mut before = watched.seen;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = until(stopped.clone()) => return,
        }
        let folder = watched.folder.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || graph_folder::fingerprint(&folder)).await else { continue };
        // Two looks that agree: nobody is in the middle of writing.
        if now == before && now != watched.seen {
            watched.seen = now;
            let folder = watched.folder.clone();
            match tokio::task::spawn_blocking(move || graph_folder::read(&folder)).await {
                Ok(Ok(files)) => publish(&loader, &watched.folder, files, false).await,
                Ok(Err(error)) => remark(&format!("graph: {error:#}; the graph before serves on")),
                Err(error) => remark(&format!("graph: {error}; the graph before serves on")),
            }
        }
        before = now;
    }
}

async fn publish(loader: &Deps, folder: &Path, files: Vec<SourceFile>, allow_removal: bool) {
    match skill_graph_loader::publish_files(loader, files, Some(format!("from {}", folder.display())), allow_removal).await {
        Ok(published) => {
            if published.changed {
                remark(&format!("graph: published version {}, {} agents, {} files", published.version, published.agents, published.skills));
            }
            tell(&published.findings, folder);
        }
        Err(PublishError::Removal(gone, _)) => {
            let (gone, folder) = (gone.join(", "), folder.display());
            remark(&format!("graph: {gone} would vanish, so the graph before serves on\n  fix: quintet graph publish {folder} --allow-removal"));
        }
        Err(PublishError::NoAgent(findings) | PublishError::DuplicateAgent(findings)) => {
            remark("graph: it cannot be published; the graph before serves on");
            tell(&findings, folder);
        }
        Err(error) => remark(&format!("graph: {error}; the graph before serves on\n  fix: quintet graph check {}", folder.display())),
    }
}

/// The worst of the findings, not hints.
fn tell(findings: &[Finding], folder: &Path) {
    let bad: Vec<_> = findings.iter().filter(|finding| finding.severity != Severity::Hint).collect();
    bad.iter().take(FINDINGS_SHOWN).for_each(|finding| remark(&line(finding)));
    if bad.len() > FINDINGS_SHOWN {
        remark(&format!("and {} more: quintet graph check {}", bad.len() - FINDINGS_SHOWN, folder.display()));
    }
}
