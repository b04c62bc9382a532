//! The things that are not as they should be, each with its fix.

use super::state::{Need, Running, Service, Status};
use crate::service::systemd;
use contracts::endpoint::{EndpointView, LinkState};
use contracts::task::{GatewayRow, GatewayState};

/// All of them. Work that waits for the owner's decision is not one: it is how Quintet works.
pub(super) fn of(status: &Status) -> Vec<Need> {
    let mut found = Vec::new();
    match status.server.running {
        Running::Yes => {}
        Running::No => found
            .push(need("no server is running", &format!("start it: {}", systemd::start_command()))),
        Running::Silent => found.push(need(
            "a server uses the data directory and does not answer",
            "look at its log; end its process and start it again with `quintet up`",
        )),
        Running::Unreachable => {
            found.push(need("the server does not answer", "start it, or correct the address"));
        }
    }
    if let Some(pending) = &status.configuration.pending {
        found.push(need(pending, &status.configuration.fix));
    }
    if status.server.running != Running::Yes {
        return found;
    }
    found.extend(unknown(status));
    found.extend(status.services.iter().filter_map(service));
    found.extend(status.gateways.as_deref().and_then(in_service));
    found.extend(status.gateways.iter().flatten().flat_map(gateway));
    found.extend(status.endpoints.iter().flatten().filter_map(endpoint));
    let halts = status.halt.iter().flat_map(|halt| &halt.in_force);
    // The halt of a task stands for its end: nothing waits for its resume.
    let halts = halts.filter(|halt| !halt.target.starts_with("task:"));
    found.extend(halts.map(|halt| {
        need(&format!("{} is halted", halt.name()), &format!("{}, when it is safe", halt.resume()))
    }));
    if let Some(dead) = status.waiting.dead_letters.filter(|dead| *dead > 0) {
        let what = format!("{dead} message(s) failed after all retries");
        found.push(need(&what, "quintet events --state dead, then quintet replay ID"));
    }
    found
}

/// The parts that could not be learnt: an unknown part is not well.
fn unknown(status: &Status) -> Option<Need> {
    // Of a server elsewhere the configuration stays there.
    let is_here = status.data_directory.is_some();
    let parts = [
        ("the configuration in force", is_here && status.configuration.file.is_none()),
        ("the agents", status.agents.is_none() || status.gateways.is_none()),
        ("the chats", status.endpoints.is_none()),
        ("the budget", status.budget.is_none()),
        ("the approvals", status.waiting.approvals.is_none()),
        ("the dead letters", status.waiting.dead_letters.is_none()),
        ("the halts", status.halt.is_none()),
    ];
    let names: Vec<&str> =
        parts.iter().filter(|(_, is_unknown)| *is_unknown).map(|(name, _)| *name).collect();
    let what = format!("these are unknown: {}", names.join(", "));
    (!names.is_empty()).then(|| need(&what, "check the operator token, then run this again"))
}

fn need(what: &str, fix: &str) -> Need {
    Need { what: what.to_owned(), fix: fix.to_owned() }
}

fn service(service: &Service) -> Option<Need> {
    match service.health.as_str() {
        "ok" => None,
        "unknown" => {
            Some(need(&format!("the health of {} is unknown", service.name), "run this again"))
        }
        state => {
            let what = format!("{} is {state}: {}", service.name, service.problems.join(" "));
            Some(need(what.trim_end_matches([' ', ':']), "quintet doctor names the usual causes"))
        }
    }
}

/// Without a gateway no agent runs.
fn in_service(rows: &[GatewayRow]) -> Option<Need> {
    let is_any = rows.iter().any(|row| row.state() == GatewayState::InService);
    (!is_any).then(|| need("no gateway is in service, so no agent runs", "quintet gateways"))
}

fn gateway(row: &GatewayRow) -> Vec<Need> {
    let tell = |unready: &contracts::task::UnreadyAgent| {
        let what =
            format!("agent {} is not ready on {}: {}", unready.agent, row.gateway_id, unready.why);
        need(&what, &unready.fix)
    };
    // An agent that may start all the same shows at its run whether it is ready.
    row.unready.iter().filter(|unready| !unready.may_start).map(tell).collect()
}

fn endpoint(view: &EndpointView) -> Option<Need> {
    let is_broken = matches!(view.state, LinkState::Refused | LinkState::Reconnecting);
    is_broken.then(|| {
        let why = view.why.as_deref().unwrap_or("no reason is known yet");
        let what = format!("{}.{} is {}: {why}", view.channel, view.name, view.state.as_str());
        need(&what, view.fix.as_deref().unwrap_or("none needed if it lasts a minute"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gateways_of_which_none_is_in_service_are_to_look_at() {
        let row = |drained: bool, age_ms: i64| -> GatewayRow {
            serde_json::from_value(json!({
                "gatewayId": "home", "agents": [], "lastSeen": "", "ageMs": age_ms, "running": 0,
                "drained": drained,
            }))
            .unwrap()
        };
        assert!(in_service(&[]).is_some());
        assert!(in_service(&[row(true, 0), row(false, 3_600_000)]).is_some());
        assert!(in_service(&[row(true, 0), row(false, 0)]).is_none());
    }
}
