//! The neighbours of one service, answering by the types of their calls.

use crate::Asked;
use crate::answer::{self, Answer};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::calls::{self, Binary, Call, Listed, Method};
use contracts::{ErrorCode, Problem, ServiceName};
use futures_util::future::BoxFuture;
use platform::edge::{ApiError, ApiResult, Auth, Checkup, Found, Routes};
use platform::memory::{ManualClock, Switchboard};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex};

type CallKey = (ServiceName, Method, &'static str);

/// The fakes of the services that one service calls. A clone is the same fakes.
#[derive(Clone)]
pub struct Neighbours {
    state: Arc<State>,
    auth: Auth,
    switchboard: Switchboard,
}

#[derive(Default)]
struct State {
    answers: Mutex<BTreeMap<CallKey, Answer>>,
    /// Refusals of the next calls, before the answers.
    refusals: Mutex<BTreeMap<CallKey, VecDeque<ApiError>>>,
    asked: Mutex<Vec<Asked>>,
    /// OpenAPI documents, where a test gives one.
    documents: Mutex<BTreeMap<ServiceName, &'static str>>,
    /// The problem of a service that answers its health check with 503.
    unable: Mutex<BTreeMap<ServiceName, String>>,
}

impl Neighbours {
    /// These services on this switchboard, without any answer. They let in whom `auth` knows, by
    /// the access and the callers of each call.
    pub fn on_board(
        switchboard: &Switchboard,
        auth: Auth,
        services: impl IntoIterator<Item = ServiceName>,
    ) -> Self {
        let switchboard = switchboard.clone();
        let neighbours = Self { state: Arc::default(), auth, switchboard };
        services.into_iter().for_each(|service| neighbours.up(service));
        neighbours
    }
    /// Sets or replaces the answer to a call.
    pub fn on<C>(
        &self,
        answer: impl Fn(C::Params, C::Request) -> ApiResult<C::Reply> + Send + Sync + 'static,
    ) where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned, Reply: Serialize + Send>,
    {
        self.later::<C>(move |params, request| Box::pin(ready(answer(params, request))));
    }
    /// [`Self::on`], for an answer that waits.
    pub fn later<C>(
        &self,
        answer: impl Fn(C::Params, C::Request) -> BoxFuture<'static, ApiResult<C::Reply>>
        + Send
        + Sync
        + 'static,
    ) where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned, Reply: Serialize>,
    {
        self.set::<C>(answer::json::<C>(answer));
    }
    /// [`Self::on`], for a reply in bytes.
    pub fn on_bytes<C>(
        &self,
        answer: impl Fn(C::Params, C::Request) -> ApiResult<Bytes> + Send + Sync + 'static,
    ) where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned, Reply = Binary>,
    {
        self.set::<C>(answer::bytes::<C>(answer));
    }
    /// Answers a call outside the contract.
    pub fn raw<C: Call>(&self, status: u16, body: &str) {
        self.set::<C>(answer::raw(status, body.to_owned()));
    }
    /// Never answers a call again.
    pub fn hang<C: Call>(&self) {
        self.set::<C>(answer::never());
    }
    /// Refuses the next calls with these problems; afterwards the usual answer.
    pub fn refuse<C: Call>(&self, problems: impl IntoIterator<Item = Problem>) {
        let mut refusals = self.state.refusals.lock().unwrap();
        refusals
            .entry((C::CALLEE, C::METHOD, C::PATH))
            .or_default()
            .extend(problems.into_iter().map(|problem| answer::declared::<C>(problem.into())));
    }
    /// Takes a service off the switchboard.
    pub fn down(&self, service: ServiceName) {
        self.switchboard.lock().unwrap().remove(&service);
    }
    /// Takes every service off the switchboard.
    pub fn all_down(&self) {
        self.switchboard.lock().unwrap().clear();
    }
    /// Puts a service on the switchboard.
    pub fn up(&self, service: ServiceName) {
        let router = router(&self.state, service, &self.auth);
        self.switchboard.lock().unwrap().insert(service, router);
    }
    /// Lets a service answer its health check with 503 and this problem.
    pub fn unable(&self, service: ServiceName, problem: &str) {
        self.state.unable.lock().unwrap().insert(service, problem.to_owned());
        self.up(service);
    }
    /// Sets the OpenAPI document of a service.
    pub fn document(&self, service: ServiceName, document: &'static str) {
        self.state.documents.lock().unwrap().insert(service, document);
        self.up(service);
    }
    /// The requests of a call, the oldest first.
    pub fn asked<C>(&self) -> Vec<C::Request>
    where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned>,
    {
        self.asked_with::<C>().into_iter().map(|(_, request)| request).collect()
    }
    /// The parameters and requests of a call, the oldest first.
    pub fn asked_with<C>(&self) -> Vec<(C::Params, C::Request)>
    where
        C: Call<Params: DeserializeOwned, Request: DeserializeOwned>,
    {
        self.of::<C>().iter().map(|asked| asked.typed::<C>().unwrap()).collect()
    }
    /// The bodies of a call as they were sent, the oldest first.
    pub fn bodies<C: Call>(&self) -> Vec<Value> {
        self.of::<C>().iter().map(Asked::json).collect()
    }
    /// How often a call came.
    pub fn count<C: Call>(&self) -> usize {
        self.of::<C>().len()
    }
    /// Every call, in the order in which they came.
    pub fn log(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }
    fn of<C: Call>(&self) -> Vec<Asked> {
        self.log().into_iter().filter(Asked::is::<C>).collect()
    }
    fn set<C: Call>(&self, answer: Answer) {
        self.state.answers.lock().unwrap().insert((C::CALLEE, C::METHOD, C::PATH), answer);
    }
}

fn router(state: &Arc<State>, service: ServiceName, auth: &Auth) -> Router {
    let problem = state.unable.lock().unwrap().get(&service).cloned();
    let health = move || {
        let state = problem.clone().map_or(Found::Answers, Found::Failed);
        ready(Checkup::new(service, "0.1.0").needs("all", state))
    };
    let document = state.documents.lock().unwrap().get(&service).copied();
    let document = document.unwrap_or(r#"{"paths": {}}"#);
    let routes = Routes::new(service, auth.clone())
        .health(Arc::new(ManualClock::default()), health)
        .document(document);
    let routes = calls::of(service).iter().fold(routes, |routes, call| {
        let state = state.clone();
        routes.listed(call, move |request: Request| answer(state.clone(), call, request))
    });
    routes.finish(())
}

/// Records the call and answers it.
async fn answer(state: Arc<State>, call: &'static Listed, request: Request) -> Response {
    let asked = match Asked::read(call, request).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_response(),
    };
    let place = (call.callee, call.method, call.path);
    state.asked.lock().unwrap().push(asked.clone());
    let refusal = state.refusals.lock().unwrap().get_mut(&place).and_then(VecDeque::pop_front);
    if let Some(refusal) = refusal {
        return refusal.into_response();
    }
    // The lock is free again while the answer is made.
    let answer = state.answers.lock().unwrap().get(&place).cloned();
    match answer {
        Some(answer) => answer(&asked).await,
        None => {
            let detail = format!("The fake {} has no answer to {}.", call.callee, call.name);
            ApiError::new(ErrorCode::Unavailable, detail).into_response()
        }
    }
}
