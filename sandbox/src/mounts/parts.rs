//! A folder put together from those of its entries that a program may have.

use super::lineage::{Line, Opened};
use super::shown::{Shown, Source};
use crate::plan::{Bind, Identity, LeavesOut};
use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Folders deeper than this are left out.
const DEPTH_MAX: usize = 32;

/// The parts of a bind that leaves something out; none when it is bound as a whole.
pub(super) fn of<'a>(
    bind: &'a Bind,
    opened: &Opened,
    lines: &[Line<'_>],
) -> Option<Vec<Shown<'a>>> {
    let holds = |line: &Line<'_>| opened.identity().is_some_and(|own| line.above.contains(&own));
    let is_whole = match bind.leaves_out {
        LeavesOut::Nothing => true,
        LeavesOut::Protected => !lines.iter().any(holds),
        LeavesOut::Private => false,
    };
    if is_whole || !opened.is_directory {
        return None;
    }
    let mut parts = Parts { bind, lines, found: Vec::new() };
    parts.folder(&opened.path, &bind.path, 0);
    Some(parts.found)
}

struct Parts<'a, 'l> {
    bind: &'a Bind,
    lines: &'l [Line<'l>],
    found: Vec<Shown<'a>>,
}

impl Parts<'_, '_> {
    /// `from` without symbolic links, shown as `path`.
    fn folder(&mut self, from: &Path, path: &Path, depth: usize) {
        for entry in entries(from).filter(|_| depth < DEPTH_MAX) {
            let (from, path) = (entry.path(), path.join(entry.file_name()));
            let Ok(found) = entry.metadata() else { continue };
            if found.is_symlink() {
                let to = std::fs::read_link(&from);
                self.found(&path, to.ok().map(Source::Link));
            } else if self.is_left_out(&found) {
                // As if it were not there.
            } else if found.is_dir() && self.holds_something(&from, &found, depth) {
                self.folder(&from, &path, depth + 1);
            } else {
                self.found(&path, Opened::below(from).map(Source::Opened));
            }
        }
    }
    fn found(&mut self, path: &Path, source: Option<Source>) {
        let shown = |source| Shown { bind: self.bind, path: path.to_path_buf(), source };
        self.found.extend(source.map(shown));
    }
    fn is_left_out(&self, found: &Metadata) -> bool {
        let identity = Identity::from(found);
        (self.bind.leaves_out == LeavesOut::Private && !is_public(found))
            || self.lines.iter().any(|line| line.secret.identity == identity)
    }
    /// Whether something in this folder is left out.
    fn holds_something(&self, folder: &Path, found: &Metadata, depth: usize) -> bool {
        let identity = Identity::from(found);
        self.lines.iter().any(|line| line.above.contains(&identity))
            || (self.bind.leaves_out == LeavesOut::Private && holds_private(folder, depth))
    }
}

fn holds_private(folder: &Path, depth: usize) -> bool {
    entries(folder).any(|entry| {
        entry.metadata().is_ok_and(|found| {
            let inside = || depth >= DEPTH_MAX || holds_private(&entry.path(), depth + 1);
            !found.is_symlink() && (!is_public(&found) || (found.is_dir() && inside()))
        })
    })
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Whether every user of the machine may read it.
fn is_public(found: &Metadata) -> bool {
    let needed = if found.is_dir() { 0o005 } else { 0o004 };
    found.permissions().mode() & needed == needed
}
