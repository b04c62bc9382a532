//! Resolves the text of a link to its file.

use crate::parse::document::Document;
use crate::parse::kind::{id_parts, is_passed_over, without_extension};
use contracts::graph::SkillKind;
use percent_encoding::percent_decode_str;
use platform::text::composed;
use std::borrow::Cow;
use std::collections::HashMap;

/// The target of a link (indexes into the documents).
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    To(usize),
    /// Several files match equally well; the first is used.
    Ambiguous(usize, Vec<usize>),
    Broken,
    /// A web address, an attachment, or a heading in the same file.
    NotOurs,
}

/// All names by which files can be linked.
pub struct Names {
    /// Last part of the path in lower case → files.
    by_stem: HashMap<String, Vec<usize>>,
    /// Title, alias, agent id, name in lower case → files.
    by_name: HashMap<String, Vec<usize>>,
    /// Paths in lower case, without extension.
    paths: Vec<String>,
}

const ATTACHMENTS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "avif", "heic", "pdf", "mp3", "wav", "m4a",
    "ogg", "flac", "mp4", "webm", "mov", "mkv", "canvas", "base", "zip", "csv", "xlsx", "docx",
    "pptx",
];

impl Names {
    /// Collects the names of all documents.
    pub fn new(documents: &[Document]) -> Self {
        let mut names = Self {
            by_stem: HashMap::new(),
            by_name: HashMap::new(),
            paths: Vec::with_capacity(documents.len()),
        };
        for (at, document) in documents.iter().enumerate() {
            let path = key(&document.path);
            let path = without_extension(&path).unwrap_or(&path).to_owned();
            add(&mut names.by_stem, path.rsplit('/').next().unwrap_or_default(), at);
            add(
                &mut names.by_stem,
                id_parts(&document.path).last().copied().unwrap_or_default(),
                at,
            );
            let others = [
                Some(document.title.as_str()),
                document.agent_id.as_deref(),
                document.channel_id.as_deref(),
                document.name.as_deref(),
            ];
            for name in
                others.into_iter().flatten().chain(document.aliases.iter().map(String::as_str))
            {
                add(&mut names.by_name, name, at);
            }
            names.paths.push(path);
        }
        names
    }

    /// Resolves `[[target]]` as written in the file `from`.
    pub fn wiki(&self, from: usize, target: &str) -> Resolution {
        let place = target.find(['#', '^']).unwrap_or(target.len());
        let name = target.get(..place).unwrap_or_default().trim().trim_end_matches('\\').trim();
        if name.is_empty() {
            return Resolution::NotOurs;
        }
        let whole = self.by_path(from, name);
        if whole != Resolution::Broken {
            return whole;
        }
        // `[[C# style]]`: the sign is part of the name if a name has it.
        for text in [name, target.trim()] {
            if let Some(found) = self.by_name.get(&key(text)) {
                return one_of(found);
            }
        }
        if is_attachment(name) || name.contains("://") {
            Resolution::NotOurs
        } else {
            Resolution::Broken
        }
    }

