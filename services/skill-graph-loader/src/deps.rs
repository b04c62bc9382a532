//! The ports and limits of the service.

use crate::cache::Cache;
use platform::edge::Auth;
use platform::ports::{Calls, Clock, Kv, Objects, Sql};
use std::sync::Arc;

/// Limits of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes of a request, compressed and uncompressed.
    pub body_bytes_max: usize,
    pub files_max: usize,
    /// Sum of all paths and texts.
    pub graph_bytes_max: usize,
}

impl Limits {
    /// Limits on the owner's machine.
    pub const NATIVE: Self =
        Self { body_bytes_max: 96 << 20, files_max: 20_000, graph_bytes_max: 64 << 20 };
    /// Limits on Workers: 128 MB in all, and a publish needs about twelve times the folder's bytes.
    pub const WORKERS: Self =
        Self { body_bytes_max: 20 << 20, files_max: 2_000, graph_bytes_max: 8 << 20 };
}

/// The service's ports and limits. Clones share the cache.
#[derive(Clone)]
pub struct Deps {
    pub sql: Arc<dyn Sql>,
    pub kv: Arc<dyn Kv>,
    pub objects: Arc<dyn Objects>,
    /// Signed in as skill-graph-loader; reaches agency-router.
    pub calls: Arc<dyn Calls>,
    pub clock: Arc<dyn Clock>,
    pub auth: Auth,
    pub limits: Limits,
    /// `Cache::default()`.
    pub cache: Cache,
}
