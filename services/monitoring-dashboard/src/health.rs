//! `GET /health`.

use contracts::ServiceName;
use contracts::monitoring::Health;

/// The service's own health.
pub async fn health() -> axum::Json<Health> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    axum::Json(Health {
        service: ServiceName::MonitoringDashboard,
        status: "ok".to_owned(),
        version,
        problems: Vec::new(),
    })
}