    /// Resolves `[text](target)` as written in the file `from`.
    pub fn markdown(&self, from: usize, target: &str) -> Resolution {
        let target = decoded(target);
        let path = target.split(['#', '?']).next().unwrap_or_default().trim();
        let has_scheme = path.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
        if path.is_empty() || path.ends_with('/') || path.starts_with("//") || has_scheme {
            return Resolution::NotOurs;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.contains('.') && without_extension(name).is_none() {
            return Resolution::NotOurs;
        }
        let folder = self
            .paths
            .get(from)
            .and_then(|path| path.rsplit_once('/'))
            .map_or("", |(folder, _)| folder);
        // A file outside the graph, or one that is never read, cannot be checked.
        let Some(joined) = joined(folder, path) else { return Resolution::NotOurs };
        let found = match self.exact(&joined) {
            Some(found) => Resolution::To(found),
            None => self.by_path(from, path.trim_start_matches(['.', '/'])),
        };
        let parts: Vec<&str> = joined.split('/').collect();
        // `LICENSE` and `Makefile` are files without an extension, `{name}.md` is a pattern.
        let is_ours = name.contains('.') && !path.contains('{') && !is_passed_over(&parts);
        if found == Resolution::Broken && !is_ours { Resolution::NotOurs } else { found }
    }

    fn exact(&self, path: &str) -> Option<usize> {
        let path = key(path);
        let path = without_extension(&path).unwrap_or(&path);
        let stem = path.rsplit('/').next().unwrap_or_default();
        self.by_stem
            .get(stem)?
            .iter()
            .copied()
            .find(|at| self.paths.get(*at).is_some_and(|own| own == path))
    }

    /// The file whose path ends with this one: the exact path, then one in the same folder, then
    /// the only shortest.
    fn by_path(&self, from: usize, target: &str) -> Resolution {
        let target = key(&target.trim_matches('/').replace('\\', "/"));
        let target = without_extension(&target).unwrap_or(&target);
        let stem = target.rsplit('/').next().unwrap_or_default();
        let suffix = format!("/{target}");
        let skill_suffix = format!("/{target}/skill");
        let fits = |path: &str| {
            path == target || path.ends_with(&suffix) || format!("/{path}").ends_with(&skill_suffix)
        };
        let named = self.by_stem.get(stem).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<usize> = named
            .iter()
            .copied()
            .filter(|at| self.paths.get(*at).is_some_and(|path| fits(path)))
            .collect();
        if let Some(exact) =
            found.iter().find(|at| self.paths.get(**at).is_some_and(|path| path == target))
        {
            return Resolution::To(*exact);
        }
        let folder = |at: usize| {
            self.paths.get(at).and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder)
        };
        if let (false, Some(near)) =
            (found.len() < 2, found.iter().find(|at| folder(**at) == folder(from)))
        {
            return Resolution::To(*near);
        }
        let depth =
            |at: &usize| self.paths.get(*at).map_or(usize::MAX, |path| path.matches('/').count());
        let shortest = found.iter().map(depth).min().unwrap_or(0);
        let nearest: Vec<usize> = found.into_iter().filter(|at| depth(at) == shortest).collect();
        one_of(&nearest)
    }

    /// The agent that a `relatedAgents` entry names: by id, then by its file's names.
    pub fn agent(&self, documents: &[Document], from: usize, text: &str) -> Option<usize> {
        let wanted = text
            .trim()
            .trim_start_matches("[[")
            .trim_end_matches("]]")
            .split('|')
            .next()
            .unwrap_or_default()
            .trim();
        let is_agent = |at: &usize| {
            documents.get(*at).is_some_and(|document| document.kind == SkillKind::Agent)
        };
        let has_id = |at: &usize, id: &str| {
            documents
                .get(*at)
                .and_then(|document| document.agent_id.as_deref())
                .is_some_and(|own| key(own) == id)
        };
        let by_id = |id: &str| {
            let id = key(id);
            self.by_name.get(&id)?.iter().copied().find(|at| has_id(at, &id))
        };
        by_id(wanted).or_else(|| by_id(wanted.strip_prefix('@').unwrap_or(wanted))).or_else(|| {
            match self.wiki(from, wanted) {
                Resolution::To(at) => Some(at).filter(is_agent),
                Resolution::Ambiguous(_, all) => all.into_iter().find(|at| is_agent(at)),
                _ => wanted.strip_prefix("agent-").and_then(by_id),
            }
        })
    }
}

/// The form in which names are compared: case does not count, nor do the two ways to write `é`.
fn key(name: &str) -> String {
    composed(name).to_lowercase()
}

fn add(map: &mut HashMap<String, Vec<usize>>, name: &str, at: usize) {
    let entry = map.entry(key(name.trim())).or_default();
    if !entry.contains(&at) {
        entry.push(at);
    }
}

