//! `quintet up`: everything on one port, until it stops.

use crate::config_file;
use crate::data_dir::{DataDir, ServerFile};
use crate::edge::{self, Limits};
use crate::harden;
use crate::identity;
use crate::live::{self, Live};
use crate::local_endpoints;
use crate::ports::clock::SystemClock;
use crate::reload::Signals;
use crate::server;
use crate::services::{self, Services};
use crate::stop::until;
use crate::storage;
use crate::terminal::remark;
use crate::tokens;
use crate::watch_graph;
use crate::workspaces;
use anyhow::{Context, Result};
use axum::Router;
use futures_util::FutureExt;
use futures_util::future::join3;
use graph_folder::default_graph;
use platform::ports::{Clock, Dial};
use skill_graph_loader::Reading;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Maximum time for open requests after a stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Maximum wait for the gateway, which gives its runs 5 s, then stops them and reports, within 25
/// s.
const GATEWAY_DRAIN: Duration = Duration::from_secs(28);
/// Timer interval when nothing is due sooner.
const IDLE_MS: i64 = 1_000;
const FLOOR_MS: i64 = 20;
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// Interval between checks for daily work.
const DAILY_LOOK: Duration = Duration::from_mins(10);

/// Runs until Ctrl-C or SIGTERM; SIGHUP reads the configuration again.
///
/// # Errors
/// When the directory is in use, the configuration invalid, or the address in use.
pub async fn up(
    data: DataDir,
    config: Option<&Path>,
    listen: SocketAddr,
    folder: Option<(PathBuf, Reading)>,
) -> Result<()> {
    data.create()?;
    let _lock = data.lock()?;
    storage::check(&data)?;
    let listener = listen_on(listen)?;
    let address = listener.local_addr()?;
    let base = format!("http://{}", services::on_this_machine(address));
    let file = config_file::path(config, &data);
    let tree = config_file::read_tree(file.as_deref())?;
    tree.close()?;
    let place = monitoring_dashboard::HostSettings {
        base_path: "/monitoring-dashboard".to_owned(),
        listen: vec![address.to_string()],
        secure_cookies: false,
        probe_interval_ms: i64::try_from(PROBE_EVERY.as_millis()).unwrap_or(15_000),
    };
    let local = local_endpoints::configuration(&data, &base)?;
    let machine = |gateway: &_| workspaces::of_machine(gateway, &data, file.as_deref());
    let configuration = config_file::read(&tree, &local, place.clone(), machine)?;
    warn(&configuration, address);
    let folder = folder.map(|(folder, reading)| watch_graph::open(&folder, reading)).transpose()?;
    let (published, is_published) = watch::channel(false);
    let services = services::build(&data, configuration, &is_published, address)?;
    storage::mark(&data)?;
    webhook_aggregator::recover(&services.aggregator, &services.gateway.gateway_id)
        .await
        .map_err(|error| storage::explain(&data.join("inbox.db"), error.into()))?;
    // From here on signals are handled, because a client that knows the address may send one.
    let signals = Signals::listen()?;
    let place = live::Place {
        data: data.clone(),
        config: config.map(std::path::absolute).transpose()?,
        base: base.clone(),
        host: place,
    };
    let live = Live::new(place, tree.value, services.aggregator.clone(), services.slot.clone());
    let live = Arc::new(live);
    services.chats.open(live.clone());
    let local = local_paths(&data, &services, &base)?.merge(live::router(live.clone()));
    data.write_server(&ServerFile::of_this_process(base.clone()))?;
    let (stop, stopped) = watch::channel(false);
    let loops = start_loops(&services, &live, &stopped, &is_published);
    let gateway =
        tokio::spawn(agency_gateway::serve(services.gateway.clone(), until(stopped.clone())));
    let limits = Limits::default().within(harden::raise_descriptors());
    let serving = tokio::spawn(edge::serve(
        listener,
        server::app(&services, local, &stopped),
        limits,
        stopped.clone(),
    ));
    greet(&services, &data, &base).await;
    let watched = match folder {
        Some(opened) => Some(watch_graph::first(&services.loader, opened, &data).await),
        None => None,
    };
    ready_graph(&services, &published).await?;
    let watcher = watched.map(|watched| {
        tokio::spawn(watch_graph::watch(services.loader.clone(), watched, stopped.clone()))
    });
    signals.wait(&live).await;
    tracing::info!("stopping: running work finishes or is released");
    services.chats.close().await;
    let _ = stop.send(true);
    let _ = tokio::time::timeout(GATEWAY_DRAIN, gateway).await;
    let _ = tokio::time::timeout(DRAIN, serving).await;
    // The loops end between two pieces of work.
    let loops = futures_util::future::join_all(loops.into_iter().chain(watcher));
    let _ = tokio::time::timeout(DRAIN, loops).await;
    leave(&data, &services);
    Ok(())
}

