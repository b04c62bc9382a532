//! One port for everything: each service below its name, webhooks also at the root; `/` redirects
//! to the dashboard.

use crate::local_platform;
use crate::services::Services;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use contracts::{ChannelKind, ErrorCode, ServiceName};
use platform::edge::{ApiError, ClientNetwork, FromLoopback};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceExt;

/// The router of the whole server; `local` has the paths for the commands.
pub fn app(services: &Services, local: Router, stopped: &watch::Receiver<bool>) -> Router {
    let mut app =
        Router::new().route("/", get(|| async { Redirect::to("/monitoring-dashboard/dashboard") }));
    for (service, router) in &services.routers {
        app = app.nest(&format!("/{service}"), router.clone());
    }
    let aggregator =
        services.routers.get(&ServiceName::WebhookAggregator).cloned().unwrap_or_default();
    app.merge(local_platform::router())
        .merge(local)
        .fallback(move |request: Request| elsewhere(aggregator.clone(), request))
        .layer(from_fn_with_state(stopped.clone(), give_way))
        .layer(from_fn(note_caller))
}

/// Serves webhooks at the root, as platforms are configured; every other path is unknown.
async fn elsewhere(aggregator: Router, request: Request) -> Response {
    let channel = request.uri().path().split('/').nth(1).unwrap_or_default();
    if ChannelKind::with_webhooks().any(|known| known.as_str() == channel) {
        return aggregator.oneshot(request).await.unwrap_or_else(|never| match never {});
    }
    ApiError::new(
        ErrorCode::NotFound,
        "There is no such path. Services are below their names, such as /agency-router/api/route.",
    )
    .into_response()
}

/// Maximum time for open requests after the server begins to stop.
const LAST_MOMENTS: Duration = Duration::from_millis(1_200);

/// Answers long polls early with "retry" when the server stops.
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
        () = stop => ApiError::new(ErrorCode::Unavailable, "The server is stopping. Try again when it is back.").into_response(),
    }
}

/// Tells the services where the caller is; removes the client's own claim.
async fn note_caller(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().remove::<FromLoopback>();
    request.extensions_mut().insert(ClientNetwork::of(peer.ip()));
    // Behind a local proxy every request comes from loopback, so a forwarded request does not count
    // as local.
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    if peer.ip().is_loopback() && !forwarded {
        request.extensions_mut().insert(FromLoopback);
    }
    next.run(request).await.into_response()
}
