//! `GET /health`: whether the inboxes answer, without which no message can be acknowledged.

use crate::Deps;
use axum::extract::State;
use contracts::ServiceName;
use futures_util::future::{Either, join_all, select};
use inbox::{InboxExt, NextDue};
use platform::edge::{Checkup, Found};
use std::pin::pin;

/// Maximum time for an inbox to answer, in milliseconds.
const PATIENCE_MS: i64 = 3_000;

/// 503 when an inbox does not answer.
pub(crate) async fn health(State(deps): State<Deps>) -> Checkup {
    let found = join_all(deps.config.endpoints.iter().map(|endpoint| async {
        let shard = endpoint.shard();
        (format!("inbox {shard}"), ask(&deps, &shard).await)
    }));
    let checkup = Checkup::new(ServiceName::WebhookAggregator, env!("CARGO_PKG_VERSION"));
    found.await.into_iter().fold(checkup, |checkup, (name, found)| checkup.needs(&name, found))
}

async fn ask(deps: &Deps, shard: &contracts::Shard) -> Found {
    let until = deps.clock.now_ms() + PATIENCE_MS;
    let answer = pin!(deps.inbox.ask(shard, NextDue));
    match select(answer, deps.clock.sleep_until(until)).await {
        Either::Left((answer, _)) => Found::of(answer, &format!("The inbox {shard} fails.")),
        Either::Right(_) => Found::Failed(format!("The inbox {shard} does not answer.")),
    }
}
