//! Asks language models: Anthropic's Messages API and `OpenAI`'s chat completions.
//!
//! [`Client::ask`] sends a [`Question`] and reads the streamed answer to its end. It needs a
//! [`Reservation`], which is made only from money that the ledger holds: a call whose highest
//! possible cost does not fit is not sent. Retries obey the server; a call whose effect is unknown
//! counts as its whole ceiling. `docs/decisions/0079-model-client.md` says why this is our own.

mod anthropic;
mod client;
mod error;
mod openai;
mod question;
mod reading;
mod reservation;
mod sse;

pub use client::{Client, RETRIES, Reply};
pub use error::AskError;
pub use question::{Format, Image, Message, Part, Question, Role, Stop, Tool};
pub use reservation::{Held, Reservation};
pub use sse::Splitter;
