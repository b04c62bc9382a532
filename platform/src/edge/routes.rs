//! The URL map of a service. Each route names its callers, so that none is open by omission.

use super::auth::Bearer;
use super::health::{Recent, recent};
use super::{ApiError, Auth, Principal, request_id};
use crate::ports::Clock;
use axum::extract::{MatchedPath, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, get, on};
use axum::{Router, response::IntoResponse};
use contracts::calls::{self, Access, Call, Listed, Method};
use contracts::{ErrorCode, ServiceName};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The check that a service puts before its pages.
pub trait PageGate<S> {
    /// The handlers behind the check.
    fn before(&self, methods: MethodRouter<S>) -> MethodRouter<S>;
}

/// Added to a request by a runtime if the caller is on this machine. Workers never add it.
#[derive(Clone, Copy, Debug)]
pub struct FromLoopback;

/// Added to a request by a runtime: the network that the caller comes from, an address of IPv4 or
/// the first 64 bits of one of IPv6. All callers behind a proxy of this machine share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone)]
struct Guard {
    auth: Auth,
    access: Access,
    /// Services let in beside the scopes.
    callers: &'static [ServiceName],
}

/// Collects the routes of one service.
pub struct Routes<S> {
    service: ServiceName,
    auth: Auth,
    router: Router<S>,
    guards: Vec<(String, Guard)>,
    /// Paths behind a gate; the gate itself is open.
    pages: Vec<String>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// An empty map.
    pub fn new(service: ServiceName, auth: Auth) -> Self {
        Self { service, auth, router: Router::new(), guards: Vec::new(), pages: Vec::new() }
    }
    /// The handler of a call: its path, its method and who may use it come from the call.
    #[must_use]
    pub fn call<C: Call, H: Handler<T, S>, T: 'static>(self, _: C, handler: H) -> Self {
        self.listed(&Listed::of::<C>(std::any::type_name::<C>()), handler)
    }
    /// The handler of a call by its row, for a handler that serves many calls.
    #[must_use]
    pub fn listed<H: Handler<T, S>, T: 'static>(mut self, call: &Listed, handler: H) -> Self {
        debug_assert_eq!(call.callee, self.service, "a call of another service");
        let guard = self.guard(call.access, call.callers);
        self.guards.push((call.path.to_owned(), guard.clone()));
        let method = on(filter(call.method), handler).layer(from_fn_with_state(guard, check));
        self.router = self.router.route(call.path, method);
        self
    }
    fn guard(&self, access: Access, callers: &'static [ServiceName]) -> Guard {
        Guard { auth: self.auth.clone(), access, callers }
    }
    /// A page or a webhook: a path for everybody that is no call.
    #[must_use]
    pub fn open(self, path: &str, methods: MethodRouter<S>) -> Self {
        self.add(Access::Open, path, methods)
    }
    /// Health, which every service answers to everybody, and checks at most every
    /// [`FRESH_MS`](super::health::FRESH_MS).
    #[must_use]
    pub fn health<H: Handler<T, S>, T: 'static>(self, clock: Arc<dyn Clock>, handler: H) -> Self {
        let check = get(handler).layer(from_fn_with_state(Recent::new(clock), recent));
        self.open(calls::HEALTH, check)
    }
    /// The service's OpenAPI document. It holds no data, so everybody may read it.
    #[must_use]
    pub fn document(self, text: &'static str) -> Self {
        let headers = [(http::header::CONTENT_TYPE, "application/json")];
        self.open(calls::DOCUMENT, get(move || std::future::ready((headers, text))))
    }
    /// A path of another protocol than ours, for these callers.
    #[must_use]
    pub fn raw(self, access: Access, path: &str, methods: MethodRouter<S>) -> Self {
        self.add(access, path, methods)
    }
    /// A path of a later version: 501 until then.
    #[must_use]
    pub fn planned(self, access: Access, path: &str) -> Self {
        let later = || async {
            ApiError::new(ErrorCode::NotInThisVersion, "This path belongs to a later version.")
        };
        self.add(access, path, any(later))
    }
    /// A path for people who are signed in: its handlers are behind the gate.
    #[must_use]
    pub fn page(self, gate: &impl PageGate<S>, path: &str, methods: MethodRouter<S>) -> Self {
        let mut routes = self.open(path, gate.before(methods));
        routes.pages.push(path.to_owned());
        routes
    }
    /// Every path, and whether it is a page, in the order in which they were added.
    pub fn map(self) -> impl Iterator<Item = (String, bool)> {
        let pages = self.pages;
        self.guards.into_iter().map(move |(path, _)| {
            let is_page = pages.contains(&path);
            (path, is_page)
        })
    }
    fn add(mut self, access: Access, path: &str, methods: MethodRouter<S>) -> Self {
        let guard = self.guard(access, &[]);
        self.guards.push((path.to_owned(), guard.clone()));
        self.router = self.router.route(path, methods.layer(from_fn_with_state(guard, check)));
        self
    }
    /// The service's router: unknown paths and methods become problems, and every response has its
    /// request id.
    pub fn finish(self, state: S) -> Router {
        let guards: Arc<[(String, Guard)]> = self.guards.into();
        self.router
            .fallback(|| async { ApiError::new(ErrorCode::NotFound, "There is no such path.") })
            .method_not_allowed_fallback(move |request: Request| {
                std::future::ready(wrong_method(&guards, &request))
            })
            .layer(from_fn(request_id::layer))
            .with_state(state)
    }
}

