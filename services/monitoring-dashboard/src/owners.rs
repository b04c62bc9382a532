//! All calls to other services, and how long a page waits for them.

use crate::Deps;
use bytes::Bytes;
use contracts::approval::{Approval, ApprovalsQuery, DecideRequest, WaitQuery};
use contracts::audit::{AuditList, AuditQuery, AuditVerdict};
use contracts::budget::{BudgetAnswer, BudgetUpdate};
use contracts::calls::agency_router::{GiveFeedback, ReadPool, ReadRoutingStats};
use contracts::calls::personal_assistant::{
    Chat, Decide, EditFact, ForgetFact, Halt, ListApprovals, ListAudit, ListFacts, ListHalts,
    ReadApproval, ReadBudget, ReadChat, ReadLedgerStats, ReadPolicy, Resume, UpdateBudget,
    UpdatePolicy, VerifyAudit,
};
use contracts::calls::skill_graph_loader::{
    ListVersions, ReadDiff, ReadMap, ReadReport, Rollback, Search,
};
use contracts::calls::webhook_aggregator::{
    DeliverEvent, DrainGateway, ListEvents, ListGateways, ListSchedules, ReadConversation,
    ReadEvent, ReadFile, ReadInboxStats, ReadLog, RemoveSchedule, ReplayEvent, SendMessage,
};
use contracts::calls::{Call, Method};
use contracts::chat::{ChatAnswer, ChatHistory, ChatQuery, ChatRequest};
use contracts::event::{
    DeliverAnswer, EventDetail, EventList, EventQuery, EventsQuery, MessageAccepted, MessageList,
    MessageListQuery, MessageRequest, ReplayAnswer,
};
use contracts::graph::{
    DiffQuery, GraphDiff, GraphMap, GraphReport, Published, RollbackRequest, SearchAnswer,
    SearchQuery, VersionQuery, VersionRow,
};
use contracts::halt::{HaltAnswer, HaltList, HaltRequest, ResumeAnswer, ResumeRequest};
use contracts::memory::{Fact, FactUpdate, MemoryQuery};
use contracts::monitoring::{InboxStats, LedgerStats, SinceQuery};
use contracts::policy::{Policy, PolicyChange, PolicyUpdate};
use contracts::routing::{DecisionRow, Feedback, PoolMember, RoutingStats};
use contracts::run_log::EventLog;
use contracts::schedule::ScheduleList;
use contracts::task::{DrainRequest, GatewayList, GatewayRow};
use contracts::{
    ApprovalId, ConversationId, EventId, FactId, FileId, GatewayId, GraphVersion, ServiceName,
};
use futures_util::future::{Either, select};
use platform::percent::encode;
use platform::ports::{CallError, PortError, PortErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::pin::pin;

/// Maximum wait of a page for another service; then it renders without the data.
const PAGE_PATIENCE_MS: i64 = 8_000;
/// Files that a search shows at most.
const HITS: usize = 20;

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

/// Reads: a page waits [`PAGE_PATIENCE_MS`] and shows itself without the answer then.
async fn ask<C>(deps: &Deps, params: &C::Params, request: &C::Request) -> Asked<C::Reply>
where
    C: Call<Params: Sync, Request: Serialize + Sync, Reply: DeserializeOwned>,
{
    const { assert!(matches!(C::METHOD, Method::Get), "what changes something has no deadline") };
    within(deps, PAGE_PATIENCE_MS, deps.calls.ask::<C>(params, request)).await
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

/// A service's OpenAPI document.
pub async fn document(deps: &Deps, service: ServiceName) -> Asked<bytes::Bytes> {
    within(deps, PAGE_PATIENCE_MS, deps.calls.document(service)).await
}

pub async fn ledger(deps: &Deps) -> Asked<LedgerStats> {
    ask::<ReadLedgerStats>(deps, &(), &SinceQuery::default()).await
}

pub async fn routing(deps: &Deps, since_ms: i64) -> Asked<RoutingStats> {
    ask::<ReadRoutingStats>(deps, &(), &SinceQuery { since: Some(since_ms) }).await
}

pub async fn inbox(deps: &Deps, since_ms: i64) -> Asked<InboxStats> {
    ask::<ReadInboxStats>(deps, &(), &SinceQuery { since: Some(since_ms) }).await
}

pub async fn gateways(deps: &Deps) -> Asked<GatewayList> {
    ask::<ListGateways>(deps, &(), &()).await
}

pub async fn drain(deps: &Deps, gateway: &str, drained: bool) -> Asked<GatewayRow> {
    deps.calls.ask::<DrainGateway>(&GatewayId::from(gateway), &DrainRequest { drained }).await
}

pub async fn schedules(deps: &Deps) -> Asked<ScheduleList> {
    ask::<ListSchedules>(deps, &(), &()).await
}

pub async fn remove_schedule(deps: &Deps, name: &str) -> Asked<ScheduleList> {
    deps.calls.ask::<RemoveSchedule>(&name.to_owned(), &()).await
}

pub async fn halts(deps: &Deps) -> Asked<HaltList> {
    ask::<ListHalts>(deps, &(), &()).await
}

pub async fn budget(deps: &Deps) -> Asked<BudgetAnswer> {
    ask::<ReadBudget>(deps, &(), &()).await
}

pub async fn change_budget(deps: &Deps, update: &BudgetUpdate) -> Asked<BudgetAnswer> {
    deps.calls.ask::<UpdateBudget>(&(), update).await
}

pub async fn policy(deps: &Deps) -> Asked<Policy> {
    ask::<ReadPolicy>(deps, &(), &()).await
}

/// Tries or makes a change of the rules.
pub async fn change_policy(deps: &Deps, update: &PolicyUpdate) -> Asked<PolicyChange> {
    deps.calls.ask::<UpdatePolicy>(&(), update).await
}

pub async fn audit(deps: &Deps, limit: u32) -> Asked<AuditList> {
    ask::<ListAudit>(deps, &(), &AuditQuery { before: None, limit: Some(limit) }).await
}

pub async fn audit_verdict(deps: &Deps) -> Asked<AuditVerdict> {
    ask::<VerifyAudit>(deps, &(), &()).await
}

pub async fn chat_history(deps: &Deps, session: &str) -> Asked<ChatHistory> {
    ask::<ReadChat>(deps, &(), &ChatQuery { session_key: session.to_owned() }).await
}

/// A model may think for a while, so there is no deadline of the page.
pub async fn chat(deps: &Deps, session: &str, message: String) -> Asked<ChatAnswer> {
    let request = ChatRequest { message, session_key: session.to_owned() };
    deps.calls.ask::<Chat>(&(), &request).await
}

pub async fn facts(deps: &Deps) -> Asked<Vec<Fact>> {
    Ok(ask::<ListFacts>(deps, &(), &MemoryQuery::default()).await?.facts)
}

pub async fn pin_fact(deps: &Deps, fact: &str, pinned: bool) -> Asked<Fact> {
    let update = FactUpdate { text: None, pinned: Some(pinned) };
    deps.calls.ask::<EditFact>(&FactId::from(fact), &update).await
}

pub async fn forget_fact(deps: &Deps, fact: &str) -> Asked<Fact> {
    deps.calls.ask::<ForgetFact>(&FactId::from(fact), &()).await
}

pub async fn agents(deps: &Deps) -> Asked<Vec<PoolMember>> {
    Ok(ask::<ReadPool>(deps, &(), &()).await?.agents)
}

pub async fn search(deps: &Deps, q: &str) -> Asked<SearchAnswer> {
    let query = SearchQuery { q: q.to_owned(), limit: Some(HITS), version: None };
    ask::<Search>(deps, &(), &query).await
}

pub async fn graph_map(deps: &Deps) -> Asked<GraphMap> {
    ask::<ReadMap>(deps, &(), &VersionQuery::default()).await
}

pub async fn graph_report(deps: &Deps) -> Asked<GraphReport> {
    ask::<ReadReport>(deps, &(), &VersionQuery::default()).await
}

pub async fn graph_diff(deps: &Deps, from: &str, to: &str) -> Asked<GraphDiff> {
    ask::<ReadDiff>(deps, &(), &DiffQuery { from: given(from), to: given(to) }).await
}

pub async fn graph_versions(deps: &Deps) -> Asked<Vec<VersionRow>> {
    Ok(ask::<ListVersions>(deps, &(), &()).await?.versions)
}

pub async fn rollback(deps: &Deps, version: &str) -> Asked<Published> {
    let version = Some(GraphVersion::from(version));
    deps.calls.ask::<Rollback>(&(), &RollbackRequest { version }).await
}

pub async fn feedback(deps: &Deps, feedback: &Feedback) -> Asked<DecisionRow> {
    deps.calls.ask::<GiveFeedback>(&(), feedback).await
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
    let query = EventsQuery {
        state: given(&filter.state),
        channel: given(&filter.channel),
        limit: Some(limit),
        cursor: given(&filter.cursor),
    };
    ask::<ListEvents>(deps, &(), &query).await
}

pub async fn event(deps: &Deps, id: &str) -> Asked<EventDetail> {
    ask::<ReadEvent>(deps, &EventId::from(id), &EventQuery::default()).await
}

pub async fn file(deps: &Deps, id: &str) -> Asked<Bytes> {
    deps.calls.ask_bytes::<ReadFile>(&FileId::from(id), &()).await
}

/// Seconds that an event is waited for.
const WAIT_S: u32 = 25;

/// The log of the program of an event's newest run.
pub async fn log(deps: &Deps, id: &EventId) -> Asked<EventLog> {
    ask::<ReadLog>(deps, id, &()).await
}

/// An event once it differs from this cursor, or after a while.
pub async fn event_after(deps: &Deps, id: &str, after: Option<String>) -> Asked<EventDetail> {
    let wait = if after.is_some() { WAIT_S } else { 0 };
    let (id, query) = (EventId::from(id), EventQuery { wait, after });
    let patience_ms = PAGE_PATIENCE_MS + i64::from(wait) * 1000;
    within(deps, patience_ms, deps.calls.ask::<ReadEvent>(&id, &query)).await
}

/// Sends the kept answer of an event again.
pub async fn deliver(deps: &Deps, id: &str) -> Asked<DeliverAnswer> {
    deps.calls.ask::<DeliverEvent>(&EventId::from(id), &()).await
}

pub async fn replay(deps: &Deps, id: &str) -> Asked<ReplayAnswer> {
    deps.calls.ask::<ReplayEvent>(&EventId::from(id), &()).await
}

pub async fn approvals(deps: &Deps, state: &str) -> Asked<Vec<Approval>> {
    let query = ApprovalsQuery { state: given(state), limit: None };
    Ok(ask::<ListApprovals>(deps, &(), &query).await?.approvals)
}

pub async fn approval(deps: &Deps, id: &str) -> Asked<Approval> {
    ask::<ReadApproval>(deps, &ApprovalId::from(id), &WaitQuery::default()).await
}

pub async fn decide(deps: &Deps, id: &str, request: &DecideRequest) -> Asked<Approval> {
    deps.calls.ask::<Decide>(&ApprovalId::from(id), request).await
}

pub async fn halt(deps: &Deps, request: &HaltRequest) -> Asked<HaltAnswer> {
    deps.calls.ask::<Halt>(&(), request).await
}

pub async fn resume(deps: &Deps, request: &ResumeRequest) -> Asked<ResumeAnswer> {
    deps.calls.ask::<Resume>(&(), request).await
}

pub async fn say(deps: &Deps, request: &MessageRequest) -> Asked<MessageAccepted> {
    deps.calls.ask::<SendMessage>(&(), request).await
}

/// Messages after `after`; waits up to this many seconds for a new one.
pub async fn said(deps: &Deps, conversation: &str, after: i64, wait_s: u32) -> Asked<MessageList> {
    let (id, query) =
        (ConversationId::from(conversation), MessageListQuery { after, wait: wait_s });
    let patience_ms = PAGE_PATIENCE_MS + i64::from(wait_s) * 1000;
    within(deps, patience_ms, deps.calls.ask::<ReadConversation>(&id, &query)).await
}

/// A member of a form, when it is filled in.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
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
