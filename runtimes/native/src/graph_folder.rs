//! Skill graphs as folders: the default one inside the program, others from the disk.

use anyhow::{Context, Result, bail};
use contracts::graph::SourceFile;
use include_dir::{Dir, include_dir};
use std::path::Path;

static DEFAULT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../routing-knowledge");

/// Files above this are read in part by the loader; far larger ones are left where they are.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 20_000;

/// The graph that comes with the program.
pub fn default_graph() -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(&DEFAULT, &mut files);
    files
}

fn collect(folder: &Dir<'_>, files: &mut Vec<SourceFile>) {
    for file in folder.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "md")) {
        files.push(SourceFile { path: file.path().to_string_lossy().replace('\\', "/"), text: file.contents_utf8().unwrap_or_default().to_owned() });
    }
    folder.dirs().for_each(|inner| collect(inner, files));
}

/// All Markdown below a folder. Hidden names are left out; a link that leads out of the folder is refused.
///
/// # Errors
/// When the folder cannot be read or holds no Markdown.
pub fn read(folder: &Path) -> Result<Vec<SourceFile>> {
    let root = folder.canonicalize().with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if !root.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    let mut seen = std::collections::HashSet::new();
    while let Some(at) = open.pop() {
        if !seen.insert(at.clone()) {
            continue;
        }
        for entry in std::fs::read_dir(&at).with_context(|| format!("cannot read {}", at.display()))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let Ok(real) = entry.path().canonicalize() else { continue };
            if !real.starts_with(&root) {
                crate::terminal::remark(&format!("left out: {} leads out of the folder", entry.path().display()));
            } else if real.is_dir() {
                open.push(real);
            } else if real.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md")) {
                files.push(one(&root, &real)?);
            }
        }
        if files.len() > FILES_MAX {
            bail!("more than {FILES_MAX} Markdown files below {}", folder.display());
        }
    }
    if files.is_empty() {
        bail!("there is no Markdown file below {}", folder.display());
    }
    files.sort_by(|a: &SourceFile, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

fn one(root: &Path, file: &Path) -> Result<SourceFile> {
    let path = file.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
    if std::fs::metadata(file)?.len() > FILE_BYTES_MAX {
        crate::terminal::remark(&format!("{path} is larger than 8 MB and taken as empty"));
        return Ok(SourceFile { path, text: String::new() });
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(SourceFile { path, text: String::from_utf8_lossy(&bytes).into_owned() })
}
