//! `quintet gateway --control URL`: the gateway alone, with outbound connections only.

use crate::address::Addresses;
use crate::config_file;
use crate::data_dir::{self, DataDir, token_variable};
use crate::edge::{self, Limits};
use crate::exit::{No, Unreachable, Wrong};
use crate::harden;
use crate::ports::background::TokioBackground;
use crate::ports::clock::SystemClock;
use crate::ports::outbound::{ReqwestOutbound, client_for};
use crate::ports::signal::ProcessSignal;
use crate::programs::{NativePrograms, ToolServer};
use crate::stop::StopSignal;
use crate::terminal::remark;
use crate::workspaces;
use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use contracts::calls::Call;
use contracts::calls::webhook_aggregator::RenewTask;
use contracts::files::FILE_BYTES_CEILING;
use contracts::{GatewayId, ServiceName, TaskId};
use platform::config::{ConfigProblem, Report};
use platform::edge::{Auth, Scope};
use platform::ports::{Calls, Outbound, OutboundRequest, PortError, PortErrorKind, PortResult};
use platform::secret::Secret;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Request timeout, above the longest poll.
const TIMEOUT_MS: u64 = 40_000;
/// Maximum bytes of a response: a file of a message, at most.
const ANSWER_BYTES_MAX: usize = FILE_BYTES_CEILING as usize;
/// Pause between two attempts to reach the control plane.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Calls to the control plane over HTTPS, signed in as the gateway.
struct RemoteCalls {
    outbound: ReqwestOutbound,
    addresses: Addresses,
    token: Secret,
}

#[async_trait]
impl Calls for RemoteCalls {
    async fn send(
        &self,
        callee: ServiceName,
        request: http::Request<Bytes>,
    ) -> PortResult<http::Response<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = OutboundRequest {
            method: parts.method,
            url: self.addresses.url(callee, path),
            headers: vec![
                ("authorization", format!("Bearer {}", self.token.reveal())),
                ("content-type", "application/json".to_owned()),
            ],
            body,
            timeout_ms: TIMEOUT_MS,
        };
        let answer = self.outbound.send_within(request, ANSWER_BYTES_MAX).await?;
        http::Response::builder()
            .status(answer.status)
            .body(answer.body)
            .map_err(|e| PortError::unknown(PortErrorKind::Invalid, e.to_string()))
    }
}

fn warn_of_open_doors(configuration: &agency_gateway::Config) {
    for door in harden::open_doors(configuration) {
        remark(&format!("warning: {door}."));
    }
}

/// Runs until Ctrl-C or SIGTERM. With `listen` it serves its own API there.
///
/// # Errors
/// When the address or the configuration is invalid, or the control plane refuses the token.
pub async fn gateway(
    control: &str,
    config: Option<&Path>,
    listen: Option<SocketAddr>,
    data: &DataDir,
) -> Result<()> {
    Addresses::candidates(control)?;
    let token = data
        .token(Scope::Gateway)
        .map_err(|_| Unreachable("no gateway token. Set QUINTET_GATEWAY_TOKEN.".to_owned()))?;
    let file = config_file::path(config, data);
    let tree = config_file::read_tree(file.as_deref())?;
    tree.close()?;
    let report = Report::default();
    let configuration = agency_gateway::Config::read(&tree.value, &report);
    // With a server beside it, its assistant tells these.
    platform::models::Models::read(&tree.value, &report);
    let (agent_token, unasked) = agent_token(&configuration);
    let of_machine = workspaces::of_machine(&configuration, data, tree.file.as_deref());
    let problems: Vec<ConfigProblem> =
        report.into_problems().into_iter().chain(of_machine).chain(unasked).collect();
    if !problems.is_empty() {
        return Err(Wrong(problems).into());
    }
    warn_of_open_doors(&configuration);
    data.create()?;
    let _lock = data.lock()?;
    let stop = StopSignal::listen()?;
    let id = data.secret("gateway-id")?.reveal().chars().take(12).collect::<String>();
    let (end, ended) = watch::channel(false);
    let mut stopped = std::pin::pin!(stop.wait());
    let addresses = tokio::select! {
        found = join(control, &token) => found?,
        () = stopped.as_mut() => return Ok(()),
    };
    let programs = NativePrograms::of(data, tree.file, &configuration)
        .asking(tools(&addresses, agent_token).await?);
    let auth = if listen.is_some() { Auth::new(data.tokens()?) } else { Auth::default() };
    let deps = agency_gateway::Deps {
        calls: Arc::new(RemoteCalls { outbound: ReqwestOutbound::new()?, addresses, token }),
        clock: Arc::new(SystemClock),
        signal: Arc::new(ProcessSignal::default()),
        background: Arc::new(TokioBackground),
        programs: Arc::new(programs),
        outbound: Arc::new(ReqwestOutbound::new()?),
        auth,
        config: Arc::new(configuration),
        gateway_id: GatewayId::new(format!("gateway-{id}")),
        board: agency_gateway::Board::default(),
    };
    if let Some(listen) = listen {
        let listener = edge::listen(listen).with_context(|| {
            format!("cannot listen on {listen}. Choose another address with --listen.")
        })?;
        remark(&format!(
            "Its own API is at http://{}/{}.",
            listener.local_addr()?,
            ServiceName::AgencyGateway
        ));
        let app = Router::new().nest(
            &format!("/{}", ServiceName::AgencyGateway),
            agency_gateway::router(deps.clone()),
        );
        let limits = Limits::default().within(harden::raise_descriptors());
        tokio::spawn(edge::serve(listener, app, limits, ended));
    }
    remark(&format!("The gateway leases work from {control}. Press Ctrl-C to stop it."));
    for unready in agency_gateway::unready(&deps).await {
        remark(&format!("warning: {}\n  fix: {}", unready.why, unready.fix));
    }
    agency_gateway::serve(deps, stopped).await;
    let _ = end.send(true);
    Ok(())
}

