//! The agency-router Worker: chooses the agent.

use axum::Router;
use cloudflare::{
    calls::BindingCalls, cell::ObjectCell, clock::WorkerClock, entry, kv::WorkersKv, settings,
    sql::D1Sql,
};
use std::sync::Arc;
use worker::{Context, Env, HttpRequest, Response, Result, event};

thread_local! {
    static KEPT: entry::Kept<Router> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<Router, Vec<String>> {
    let settings = settings::Settings::read(env)?;
    let clock = Arc::new(WorkerClock);
    Ok(agency_router::router(agency_router::Deps {
        sql: Arc::new(D1Sql(settings::binding(env.d1("DB"))?)),
        kv: Arc::new(WorkersKv(settings::binding(env.kv("ROUTING_CACHE"))?)),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        cell: Arc::new(ObjectCell(env.clone())),
        clock: clock.clone(),
        stopwatch: agency_router::stopwatch_of(clock),
        auth: settings.auth,
        config: Arc::new(agency_router::Config::read(&settings.config)),
        shared: agency_router::Shared::for_workers(),
    }))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    entry::answer(KEPT.with(|kept| kept.get(&env, make)).map(|kept| (*kept).clone()), request).await
}

// The pool of agents.
cloudflare::cell_object!();
