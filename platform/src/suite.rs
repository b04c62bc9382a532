//! The tests that every adapter must pass on every host. One module per port, same file names as in
//! `ports/`. A check panics with its expectation; run it on a fresh adapter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: a failed check must stop the test"
)]

mod background;
mod cell;
mod clock;
mod dial;
mod kv;
mod mail;
mod objects;
mod outbound;
mod signal;
mod sql;

pub use background::check as background;
pub use cell::check as cell;
pub use clock::check as clock;
pub use dial::check as dial;
pub use kv::check as kv;
pub use mail::{check as mail, messages as mail_messages};
pub use objects::check as objects;
pub use outbound::check as outbound;
pub use signal::check as signal;
pub use sql::check as sql;

#[cfg(all(test, feature = "memory"))]
mod tests {
    use crate::memory::{
        ManualClock, MemoryCell, MemoryKv, MemoryMail, MemoryObjects, MemorySignal, MemorySql,
    };
    use crate::ports::MailAccount;
    use crate::ports::mail::Server;
    use crate::secret::Secret;
    use std::sync::Arc;

    #[tokio::test]
    async fn memory_adapters_pass_the_port_suite() {
        let clock = Arc::new(ManualClock::default());
        super::sql(&MemorySql::with_migrations(&[])).await;
        super::objects(&MemoryObjects::default()).await;
        super::kv(&MemoryKv::new(clock.clone())).await;
        super::cell(&MemoryCell::default()).await;
        super::signal(&MemorySignal::new(clock.clone()), clock.as_ref()).await;
        super::clock(clock.as_ref());
        let mail = MemoryMail::new("right");
        for (_, message) in super::mail_messages() {
            mail.deliver(message, &[b"a file"]);
        }
        super::mail(&mail, &account()).await;
    }

    fn account() -> MailAccount {
        MailAccount {
            address: "desk@example.org".to_owned(),
            imap: Server::imap("imap://127.0.0.1").unwrap(),
            smtp: Server::smtp("smtp://127.0.0.1").unwrap(),
            user: "desk@example.org".to_owned(),
            password: Secret::new("right"),
            folder: "INBOX".to_owned(),
        }
    }
}