/// The token with which agents ask their owner; none where no agent asks. A token of this machine's
/// own server would be another one, so only the variable counts. With the agents that ask without
/// it.
fn agent_token(configuration: &agency_gateway::Config) -> (Option<Secret>, Vec<ConfigProblem>) {
    let name = token_variable(Scope::Agent);
    let token = data_dir::variable(&name).map(Secret::new);
    let missing = configuration.asking().into_iter().filter(|_| token.is_none());
    let problems: Vec<ConfigProblem> = missing
        .map(|agent| ConfigProblem {
            path: format!("agents.{agent}.tool_approvals"),
            message: format!("is \"ask\" (the default), and {name} is not set."),
            fix: format!(
                "Set {name} to the agent token of the server, or write tool_approvals = \"deny\"."
            ),
        })
        .collect();
    (token.filter(|_| !configuration.asking().is_empty()), problems)
}

/// The server at which agents ask their owner, once it has taken the token.
async fn tools(addresses: &Addresses, token: Option<Secret>) -> Result<Option<ToolServer>> {
    let Some(token) = token else { return Ok(None) };
    let url = addresses.url(ServiceName::PersonalAssistant, "/mcp");
    let http = client_for(&url, Duration::from_secs(10))?;
    let asked = http
        .post(&url)
        .bearer_auth(token.reveal())
        .header("content-type", "application/json")
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
        .send()
        .await;
    // A server that does not answer just now is asked again by each run.
    if asked.is_ok_and(|answer| matches!(answer.status().as_u16(), 401 | 403)) {
        let name = token_variable(Scope::Agent);
        return Err(No(format!(
            "{url} refused the token of {name}. Set it to the agent token of that installation."
        ))
        .into());
    }
    Ok(Some(ToolServer { url, token }))
}

/// Finds the control plane, waiting until it is up, and checks the token. A wrong token would be
/// refused forever.
async fn join(control: &str, token: &Secret) -> Result<Addresses> {
    let http = client_for(&control.replace("{service}", "s"), Duration::from_secs(10))?;
    let mut told = false;
    loop {
        match try_join(control, token, &http).await {
            Err(error) if error.is::<Unreachable>() => {
                if !told {
                    remark(&format!("{error:#} Retrying until it answers."));
                    told = true;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            done => return done,
        }
    }
}

async fn try_join(control: &str, token: &Secret, http: &reqwest::Client) -> Result<Addresses> {
    let addresses = Addresses::find(control, http).await?;
    // No task has this name: a valid gateway token gets "not found", any other is refused earlier.
    let url = addresses.url(RenewTask::CALLEE, &RenewTask::path(&TaskId::from("none")));
    let asked = http
        .post(&url)
        .bearer_auth(token.reveal())
        .header("content-type", "application/json")
        .body(r#"{"epoch":0}"#)
        .send()
        .await;
    match asked.map(|answer| answer.status().as_u16()) {
        Ok(401 | 403) => Err(No(format!(
            "{control} refused this gateway's token. Set QUINTET_GATEWAY_TOKEN to \
                the gateway token of that installation."
        ))
        .into()),
        Ok(status) if status < 500 => Ok(addresses),
        _ => Err(Unreachable(format!("{control} sent an unexpected response.")).into()),
    }
}
