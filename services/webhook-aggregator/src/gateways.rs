//! The gateways: who asks for work, and taking one out of service.

use crate::{Deps, ask, tasks};
use axum::Json;
use axum::extract::{Path, State};
use contracts::GatewayId;
use contracts::task::{DrainRequest, GatewayList, GatewayRow};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::inbox::{Command, Reply, SeenGateway};
use platform::ports::PortResult;
use platform::time::rfc3339;
use std::collections::BTreeMap;

/// `GET /api/gateways`.
pub(crate) async fn list(State(deps): State<Deps>) -> ApiResult<Json<GatewayList>> {
    Ok(Json(GatewayList { gateways: told(&deps, &Command::Gateways).await?.into_values().collect() }))
}

/// `POST /api/gateways/{id}/drain`: from now on it gets no more tasks (or gets them again); what it has it may end.
pub(crate) async fn drain(State(deps): State<Deps>, Path(id): Path<String>, JsonBody(request): JsonBody<DrainRequest>) -> ApiResult<Json<GatewayRow>> {
    let missing = || ApiError::not_found("gateway of this id");
    let gateway = GatewayId::new(id);
    if !told(&deps, &Command::Gateways).await?.contains_key(&gateway) {
        return Err(missing());
    }
    let drain = Command::Drain { gateway: gateway.clone(), drained: request.drained };
    let row = told(&deps, &drain).await?.remove(&gateway).ok_or_else(missing)?;
    tracing::info!(%gateway, drained = request.drained, "a gateway's service was changed");
    // Who waits for work looks again: there may be some for it now.
    deps.signal.notify(tasks::WAITING);
    Ok(Json(row))
}

/// Tells every inbox, and puts together what they know: a gateway asks each of them, so it is as fresh as its freshest request.
async fn told(deps: &Deps, command: &Command) -> PortResult<BTreeMap<GatewayId, GatewayRow>> {
    let now = deps.clock.now_ms();
    let mut found: BTreeMap<GatewayId, GatewayRow> = BTreeMap::new();
    for shard in deps.config.shards() {
        let seen = ask!(deps, &shard, command.clone(), Reply::Gateways(seen) => seen)?;
        for SeenGateway { id, agents, seen_ms, running, drained, .. } in seen {
            let row = GatewayRow { gateway_id: id.clone(), agents, last_seen: rfc3339(seen_ms), age_ms: now - seen_ms, running: 0, drained };
            let kept = found.entry(id).or_insert_with(|| row.clone());
            let (running, drained) = (kept.running + running, kept.drained || drained);
            if row.age_ms < kept.age_ms {
                *kept = row;
            }
            (kept.running, kept.drained) = (running, drained);
        }
    }
    Ok(found)
}
