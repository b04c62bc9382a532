//! The gateways: who asks for work, and taking one out of service.

use crate::{Deps, pool};
use axum::Json;
use axum::extract::{Path, State};
use contracts::GatewayId;
use contracts::task::{DrainRequest, GatewayList, GatewayRow};
use inbox::{DrainGateway, InboxCommand, InboxExt, ListGateways, SeenGateway};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::PortResult;
use platform::time::rfc3339;

/// `GET /api/gateways`.
pub(crate) async fn list(State(deps): State<Deps>) -> ApiResult<Json<GatewayList>> {
    Ok(Json(GatewayList { gateways: told(&deps, &ListGateways).await? }))
}

/// `POST /api/gateways/{id}/drain`: from now on it gets no more tasks (or gets them again); what it
/// has it may end.
pub(crate) async fn drain(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<DrainRequest>,
) -> ApiResult<Json<GatewayRow>> {
    let gateway = GatewayId::new(id);
    let known = |rows: Vec<GatewayRow>| {
        rows.into_iter()
            .find(|row| row.gateway_id == gateway)
            .ok_or_else(|| ApiError::not_found("gateway of this id"))
    };
    known(told(&deps, &ListGateways).await?)?;
    let row = known(
        told(&deps, &DrainGateway { gateway: gateway.clone(), drained: request.drained }).await?,
    )?;
    tracing::info!(%gateway, drained = request.drained, "a gateway's service was changed");
    // Who waits for work looks again: there may be some for it now.
    deps.signal.notify(pool::WAITING);
    Ok(Json(row))
}

/// Tells every inbox, and puts together what they know: a gateway asks each of them, so it is as
/// fresh as its freshest request.
async fn told<C>(deps: &Deps, command: &C) -> PortResult<Vec<GatewayRow>>
where
    C: InboxCommand<Reply = Vec<SeenGateway>> + Clone,
{
    let now = deps.clock.now_ms();
    let mut found: Vec<GatewayRow> = Vec::new();
    for shard in deps.config.shards() {
        let seen = deps.inbox.ask(&shard, command.clone()).await?;
        for SeenGateway { id, agents, seen_ms, running, drained, unready, .. } in seen {
            let row = GatewayRow {
                gateway_id: id,
                agents,
                last_seen: rfc3339(seen_ms),
                age_ms: now - seen_ms,
                running,
                drained,
                unready,
            };
            match found.iter_mut().find(|kept| kept.gateway_id == row.gateway_id) {
                None => found.push(row),
                Some(kept) => {
                    let (running, drained) = (kept.running + running, kept.drained || drained);
                    if row.age_ms < kept.age_ms {
                        *kept = row;
                    }
                    (kept.running, kept.drained) = (running, drained);
                }
            }
        }
    }
    Ok(found)
}
