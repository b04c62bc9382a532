//! The URL map of a service. Each route names its callers, so that none is open by omission.

use super::auth::Bearer;
use super::{ApiError, Auth, Principal, Scope, request_id};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use axum::{Router, response::IntoResponse};
use contracts::{ErrorCode, ServiceName, calls};
use std::sync::Arc;

/// The allowed callers of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone: health, and webhooks that authenticate with their signatures.
    Open,
    /// These scopes, plus services by the table in `contracts::calls`.
    Scopes(&'static [Scope]),
    /// Services by the table only; 404 for everyone else.
    Internal,
    /// People who are signed in: the service's own gate stands before the handler.
    SignedIn,
}

/// The check that a service puts before its pages.
pub trait PageGate<S> {
    /// The handlers behind the check.
    fn before(&self, methods: MethodRouter<S>) -> MethodRouter<S>;
}

/// Added to a request by a runtime if the caller is on this machine. Workers never add it.
#[derive(Clone, Copy, Debug)]
pub struct FromLoopback;

#[derive(Clone)]
struct Guard {
    service: ServiceName,
    auth: Auth,
    access: Access,
}

/// Collects the routes of one service.
pub struct Routes<S> {
    service: ServiceName,
    auth: Auth,
    router: Router<S>,
    guards: Vec<(String, Guard)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// An empty map.
    pub fn new(service: ServiceName, auth: Auth) -> Self {
        Self { service, auth, router: Router::new(), guards: Vec::new() }
    }
    /// A public path.
    #[must_use]
    pub fn open(self, path: &str, methods: MethodRouter<S>) -> Self {
        self.add(Access::Open, path, methods)
    }
    /// A path for these scopes (list the operator's explicitly).
    #[must_use]
    pub fn scoped(self, scopes: &'static [Scope], path: &str, methods: MethodRouter<S>) -> Self {
        self.add(Access::Scopes(scopes), path, methods)
    }
    /// A path for services only.
    #[must_use]
    pub fn internal(self, path: &str, methods: MethodRouter<S>) -> Self {
        self.add(Access::Internal, path, methods)
    }
    /// A path for people who are signed in: its handlers are behind the gate.
    #[must_use]
    pub fn page(self, gate: &impl PageGate<S>, path: &str, methods: MethodRouter<S>) -> Self {
        self.add(Access::SignedIn, path, gate.before(methods))
    }
    /// Who may call each path, in the order in which they were added.
    pub fn map(self) -> impl Iterator<Item = (String, Access)> {
        self.guards.into_iter().map(|(path, guard)| (path, guard.access))
    }
    fn add(mut self, access: Access, path: &str, methods: MethodRouter<S>) -> Self {
        let guard = Guard { service: self.service, auth: self.auth.clone(), access };
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
        let by_table = |service| {
            calls::is_allowed(
                service,
                self.service,
                request.method().as_str(),
                request.uri().path(),
            )
        };
        match (self.access, sender) {
            (Access::Open | Access::SignedIn, Bearer::Known(who)) => Ok(Some(who)),
            (Access::Open | Access::SignedIn, _) => Ok(None),
            (Access::Internal, Bearer::Known(Principal::Service(service))) if by_table(service) => {
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
                if by_table(service) =>
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
