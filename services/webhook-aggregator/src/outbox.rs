//! Messages that another service wants delivered: `POST /internal/outbox`.

use crate::config::Endpoint;
use crate::{Deps, pump};
use axum::Json;
use axum::extract::State;
use contracts::event::Speaker;
use contracts::outbox::{
    Approvers, Delivery, DeliveryState, DeliveryStatus, OutboxAnswer, OutboxRequest,
};
use contracts::{ChannelKind, ConversationId, Shard};
use inbox::{Draft, Enqueue, InboxExt, NewSaid, Record};
use platform::edge::{ApiResult, JsonBody};
use platform::ports::PortResult;

/// Queues each delivery (idempotent by id and revision), sends in the background, and says where
/// each stands.
pub(crate) async fn enqueue(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<OutboxRequest>,
) -> ApiResult<Json<OutboxAnswer>> {
    let mut states = Vec::new();
    for delivery in request.deliveries {
        states.push(put(&deps, delivery).await?);
    }
    Ok(Json(OutboxAnswer { states }))
}

/// `GET /internal/approvers`: for work that no conversation asked for. The local endpoints have
/// nobody behind them.
pub(crate) async fn approvers(State(deps): State<Deps>) -> Json<Approvers> {
    let real = deps
        .config
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.channel != ChannelKind::Web && !endpoint.local);
    Json(Approvers { targets: real.flat_map(Endpoint::approver_targets).collect() })
}

async fn put(deps: &Deps, delivery: Delivery) -> PortResult<DeliveryStatus> {
    let Some(endpoint) = deps.config.endpoint(&delivery.target.channel, &delivery.target.endpoint)
    else {
        return Ok(DeliveryStatus {
            id: delivery.id,
            state: DeliveryState::Failed,
            error: Some("there is no such endpoint".to_owned()),
        });
    };
    let shard = endpoint.shard();
    if endpoint.channel == ChannelKind::Web {
        return record(deps, &shard, delivery).await;
    }
    let draft = Draft {
        id: delivery.id,
        revision: delivery.revision,
        target: delivery.target,
        text: delivery.text,
        buttons: delivery.buttons,
        event_id: delivery.event_id,
        kind: "ask".to_owned(),
        file: None,
        expires_ms: None,
    };
    let status = deps.inbox.ask(&shard, Enqueue(draft)).await?;
    pump::soon(deps, shard);
    Ok(status)
}

/// The web console has no platform behind it: its transcript is the message.
async fn record(deps: &Deps, shard: &Shard, delivery: Delivery) -> PortResult<DeliveryStatus> {
    let line = NewSaid {
        id: delivery.id.clone(),
        conversation: ConversationId::new(delivery.target.chat.clone()),
        speaker: Speaker::System,
        agent: None,
        text: delivery.text,
        settled: delivery.buttons.is_none(),
    };
    deps.inbox.ask(shard, Record(vec![line])).await?;
    deps.notify_conversation(&delivery.target.chat);
    Ok(DeliveryStatus { id: delivery.id, state: DeliveryState::Sent, error: None })
}