fn one_of(found: &[usize]) -> Resolution {
    match found {
        [] => Resolution::Broken,
        [only] => Resolution::To(*only),
        [first, ..] => Resolution::Ambiguous(*first, found.to_vec()),
    }
}

fn is_attachment(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| ATTACHMENTS.contains(&extension.to_lowercase().as_str()))
}

/// Joins a folder and a relative path; `None` when the result leaves the graph.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Percent-decoding. Invalid escapes stay, and so does a text that would not be UTF-8.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::SourceFile;

    fn documents(files: &[(&str, &str)]) -> Vec<Document> {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        files.iter().map(|pair| Document::read(&file(pair)).0.unwrap()).collect()
    }

    #[test]
    fn link_prefers_the_shortest_unique_path_then_the_title() {
        let docs = documents(&[
            ("a/note.md", ""),
            ("b/c/note.md", ""),
            ("b/c/x.md", "# The X"),
            ("y/x.md", "---\naliases: [Why]\n---\n"),
        ]);
        let names = Names::new(&docs);
        assert_eq!(names.wiki(3, "note"), Resolution::To(0));
        assert_eq!(names.wiki(2, "Note.md#h"), Resolution::To(1), "the same folder goes before");
        assert_eq!(names.wiki(0, "c/note"), Resolution::To(1));
        assert_eq!(names.wiki(0, "the x"), Resolution::To(2));
        assert_eq!(names.wiki(0, "why"), Resolution::To(3));
        assert_eq!(names.wiki(0, "x"), Resolution::To(3));
        assert_eq!(names.wiki(0, "nowhere"), Resolution::Broken);
        assert_eq!(names.wiki(0, "pic.PNG"), Resolution::NotOurs);
        assert_eq!(names.wiki(0, "#here"), Resolution::NotOurs);
    }

    #[test]
    fn link_finds_a_name_in_either_form_of_unicode() {
        let docs = documents(&[("notes/Cafe\u{301}.md", ""), ("a.md", "")]);
        let names = Names::new(&docs);
        for target in ["Caf\u{e9}", "Cafe\u{301}", "notes/CAF\u{c9}"] {
            assert_eq!(names.wiki(1, target), Resolution::To(0), "{target}");
        }
        assert_eq!(names.markdown(1, "notes/Caf%C3%A9.md"), Resolution::To(0));
    }

    #[test]
    fn link_is_ambiguous_for_two_files_of_equal_name_and_depth() {
        let docs = documents(&[("a/n.md", ""), ("b/n.md", ""), ("c.md", "")]);
        assert_eq!(Names::new(&docs).wiki(2, "n"), Resolution::Ambiguous(0, vec![0, 1]));
    }

    #[test]
    fn link_finds_a_skill_folder_by_its_name() {
        let docs =
            documents(&[("skills/pdf/SKILL.md", "---\nname: pdf-tools\n---\n"), ("a.md", "")]);
        let names = Names::new(&docs);
        for target in ["pdf", "pdf-tools", "skills/pdf", "pdf/SKILL"] {
            assert_eq!(names.wiki(1, target), Resolution::To(0), "{target}");
        }
    }

    #[test]
    fn link_in_markdown_is_relative_to_its_file() {
        let docs = documents(&[("a/x y.md", ""), ("b/z.md", ""), ("a/q.md", "")]);
        let names = Names::new(&docs);
        assert_eq!(names.markdown(1, "../a/x%20y.md#h"), Resolution::To(0));
        assert_eq!(names.markdown(0, "q"), Resolution::To(2));
        assert_eq!(names.markdown(0, "missing.md"), Resolution::Broken);
        for other in [
            "https://e.org/x.md",
            "mailto:a@b.c",
            "#x",
            "img.png",
            "../src/main.rs",
            "//e.org/x",
            "sub/",
            "../LICENSE",
            "../../outside.md",
            "../.github/x.md",
            "{name}.md",
        ] {
            assert_eq!(names.markdown(0, other), Resolution::NotOurs, "{other}");
        }
    }
}
