//! Paths that the owner names for agents, and the links that they go through.

use platform::ports::ProgramSpec;
use sandbox::{Identity, follow};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where named paths lead.
#[derive(Default)]
pub(super) struct Named {
    /// Folders that some agent may write, as the configuration names them.
    writable: Vec<String>,
    /// Where paths led at their first use.
    first: Mutex<BTreeMap<PathBuf, PathBuf>>,
}

impl Named {
    pub(super) fn with(writable: impl IntoIterator<Item = String>) -> Self {
        Self { writable: writable.into_iter().collect(), first: Mutex::default() }
    }
    /// Where each path of this run leads, without links; a path to nothing leads to itself. The
    /// error is a sentence with the fix.
    pub(super) fn of(&self, spec: &ProgramSpec, home: Option<&Path>) -> Result<Resolved, String> {
        let reach = &spec.reach;
        let writable: Vec<Identity> = self
            .writable
            .iter()
            .chain(&reach.writable)
            .chain(reach.state.iter().map(|state| &state.folder))
            .filter_map(|path| Identity::of(&in_home(path, home)).ok())
            .collect();
        let state = reach.state.iter().map(|state| &state.folder);
        let named = reach.readable.iter().chain(&reach.writable).chain(state);
        let named = named
            .map(|path| in_home(path, home))
            .map(|path| Ok((path.clone(), self.one(&path, &writable)?)))
            .collect::<Result<_, String>>()?;
        Ok(Resolved { named, writable })
    }
    /// Where a folder that an agent works in leads. The error is a sentence with the fix.
    pub(super) fn folder(&self, path: &str, home: Option<&Path>) -> Result<PathBuf, String> {
        let writable = self.writable.iter().map(|path| Identity::of(&in_home(path, home)));
        self.one(&in_home(path, home), &writable.filter_map(Result::ok).collect::<Vec<_>>())
    }
    fn one(&self, path: &Path, writable: &[Identity]) -> Result<PathBuf, String> {
        let followed = match follow(path) {
            Ok(followed) => followed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path.to_path_buf()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        if let Some(link) = followed.links.iter().find(|link| is_below(link, writable)) {
            return Err(format!(
                "{} goes through the symbolic link {}, which an agent may have made. Name {} in its place if you made \
                 it yourself, else remove the link",
                path.display(),
                link.display(),
                followed.path.display()
            ));
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(first.entry(path.to_path_buf()).or_insert(followed.path).clone())
    }
}

/// Where the paths of one run lead.
pub(super) struct Resolved {
    named: BTreeMap<PathBuf, PathBuf>,
    /// Folders that some agent may write.
    writable: Vec<Identity>,
}

impl Resolved {
    /// Where a path that the owner named leads.
    pub(super) fn named(&self, path: &Path) -> Option<PathBuf> {
        self.named.get(path).cloned()
    }
    /// Where any other path leads; none when nothing is there, or by a link of an agent.
    pub(super) fn of(&self, path: &Path) -> Option<PathBuf> {
        let followed = follow(path).ok()?;
        (!followed.links.iter().any(|link| is_below(link, &self.writable))).then_some(followed.path)
    }
}

/// `~/` stands for the home.
pub fn in_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(path),
    }
}

/// The first of the files that is in the folder, else the first of the variables that is set.
pub(super) fn sign_of(folder: &str, files: &[&str], variables: &[&str]) -> Option<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let folder = in_home(folder, Some(&home));
    let file = files.iter().find(|file| folder.join(file).is_file());
    let variable = variables.iter().find(|name| std::env::var_os(name).is_some());
    file.or(variable).map(|sign| (*sign).to_owned())
}

/// Whether a link lies in or below one of these folders.
fn is_below(link: &Path, folders: &[Identity]) -> bool {
    let above = link.ancestors().skip(1);
    above.filter_map(|folder| Identity::of(folder).ok()).any(|folder| folders.contains(&folder))
}
