//! The ports of the services, and the HTTP edge in front of them.
//!
//! * [`ports`]: one trait per file, limited to what both runtimes support.
//! * [`edge`]: problems, sign-in, request ids, limits: the HTTP conventions of every service.
//! * [`config`]: reads a section of the configuration and lists all of its problems.
//! * [`backup`]: a service's tables as objects, and back.
//! * [`memory`] (feature `memory`): reference adapters with fault injection; [`suite`] (feature
//!   `suite`): the tests of
//!   every adapter.

pub mod backup;
pub mod config;
pub mod edge;
pub mod json;
#[cfg(feature = "memory")]
pub mod memory;
pub mod order;
pub mod ports;
pub mod secret;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;
pub mod time;
