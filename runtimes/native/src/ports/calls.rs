//! Calls between services within the process: the same HTTP without a socket.

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use contracts::ServiceName;
use http_body_util::BodyExt;
use platform::ports::{Calls, PortError, PortErrorKind, PortResult};
use platform::secret::Secret;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt;

/// Routers of all services; set once, after all are built.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<OnceLock<HashMap<ServiceName, Router>>>);

impl Switchboard {
    /// Connects the services. Earlier calls fail as unavailable.
    pub fn connect(&self, routers: HashMap<ServiceName, Router>) {
        let _ = self.0.set(routers);
    }
}

/// Calls of one caller, signed with its secret.
pub struct LocalCalls {
    switchboard: Switchboard,
    secret: Secret,
}

impl LocalCalls {
    /// Calls signed with this secret (a service's, or a scope's token).
    pub fn new(switchboard: Switchboard, secret: Secret) -> Self {
        Self { switchboard, secret }
    }
}

#[async_trait]
impl Calls for LocalCalls {
    async fn send(
        &self,
        callee: ServiceName,
        mut request: http::Request<Bytes>,
    ) -> PortResult<http::Response<Bytes>> {
        let router = self.switchboard.0.get().and_then(|routers| routers.get(&callee)).cloned();
        let router = router.ok_or_else(|| {
            PortError::clean(PortErrorKind::Unavailable, format!("{callee} is not up"))
        })?;
        let value = http::HeaderValue::from_str(&format!("Bearer {}", self.secret.reveal()))
            .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
        let response = router
            .oneshot(request.map(axum::body::Body::from))
            .await
            .unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map_err(|e| PortError::unknown(PortErrorKind::Unavailable, e.to_string()))?
            .to_bytes();
        Ok(http::Response::from_parts(parts, bytes))
    }
}
