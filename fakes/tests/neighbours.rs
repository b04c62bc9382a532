//! The fakes, called as a service calls its neighbours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test must stop")]

use contracts::calls::personal_assistant::{Claim, Decide, ReadApproval};
use contracts::calls::skill_graph_loader::{ReadCurrent, ReadModel, ReadSkill};
use contracts::calls::webhook_aggregator::{ListEvents, SendMessage};
use contracts::event::{EventList, EventsQuery, MessageAccepted, MessageRequest};
use contracts::graph::{CurrentVersion, VersionQuery};
use contracts::{ErrorCode, GraphVersion, Problem, ServiceName};
use fakes::Neighbours;
use platform::edge::{Auth, Principal};
use platform::memory::{MemoryCalls, Switchboard};
use platform::ports::{CallError, Calls, PortErrorKind};
use platform::secret::Secret;

const LOADER: ServiceName = ServiceName::SkillGraphLoader;

/// The fakes, and the calls of this service to them.
fn world(caller: ServiceName) -> (Neighbours, MemoryCalls) {
    let switchboard = Switchboard::default();
    let auth = Auth::new([(Secret::new("secret"), Principal::Service(caller))]);
    let services = [LOADER, ServiceName::PersonalAssistant, ServiceName::WebhookAggregator];
    let neighbours = Neighbours::on_board(&switchboard, auth, services);
    (neighbours, MemoryCalls::new(Secret::new("secret"), switchboard))
}

fn current(version: &str) -> CurrentVersion {
    CurrentVersion { version: Some(version.into()) }
}

fn refusal<T>(reply: Result<T, CallError>) -> (ErrorCode, String) {
    match reply.err().unwrap() {
        CallError::Refused(problem) => (problem.code, problem.detail),
        CallError::Port(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_last_answer_set_is_given() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let calls: &dyn Calls = &calls;
    for version in ["v1", "v2"] {
        neighbours.on::<ReadCurrent>(move |(), ()| Ok(current(version)));
        let reply = calls.ask::<ReadCurrent>(&(), &()).await.unwrap();
        assert_eq!(reply.version.unwrap().as_str(), version);
    }
    assert_eq!(neighbours.count::<ReadCurrent>(), 2);
    assert_eq!(neighbours.count::<ReadModel>(), 0);
}

#[tokio::test]
async fn a_call_without_an_answer_is_named_and_recorded() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let (code, detail) = refusal((&calls as &dyn Calls).ask::<ReadCurrent>(&(), &()).await);
    assert_eq!(code, ErrorCode::Unavailable);
    assert_eq!(detail, "The fake skill-graph-loader has no answer to ReadCurrent.");
    assert_eq!(neighbours.log()[0].path, "/internal/current");
}

#[tokio::test]
async fn query_body_and_parameter_are_read_by_the_call() {
    let (neighbours, calls) = world(ServiceName::MonitoringDashboard);
    let calls: &dyn Calls = &calls;
    neighbours.on::<ListEvents>(|(), query| {
        assert_eq!(query.limit, Some(3));
        Ok(EventList { events: vec![], cursor: query.channel })
    });
    let query =
        EventsQuery { limit: Some(3), channel: Some("a b&c".to_owned()), ..EventsQuery::default() };
    let reply = calls.ask::<ListEvents>(&(), &query).await.unwrap();
    assert_eq!(reply.cursor.unwrap(), "a b&c");
    assert_eq!(neighbours.asked::<ListEvents>()[0].channel.as_deref(), Some("a b&c"));

    let text = "hello".to_owned();
    neighbours.on::<SendMessage>(|(), message: MessageRequest| {
        let conversation = message.conversation.unwrap_or_default();
        Ok(MessageAccepted { event_id: message.text.into(), conversation })
    });
    let request = MessageRequest { text, conversation: None };
    let reply = calls.ask::<SendMessage>(&(), &request).await.unwrap();
    assert_eq!(reply.event_id.as_str(), "hello");
    assert_eq!(neighbours.bodies::<SendMessage>()[0]["text"], "hello");

    let approval = "apr/1".into();
    let sent =
        calls.ask::<ReadApproval>(&approval, &contracts::approval::WaitQuery::default()).await;
    assert_eq!(refusal(sent).0, ErrorCode::Unavailable);
    assert_eq!(neighbours.asked_with::<ReadApproval>()[0].0, approval);
    let order: Vec<_> = neighbours.log().iter().map(|asked| asked.call.name).collect();
    assert_eq!(order, ["ListEvents", "SendMessage", "ReadApproval"]);
}

#[tokio::test]
async fn bytes_arrive_as_they_are() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    neighbours.on_bytes::<ReadModel>(|version, ()| Ok(version.as_str().to_owned().into()));
    let version = GraphVersion::from("v1");
    let model = (&calls as &dyn Calls).ask_bytes::<ReadModel>(&version, &()).await.unwrap();
    assert_eq!(&model[..], b"v1");
}

