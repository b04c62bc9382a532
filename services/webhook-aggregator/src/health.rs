//! `GET /health`: whether the inboxes answer, without which no message can be acknowledged.

use crate::Deps;
use crate::channels::Link;
use axum::extract::State;
use contracts::endpoint::LinkState;
use contracts::{ServiceName, Shard};
use futures_util::future::{Either, join_all, select};
use inbox::{InboxExt, NextDue};
use platform::edge::{Checkup, Found};
use std::pin::pin;

/// Maximum time for an inbox to answer, in milliseconds.
const PATIENCE_MS: i64 = 3_000;

/// A connection may be lost for this long, in milliseconds.
const LOST_MS: i64 = 60_000;

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
    let checkup = Checkup::new(ServiceName::WebhookAggregator, env!("CARGO_PKG_VERSION"));
    let checkup = checkup.needs("inboxes", found);
    match platforms(&deps) {
        Some(found) => checkup.uses("platforms", found),
        None => checkup,
    }
}

/// Whether messages arrive by the ways in that we keep up ourselves; `None` where there is none.
/// A connection that was lost a moment ago is no problem yet.
fn platforms(deps: &Deps) -> Option<Found> {
    let now_ms = deps.clock.now_ms();
    let fetched = deps.config.endpoints.iter().filter(|endpoint| endpoint.is_fetched());
    let links = fetched.filter_map(|endpoint| deps.links.of(&endpoint.shard()));
    let links: Vec<_> = links.collect();
    let is_down = |(link, since_ms): &&(Link, i64)| match link.state {
        LinkState::Refused => true,
        LinkState::Reconnecting => now_ms - since_ms > LOST_MS,
        _ => false,
    };
    let down = links.iter().filter(is_down).count();
    Some(match (links.len(), down) {
        (0, _) => return None,
        (_, 0) => Found::Answers,
        (all, down) => Found::Failed(format!(
            "Of {all} connections to platforms, {down} bring no messages (`quintet endpoints`)."
        )),
    })
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
