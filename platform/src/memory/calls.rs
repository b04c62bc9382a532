//! Calls within one process: each service's router is called directly, signed in as the caller.

use super::Faults;
use crate::ports::{Calls, PortError, PortErrorKind, PortResult};
use crate::secret::Secret;
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use contracts::ServiceName;
use http_body_util::BodyExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// The routers of the running services.
pub type Switchboard = Arc<Mutex<HashMap<ServiceName, Router>>>;

/// The calls of one service.
pub struct MemoryCalls {
    secret: Secret,
    switchboard: Switchboard,
    pub faults: Faults,
}

impl MemoryCalls {
    /// Calls signed with the caller's secret, over a switchboard that may be filled later.
    pub fn new(secret: Secret, switchboard: Switchboard) -> Self {
        Self { secret, switchboard, faults: Faults::default() }
    }
}

#[async_trait]
impl Calls for MemoryCalls {
    async fn send(
        &self,
        callee: ServiceName,
        mut request: http::Request<Bytes>,
    ) -> PortResult<http::Response<Bytes>> {
        self.faults.around(|| Ok(()))?;
        let router = self.switchboard.lock().unwrap().get(&callee).cloned();
        let Some(router) = router else {
            return Err(PortError::clean(
                PortErrorKind::Unavailable,
                format!("{callee} is not up"),
            ));
        };
        if !self.secret.reveal().is_empty()
            && !request.headers().contains_key(http::header::AUTHORIZATION)
        {
            let value = format!("Bearer {}", self.secret.reveal()).parse().unwrap();
            request.headers_mut().insert(http::header::AUTHORIZATION, value);
        }
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
