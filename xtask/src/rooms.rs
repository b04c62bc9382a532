//! How the modules of each crate depend on each other, read from the source.

mod names;
mod tree;

use cargo_metadata::{MetadataCommand, TargetKind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use tree::Tree;

/// The modules of one crate and the arrows between them. A module is a source file.
pub struct Rooms {
    /// The crate.
    pub name: String,
    /// Source files relative to the crate's `src`; the crate root is the first.
    pub files: Vec<String>,
    /// `(from, to)`, both places in `files`: `from` names something of `to`.
    pub arrows: BTreeSet<(usize, usize)>,
    /// The arrows that lead from a module to one of its own ancestors.
    pub upward: BTreeSet<(usize, usize)>,
}

/// The modules of each library and binary of the workspace.
///
/// # Errors
/// When cargo does not describe the workspace, or a source file cannot be read or parsed.
pub fn all(root: &Path) -> Result<Vec<Rooms>, String> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let mut found = Vec::new();
    for package in &metadata.packages {
        for target in &package.targets {
            let kinds = [TargetKind::Lib, TargetKind::CDyLib, TargetKind::RLib, TargetKind::Bin];
            if target.kind.iter().any(|kind| kinds.contains(kind)) {
                let tree = Tree::read(target.src_path.as_std_path())?;
                found.push(tree.rooms(&target.name));
            }
        }
    }
    Ok(found)
}

impl Rooms {
    /// Groups of files of which each needs all the others, directly or through them.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reach: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|at| self.reach(at)).collect();
        let reaches = |from: usize, to: usize| reach.get(from).is_some_and(|all| all.contains(&to));
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for from in 0..self.files.len() {
            let members: BTreeSet<usize> = (0..self.files.len())
                .filter(|to| reaches(from, *to) && reaches(*to, from))
                .collect();
            if members.len() > 1 && seen.insert(members.clone()) {
                circles.push(members.iter().map(|at| self.file(*at)).collect());
            }
        }
        circles
    }
    /// One line for each arrow.
    pub fn list(&self) -> String {
        let mut out = String::new();
        for (from, to) in &self.arrows {
            let note = if self.upward.contains(&(*from, *to)) { "  (upward)" } else { "" };
            let _ = writeln!(out, "{} -> {}{note}", self.file(*from), self.file(*to));
        }
        out
    }
    fn file(&self, at: usize) -> &str {
        self.files.get(at).map_or("", String::as_str)
    }
    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for (_, to) in self.arrows.iter().filter(|(source, _)| *source == at) {
                if found.insert(*to) {
                    open.push(*to);
                }
            }
        }
        found
    }
}

/// The table of all crates, and the files of each circle.
pub fn table(crates: &[Rooms]) -> String {
    let mut out = String::from(
        "| crate | modules | arrows | upward | circles |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut below = String::new();
    for rooms in crates {
        let circles = rooms.circles();
        let (modules, arrows, upward) = (rooms.files.len(), rooms.arrows.len(), rooms.upward.len());
        let _ = writeln!(
            out,
            "| {} | {modules} | {arrows} | {upward} | {} |",
            rooms.name,
            circles.len()
        );
        for circle in circles {
            let _ = writeln!(below, "{}: {}", rooms.name, circle.join(", "));
        }
    }
    if !below.is_empty() {
        let _ = write!(out, "\nCircles:\n{below}");
    }
    out
}
