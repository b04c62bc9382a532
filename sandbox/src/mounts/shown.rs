//! The paths that a sandbox shows.

use super::lineage::Opened;
use crate::plan::Bind;
use std::path::PathBuf;

/// A path of the sandbox, and where it comes from.
pub(super) struct Shown<'a> {
    pub(super) bind: &'a Bind,
    pub(super) path: PathBuf,
    pub(super) source: Source,
}

/// The source of a bind.
pub(super) enum Source {
    /// A symbolic link, such as `/bin`: made again.
    Link(PathBuf),
    Opened(Opened),
}
