//! The modules of one crate as a graph, and the circles in it.

use std::collections::BTreeSet;
use std::fmt::Write;

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
