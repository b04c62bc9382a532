//! HTTP conventions of every service: problems, sign-in, request ids, limits.

mod api_error;
pub mod auth;
mod body;
mod health;
mod request_id;
mod routes;

pub use api_error::{ApiError, ApiResult};
pub use auth::{Auth, Principal, TOKEN_CHARS_MIN};
pub use body::{JsonBody, Query, RawBody, parse_json, parse_query, read_body};
pub use contracts::Scope;
pub use health::{Checkup, Found};
pub use request_id::RequestId;
pub use routes::{ClientNetwork, FromLoopback, PageGate, Routes};
