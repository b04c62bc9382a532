//! Statistics for the dashboard, over all inboxes.

use crate::{Deps, about};
use axum::Json;
use axum::extract::State;
use contracts::monitoring::{InboxStats, SinceQuery};
use futures_util::future::join_all;
use inbox::{InboxExt, ReadStats, ShardStats};
use platform::edge::{ApiResult, Query};
use platform::ports::PortResult;

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// `GET /internal/inbox-stats?since=`.
pub(crate) async fn inbox_stats(
    State(deps): State<Deps>,
    Query(query): Query<SinceQuery>,
) -> ApiResult<Json<InboxStats>> {
    let latency_since_ms = deps.clock.now_ms() - WEEK_MS;
    let asked = join_all(deps.config.endpoints.iter().map(|endpoint| async {
        let stats = ReadStats { since_ms: query.since.unwrap_or(0), latency_since_ms };
        let stats = deps.inbox.ask(&endpoint.shard(), stats).await?;
        PortResult::Ok((endpoint.channel.to_string(), stats))
    }))
    .await;
    let stats = merge(asked.into_iter().collect::<PortResult<Vec<_>>>()?);
    let works = |agent: &&platform::agents::Agent| agent.is_program() || agent.uses_model();
    Ok(Json(InboxStats {
        chats: about::connected(&deps).count() as u64,
        working_agents: deps.config.agents.iter().filter(works).count() as u64,
        ..stats
    }))
}

fn merge(shards: Vec<(String, ShardStats)>) -> InboxStats {
    let mut all = InboxStats::default();
    let mut latencies = Vec::new();
    for (channel, stats) in shards {
        all.requests += stats.requests;
        all.open += stats.open;
        all.dead += stats.dead;
        all.oldest_open_ms = all.oldest_open_ms.max(stats.oldest_open_ms);
        *all.by_channel.entry(channel).or_default() += stats.requests;
        for (state, n) in stats.by_state {
            *all.by_state.entry(state).or_default() += n;
        }
        latencies.extend(stats.latencies_ms);
    }
    latencies.sort_unstable();
    // Nearest rank: the smallest value that at least p of all do not exceed.
    let percentile = |p: f64| {
        latencies
            .get(((p * latencies.len() as f64).ceil() as usize).saturating_sub(1))
            .map(|ms| *ms as f64)
    };
    all.answered = latencies.len() as u64;
    all.avg_latency_ms = (!latencies.is_empty())
        .then(|| latencies.iter().sum::<i64>() as f64 / latencies.len() as f64);
    all.p50_latency_ms = percentile(0.5);
    all.p90_latency_ms = percentile(0.9);
    all.p99_latency_ms = percentile(0.99);
    all
}
