//! Quintet's ports on Cloudflare. The only crate that names `worker`; a Worker's own crate wires these to a service.
//!
//! Nothing here belongs to one request: adapters are made once an isolate, and work after the answer goes by the
//! module-level `waitUntil`. Waiting never crosses requests, since an isolate may not finish another request's promise.

pub mod background;
pub mod calls;
pub mod cell;
pub mod clock;
pub mod entry;
pub mod inbox;
pub mod inbox_object;
pub mod kv;
pub mod log;
pub mod objects;
pub mod outbound;
pub mod settings;
pub mod signal;
pub mod sql;
pub mod storage;

use platform::ports::{PortError, PortErrorKind};

/// A failure that may have had its effect: the other side was reached, or may have been.
fn unknown(error: impl std::fmt::Display) -> PortError {
    PortError::unknown(PortErrorKind::Unavailable, error.to_string())
}

/// A binding that is not there: nothing was done.
fn missing(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

fn invalid(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Invalid, error.to_string())
}
