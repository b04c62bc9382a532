//! Everything exchanged between Quintet's services and with the outside: wire types, ids, error
//! codes.
//!
//! One file per subject, with its requests and responses in camelCase JSON. No IO, no clock, no
//! service code.

pub mod agent_run;
pub mod approval;
pub mod audit;
pub mod backup;
pub mod budget;
pub mod calls;
pub mod channel;
pub mod chat;
pub mod endpoint;
pub mod error_code;
pub mod event;
pub mod files;
pub mod graph;
pub mod halt;
pub mod ids;
pub mod memory;
pub mod money;
pub mod monitoring;
pub mod outbox;
pub mod percent;
pub mod policy;
pub mod problem;
pub mod review;
pub mod routing;
pub mod run_log;
pub mod schedule;
pub mod scope;
pub mod service;
pub mod task;
pub mod tokens;
pub mod tool_rule;

pub use channel::ChannelKind;
pub use error_code::{Effect, ErrorCode};
pub use ids::*;
pub use money::Micros;
pub use problem::Problem;
pub use scope::Scope;
pub use service::ServiceName;
pub use tokens::{TokenPrices, TokenUsage, Tokens};

/// Before the hex digits of a token's SHA-256, where a runtime is given the digest in its place:
/// enough to verify the token, of no use to sign in with.
pub const DIGEST_PREFIX: &str = "sha256:";