const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// The guard also covers wrong methods, so that unauthorised callers learn nothing about the paths.
fn wrong_method(guards: &[(String, Guard)], request: &Request) -> ApiError {
    // Below another router the matched path has that router's prefix.
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let guard = guards
        .iter()
        .filter(|(path, _)| matched.ends_with(path.as_str()))
        .max_by_key(|(path, _)| path.len());
    match guard.map(|(_, guard)| guard.admits(request)) {
        Some(Err(refusal)) => refusal,
        _ => ApiError::new(ErrorCode::MethodNotAllowed, "This path does not take that method."),
    }
}

/// Lets a request through, or refuses it with the reason.
async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match guard.admits(&request) {
        Ok(Some(principal)) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Ok(None) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl Guard {
    fn admits(&self, request: &Request) -> Result<Option<Principal>, ApiError> {
        let sender = self.auth.bearer(request.headers());
        match (self.access, sender) {
            (Access::Open, Bearer::Known(who)) => Ok(Some(who)),
            (Access::Open, _) => Ok(None),
            (Access::Internal, Bearer::Known(Principal::Service(service)))
                if self.callers.contains(&service) =>
            {
                Ok(Some(Principal::Service(service)))
            }
            (Access::Internal, _) => {
                Err(ApiError::new(ErrorCode::NotFound, "There is no such path."))
            }
            (Access::Scopes(_), Bearer::None) => {
                Err(ApiError::new(ErrorCode::Unauthenticated, "This needs a token."))
            }
            (Access::Scopes(_), Bearer::Unknown) => {
                Err(ApiError::new(ErrorCode::Unauthenticated, "Nobody has this token."))
            }
            (Access::Scopes(_), Bearer::Known(Principal::Service(service)))
                if self.callers.contains(&service) =>
            {
                Ok(Some(Principal::Service(service)))
            }
            (Access::Scopes(scopes), Bearer::Known(Principal::Scope(scope)))
                if scopes.contains(&scope) =>
            {
                Ok(Some(Principal::Scope(scope)))
            }
            (Access::Scopes(scopes), Bearer::Known(who)) => {
                let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
                let detail = format!(
                    "The token of {} may not do this; it needs the scope {}.",
                    who.as_str(),
                    names.join(" or ")
                );
                Err(ApiError::new(ErrorCode::Forbidden, detail))
            }
        }
    }
}
