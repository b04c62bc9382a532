//! The personal-assistant Worker: approvals, budget, halt, chat; ticks every minute, makes a backup
//! every day.

use axum::Router;
use cloudflare::{
    background::WaitUntil, calls::BindingCalls, clock::WorkerClock, kv::WorkersKv,
    objects::R2Objects, outbound::FetchOutbound, signal::PollingSignal, sql::D1Sql,
};
use cloudflare::{entry, entry::EACH_MINUTE, log, settings};
use platform::config::Report;
use platform::secret::Secret;
use std::sync::Arc;
use worker::{Context, Env, HttpRequest, Response, Result, ScheduleContext, ScheduledEvent, event};

thread_local! {
    static KEPT: entry::Kept<(Router, personal_assistant::Deps)> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<(Router, personal_assistant::Deps), Vec<String>> {
    let (settings, report) = (settings::Settings::read(env)?, Report::default());
    let config = personal_assistant::Config::read(&settings.config, &report);
    settings::sound(report)?;
    let deps = personal_assistant::Deps {
        sql: Arc::new(D1Sql(settings::binding(env.d1("DB"))?)),
        kv: Arc::new(WorkersKv(settings::binding(env.kv("SESSIONS"))?)),
        objects: Arc::new(R2Objects::new(settings::binding(env.bucket("OBJECTS"))?)),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        outbound: Arc::new(FetchOutbound),
        programs: None,
        clock: Arc::new(WorkerClock),
        signal: Arc::new(PollingSignal),
        background: Arc::new(WaitUntil),
        auth: settings.auth,
        config: Arc::new(config),
        button_key: Secret::new(settings::required(env, "QUINTET_BUTTON_KEY")?),
        emergency: Arc::new(platform::ports::NoEmergency),
        unwritten: personal_assistant::Unwritten::default(),
        open_calls: personal_assistant::OpenCalls::default(),
        next_digest: personal_assistant::NextLook::default(),
    };
    Ok((personal_assistant::router(deps.clone()), deps))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    entry::answer(KEPT.with(|kept| kept.get(&env, make)).map(|kept| kept.0.clone()), request).await
}

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Some(kept) = KEPT.with(|kept| kept.get(&env, make)) else { return };
    match event.cron().as_str() {
        EACH_MINUTE => personal_assistant::tick(&kept.1).await,
        _ => log::failure("the daily backup failed", personal_assistant::back_up(&kept.1).await),
    }
}
