//! The ports and settings that the service is built with.

use crate::config::Config;
use platform::edge::Auth;
use platform::ports::{Background, Calls, Clock, Kv, Objects, Outbound, Signal, Sql};
use platform::secret::Secret;
use std::sync::Arc;

/// The service's ports and settings.
#[derive(Clone)]
pub struct Deps {
    pub sql: Arc<dyn Sql>,
    /// Copies of chat sessions; nothing is lost with them.
    pub kv: Arc<dyn Kv>,
    /// The daily backups.
    pub objects: Arc<dyn Objects>,
    pub calls: Arc<dyn Calls>,
    /// To the models of the configuration, and nowhere else.
    pub outbound: Arc<dyn Outbound>,
    pub clock: Arc<dyn Clock>,
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub auth: Auth,
    pub config: Arc<Config>,
    /// Signs what the buttons carry; the same over restarts.
    pub button_key: Secret,
}
