//! All calls to other services: the path and the timeout of each.

use crate::Deps;
use contracts::ServiceName::{
    self, AgencyRouter, PersonalAssistant, SkillGraphLoader, WebhookAggregator,
};
use contracts::approval::{Approval, ApprovalList, DecideRequest};
use contracts::budget::BudgetAnswer;
use contracts::event::{
    EventDetail, EventList, MessageAccepted, MessageRequest, ReplayAnswer, SaidList,
};
use contracts::graph::{GraphDiff, GraphMap, GraphReport, SearchAnswer, VersionRow};
use contracts::halt::{HaltAnswer, HaltList, HaltRequest, ResumeRequest};
use contracts::monitoring::{InboxStats, LedgerStats};
use contracts::routing::{Feedback, PoolMember, RoutingStats};
use contracts::task::{DrainRequest, GatewayList, GatewayRow};
use futures_util::future::{Either, select};
use platform::percent::encode;
use platform::ports::{CallError, PortError, PortErrorKind, calls};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::pin::pin;

/// Maximum wait of a page for another service; then it renders without the data.
const PAGE_PATIENCE_MS: i64 = 8_000;

type Asked<T> = Result<T, CallError>;

/// The future's result, or a timeout.
pub async fn within<T>(
    deps: &Deps,
    patience_ms: i64,
    work: impl Future<Output = Asked<T>>,
) -> Asked<T> {
    let until = deps.clock.now_ms() + patience_ms;
    match select(pin!(work), deps.clock.sleep_until(until)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            Err(PortError::unknown(PortErrorKind::Timeout, "no answer in time").into())
        }
    }
}

/// A GET of another service, without a timeout.
pub async fn get<T: DeserializeOwned>(deps: &Deps, service: ServiceName, path: &str) -> Asked<T> {
    calls::get(&*deps.calls, service, path).await
}

async fn ask<T: DeserializeOwned>(deps: &Deps, service: ServiceName, path: &str) -> Asked<T> {
    within(deps, PAGE_PATIENCE_MS, get(deps, service, path)).await
}

/// `?a=1&b=2` of the members that are not empty.
pub fn query(members: &[(&str, &str)]) -> String {
    let kept: Vec<_> = members
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
}

pub async fn ledger(deps: &Deps) -> Asked<LedgerStats> {
    ask(deps, PersonalAssistant, "/internal/ledger-stats").await
}

pub async fn routing(deps: &Deps, since_ms: i64) -> Asked<RoutingStats> {
    ask(deps, AgencyRouter, &format!("/api/routing-stats?since={since_ms}")).await
}

pub async fn inbox(deps: &Deps, since_ms: i64) -> Asked<InboxStats> {
    ask(deps, WebhookAggregator, &format!("/internal/inbox-stats?since={since_ms}")).await
}

pub async fn gateways(deps: &Deps) -> Asked<GatewayList> {
    ask(deps, WebhookAggregator, "/api/gateways").await
}

pub async fn drain(deps: &Deps, gateway: &str, drained: bool) -> Asked<GatewayRow> {
    calls::post(
        &*deps.calls,
        WebhookAggregator,
        &format!("/api/gateways/{}/drain", encode(gateway)),
        &DrainRequest { drained },
    )
    .await
}

pub async fn halts(deps: &Deps) -> Asked<HaltList> {
    ask(deps, PersonalAssistant, "/api/halts").await
}

pub async fn budget(deps: &Deps) -> Asked<BudgetAnswer> {
    ask(deps, PersonalAssistant, "/api/budget").await
}

/// The pool as the router wraps it, or as a bare list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pool {
    Wrapped { agents: Vec<PoolMember> },
    Bare(Vec<PoolMember>),
}

pub async fn agents(deps: &Deps) -> Asked<Vec<PoolMember>> {
    Ok(match ask(deps, AgencyRouter, "/api/agents").await? {
        Pool::Wrapped { agents } | Pool::Bare(agents) => agents,
    })
}

pub async fn search(deps: &Deps, q: &str) -> Asked<SearchAnswer> {
    ask(deps, SkillGraphLoader, &format!("/api/search{}", query(&[("q", q), ("limit", "20")])))
        .await
}

pub async fn graph_map(deps: &Deps) -> Asked<GraphMap> {
    ask(deps, SkillGraphLoader, "/api/map").await
}