/// Listens, or says how to.
fn listen_on(listen: SocketAddr) -> Result<TcpListener> {
    edge::listen(listen).with_context(|| {
        format!(
            "cannot listen on {listen}; another program may use the port. Choose another address \
             with --listen."
        )
    })
}

/// The paths for the commands of this machine.
fn local_paths(data: &DataDir, services: &Services, base: &str) -> Result<Router> {
    let proof = identity::router(data.secret(identity::KEY)?, base.to_owned());
    Ok(proof.merge(tokens::router(services.tokens.clone())))
}

/// Leaves the data directory as a clean stop does.
fn leave(data: &DataDir, services: &Services) {
    if let Err(error) = services.tokens.write(SystemClock.now_ms()) {
        tracing::warn!(%error, "the last uses of the tokens were not written");
    }
    if let Err(error) = storage::checkpoint(data) {
        tracing::warn!(%error, "the databases still need their -wal files");
    }
    data.remove_of_run();
}

/// Publishes the default graph at the first start, if there is no graph. Agents of the
/// configuration are held against the graph.
async fn ready_graph(services: &Services, published: &watch::Sender<bool>) -> Result<()> {
    if !skill_graph_loader::has_graph(&services.loader).await? {
        skill_graph_loader::publish_files(
            &services.loader,
            default_graph(),
            skill_graph_loader::Reading::default(),
            Some("default graph".to_owned()),
            skill_graph_loader::Permits::default(),
        )
        .await
        .map_err(|e| anyhow::anyhow!("cannot publish the default graph: {e}"))?;
    }
    // Calls that need the graph wait for this.
    let _ = published.send(true);
    warn_of_unready(services).await;
    Ok(())
}

/// Agents of the configuration that cannot do what it says.
async fn warn_of_unready(services: &Services) {
    for unready in agency_gateway::unready(&services.gateway).await {
        tracing::warn!(agent = unready.agent, fix = unready.fix, "{}", unready.why);
    }
}

async fn greet(services: &Services, data: &DataDir, base: &str) {
    let link = monitoring_dashboard::sign_in_link(&services.dashboard).await;
    let mut out = String::from("Quintet is up.\n\n");
    match link.map(|link| format!("{base}{link}")) {
        Ok(link) if crate::terminal::is_read_live() => out.push_str(&format!(
            "  Dashboard  {link}\n             (this link signs you in once, for 10 minutes)\n"
        )),
        // Agents can read what is kept: a log, the journal.
        Ok(link) => {
            let kept = data.write_sign_in_link(&link);
            if let Err(error) = kept {
                tracing::warn!(%error, "the sign-in link was not written");
            }
            out.push_str(&format!(
                "  Dashboard  {base}/ (run `quintet open` for a link that signs you in)\n"
            ));
        }
        Err(error) => out.push_str(&format!(
            "  Dashboard  {base}/ (no sign-in link: {error}; use the operator token)\n"
        )),
    }
    out.push_str("  Try        quintet send telegram \"Fix the TypeError in the login flow\"\n  Stop       Ctrl-C\n");
    crate::terminal::say(&out);
}

/// Names what others could reach.
fn warn(configuration: &config_file::Configuration, address: SocketAddr) {
    for warning in &configuration.warnings {
        tracing::warn!("{warning}");
    }
    for door in harden::open_doors(&configuration.gateway) {
        remark(&format!("warning: {door}."));
    }
    if !address.ip().is_loopback() {
        remark(&format!(
            "warning: {address} is open to other machines, without encryption. Put a proxy with TLS \
             in front, and name its host in [server] hosts."
        ));
    }
}

