//! agency-router.

pub mod built_in;
pub mod complexity;
pub mod evaluate;
pub mod fallback;
pub mod model;
pub mod pool;
pub mod route;
#[cfg(test)]
mod samples;
