//! The ports and settings that the dashboard is built with.

use crate::chats::Chats;
use crate::config::Config;
use platform::edge::Auth;
use platform::ports::{Background, Calls, Cell, Clock, Kv, Objects, Signal, Sql};
use std::sync::Arc;

/// The dashboard's ports and settings.
#[derive(Clone)]
pub struct Deps {
    pub sql: Arc<dyn Sql>,
    /// The services' last metrics, shown when one does not answer.
    pub kv: Arc<dyn Kv>,
    /// The metrics archive.
    pub objects: Arc<dyn Objects>,
    pub calls: Arc<dyn Calls>,
    pub clock: Arc<dyn Clock>,
    pub cell: Arc<dyn Cell>,
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub auth: Auth,
    pub config: Arc<Config>,
    /// Connects chats; none where this program cannot write its configuration.
    pub chats: Option<Arc<dyn Chats>>,
}
