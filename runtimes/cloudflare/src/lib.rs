//! Quintet's ports on Cloudflare. The only crate that imports `worker`; a Worker's own crate
//! connects these to a service.
//!
//! Nothing here belongs to one request: adapters are created once per isolate, and work after the
//! response uses the module-level `waitUntil`. Waits never cross requests, because an isolate may
//! not resolve another request's promise.

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

/// An error with an ambiguous effect: the request reached the other side, or may have.
fn unknown(error: impl std::fmt::Display) -> PortError {
    PortError::unknown(PortErrorKind::Unavailable, error.to_string())
}

/// A missing binding: nothing was done.
fn missing(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

fn invalid(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Invalid, error.to_string())
}
