//! The native adapters of the ports: SQLite, files, tokio and reqwest.

pub mod background;
pub mod calls;
pub mod cell;
pub mod clock;
pub mod dial;
pub mod emergency;
pub mod inbox;
pub mod kv;
pub mod mail;
pub mod objects;
pub mod outbound;
pub mod signal;
pub mod sql;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod migrations;
