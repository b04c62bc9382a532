//! A Worker for tests: runs the port suite on Cloudflare's adapters inside the runtime. Never
//! deployed.
//!
//! `GET /<port>` runs that port's checks; a failing check panics, and the shim answers 500.
//! `/panic` panics at once. `/slow` takes half a second and must get a response even if another
//! request panics meanwhile. `/d1` reads and writes one row, as the baseline for routes in
//! `e2e/workers.bench.mjs` (call `/d1/table` first). `e2e/workers.figures.mjs` measures
//! `/figures/…`.

mod figures;

use cloudflare::cell::ObjectCell;
use cloudflare::inbox::ObjectInbox;
use cloudflare::inbox_object::InboxObject;
use cloudflare::{
    background::WaitUntil, clock::WorkerClock, kv::WorkersKv, objects::R2Objects,
    outbound::FetchOutbound, signal::PollingSignal, sql::D1Sql,
};
use platform::ports::{ClockExt, Sql};
use platform::{sql, suite};
use std::sync::Arc;
use worker::{
    Context, DurableObject, Env, Request, Response, Result, State, durable_object, event,
};

#[event(fetch, respond_with_errors)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    if path.starts_with("/figures/") {
        return figures::answer(request, env).await;
    }
    match path.as_str() {
        "/sql" => suite::sql(&D1Sql(env.d1("DB")?)).await,
        "/kv" => suite::kv(&WorkersKv(env.kv("KV")?)).await,
        "/objects" => suite::objects(&R2Objects::new(env.bucket("OBJECTS")?)).await,
        "/cell" => suite::cell(&ObjectCell(env)).await,
        "/inbox" => inbox::suite::check(&ObjectInbox(env)).await,
        "/signal" => suite::signal(&PollingSignal, &WorkerClock).await,
        "/clock" => suite::clock(&WorkerClock),
        "/background" => suite::background(&WaitUntil, Arc::new(WorkerClock)).await,
        "/outbound" => {
            suite::outbound(&FetchOutbound, request.url()?.query().unwrap_or_default()).await;
        }
        "/slow" => cloudflare::clock::pause(500).await,
        "/d1/table" => drop(
            D1Sql(env.d1("DB")?)
                .query(sql!(
                    "CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, n INTEGER NOT NULL)"
                ))
                .await,
        ),
        "/d1" => read_and_write(&D1Sql(env.d1("DB")?)).await?,
        "/panic" => assert!(path.is_empty(), "a panic on request"),
        _ => return Response::error("there is no such port", 404),
    }
    Response::ok("passed")
}

/// The baseline of a route: one row read, one row written.
async fn read_and_write(db: &D1Sql) -> Result<()> {
    let failed = |error: platform::ports::PortError| worker::Error::from(error.detail);
    let rows =
        db.query(sql!("SELECT n FROM bare ORDER BY id DESC LIMIT 1")).await.map_err(failed)?;
    let last = rows.first().and_then(|row| row.get("n")?.as_i64()).unwrap_or_default();
    db.query(sql!("INSERT INTO bare (id, n) VALUES (?1, ?2)", WorkerClock.ulid(), last + 1))
        .await
        .map_err(failed)?;
    Ok(())
}

cloudflare::cell_object!();

#[durable_object(alarm)]
pub struct Inbox(InboxObject);

impl DurableObject for Inbox {
    fn new(state: State, _env: Env) -> Self {
        Self(InboxObject::new(state))
    }
    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
    async fn alarm(&self) -> Result<Response> {
        self.0.alarm(|_| std::future::ready(Ok(()))).await
    }
}
