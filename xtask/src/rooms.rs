//! How the modules of each crate depend on each other, read from the source.

mod graph;
mod names;
mod tree;

use cargo_metadata::{MetadataCommand, TargetKind};
pub use graph::Rooms;
use std::fmt::Write;
use std::path::Path;
use tree::Tree;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules of a crate with these files.
    fn read(files: &[(&str, &str)]) -> Rooms {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Tree::read(&folder.path().join("lib.rs")).unwrap().rooms("sample")
    }

    #[test]
    fn a_re_export_of_the_root_leads_to_the_file_that_defines_the_item() {
        let rooms = read(&[
            ("lib.rs", "mod deps; mod page; pub use deps::Deps;"),
            ("deps.rs", "pub struct Deps;"),
            ("page.rs", "use crate::Deps; pub fn show(_: Deps) {}"),
        ]);
        assert_eq!(rooms.list(), "page.rs -> deps.rs\n");
        assert_eq!(rooms.circles(), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn a_circle_names_all_of_its_files() {
        let rooms = read(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub fn a() { crate::b::b() }"),
            ("b.rs", "pub fn b() { println!(\"{}\", super::c::C) }"),
            ("c.rs", "use super::a; pub const C: u8 = 1; pub fn c() { a::a() }"),
        ]);
        assert_eq!(rooms.circles(), [["a.rs", "b.rs", "c.rs"]]);
    }

    #[test]
    fn an_arrow_from_a_child_to_its_parent_is_upward() {
        let rooms = read(&[
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod child; pub struct P; pub fn p() { child::c() }"),
            ("parent/child.rs", "use super::P; pub fn c() -> P { P }"),
        ]);
        assert_eq!(rooms.upward.len(), 1);
        assert_eq!(rooms.circles(), [["parent.rs", "parent/child.rs"]]);
    }

    #[test]
    fn tests_draw_no_arrows() {
        let rooms = read(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub fn a() {} #[cfg(test)] mod tests { use crate::b::b; }"),
            ("b.rs", "pub fn b() { crate::a::a() }"),
        ]);
        assert_eq!(rooms.list(), "b.rs -> a.rs\n");
    }
}