pub async fn graph_report(deps: &Deps) -> Asked<GraphReport> {
    ask(deps, SkillGraphLoader, "/api/report").await
}

pub async fn graph_diff(deps: &Deps, from: &str, to: &str) -> Asked<GraphDiff> {
    ask(deps, SkillGraphLoader, &format!("/api/diff{}", query(&[("from", from), ("to", to)]))).await
}

pub async fn graph_versions(deps: &Deps) -> Asked<Vec<VersionRow>> {
    #[derive(Deserialize)]
    struct Versions {
        versions: Vec<VersionRow>,
    }
    Ok(ask::<Versions>(deps, SkillGraphLoader, "/api/versions").await?.versions)
}

pub async fn rollback(deps: &Deps, version: &str) -> Asked<serde_json::Value> {
    calls::post(
        &*deps.calls,
        SkillGraphLoader,
        "/api/rollback",
        &serde_json::json!({ "version": version }),
    )
    .await
}

pub async fn feedback(deps: &Deps, feedback: &Feedback) -> Asked<serde_json::Value> {
    calls::post(&*deps.calls, AgencyRouter, "/api/feedback", feedback).await
}

/// Which events to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    pub state: String,
    pub channel: String,
    pub cursor: String,
}

pub async fn events(deps: &Deps, filter: &EventFilter, limit: u32) -> Asked<EventList> {
    let limit = limit.to_string();
    let query = query(&[
        ("state", &filter.state),
        ("channel", &filter.channel),
        ("limit", &limit),
        ("cursor", &filter.cursor),
    ]);
    ask(deps, WebhookAggregator, &format!("/api/events{query}")).await
}

pub async fn event(deps: &Deps, id: &str) -> Asked<EventDetail> {
    ask(deps, WebhookAggregator, &format!("/api/events/{}", encode(id))).await
}

pub async fn replay(deps: &Deps, id: &str) -> Asked<ReplayAnswer> {
    let path = format!("/api/events/{}/replay", encode(id));
    // Any success status counts as success.
    let answer: Asked<serde_json::Value> =
        calls::post(&*deps.calls, WebhookAggregator, &path, &serde_json::json!({})).await;
    answer.map(|value| serde_json::from_value(value).unwrap_or_default())
}

pub async fn approvals(deps: &Deps, state: &str) -> Asked<Vec<Approval>> {
    let list: ApprovalList =
        ask(deps, PersonalAssistant, &format!("/api/approvals{}", query(&[("state", state)])))
            .await?;
    Ok(list.approvals)
}

pub async fn approval(deps: &Deps, id: &str) -> Asked<Approval> {
    ask(deps, PersonalAssistant, &format!("/api/approvals/{}", encode(id))).await
}

pub async fn decide(deps: &Deps, id: &str, request: &DecideRequest) -> Asked<serde_json::Value> {
    calls::post(
        &*deps.calls,
        PersonalAssistant,
        &format!("/api/approvals/{}/decide", encode(id)),
        request,
    )
    .await
}

pub async fn halt(deps: &Deps, request: &HaltRequest) -> Asked<HaltAnswer> {
    calls::post(&*deps.calls, PersonalAssistant, "/api/halt", request).await
}

pub async fn resume(deps: &Deps, request: &ResumeRequest) -> Asked<serde_json::Value> {
    calls::post(&*deps.calls, PersonalAssistant, "/api/resume", request).await
}

pub async fn say(deps: &Deps, request: &MessageRequest) -> Asked<MessageAccepted> {
    calls::post(&*deps.calls, WebhookAggregator, "/api/messages", request).await
}

/// Messages after `after`; waits up to this many seconds for a new one.
pub async fn said(deps: &Deps, conversation: &str, after: i64, wait_s: u32) -> Asked<SaidList> {
    let path =
        format!("/api/conversations/{}/messages?after={after}&wait={wait_s}", encode(conversation));
    within(deps, PAGE_PATIENCE_MS + i64::from(wait_s) * 1000, get(deps, WebhookAggregator, &path))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_ids_cannot_change_the_path() {
        assert_eq!(encode("web:console/../x?y=1"), "web%3Aconsole%2F..%2Fx%3Fy%3D1");
        assert_eq!(
            query(&[("state", "dead"), ("channel", ""), ("cursor", "a&b")]),
            "?state=dead&cursor=a%26b"
        );
        assert_eq!(query(&[("state", "")]), "");
    }
}
