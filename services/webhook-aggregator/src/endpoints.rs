//! `GET /api/endpoints`: whether each endpoint's messages arrive.

use crate::Deps;
use crate::channels::Mode;
use crate::config::Endpoint;
use axum::Json;
use axum::extract::State;
use contracts::endpoint::{EndpointList, EndpointView, LinkState};
use platform::time::rfc3339;

/// Every endpoint with a platform behind it.
pub(crate) async fn list(State(deps): State<Deps>) -> Json<EndpointList> {
    let endpoints = deps.config.endpoints.iter();
    let endpoints = endpoints.filter_map(|endpoint| view(&deps, endpoint)).collect();
    Json(EndpointList { endpoints })
}

fn view(deps: &Deps, endpoint: &Endpoint) -> Option<EndpointView> {
    let mode = endpoint.connection.as_ref()?.mode();
    let state = match mode {
        Mode::Webhook => LinkState::Listening,
        Mode::Fetched { .. } => LinkState::Connecting,
    };
    let mut view = EndpointView {
        channel: endpoint.channel.to_string(),
        name: endpoint.name.clone(),
        mode: mode.as_str().to_owned(),
        local: endpoint.local,
        state,
        why: None,
        fix: None,
        since: None,
    };
    let link = deps.links.of(&endpoint.shard()).filter(|_| endpoint.is_fetched());
    if let Some((link, since_ms)) = link {
        view.state = link.state;
        view.why = link.why;
        view.fix = link.fix.map(str::to_owned);
        view.since = Some(rfc3339(since_ms));
    }
    Some(view)
}
