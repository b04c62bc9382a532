//! `quintet up --graph DIR`: the folder is the graph, published at the start and again whenever it has changed and is sound.
//!
//! The folder is looked at once a second by names, sizes and times. That finds what every editor, sync tool and network drive
//! does, where notices of the system would miss the last two. A folder that is still being written is left until it rests.

use crate::finding::line;
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

/// After a publish that failed for another reason than the folder, so many looks pass until the next try.
const PAUSE_LOOKS: u32 = 15;

/// A folder, and how it looked when it was published last; none where that has still to be done.
pub struct Watched {
    folder: PathBuf,
    seen: Option<u64>,
}

/// A folder that was read and is not published yet.
pub struct Opened {
    folder: PathBuf,
    seen: u64,
    files: Vec<SourceFile>,
}

/// Reads the folder, before any work begins.
///
/// # Errors
/// When it cannot be read: a wrong name.
pub fn open(folder: &Path) -> Result<Opened> {
    // Looked at before it is read: what changes in between is seen again.
    let seen = graph_folder::fingerprint(folder);
    Ok(Opened { folder: folder.to_owned(), seen, files: graph_folder::read(folder)? })
}

/// Publishes the folder at the start. A graph that cannot be published is said on stderr; the one before it serves on.
pub async fn first(loader: &Deps, opened: Opened) -> Watched {
    // Whoever names a folder wants its agents, whatever was served before.
    let settled = publish(loader, &opened.folder, opened.files, true).await;
    Watched { folder: opened.folder, seen: settled.then_some(opened.seen) }
}

/// Looks until the end.
pub async fn watch(loader: Deps, mut watched: Watched, stopped: flag::Receiver<bool>) {
    let (mut before, mut pause) = (watched.seen, 0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = until(stopped.clone()) => return,
        }
        let folder = watched.folder.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || graph_folder::fingerprint(&folder)).await
        else {
            continue;
        };
        // Two looks that agree: nobody is in the middle of writing.
        let rests = before.replace(now) == Some(now);
        if pause > 0 {
            pause -= 1;
        } else if rests && watched.seen != Some(now) {
            if again(&loader, &watched.folder).await {
                watched.seen = Some(now);
            } else {
                pause = PAUSE_LOOKS;
            }
        }
    }
}

async fn again(loader: &Deps, folder: &Path) -> bool {
    let path = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || graph_folder::read(&path)).await;
    match read.map_err(anyhow::Error::from).and_then(|read| read) {
        Ok(files) => publish(loader, folder, files, false).await,
        // Gone, or without Markdown: it will look otherwise when that is mended.
        Err(error) => {
            remark(&format!("graph: {error:#}; the graph before serves on"));
            true
        }
    }
}

/// Whether this folder is done with: published, or refused for what is in it.
async fn publish(
    loader: &Deps,
    folder: &Path,
    files: Vec<SourceFile>,
    allow_removal: bool,
) -> bool {
    match skill_graph_loader::publish_files(
        loader,
        files,
        Some(format!("from {}", folder.display())),
        allow_removal,
    )
    .await
    {
        Ok(published) => {
            if published.changed {
                remark(&format!(
                    "graph: published version {}, {} agents, {} files",
                    published.version, published.agents, published.skills
                ));
            }
            tell(&published.findings, folder);
        }
        Err(PublishError::Removal(gone, mut findings)) => {
            // An agent whose file was left out for an error is more often to be mended than to be let go.
            findings.retain(|finding| finding.severity == Severity::Error);
            tell(&findings, folder);
            let mend = if findings.is_empty() {
                "put back what is missing"
            } else {
                "mend the errors above"
            };
            let (gone, folder) = (gone.join(", "), folder.display());
            remark(&format!(
                "graph: {gone} would vanish, so the graph before serves on\n  fix: {mend}; or, if it is meant, quintet graph publish {folder} --allow-removal"
            ));
        }
        Err(PublishError::NoAgent(findings) | PublishError::DuplicateAgent(findings)) => {
            remark("graph: it cannot be published; the graph before serves on");
            tell(&findings, folder);
        }
        Err(error @ (PublishError::TooLarge(_) | PublishError::LongMessage)) => {
            remark(&format!("graph: {}; the graph before serves on", sentence(&error)))
        }
        Err(error) => {
            remark(&format!(
                "graph: {}; the graph before serves on, and it is tried again",
                sentence(&error)
            ));
            return false;
        }
    }
    true
}

/// Without its full stop, so that the sentence can go on.
fn sentence(error: &PublishError) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

/// The worst of the findings, not hints.
fn tell(findings: &[Finding], folder: &Path) {
    let bad: Vec<_> =
        findings.iter().filter(|finding| finding.severity != Severity::Hint).collect();
    bad.iter().take(FINDINGS_SHOWN).for_each(|finding| remark(&line(finding)));
    if bad.len() > FINDINGS_SHOWN {
        remark(&format!(
            "and {} more: quintet graph check {}",
            bad.len() - FINDINGS_SHOWN,
            folder.display()
        ));
    }
}
