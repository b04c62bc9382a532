//! `quintet gateway --control URL`: the gateway alone, by outbound connections only.

use crate::config_file;
use crate::data_dir::{DataDir, work_dir};
use crate::exit::{Unreachable, Usage};
use crate::ports::background::TokioBackground;
use crate::ports::clock::SystemClock;
use crate::ports::outbound::ReqwestOutbound;
use crate::ports::signal::ProcessSignal;
use crate::programs::NativePrograms;
use crate::terminal::remark;
use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use contracts::{GatewayId, ServiceName};
use platform::config::{Report, is_safe_url};
use platform::edge::{Auth, Scope};
use platform::ports::{Calls, Outbound, OutboundRequest, PortError, PortErrorKind, PortResult};
use platform::secret::Secret;
use std::path::Path;
use std::sync::Arc;

/// Longer than the longest poll.
const TIMEOUT_MS: u64 = 40_000;

/// The control plane's services over HTTPS, signed in as the gateway.
struct RemoteCalls {
    outbound: ReqwestOutbound,
    base: String,
    token: Secret,
}

#[async_trait]
impl Calls for RemoteCalls {
    async fn send(&self, callee: ServiceName, request: http::Request<Bytes>) -> PortResult<http::Response<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let answer = self
            .outbound
            .send(OutboundRequest {
                method: parts.method,
                url: format!("{}/{callee}{path}", self.base),
                headers: vec![("authorization", format!("Bearer {}", self.token.reveal())), ("content-type", "application/json".to_owned())],
                body,
                timeout_ms: TIMEOUT_MS,
            })
            .await?;
        http::Response::builder().status(answer.status).body(answer.body).map_err(|e| PortError::unknown(PortErrorKind::Invalid, e.to_string()))
    }
}

/// Runs until Ctrl-C.
///
/// # Errors
/// When the address or the token is missing, or the configuration is wrong.
pub async fn gateway(control: &str, config: Option<&Path>, data: &DataDir) -> Result<()> {
    let base = control.trim_end_matches('/').to_owned();
    if !is_safe_url(&base) {
        return Err(Usage(format!("{control} is neither https nor on this machine")).into());
    }
    let token = data.token(Scope::Gateway).map_err(|_| Unreachable("no gateway token: set QUINTET_GATEWAY_TOKEN".to_owned()))?;
    let file = config_file::path(config, data);
    let tree = config_file::read_tree(file.as_deref())?;
    let report = Report::default();
    let configuration = agency_gateway::Config::read(&tree.value, &report);
    let problems = report.into_problems();
    if !problems.is_empty() {
        return Err(config_file::Wrong(problems).into());
    }
    data.create()?;
    let _lock = data.lock()?;
    let id = data.secret("gateway-id")?.reveal().chars().take(12).collect::<String>();
    let deps = agency_gateway::Deps {
        calls: Arc::new(RemoteCalls { outbound: ReqwestOutbound::new()?, base: base.clone(), token }),
        clock: Arc::new(SystemClock),
        signal: Arc::new(ProcessSignal::default()),
        background: Arc::new(TokioBackground),
        programs: Arc::new(NativePrograms::new(work_dir(), data.path())),
        auth: Auth::default(),
        config: Arc::new(configuration),
        gateway_id: GatewayId::new(format!("gateway-{id}")),
        board: agency_gateway::Board::default(),
    };
    remark(&format!("The gateway takes work from {base}. Ctrl-C stops it."));
    agency_gateway::serve(deps, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await;
    Ok(())
}
