//! Routing without a server: the same loader and router over an in-memory database, so the answer
//! equals a server's.

use crate::kept_model::Place;
use crate::ports::calls::{LocalCalls, Switchboard};
use crate::ports::cell::ProcessCell;
use crate::ports::clock::SystemClock;
use crate::ports::kv::ProcessKv;
use crate::ports::objects::FolderObjects;
use crate::ports::sql::SqliteSql;
use crate::services::stopwatch;
use anyhow::{Result, anyhow};
use contracts::calls::agency_router::{Analyze, Route};
use contracts::graph::SourceFile;
use contracts::routing::{RouteAnswer, RouteRequest};
use contracts::{ServiceName, Tokens};
use platform::edge::{Auth, Principal};
use platform::ports::{Calls, Clock, ClockExt, Sql};
use platform::secret::Secret;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Routes one message with a folder and the prices of a configuration. Also returns the estimated
/// tokens if the agent may use a model. A folder that was routed with before is not learnt again.
///
/// # Errors
/// When the folder has no agent; lists its problems.
pub async fn route(
    files: Vec<SourceFile>,
    reading: skill_graph_loader::Reading,
    config: &Value,
    request: &RouteRequest,
) -> Result<(RouteAnswer, Option<Tokens>)> {
    let place = Place::of(&files, reading);
    if !place.is_kept() {
        return route_at(&place, files, reading, config, request).await;
    }
    match route_at(&place, files.clone(), reading, config, request).await {
        Ok(found) => Ok(found),
        Err(_) => {
            place.discard();
            route_at(&Place::temporary(), files, reading, config, request).await
        }
    }
}

async fn route_at(
    place: &Place,
    files: Vec<SourceFile>,
    reading: skill_graph_loader::Reading,
    config: &Value,
    request: &RouteRequest,
) -> Result<(RouteAnswer, Option<Tokens>)> {
    let switchboard = Switchboard::default();
    let secret = |service| (Secret::new(SystemClock.random_hex(16)), Principal::Service(service));
    let (router_secret, loader_secret) =
        (secret(ServiceName::AgencyRouter), secret(ServiceName::SkillGraphLoader));
    let operator = (
        Secret::new(SystemClock.random_hex(16)),
        Principal::Scope(platform::edge::Scope::Operator),
    );
    let auth = Auth::new([router_secret.clone(), loader_secret.clone(), operator.clone()]);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let graph: Arc<dyn Sql> = Arc::new(SqliteSql::open(&place.database())?);
    // Decisions hold the message, and are never written to a file.
    let decisions: Arc<dyn Sql> = Arc::new(SqliteSql::open(Path::new(":memory:"))?);
    let loader = skill_graph_loader::Deps {
        sql: graph,
        kv: Arc::new(ProcessKv::default()),
        objects: Arc::new(FolderObjects::new(place.objects())),
        calls: Arc::new(LocalCalls::new(switchboard.clone(), loader_secret.0)),
        clock: clock.clone(),
        auth: auth.clone(),
        limits: skill_graph_loader::Limits::NATIVE,
        cache: skill_graph_loader::Cache::default(),
    };
    let router = agency_router::Deps {
        sql: decisions,
        kv: Arc::new(ProcessKv::default()),
        calls: Arc::new(LocalCalls::new(switchboard.clone(), router_secret.0)),
        cell: Arc::new(ProcessCell::default()),
        clock,
        stopwatch: stopwatch(),
        auth,
        config: Arc::new(agency_router::Config::read(config)),
        shared: agency_router::Shared::default(),
    };
    switchboard.connect(HashMap::from([
        (ServiceName::SkillGraphLoader, skill_graph_loader::router(loader.clone())),
        (ServiceName::AgencyRouter, agency_router::router(router)),
    ]));
    skill_graph_loader::publish_files(
        &loader,
        files,
        reading,
        None,
        skill_graph_loader::Permits { removal: true, rights: true },
    )
    .await
    .map_err(|e| anyhow!("{e}"))?;
    let caller = LocalCalls::new(switchboard, operator.0);
    // The first decision loads the model; the measured one is warm.
    let caller: &dyn Calls = &caller;
    let tokens = caller.ask::<Analyze>(&(), request).await?.estimated_tokens;
    Ok((caller.ask::<Route>(&(), request).await?, tokens))
}
