//! In-memory reference adapters: each port's contract in minimal code, with fault injection for
//! tests. Same file names as in `ports/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test equipment: a broken fake must stop the test"
)]

mod background;
mod calls;
mod cell;
mod clock;
mod dial;
mod faults;
mod kv;
mod mail;
mod objects;
mod outbound;
mod programs;
pub mod runners;
mod signal;
mod sql;

pub use background::TokioBackground;
pub use calls::{MemoryCalls, Switchboard};
pub use cell::MemoryCell;
pub use clock::ManualClock;
pub use dial::{MemoryDial, Peer};
pub use faults::Faults;
pub use kv::MemoryKv;
pub use mail::MemoryMail;
pub use objects::MemoryObjects;
pub use outbound::{MemoryOutbound, Sent};
pub use programs::{MemoryPrograms, ScriptedProgram};
pub use signal::MemorySignal;
pub use sql::MemorySql;
