//! The ports and settings that the service is built with.

use crate::config::Config;
use crate::daily_time::NextLook;
use crate::open_calls::OpenCalls;
use crate::unwritten::Unwritten;
use platform::edge::Auth;
use platform::ports::{
    Background, Calls, Clock, Emergency, Kv, Objects, Outbound, Programs, Signal, Sql,
};
use platform::secret::Secret;
use std::sync::Arc;

/// The service's ports and settings.
#[derive(Clone)]
pub struct Deps {
    pub sql: Arc<dyn Sql>,
    /// Cached chat sessions; losing them loses no data.
    pub kv: Arc<dyn Kv>,
    /// The daily backups.
    pub objects: Arc<dyn Objects>,
    pub calls: Arc<dyn Calls>,
    /// Requests to the configured models only.
    pub outbound: Arc<dyn Outbound>,
    /// Programs of this machine; none on Workers.
    pub programs: Option<Arc<dyn Programs>>,
    pub clock: Arc<dyn Clock>,
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub auth: Auth,
    pub config: Arc<Config>,
    /// Signs the buttons' tokens; the same after restarts.
    pub button_key: Secret,
    pub emergency: Arc<dyn Emergency>,
    /// Halts that storage has not taken yet.
    pub unwritten: Unwritten,
    /// Calls that wait for the owner's answer.
    pub open_calls: OpenCalls,
    /// When to look for the daily digest.
    pub next_digest: NextLook,
}
