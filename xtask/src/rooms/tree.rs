//! The module tree of a crate, and what a path means in it.

use super::graph::Rooms;
use super::names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::Item;

/// Maximum imports followed for one path; a longer chain is a circle of re-exports.
const IMPORTS_MAX: usize = 16;

struct Module {
    /// Place of the file in `Tree::files`; a module within a file shares its file.
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    names: Names,
}

/// The modules of a crate; the first is the root.
pub struct Tree {
    folder: PathBuf,
    files: Vec<String>,
    modules: Vec<Module>,
}

impl Tree {
    /// Reads a crate from its root file.
    ///
    /// # Errors
    /// When a file cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self, String> {
        let folder = root.parent().map(Path::to_owned).unwrap_or_default();
        let mut tree = Self { folder: folder.clone(), files: Vec::new(), modules: Vec::new() };
        tree.file(root, &folder, None)?;
        Ok(tree)
    }

    fn file(&mut self, path: &Path, inside: &Path, parent: Option<usize>) -> Result<usize, String> {
        let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| problem(&error))?;
        let items = syn::parse_file(&text).map_err(|error| problem(&error))?.items;
        let shown = path.strip_prefix(&self.folder).unwrap_or(path);
        self.files.push(shown.display().to_string());
        self.module(items, self.files.len() - 1, inside, parent)
    }

    fn module(
        &mut self,
        items: Vec<Item>,
        file: usize,
        inside: &Path,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let at = self.modules.len();
        let mut names = Names::read(items);
        let below = std::mem::take(&mut names.modules);
        self.modules.push(Module { file, parent, children: BTreeMap::new(), names });
        for child in below {
            let name = child.ident.to_string();
            let folder = inside.join(&name);
            let place = match child.content {
                Some((_, items)) => self.module(items, file, &folder, Some(at))?,
                None => self.file(&inside.join(format!("{name}.rs")), &folder, Some(at))?,
            };
            if let Some(module) = self.modules.get_mut(at) {
                module.children.insert(name, place);
            }
        }
        Ok(at)
    }

    /// The arrows between the files.
    pub fn rooms(self, name: &str) -> Rooms {
        let mut arrows = BTreeSet::new();
        let mut upward = BTreeSet::new();
        for (at, module) in self.modules.iter().enumerate() {
            let private = module.names.imports.iter().filter(|import| import.private);
            for path in private.map(|import| &import.path).chain(&module.names.paths) {
                let Some(to) =
                    self.meaning(at, path, IMPORTS_MAX).and_then(|to| self.modules.get(to))
                else {
                    continue;
                };
                if to.file == module.file {
                    continue;
                }
                arrows.insert((module.file, to.file));
                if self.is_ancestor(to.file, at) {
                    upward.insert((module.file, to.file));
                }
            }
        }
        Rooms { name: name.to_owned(), files: self.files, arrows, upward }
    }

    fn is_ancestor(&self, file: usize, mut at: usize) -> bool {
        while let Some(parent) = self.modules.get(at).and_then(|module| module.parent) {
            if self.modules.get(parent).is_some_and(|module| module.file == file) {
                return true;
            }
            at = parent;
        }
        false
    }

    /// The module that defines what a path names, seen from a module; nothing for another crate.
    fn meaning(&self, from: usize, path: &[String], imports_left: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.below(0, rest, imports_left),
            "self" => self.below(from, rest, imports_left),
            "super" => self.upper(from, rest, imports_left),
            _ => self.named(from, path, imports_left),
        }
    }

    fn upper(&self, from: usize, rest: &[String], imports_left: usize) -> Option<usize> {
        let parent = self.modules.get(from)?.parent?;
        match rest.split_first() {
            Some((first, rest)) if first == "super" => self.upper(parent, rest, imports_left),
            _ => self.below(parent, rest, imports_left),
        }
    }

    fn below(&self, at: usize, path: &[String], imports_left: usize) -> Option<usize> {
        match path.first() {
            None => Some(at),
            // Else a type of an `impl`, a generic parameter, an item that a macro makes.
            Some(_) => self.named(at, path, imports_left).or_else(|| self.made_here(at, path)),
        }
    }

    /// A path that begins with a child or an import of the module.
    fn named(&self, at: usize, path: &[String], imports_left: usize) -> Option<usize> {
        let module = self.modules.get(at)?;
        let (first, rest) = path.split_first()?;
        // A function may have the name of a module: more steps lead into the module.
        if module.names.items.contains(first)
            && (rest.is_empty() || !module.children.contains_key(first))
        {
            return Some(at);
        }
        if let Some(child) = module.children.get(first) {
            return self.below(*child, rest, imports_left);
        }
        let left = imports_left.checked_sub(1)?;
        let named = module.names.imports.iter().find(|import| import.alias == *first);
        if let Some(import) = named {
            let whole: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            return self.meaning(at, &whole, left);
        }
        module.names.imports.iter().filter(|import| import.alias == "*").find_map(|import| {
            let target = self.meaning(at, &import.path, left)?;
            self.named(target, path, left)
        })
    }

    fn made_here(&self, at: usize, path: &[String]) -> Option<usize> {
        let module = self.modules.get(at)?;
        let first = path.first()?;
        let imported = module.names.imports.iter().any(|import| import.alias == *first);
        (!imported).then_some(at)
    }
}
