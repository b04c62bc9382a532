//! The ports and settings that the gateway is built with.

use crate::board::Board;
use crate::config::Config;
use contracts::GatewayId;
use platform::edge::Auth;
use platform::ports::{Background, Calls, Clock, Outbound, Programs, Signal};
use std::sync::Arc;

/// The gateway's ports and settings. Clones share the board: hand one to [`crate::router`] and one
/// to [`crate::serve`].
#[derive(Clone)]
pub struct Deps {
    /// Calls to the control plane; the adapter adds the gateway's token.
    pub calls: Arc<dyn Calls>,
    pub clock: Arc<dyn Clock>,
    /// Fires the key `halts` on a halt; without it, halts are noticed at the next renewal.
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub programs: Arc<dyn Programs>,
    /// Requests to the configured models only.
    pub outbound: Arc<dyn Outbound>,
    pub auth: Auth,
    pub config: Arc<Config>,
    pub gateway_id: GatewayId,
    /// The runs here; start with `Board::default()`.
    pub board: Board,
}
