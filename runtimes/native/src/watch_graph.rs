//! `quintet up --graph DIR`: publishes the folder at the start, and again whenever it changes and
//! is valid.
//!
//! An agent may be able to write in the folder. So a change that gives rights is not published by
//! itself, nor by a restart on the same folder: the owner publishes it.
//!
//! It polls names, sizes and times once a second. Polling works with every editor, sync tool and
//! network drive; file system notifications miss the last two. A folder still being written is left
//! until it is stable.

use crate::data_dir::{DataDir, write_private};
use crate::finding::{line, read_folder};
use crate::stop::until;
use crate::terminal::remark;
use anyhow::Result;
use contracts::graph::{Finding, Severity, SourceFile};
use skill_graph_loader::{Deps, Permits, PublishError, Reading};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch as flag;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Maximum findings printed after a change; `quintet graph check` prints all.
const FINDINGS_SHOWN: usize = 5;

/// Number of polls to skip after a publish that failed for a reason outside the folder.
const PAUSE_LOOKS: u32 = 15;

/// Lists the folders that were watched.
const MARK: &str = "watched-folders";

/// A folder with its fingerprint at the last publish; none before the first.
pub struct Watched {
    folder: PathBuf,
    reading: Reading,
    seen: Option<u64>,
}

/// A folder that was read but not yet published.
pub struct Opened {
    /// As it was named, and without links.
    named: PathBuf,
    folder: PathBuf,
    reading: Reading,
    seen: u64,
    files: Vec<SourceFile>,
}

/// Reads the folder, before any work begins.
///
/// # Errors
/// When it cannot be read, such as for a wrong name.
pub fn open(folder: &Path, reading: Reading) -> Result<Opened> {
    // Fingerprint before reading, so that a change in between is noticed.
    let seen = graph_folder::fingerprint(folder);
    let (named, real) = (std::path::absolute(folder)?, folder.canonicalize()?);
    Ok(Opened { named, folder: real, reading, seen, files: read_folder(folder)? })
}

/// Publishes the folder at the start. If that fails it prints the reason, and the previous graph
/// stays current.
pub async fn first(loader: &Deps, opened: Opened, data: &DataDir) -> Watched {
    // `--graph DIR` means its agents, whatever graph was current before.
    let mut known = known_folders(data);
    // By both its names: an agent that may rename it or lead a link elsewhere gets no new rights.
    let names = [&opened.named, &opened.folder];
    let new: Vec<PathBuf> =
        names.into_iter().filter(|name| !known.contains(name)).cloned().collect();
    let is_known = new.len() < names.len();
    let permits = Permits { removal: true, rights: !is_known };
    let place = Place { folder: &opened.folder, reading: opened.reading };
    let settled = publish(loader, place, opened.files, permits).await;
    if !new.is_empty() {
        known.extend(new);
        known.dedup();
        let kept = serde_json::to_vec(&known).map_err(anyhow::Error::from);
        if let Err(error) = kept.and_then(|list| write_private(&data.join(MARK), &list)) {
            tracing::warn!(%error, "the name of the watched folder was not written");
        }
    }
    let Opened { folder, reading, .. } = opened;
    Watched { folder, reading, seen: settled.then_some(opened.seen) }
}

/// The folders that were watched before: their first publish gave them the rights they have.
fn known_folders(data: &DataDir) -> Vec<PathBuf> {
    let list = std::fs::read(data.join(MARK)).unwrap_or_default();
    serde_json::from_slice(&list).unwrap_or_default()
}

/// Polls until it is stopped.
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
        // Two equal fingerprints: the folder is stable.
        let rests = before.replace(now) == Some(now);
        if pause > 0 {
            pause -= 1;
        } else if rests && watched.seen != Some(now) {
            if again(&loader, Place { folder: &watched.folder, reading: watched.reading }).await {
                watched.seen = Some(now);
            } else {
                pause = PAUSE_LOOKS;
            }
        }
    }
}

/// A folder and the way it is read.
#[derive(Clone, Copy)]
struct Place<'a> {
    folder: &'a Path,
    reading: Reading,
}

async fn again(loader: &Deps, place: Place<'_>) -> bool {
    let path = place.folder.to_owned();
    let read = tokio::task::spawn_blocking(move || read_folder(&path)).await;
    match read.map_err(anyhow::Error::from).and_then(|read| read) {
        Ok(files) => publish(loader, place, files, Permits::default()).await,
        // Missing, or without Markdown: a repair changes the fingerprint.
        Err(error) => {
            remark(&format!("graph: {error:#}; the previous graph stays current"));
            true
        }
    }
}

/// Whether this state of the folder is settled: published, or refused for its content.
async fn publish(
    loader: &Deps,
    place: Place<'_>,
    files: Vec<SourceFile>,
    permits: Permits,
) -> bool {
    let Place { folder, reading } = place;
    let source = Some(format!("from {}", folder.display()));
    match skill_graph_loader::publish_files(loader, files, reading, source, permits).await {
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
            // A missing agent whose file has an error is more often a mistake than a removal.
            findings.retain(|finding| finding.severity == Severity::Error);
            tell(&findings, folder);
            let mend = if findings.is_empty() {
                "restore the missing files"
            } else {
                "correct the errors above"
            };
            let (gone, folder) = (gone.join(", "), folder.display());
            remark(&format!(
                "graph: {gone} would disappear, so the previous graph stays current\n  fix: {mend}; or, if it is intended, run quintet graph publish {folder} --allow-removal"
            ));
        }
        Err(PublishError::Rights(given)) => remark(&format!(
            "graph: {}, so the previous graph stays current\n  fix: if it is intended, run quintet graph publish {}",
            given.join(" and "),
            folder.display()
        )),
        Err(PublishError::NoAgent(findings) | PublishError::DuplicateAgent(findings)) => {
            remark("graph: publishing failed; the previous graph stays current");
            tell(&findings, folder);
        }
        Err(error @ (PublishError::TooLarge(_) | PublishError::LongMessage)) => {
            remark(&format!("graph: {}; the previous graph stays current", sentence(&error)));
        }
        Err(error) => {
            remark(&format!(
                "graph: {}; the previous graph stays current, and publishing will be retried",
                sentence(&error)
            ));
            return false;
        }
    }
    true
}

/// The message without its full stop, so that the sentence can continue.
fn sentence(error: &PublishError) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

/// Prints the worst findings, without hints.
fn tell(findings: &[Finding], folder: &Path) {
    let bad: Vec<_> =
        findings.iter().filter(|finding| finding.severity != Severity::Hint).collect();
    bad.iter().take(FINDINGS_SHOWN).for_each(|finding| remark(&line(finding)));
    if bad.len() > FINDINGS_SHOWN {
        remark(&format!(
            "and {} more; run quintet graph check {}",
            bad.len() - FINDINGS_SHOWN,
            folder.display()
        ));
    }
}
