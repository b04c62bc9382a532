//! The plan of one sandbox: plain data, sent to the supervisor as JSON.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything a sandbox is built from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Paths the program can reach, under their own names.
    pub binds: Vec<Bind>,
    /// The home directory: an empty folder in memory, below which binds may lie. None: no home.
    pub home: Option<PathBuf>,
    /// Files and folders that hold secrets. A bind that would reach one is refused, except for a
    /// folder below a read-only bind, which is covered by an empty one, and the paths that a bind
    /// leaves out. Binds of the run itself are exempt.
    pub protected: Vec<Protected>,
    /// Names, each in a folder without links, by which the server finds what it reads at its next
    /// start. A writable bind that holds one is refused.
    pub guarded: Vec<PathBuf>,
    /// Empty folders below writable binds that are covered by an empty one, so that the program
    /// makes nothing in them. A path that is bound by itself is not covered.
    pub covered: Vec<PathBuf>,
    /// Where the program starts; must lie below a bind.
    pub directory: PathBuf,
    pub network: Network,
    /// With [`Network::Internet`]: the relay's socket, which must be a bind too.
    pub relay: Option<PathBuf>,
    /// Unless with [`Network::All`]: the socket of the relay that puts keys into requests, which
    /// must be a bind too; inside it is `127.0.0.1:SECRETS_PORT`.
    pub secrets: Option<PathBuf>,
    pub limits: Limits,
}

/// One path of the host inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub path: PathBuf,
    pub access: Access,
    /// Unless required, a path that does not exist is left out.
    pub required: bool,
    /// When set, the path must still be this file.
    pub identity: Option<Identity>,
    /// When set, the path must still lead here. An agent that may write a folder above it could
    /// have put a link in its place.
    pub leads_to: Option<PathBuf>,
    pub leaves_out: LeavesOut,
    /// Made for this run alone. It may lie in a protected folder, over whose cover it is bound.
    pub of_run: bool,
}

/// Parts of a folder that the program does not get. A file that is covered by a mount would come to
/// light when its owner saves it: a new file takes its name, and the mount goes with the old one.
/// So files are left out, and their folder is put together from the other entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeavesOut {
    /// Nothing: a bind that holds a protected file is refused.
    #[default]
    Nothing,
    /// The protected files and folders.
    Protected,
    /// Also files and folders that not every user of the machine may read.
    Private,
}

/// The program's rights on a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    ReadOnly,
    Writable,
}

impl Bind {
    /// A path to read, left out where it does not exist.
    pub fn read_only(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            access: Access::ReadOnly,
            required: false,
            identity: None,
            leads_to: None,
            leaves_out: LeavesOut::Nothing,
            of_run: false,
        }
    }
    /// A path to write, which must exist.
    pub fn writable(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            access: Access::Writable,
            required: true,
            identity: None,
            leads_to: None,
            leaves_out: LeavesOut::Nothing,
            of_run: false,
        }
    }
    /// The same for this run alone.
    #[must_use]
    pub fn of_run(self) -> Self {
        Self { required: true, of_run: true, ..self }
    }
}

/// A file by device and inode: its name may change, this does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
}

impl Identity {
    /// Of what stands at this path now, following symbolic links.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be looked at.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|found| Self::from(&found))
    }
    /// Of an open file or folder.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of_open(open: &std::os::fd::OwnedFd) -> std::io::Result<Self> {
        std::fs::File::from(open.try_clone()?).metadata().map(|found| Self::from(&found))
    }
}

impl From<&std::fs::Metadata> for Identity {
    fn from(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: found.dev(), inode: found.ino() }
    }
}

/// A file or folder with secrets, as it was when the server started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Absolute, without symbolic links.
    pub path: PathBuf,
    pub identity: Identity,
}

impl Protected {
    /// Looks at the path now and remembers what stands there.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn at(path: &Path) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let identity = Identity::of(&path)?;
        Ok(Self { path, identity })
    }
}

/// Which network the program reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network namespace of its own with nothing but loopback.
    None,
    /// The same, with a relay to public addresses at `127.0.0.1:RELAY_PORT`.
    Internet,
    /// The host's.
    #[default]
    All,
}

/// Limits of the program and of all it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum processes at once.
    pub processes: u64,
    /// Maximum private memory of one process, bytes.
    pub memory_bytes: u64,
    /// Maximum size of one file, bytes.
    pub file_bytes: u64,
    /// Maximum open descriptors of one process.
    pub descriptors: u64,
    /// Size of each folder in memory (`/tmp`, the home, `/dev/shm`), bytes.
    pub memory_folder_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 1_024,
            memory_bytes: 8 << 30,
            file_bytes: 4 << 30,
            descriptors: 4_096,
            memory_folder_bytes: 1 << 30,
        }
    }
}
