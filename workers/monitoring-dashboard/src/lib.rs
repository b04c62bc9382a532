//! The monitoring-dashboard Worker: metrics and pages; probes every minute, archives every day.

use axum::Router;
use cloudflare::{
    background::WaitUntil, calls::BindingCalls, cell::ObjectCell, clock::WorkerClock, kv::WorkersKv,
};
use cloudflare::{
    entry, entry::EACH_MINUTE, log, objects::R2Objects, settings, signal::PollingSignal, sql::D1Sql,
};
use monitoring_dashboard::{Config, Deps, HostSettings};
use platform::config::Report;
use std::sync::Arc;
use worker::{Context, Env, HttpRequest, Response, Result, ScheduleContext, ScheduledEvent, event};

thread_local! {
    static KEPT: entry::Kept<(Router, Deps)> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<(Router, Deps), Vec<String>> {
    let (settings, report) = (settings::Settings::read(env)?, Report::default());
    let place = HostSettings {
        secure_cookies: settings::text(env, "QUINTET_PLAIN_HTTP").is_none(),
        probe_interval_ms: 60_000,
        ..HostSettings::default()
    };
    let config = Config::read(&settings.config, place, &report);
    settings::sound(report)?;
    let deps = Deps {
        sql: Arc::new(D1Sql(settings::binding(env.d1("DB"))?)),
        kv: Arc::new(WorkersKv(settings::binding(env.kv("METRICS"))?)),
        objects: Arc::new(R2Objects::new(settings::binding(env.bucket("OBJECTS"))?)),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        clock: Arc::new(WorkerClock),
        cell: Arc::new(ObjectCell(env.clone())),
        signal: Arc::new(PollingSignal),
        background: Arc::new(WaitUntil),
        auth: settings.auth,
        config: Arc::new(config),
        // A Worker cannot write its own configuration.
        chats: None,
    };
    Ok((monitoring_dashboard::router(deps.clone()), deps))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    entry::answer(KEPT.with(|kept| kept.get(&env, make)).map(|kept| kept.0.clone()), request).await
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Some(kept) = KEPT.with(|kept| kept.get(&env, make)) else { return };
    match event.cron().as_str() {
        EACH_MINUTE => monitoring_dashboard::tick(&kept.1).await,
        _ => log::failure(
            "archiving the metrics failed",
            monitoring_dashboard::archive(&kept.1).await,
        ),
    }
}

// Counts of sign-ins.
cloudflare::cell_object!();
