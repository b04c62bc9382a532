//! The skill-graph-loader Worker: the knowledge base as an API; a cron keeps its caches warm.

use axum::Router;
use cloudflare::{
    calls::BindingCalls, clock::WorkerClock, entry, kv::WorkersKv, objects::R2Objects, settings,
    sql::D1Sql,
};
use skill_graph_loader::{Cache, Deps, Limits};
use std::sync::Arc;
use worker::{Context, Env, HttpRequest, Response, Result, ScheduleContext, ScheduledEvent, event};

thread_local! {
    static KEPT: entry::Kept<(Router, Deps)> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<(Router, Deps), Vec<String>> {
    let settings = settings::Settings::read(env)?;
    let deps = Deps {
        sql: Arc::new(D1Sql(settings::binding(env.d1("DB"))?)),
        kv: Arc::new(WorkersKv(settings::binding(env.kv("GRAPH_CACHE"))?)),
        objects: Arc::new(R2Objects::new(settings::binding(env.bucket("OBJECTS"))?)),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        clock: Arc::new(WorkerClock),
        auth: settings.auth,
        limits: Limits::WORKERS,
        cache: Cache::default(),
    };
    Ok((skill_graph_loader::router(deps.clone()), deps))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    entry::answer(KEPT.with(|kept| kept.get(&env, make)).map(|kept| kept.0.clone()), request).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Some(kept) = KEPT.with(|kept| kept.get(&env, make)) else { return };
    cloudflare::log::failure("cannot warm the graph", skill_graph_loader::warm(&kept.1).await);
}
