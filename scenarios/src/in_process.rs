//! The six services in this process, on memory ports and a manual clock.
//!
//! [`World`] holds what a disk would keep and survives a restart. Everything else is rebuilt
//! ([`services`]), and every task of the previous process is aborted, as in a crash.

mod crew;
mod programs;
mod services;
mod world;

use crate::agent::Agent;
use crate::configuration;
use crate::host::{Answer, Host, Request};
use crate::story::Story;
use crate::telegram::Telegram;
use async_trait::async_trait;
use http_body_util::BodyExt;
use inbox::memory::MemoryInbox;
use platform::edge::FromLoopback;
use platform::memory::{ManualClock, MemoryOutbound, MemorySql, Sent};
use platform::ports::{Clock, OutboundResponse};
use serde_json::Value;
use services::Services;
use std::sync::Arc;
use tower::ServiceExt;
use world::World;

/// Scheduler turns in which everything ready runs; memory ports never wait for anything else.
const TURNS: usize = 200;
/// The clock's step, finer than any relevant timer.
const TICK_MS: i64 = 250;
/// Maximum host time to wait for a response.
const ANSWER_MS: i64 = 60_000;

/// The host.
pub struct InProcess {
    telegram: Telegram,
    world: World,
    tree: Value,
    services: Services,
}

impl InProcess {
    /// Starts everything for a story.
    pub async fn start(story: &Story) -> Self {
        let telegram = Telegram::default();
        let clock = Arc::new(ManualClock::default());
        let platform = telegram.clone();
        let world = World {
            inbox: Arc::new(MemoryInbox::new(clock.clone())),
            sql: Arc::new(MemorySql::with_migrations(
                &migrations().iter().map(String::as_str).collect::<Vec<_>>(),
            )),
            objects: Arc::default(),
            programs: Arc::default(),
            outbound: Arc::new(MemoryOutbound::new(move |sent| Ok(bot_api(&platform, sent)))),
            clock,
        };
        let agents = story.agents();
        agents.iter().for_each(|agent| world.programs.put(agent));
        let tree = configuration::tree("http://127.0.0.1:1", &agents, None, str::to_owned);
        let services = Services::start(&world, &tree).await;
        Self { telegram, world, tree, services }
    }

    async fn settle(&self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    async fn tick(&self, ms: i64) {
        self.settle().await;
        self.world.clock.advance(ms);
        self.settle().await;
    }
}

/// Every migration, in order.
fn migrations() -> Vec<String> {
    let folder = crate::folder().join("../migrations");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sql"))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn bot_api(telegram: &Telegram, sent: &Sent) -> OutboundResponse {
    let (_, method) = sent.url.rsplit_once('/').unwrap();
    assert!(
        sent.url.contains(&format!("/bot{}/", configuration::BOT_TOKEN)),
        "a call with another token: {}",
        sent.url
    );
    let (status, body) =
        telegram.answer(method, &serde_json::from_str(&sent.body).unwrap_or_default());
    MemoryOutbound::json(status, &body)
}

#[async_trait]
impl Host for InProcess {
    fn name(&self) -> &'static str {
        "in-process"
    }
    fn telegram(&self) -> &Telegram {
        &self.telegram
    }
    async fn send(&mut self, request: Request) -> Result<Answer, String> {
        let mut built = http::Request::builder().method(request.method.as_str()).uri(&request.path);
        if request.scope != "nobody" {
            built = built
                .header("authorization", format!("Bearer {}", services::token(&request.scope)));
        }
        for (name, value) in &request.headers {
            built = built.header(*name, value);
        }
        let mut built =
            built.body(axum::body::Body::from(request.body)).map_err(|error| error.to_string())?;
        built.extensions_mut().insert(FromLoopback);
        let app = self.services.app.clone();
        let answering = async move {
            let response = app.oneshot(built).await.unwrap_or_else(|never| match never {});
            let status = response.status().as_u16();
            Answer::new(status, &response.into_body().collect().await.unwrap().to_bytes())
        };
        // A long poll waits for the clock, which only this loop advances.
        let time_passes = async {
            let deadline = self.now_ms() + ANSWER_MS;
            while self.now_ms() < deadline {
                self.tick(TICK_MS).await;
            }
        };
        let answer = tokio::select! {
            biased;
            answer = answering => Ok(answer),
            () = time_passes => Err(format!("none within {ANSWER_MS} ms")),
        };
        self.settle().await;
        answer
    }
    fn set_agent(&mut self, agent: &Agent) -> Result<(), String> {
        self.world.programs.put(agent);
        Ok(())
    }
    fn runs(&self, agent: &str) -> usize {
        self.world.programs.starts(agent)
    }
    fn now_ms(&self) -> i64 {
        self.world.clock.now_ms()
    }
    async fn breathe(&mut self) {
        self.tick(TICK_MS).await;
    }
    async fn advance(&mut self, ms: i64) {
        let mut left = ms;
        while left > 0 {
            self.tick(left.min(TICK_MS)).await;
            left -= TICK_MS;
        }
    }
    fn advance_max_ms(&self) -> Option<i64> {
        None
    }
    async fn restart(&mut self) -> Result<(), String> {
        self.services.crash().await;
        self.services = Services::start(&self.world, &self.tree).await;
        self.settle().await;
        Ok(())
    }
    fn notes(&self) -> String {
        String::new()
    }
    async fn close(&mut self) {
        self.services.crash().await;
    }
}
