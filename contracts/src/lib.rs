//! What travels between Quintet's services and to the outside: wire types, ids, error codes.
//!
//! One file per subject, each holding the requests and answers of that subject in JSON camelCase.
//! Nothing here does IO, knows the time or runs code of a service.

pub mod approval;
pub mod backup;
pub mod budget;
pub mod calls;
pub mod channel;
pub mod chat;
pub mod error_code;
pub mod event;
pub mod graph;
pub mod halt;
pub mod ids;
pub mod money;
pub mod monitoring;
pub mod outbox;
pub mod problem;
pub mod routing;
pub mod service;
pub mod task;
pub mod tokens;

pub use channel::ChannelKind;
pub use error_code::{Effect, ErrorCode};
pub use ids::*;
pub use money::Micros;
pub use problem::Problem;
pub use service::ServiceName;
pub use tokens::{TokenPrices, Tokens};
