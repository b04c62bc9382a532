//! The webhook-aggregator Worker: receives and delivers messages, one inbox object per endpoint.

use cloudflare::{
    background::WaitUntil, calls::BindingCalls, clock::WorkerClock, inbox::ObjectInbox,
    objects::R2Objects, outbound::FetchOutbound, signal::PollingSignal,
};
use cloudflare::{entry, inbox_object::InboxObject, settings};
use std::sync::Arc;
use webhook_aggregator::{Config, Deps, Synced};
use worker::{
    Context, DurableObject, Env, HttpRequest, Request, Response, Result, State, durable_object,
    event,
};

thread_local! {
    static KEPT: entry::Kept<(axum::Router, Deps, Synced)> = const { entry::Kept::new() };
}

fn make(env: &Env) -> std::result::Result<(axum::Router, Deps, Synced), Vec<String>> {
    let (settings, report) = (settings::Settings::read(env)?, platform::config::Report::default());
    let config = Config::read(&settings.config, &report);
    config.refuse_polling(&report);
    settings::sound(report)?;
    let deps = Deps {
        inbox: Arc::new(ObjectInbox(env.clone())),
        calls: Arc::new(BindingCalls::new(env.clone(), settings.keys)),
        outbound: Arc::new(FetchOutbound),
        mail: None,
        objects: Arc::new(R2Objects::new(settings::binding(env.bucket("OBJECTS"))?)),
        clock: Arc::new(WorkerClock),
        signal: Arc::new(PollingSignal),
        background: Arc::new(WaitUntil),
        auth: settings.auth,
        config: Arc::new(config),
        links: webhook_aggregator::Links::default(),
    };
    Ok((webhook_aggregator::router(deps.clone()), deps, Synced::default()))
}

#[event(fetch, respond_with_errors)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<Response> {
    let kept = KEPT.with(|kept| kept.get(&env, make));
    if let Some((_, deps, synced)) = kept.as_deref() {
        synced.soon(deps);
    }
    entry::answer(kept.map(|kept| kept.0.clone()), request).await
}

/// The inbox of one endpoint. Without a configuration it pumps nothing and loses nothing, because
/// the alarm fires again.
#[durable_object(alarm)]
pub struct Inbox(InboxObject, Env);

impl DurableObject for Inbox {
    fn new(state: State, env: Env) -> Self {
        Self(InboxObject::new(state), env)
    }
    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
    async fn alarm(&self) -> Result<Response> {
        let kept = KEPT.with(|kept| kept.get(&self.1, make)).ok_or_else(settings::not_configured);
        self.0.alarm(|shard| async move { webhook_aggregator::pump(&kept?.1, &shard).await }).await
    }
}
