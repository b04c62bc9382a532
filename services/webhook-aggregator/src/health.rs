//! `GET /health`.

use axum::Json;
use contracts::ServiceName;
use contracts::monitoring::Health;

/// The service's own health.
pub(crate) async fn health() -> Json<Health> {
    Json(Health {
        service: ServiceName::WebhookAggregator,
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems: Vec::new(),
    })
}
