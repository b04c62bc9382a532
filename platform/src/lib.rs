//! The ports of the services, and the HTTP edge in front of them.
//!
//! * [`ports`]: one trait a file; the intersection of what both runtimes can do.
//! * [`edge`]: problems, sign-in, request ids, limits: the same HTTP manners for every service.
//! * [`config`]: reads a section of the configuration and lists everything that is wrong with it.
//! * [`agents`]: the only reader of `[agents.<id>]`, and the facts about each runner.
//! * [`models`]: the only reader of `[models.<name>]`, and the prices of models.
//! * [`files`]: limits, names and types of files that people and agents send.
//! * [`names`]: what a name that does not exist may mean.
//! * [`backup`]: a service's tables as objects, and back.
//! * [`memory`] (feature `memory`): reference adapters with fault injection; [`suite`] (feature
//!   `suite`): the tests of
//!   every adapter.

pub mod agents;
pub mod backoff;
pub mod backup;
pub mod config;
pub mod edge;
pub mod files;
#[cfg(feature = "memory")]
pub mod memory;
pub mod models;
pub mod names;
pub mod ports;
pub mod secret;
pub mod small_talk;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;
pub mod text;
pub mod time;

pub use contracts::percent;
