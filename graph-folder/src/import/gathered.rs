//! The Markdown files of a source, and what was left there with its reason. The same limits hold
//! for a folder and for the files of a repository.

use crate::{codex, plain};
use anyhow::{Context, Result, bail};
use contracts::graph::SourceFile;
use platform::text::{composed, short};
use skill_graph_loader::parse::kind::{self, PathVerdict};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Maximum bytes of a file: agents and skills are texts of a few pages.
const FILE_BYTES_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 20_000;
const TOTAL_BYTES_MAX: u64 = 64 << 20;
/// Maximum entries looked at.
const ENTRIES_MAX: usize = 500_000;

/// Maximum characters of the path of a skipped file.
const PATH_CHARS_SHOWN: usize = 200;

/// A file that is not imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Skipped {
    pub path: String,
    pub reason: String,
}

impl Skipped {
    pub(super) fn new(path: &str, reason: &str) -> Self {
        Self { path: short(path, PATH_CHARS_SHOWN), reason: reason.to_owned() }
    }
}

/// The files of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    pub files: Vec<SourceFile>,
    pub skipped: Vec<Skipped>,
    /// Agents of Codex as Markdown, with their paths in the source.
    pub(super) codex: Vec<(String, SourceFile)>,
    /// Bytes of the files.
    pub(super) bytes: u64,
}

/// An entry of a source, before its content is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry {
    File {
        bytes: u64,
    },
    Link,
    /// A device, a pipe, a submodule.
    Other,
}

impl Gathered {
    /// Adds a file if it may be imported, and reads it only then.
    ///
    /// # Errors
    /// When the source has too many files or bytes, or the file cannot be read.
    pub fn offer(
        &mut self,
        path: &str,
        entry: Entry,
        read: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<()> {
        let mut skip = |reason: &str| {
            self.skipped.push(Skipped::new(path, reason));
            Ok(())
        };
        let (path, bytes) = match (kind::judge_path(path), entry) {
            // Other kinds of files are most of a repository, and none is expected here.
            (PathVerdict::Ignored | PathVerdict::NotMarkdown, _) => return Ok(()),
            (PathVerdict::Read(path), Entry::File { bytes })
                if kind::without_toml(&path).is_some() && bytes > codex::BYTES_MAX =>
            {
                return Ok(());
            }
            (PathVerdict::Refused, _) => return skip("its path leads out of the folder"),
            (PathVerdict::TooLong, _) => return skip("its path is too long"),
            (PathVerdict::Read(_), Entry::Link) => return skip("it is a link"),
            (PathVerdict::Read(_), Entry::Other) => return skip("it is no file"),
            (PathVerdict::Read(_), Entry::File { bytes }) if bytes > FILE_BYTES_MAX => {
                return skip("it is larger than 1 MB");
            }
            (PathVerdict::Read(path), Entry::File { bytes }) => (path, bytes),
        };
        let read = || read().with_context(|| format!("cannot read {path}"));
        if let Some(stem) = kind::without_toml(&path) {
            // The copy is Markdown, so that its owner can add examples to it.
            let text = String::from_utf8(read()?).ok();
            if let Some(text) = text.as_deref().and_then(codex::as_markdown) {
                self.bytes = self.with(bytes)?;
                let file = SourceFile { path: format!("{stem}.md"), text };
                self.codex.push((path, file));
            }
            return Ok(());
        }
        let total = self.with(bytes)?;
        match String::from_utf8(read()?) {
            Ok(text) => {
                self.bytes = total;
                self.files.push(SourceFile { path, text });
            }
            Err(_) => self.skipped.push(Skipped::new(&path, "it is not UTF-8")),
        }
        Ok(())
    }

    /// The bytes of all files with one more.
    fn with(&self, bytes: u64) -> Result<u64> {
        let total = self.bytes + bytes;
        if self.files.len() + self.codex.len() >= FILES_MAX || total > TOTAL_BYTES_MAX {
            bail!(
                "the source has more than {FILES_MAX} Markdown files or 64 MB of them. Import a folder of it."
            );
        }
        Ok(total)
    }

    /// All files in their order. An agent of Codex has the name of its Markdown, so it is left out
    /// where there is such a file.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let key = |path: &str| composed(path).to_lowercase();
        let mut taken: HashSet<String> = self.files.iter().map(|file| key(&file.path)).collect();
        for (path, file) in std::mem::take(&mut self.codex) {
            if taken.insert(key(&file.path)) {
                self.files.push(file);
            } else {
                let reason = format!("its copy would be {}, which is there already", file.path);
                self.skipped.push(Skipped::new(&path, &reason));
            }
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    /// The files of a folder. Links are never followed.
    ///
    /// # Errors
    /// When the folder cannot be read, or has too much in it.
    pub fn from_folder(root: &Path) -> Result<Self> {
        let root = &root
            .canonicalize()
            .with_context(|| format!("cannot read the folder {}", root.display()))?;
        let mut gathered = Self::default();
        let mut open: Vec<PathBuf> = vec![root.clone()];
        let mut entries = 0;
        while let Some(folder) = open.pop() {
            let listed = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read the folder {}", folder.display()))?;
            for entry in listed {
                let entry = entry?;
                entries += 1;
                if entries > ENTRIES_MAX {
                    bail!("{} has too many files. Import a folder of it.", root.display());
                }
                let path = entry.path();
                let Ok(below) = path.strip_prefix(root) else { continue };
                let name = below.to_string_lossy().into_owned();
                let about = entry.metadata()?;
                if about.is_dir() {
                    let parts: Vec<&str> = name.split('/').collect();
                    if !kind::is_passed_over(&parts) {
                        open.push(path);
                    }
                    continue;
                }
                let kind = if about.is_symlink() {
                    Entry::Link
                } else if about.is_file() {
                    Entry::File { bytes: about.len() }
                } else {
                    Entry::Other
                };
                gathered.offer(&name, kind, || plain::read(root, below, about.len()))?;
            }
        }
        Ok(gathered.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_counts_no_toml_that_is_no_agent() {
        let file = SourceFile { path: "a.md".to_owned(), text: String::new() };
        let mut gathered = Gathered { files: vec![file; FILES_MAX], ..Gathered::default() };
        let mut offer = |path: &str, text: &'static str| {
            let entry = Entry::File { bytes: text.len() as u64 };
            gathered.offer(path, entry, || Ok(text.as_bytes().to_vec()))
        };
        offer("Cargo.toml", "[package]\n").unwrap();
        offer("uv.TOML", "x").unwrap();
        let codex = "name = \"a\"\ndescription = \"D\"\ndeveloper_instructions = \"I\"\n";
        for (path, text) in [("b.md", "# B\n"), ("a.toml", codex)] {
            let refused = offer(path, text).unwrap_err().to_string();
            assert!(refused.contains("more than 20000 Markdown files"), "{path}: {refused}");
        }
        assert_eq!(gathered.bytes, 0);
    }
}
