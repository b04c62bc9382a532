//! `GET /health`: whether the inboxes answer, without which no message can be acknowledged.

use crate::Deps;
use axum::extract::State;
use contracts::{ServiceName, Shard};
use futures_util::future::{Either, join_all, select};
use inbox::{InboxExt, NextDue};
use platform::edge::{Checkup, Found};
use std::pin::pin;

/// Maximum time for an inbox to answer, in milliseconds.
const PATIENCE_MS: i64 = 3_000;

/// 503 when an inbox does not answer. The page is open: it counts inboxes and names none.
pub(crate) async fn health(State(deps): State<Deps>) -> Checkup {
    let asked = deps.config.endpoints.iter().map(|endpoint| answers(&deps, endpoint.shard()));
    let answers = join_all(asked).await;
    let silent = answers.iter().filter(|answers| !**answers).count();
    let found = match silent {
        0 => Found::Answers,
        1 if answers.len() == 1 => Found::Failed("The inbox does not answer.".to_owned()),
        _ => Found::Failed(format!("Of {} inboxes, {silent} did not answer.", answers.len())),
    };
    Checkup::new(ServiceName::WebhookAggregator, env!("CARGO_PKG_VERSION")).needs("inboxes", found)
}

async fn answers(deps: &Deps, shard: Shard) -> bool {
    let until = deps.clock.now_ms() + PATIENCE_MS;
    let answer = pin!(deps.inbox.ask(&shard, NextDue));
    match select(answer, deps.clock.sleep_until(until)).await {
        Either::Left((Ok(_), _)) => true,
        Either::Left((Err(error), _)) => {
            tracing::warn!(%shard, %error, "the inbox failed a health check");
            false
        }
        Either::Right(_) => {
            tracing::warn!(%shard, "the inbox did not answer a health check");
            false
        }
    }
}
