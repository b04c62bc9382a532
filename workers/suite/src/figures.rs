//! The work that `e2e/workers.figures.mjs` measures: routes, training, search and memory on
//! synthetic graphs, with the code of the services.
//!
//! The clock stands still during computation, so each kind of work is repeated `times` times and
//! measured from outside. `/figures/service/<name>/…` is one whole service in its own instance, as
//! at a publish. `/figures/memory` returns the instance's peak memory, because linear memory never
//! shrinks.

mod numbers;
mod synthetic;
mod work;

use async_trait::async_trait;
use bytes::Bytes;
use cloudflare::{
    cell::ObjectCell, clock::WorkerClock, entry, kv::WorkersKv, objects::R2Objects, sql::D1Sql,
};
use contracts::ServiceName;
use contracts::graph::PublishRequest;
use contracts::routing::TrainRequest;
use numbers::Numbers;
use platform::edge::{Auth, Principal, Scope};
use platform::ports::{Calls, PortResult};
use platform::secret::Secret;
use serde_json::{Value, json};
use skill_graph_loader::{Cache, Limits};
use std::sync::Arc;
use work::WORK;
use worker::{Env, HttpRequest, Request, Response, Result};

const PREFIX: &str = "/figures";
/// The token for calls to services in here, which need no real secret.
const KEY: &str = "figures";
/// Bytes of a page of linear memory.
const PAGE_BYTES: usize = 64 << 10;
/// Weights of a model for one agent.
const AGENT_BYTES: usize = 1 << 14;

thread_local! {
    /// The loader's cache between publishes.
    static CACHE: Cache = Cache::default();
}

/// Answers every path below `/figures`.
pub async fn answer(mut request: Request, env: Env) -> Result<Response> {
    let path = request.path();
    let path = path.strip_prefix(PREFIX).unwrap_or_default();
    let numbers = Numbers::of(&request)?;
    if let Some(rest) = path.strip_prefix("/service/") {
        return service(rest.to_owned(), numbers.get("agents"), request, env).await;
    }
    let body = request.text().await?;
    let answer = match path {
        "/memory" => Some(json!(memory_bytes())),
        "/folder" => {
            return Response::from_json(&PublishRequest {
                files: synthetic::folder(&numbers),
                ..PublishRequest::default()
            });
        }
        "/graph" => {
            return Response::from_json(&TrainRequest { graph: synthetic::graph(&numbers) });
        }
        _ => WORK.with_borrow_mut(|work| work.answer(path, &numbers, &body)),
    };
    answer.map_or_else(
        || Response::error("there is no such figure, or it is not prepared", 404),
        |answer| Response::from_json(&answer),
    )
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> usize {
    core::arch::wasm32::memory_size(0) * PAGE_BYTES
}

#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> usize {
    PAGE_BYTES
}

/// Passes the request to a service as its Worker does, signed in as the allowed caller.
async fn service(path: String, agents: usize, request: Request, env: Env) -> Result<Response> {
    let Some((name, path)) = path.split_once('/') else { return Response::error("no path", 404) };
    let (mut parts, body) = HttpRequest::try_from(request)?.into_parts();
    parts.uri = format!("/{path}").parse().map_err(|_| worker::Error::from("no path"))?;
    parts
        .headers
        .insert(http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer figures"));
    let calls: Arc<dyn Calls> = Arc::new(Trained { agents });
    let (sql, kv, clock) =
        (Arc::new(D1Sql(env.d1("DB")?)), Arc::new(WorkersKv(env.kv("KV")?)), Arc::new(WorkerClock));
    let signed_in = |who| Auth::new([(Secret::new(KEY), who)]);
    let router = match name {
        "agency-router" => agency_router::router(agency_router::Deps {
            sql,
            kv,
            calls,
            cell: Arc::new(ObjectCell(env)),
            stopwatch: agency_router::stopwatch_of(clock.clone()),
            clock,
            auth: signed_in(Principal::Service(ServiceName::SkillGraphLoader)),
            config: Arc::new(agency_router::Config::read(&Value::Null)),
            shared: agency_router::Shared::for_workers(),
        }),
        "skill-graph-loader" => skill_graph_loader::router(skill_graph_loader::Deps {
            sql,
            kv,
            objects: Arc::new(R2Objects::new(env.bucket("OBJECTS")?)),
            calls,
            clock,
            auth: signed_in(Principal::Scope(Scope::Operator)),
            limits: Limits::WORKERS,
            cache: CACHE.with(Clone::clone),
        }),
        _ => return Response::error("there is no such service here", 404),
    };
    entry::answer(Some(router), HttpRequest::from_parts(parts, body)).await
}

/// The router as the loader sees it: returns a model of the right size at once, because training
/// memory is the router's own.
struct Trained {
    agents: usize,
}

#[async_trait]
impl Calls for Trained {
    async fn send(
        &self,
        _callee: ServiceName,
        request: http::Request<Bytes>,
    ) -> PortResult<http::Response<Bytes>> {
        let bytes = if request.uri().path() == "/internal/train" {
            (self.agents + 1) * AGENT_BYTES
        } else {
            0
        };
        let text = format!(
            "{{\"modelBase64\":\"{}\",\"trainMs\":0,\"findings\":[]}}",
            "A".repeat(bytes.div_ceil(3) * 4)
        );
        Ok(http::Response::new(Bytes::from(text)))
    }
}
