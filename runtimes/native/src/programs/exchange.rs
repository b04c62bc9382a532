//! The folders `in` and `out` of a run. Where a folder of one of these names is the owner's,
//! nothing of it is removed and nothing of it is sent. One run at a time has them in a folder.

use platform::files::{FOLDER_IN, FOLDER_OUT, safe_name};
use platform::ports::{Exchange, LeftFile};
use sandbox::exchange::{
    ENTRIES_MAX, Found, Left, TakeLimits, files_of, has_content, make_folder, put_files,
    remove_files, take_files,
};
use sandbox::{Identity, folder::WorkRoot, open::open_folder};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Result;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Maximum bytes of all files of one answer together.
const TOTAL_BYTES_MAX: u64 = 64 << 20;

/// Folders whose `in` and `out` some run has.
static CLAIMED: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// Whose folder a run works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Ours, removed after the run.
    Passing,
    /// Ours, kept for the next run.
    Kept,
    /// A worktree, which is ours; its files are the owner's.
    Worktree,
    /// A folder of the owner.
    Person,
}

/// The files of a run for the chat.
#[derive(Default)]
pub(super) struct Leavings {
    pub(super) files: Vec<LeftFile>,
    /// Lines for the person about files that are not sent.
    pub(super) unsent: Vec<String>,
}

/// The sole use of `in` and `out` of a folder.
struct Claim(Identity);

impl Claim {
    /// None while another run has it.
    fn of(folder: &OwnedFd) -> Result<Option<Self>> {
        let identity = Identity::of_open(folder)?;
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        // Only then is there one to drop.
        Ok(claimed.insert(identity).then(|| Self(identity)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// The exchange of a run.
pub(super) enum Handover {
    Begun(Folders),
    /// Another run has the folders.
    Refused,
}

impl Handover {
    /// Prepares both folders in the one at this path, which is without links. `is_tracked`: whether
    /// a folder of this name belongs to the repository of a worktree.
    pub(super) fn begin(
        root: &WorkRoot,
        path: &Path,
        owner: Owner,
        exchange: &Exchange,
        is_tracked: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        // An agent may have put a link in the place of any part below the root.
        let folder = match path.strip_prefix(root.path()) {
            Ok(below) => root.open_below(below)?,
            Err(_) => open_folder(path)?,
        };
        let Some(claim) = Claim::of(&folder)? else { return Ok(Self::Refused) };
        let is_owners = |name: &str| match owner {
            Owner::Passing | Owner::Kept => false,
            Owner::Worktree => is_tracked(name),
            Owner::Person => has_content(&folder, name),
        };
        let sends = !is_owners(FOLDER_OUT);
        for name in [FOLDER_IN, FOLDER_OUT] {
            if owner != Owner::Person && !is_owners(name) {
                root.remove_from(&folder, OsStr::new(name))?;
            }
        }
        let mut given = Vec::new();
        if !exchange.files.is_empty() {
            let files = exchange.files.iter().map(|file| (file.name.as_str(), &file.content[..]));
            given = put_files(&folder, FOLDER_IN, files)?;
        }
        let made = if sends { make_folder(&folder, FOLDER_OUT) } else { Ok(()) };
        let limits = TakeLimits {
            bytes_max: exchange.bytes_max,
            total_bytes_max: TOTAL_BYTES_MAX,
            files_max: exchange.files_max,
        };
        let before = (!sends)
            .then(|| files_of(&folder, FOLDER_OUT).into_iter().collect::<BTreeSet<Found>>());
        let path = path.to_path_buf();
        let folders = Folders { folder, path, owner, given, limits, before, _claim: claim };
        if made.is_err() {
            folders.remove_given();
        }
        made.map(|()| Self::Begun(folders))
    }
    /// Takes the files that the run left, and removes those that it was given from a folder with
    /// files of the owner: they are no work of the run.
    pub(super) fn end(self) -> Leavings {
        match self {
            Self::Begun(folders) => folders.end(),
            Self::Refused => Leavings {
                files: Vec::new(),
                unsent: vec![
                    "Files could not be handed over, because another run uses the folder. Send \
                     the message again when that run has ended."
                        .to_owned(),
                ],
            },
        }
    }
}

/// The two folders during a run.
pub(super) struct Folders {
    folder: OwnedFd,
    path: PathBuf,
    owner: Owner,
    /// Files of `in` that were made for the run.
    given: Vec<String>,
    limits: TakeLimits,
    /// The files of `out`, where it is not the run's own.
    before: Option<BTreeSet<Found>>,
    _claim: Claim,
}

impl Folders {
    fn remove_given(&self) {
        if matches!(self.owner, Owner::Worktree | Owner::Person) && !self.given.is_empty() {
            remove_files(&self.folder, FOLDER_IN, &self.given);
        }
    }
    fn end(self) -> Leavings {
        self.remove_given();
        if let Some(before) = &self.before {
            let now = files_of(&self.folder, FOLDER_OUT);
            let is_new = now.iter().any(|file| !before.contains(file));
            let unsent = is_new.then(|| self.kept_back()).into_iter().collect();
            return Leavings { files: Vec::new(), unsent };
        }
        let taken = take_files(&self.folder, FOLDER_OUT, self.limits).unwrap_or_else(|error| {
            tracing::warn!(%error, "the files that a run left could not be read");
            sandbox::exchange::Taken { files: Vec::new(), has_more: true }
        });
        let more = taken.has_more.then(|| {
            format!(
                "Not all of `{FOLDER_OUT}` was looked at: it has more than {ENTRIES_MAX} entries, \
                 is too deep, or cannot be read."
            )
        });
        let files = taken.files.into_iter().map(|left| self.named(left)).collect();
        Leavings { files, unsent: more.into_iter().collect() }
    }
    /// The reason that new files are not sent.
    fn kept_back(&self) -> String {
        let out = platform::text::printable(&self.path.join(FOLDER_OUT).to_string_lossy());
        match self.owner {
            Owner::Worktree => {
                format!("Files in {out} are not sent, because the folder is the repository's.")
            }
            _ => format!(
                "Files in {out} are not sent, because the folder had files before this run. Move \
                 them away to have new ones sent."
            ),
        }
    }
    fn named(&self, Left { path, bytes, content }: Left) -> LeftFile {
        let stays = content.is_none() && self.owner != Owner::Passing;
        let full = self.path.join(FOLDER_OUT).join(&path);
        LeftFile {
            name: safe_name(&path.to_string_lossy().replace('/', "_")),
            bytes,
            content: content.map(Into::into),
            path: stays.then(|| platform::text::printable(&full.to_string_lossy())),
        }
    }
}