#[tokio::test]
async fn ordered_refusals_come_before_the_answer() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let calls: &dyn Calls = &calls;
    neighbours.on::<ReadCurrent>(|(), ()| Ok(current("v1")));
    neighbours.refuse::<ReadCurrent>([Problem::new(ErrorCode::Internal, "once")]);
    let first = refusal(calls.ask::<ReadCurrent>(&(), &()).await);
    assert_eq!(first, (ErrorCode::Internal, "once".to_owned()));
    assert!(calls.ask::<ReadCurrent>(&(), &()).await.is_ok());
}

#[test]
#[should_panic(expected = "personal-assistant /api/approvals/{id} never refuses with stale_epoch")]
fn a_refusal_that_the_call_does_not_declare_stops_the_test() {
    let (neighbours, _) = world(ServiceName::AgencyRouter);
    neighbours.refuse::<Claim>([Problem::new(ErrorCode::StaleEpoch, "declared")]);
    neighbours.refuse::<ReadApproval>([Problem::new(ErrorCode::StaleEpoch, "not declared")]);
}

#[tokio::test]
async fn only_the_callers_of_a_call_are_let_in() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let calls: &dyn Calls = &calls;
    let request = serde_json::from_str(r#"{"decision": "approve"}"#).unwrap();
    let decided = calls.ask::<Decide>(&"apr_1".into(), &request).await;
    assert_eq!(refusal(decided).0, ErrorCode::Forbidden);
    let read = calls.ask::<ReadSkill>(&"a/b".to_owned(), &VersionQuery::default()).await;
    assert_eq!(refusal(read).0, ErrorCode::Forbidden);
    assert!(neighbours.log().is_empty());
}

#[tokio::test]
async fn a_service_that_is_down_is_unreachable_until_it_is_up() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let calls: &dyn Calls = &calls;
    neighbours.on::<ReadCurrent>(|(), ()| Ok(current("v1")));
    neighbours.down(LOADER);
    let Err(CallError::Port(error)) = calls.ask::<ReadCurrent>(&(), &()).await else {
        panic!("answered")
    };
    assert_eq!(error.kind, PortErrorKind::Unavailable);
    assert!(calls.health(ServiceName::PersonalAssistant).await.is_ok());
    neighbours.up(LOADER);
    assert!(calls.ask::<ReadCurrent>(&(), &()).await.is_ok());
}

#[tokio::test]
async fn a_raw_answer_may_break_the_contract() {
    let (neighbours, calls) = world(ServiceName::AgencyRouter);
    let calls: &dyn Calls = &calls;
    neighbours.raw::<ReadCurrent>(200, "no JSON");
    assert!(matches!(calls.ask::<ReadCurrent>(&(), &()).await, Err(CallError::Port(_))));
    neighbours.hang::<ReadCurrent>();
    let pending = std::pin::pin!(calls.ask::<ReadCurrent>(&(), &()));
    assert!(futures_util::FutureExt::now_or_never(pending).is_none());
}
