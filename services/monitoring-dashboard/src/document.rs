//! The OpenAPI document of the calls below `/api`.

/// The document.
pub const DOCUMENT: &str = include_str!("../../../docs/api/monitoring-dashboard.json");
