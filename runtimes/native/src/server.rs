//! One port for everything: each service under its name, webhooks at the root too, `/` leads to the dashboard.

use crate::local_platform;
use crate::services::Services;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use contracts::{ChannelKind, ErrorCode, ServiceName};
use platform::edge::{ApiError, FromLoopback};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceExt;

/// The whole server.
pub fn app(services: &Services, stopped: &watch::Receiver<bool>) -> Router {
    let mut app =
        Router::new().route("/", get(|| async { Redirect::to("/monitoring-dashboard/dashboard") }));
    for (service, router) in &services.routers {
        app = app.nest(&format!("/{service}"), router.clone());
    }
    let aggregator =
        services.routers.get(&ServiceName::WebhookAggregator).cloned().unwrap_or_default();
    app.merge(local_platform::router())
        .fallback(move |request: Request| elsewhere(aggregator.clone(), request))
        .layer(from_fn_with_state(stopped.clone(), give_way))
        .layer(from_fn(note_loopback))
}

/// Webhooks are taken at the root too, as the platforms' settings name them; everything else is unknown.
async fn elsewhere(aggregator: Router, request: Request) -> Response {
    let channel = request.uri().path().split('/').nth(1).unwrap_or_default();
    if ChannelKind::with_webhooks().any(|known| known.as_str() == channel) {
        return aggregator.oneshot(request).await.unwrap_or_else(|never| match never {});
    }
    ApiError::new(
        ErrorCode::NotFound,
        "There is no such path. Services lie under their names, such as /agency-router/api/route.",
    )
    .into_response()
}

/// How long a request may still take once the server stops.
const LAST_MOMENTS: Duration = Duration::from_millis(1_200);

/// A long poll does not hold up a stop, and is not cut off either: it is told to come again.
async fn give_way(
    State(mut stopped): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    let stop = async {
        let _ = stopped.wait_for(|stop| *stop).await;
        tokio::time::sleep(LAST_MOMENTS).await;
    };
    tokio::select! {
        answer = next.run(request) => answer,
        () = stop => ApiError::new(ErrorCode::Unavailable, "The server is stopping; ask again when it is back.").into_response(),
    }
}

/// Tells the services whether the caller sits on this very machine; what a client claims of itself is taken off.
async fn note_loopback(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().remove::<FromLoopback>();
    // Behind a proxy on this machine everybody seems near; a forwarded request is somebody else's.
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    if peer.ip().is_loopback() && !forwarded {
        request.extensions_mut().insert(FromLoopback);
    }
    next.run(request).await.into_response()
}
