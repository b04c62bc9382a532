//! The monitoring-dashboard Worker: figures and pages; probes each minute.

use axum::Router;
use cloudflare::{background::WaitUntil, calls::BindingCalls, clock::WorkerClock, signal::PollingSignal, sql::D1Sql};
use cloudflare::{
    cell::{CellObject, ObjectCell},
    entry, settings,
};
use monitoring_dashboard::{Config, Deps, Place};
use platform::config::Report;
use std::sync::Arc;
use worker::{Context, DurableObject, Env, HttpRequest, Request, Response, Result, ScheduleContext, ScheduledEvent, State, durable_object, event};

thread_local! {
    static KEPT: entry::Kept<(Router, Deps)> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<(Router, Deps), Vec<String>> {
    let (settings, report) = (settings::Settings::read(env)?, Report::default());
    let place = Place { secure_cookies: settings::text(env, "QUINTET_PLAIN_HTTP").is_none(), probe_interval_ms: 60_000, ..Place::default() };
    let config = Config::read(&settings.config, place, &report);
    settings::sound(report)?;
    let deps = Deps {
        sql: Arc::new(D1Sql(settings::binding(env.d1("DB"))?)),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        clock: Arc::new(WorkerClock),
        cell: Arc::new(ObjectCell(env.clone())),
        signal: Arc::new(PollingSignal),
        background: Arc::new(WaitUntil),
        auth: settings.auth,
        config: Arc::new(config),
    };
    Ok((monitoring_dashboard::router(deps.clone()), deps))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    entry::answer(KEPT.with(|kept| kept.get(&env, make)).map(|kept| kept.0.clone()), request).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Some(kept) = KEPT.with(|kept| kept.get(&env, make)) else { return };
    monitoring_dashboard::tick(&kept.1).await;
}

/// Counts of sign-ins.
#[durable_object]
pub struct Cell(CellObject);

impl DurableObject for Cell {
    fn new(state: State, _env: Env) -> Self {
        Self(CellObject::new(state))
    }
    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
}