fn start_loops(
    services: &Services,
    live: &Live,
    stopped: &watch::Receiver<bool>,
    published: &watch::Receiver<bool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let (assistant, dashboard) = (services.assistant.clone(), services.dashboard.clone());
    let loader = services.loader.clone();
    let fetch = tokio::spawn(fetch_loop(live.deps(), services.dial.clone(), stopped.clone()));
    let pump = tokio::spawn(pump_loop(live.deps(), stopped.clone()));
    let sweep = tokio::spawn(every(Duration::from_secs(1), stopped.clone(), move || {
        let assistant = assistant.clone();
        async move { personal_assistant::tick(&assistant).await }
    }));
    // The first round waits for the graph: a loader without one is starting, not failing.
    let (ready, stop) = (published.clone(), stopped.clone());
    let probe = tokio::spawn(async move {
        until(ready).await;
        let tick = move || {
            let dashboard = dashboard.clone();
            async move { monitoring_dashboard::tick(&dashboard).await }
        };
        every(PROBE_EVERY, stop, tick).await;
    });
    let daily = tokio::spawn(daily_loop(
        services.assistant.clone(),
        services.dashboard.clone(),
        stopped.clone(),
    ));
    let warm = tokio::spawn(async move {
        if let Err(error) = skill_graph_loader::warm(&loader).await {
            tracing::warn!(error = %error, "cannot warm the graph");
        }
    });
    let keeper = services.tokens.clone();
    let tokens = tokio::spawn(every(Duration::from_secs(1), stopped.clone(), move || {
        let keeper = keeper.clone();
        async move {
            let ticked = tokio::task::spawn_blocking(move || keeper.tick(SystemClock.now_ms()));
            if let Ok(Err(error)) = ticked.await {
                tracing::warn!(%error, "the register of tokens cannot be kept and will be retried");
            }
        }
    }));
    vec![fetch, pump, sweep, probe, daily, warm, tokens]
}

/// Daily work, also soon after a start more than a day after the last: backups of the assistant's
/// tables, and the metrics archive.
async fn daily_loop(
    assistant: personal_assistant::Deps,
    dashboard: monitoring_dashboard::Deps,
    stopped: watch::Receiver<bool>,
) {
    every(DAILY_LOOK, stopped, move || {
        let (assistant, dashboard) = (assistant.clone(), dashboard.clone());
        async move {
            if let Err(error) = personal_assistant::back_up_daily(&assistant).await {
                tracing::warn!(%error, "the daily backup failed and will be retried");
            }
            if let Err(error) = monitoring_dashboard::archive(&dashboard).await {
                tracing::warn!(%error, "archiving the metrics failed and will be retried");
            }
        }
    })
    .await;
}

async fn every<F: Future<Output = ()>>(
    pace: Duration,
    stopped: watch::Receiver<bool>,
    mut work: impl FnMut() -> F,
) {
    let mut timer = tokio::time::interval(pace);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => work().await,
            () = until(stopped.clone()) => return,
        }
    }
}

/// Asks the platforms for messages, reads the mailboxes, and keeps up the connections to those that
/// send them over one; after a change of the configuration, as it says then. A message that is
/// taken while the old round is dropped comes again, and is known by its key.
async fn fetch_loop(
    mut live: watch::Receiver<webhook_aggregator::Deps>,
    dial: Arc<dyn Dial>,
    stopped: watch::Receiver<bool>,
) {
    loop {
        let deps = live.borrow_and_update().clone();
        let fetching = async {
            let polled = webhook_aggregator::poll(&deps);
            let kept_up = webhook_aggregator::sockets(&deps, &*dial);
            join3(polled, kept_up, webhook_aggregator::mailboxes(&deps)).await;
            // No endpoint is fetched from.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = fetching => {}
            changed = live.changed() => if changed.is_err() { return },
            () = until(stopped.clone()) => return,
        }
    }
}

/// The inbox's timer: pumps when something is due, at least once a second. New messages do not wait
/// for it. It takes up the schedules of the configuration first, and after each change.
async fn pump_loop(
    mut live: watch::Receiver<webhook_aggregator::Deps>,
    stopped: watch::Receiver<bool>,
) {
    let mut is_synced = false;
    while !*stopped.borrow() {
        is_synced &= !live.has_changed().unwrap_or(false);
        let deps = live.borrow_and_update().clone();
        if !is_synced {
            let synced = webhook_aggregator::sync_schedules(&deps).await;
            is_synced = synced.is_ok();
            if let Err(error) = synced {
                tracing::error!(%error, "the schedules could not be taken up; it is tried again");
            }
        }
        let mut next = SystemClock.now_ms() + IDLE_MS;
        for shard in deps.config.shards() {
            match webhook_aggregator::next_due(&deps, &shard).await {
                Ok(Some(due)) if due <= SystemClock.now_ms() => {
                    let pumped = AssertUnwindSafe(webhook_aggregator::pump(&deps, &shard));
                    match pumped.catch_unwind().await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            tracing::error!(%shard, %error, "pumping the inbox failed and will be retried");
                        }
                        // The other inboxes must not wait for a restart.
                        Err(_) => tracing::error!(%shard, "pumping the inbox panicked"),
                    }
                }
                Ok(due) => next = next.min(due.unwrap_or(i64::MAX)),
                Err(error) => tracing::error!(%shard, %error, "the inbox does not answer"),
            }
        }
        tokio::select! {
            () = SystemClock.sleep_until(next.max(SystemClock.now_ms() + FLOOR_MS)) => {}
            () = until(stopped.clone()) => return,
        }
    }
}
