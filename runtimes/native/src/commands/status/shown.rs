//! The state as one screen of text. A thing that could not be learnt is shown as unknown.

use super::state::{Configuration, Halted, Running, Server, Status, Waiting};
use crate::service::systemd;
use contracts::budget::BudgetScope;
use contracts::endpoint::EndpointView;
use contracts::halt::HaltLevel;
use contracts::task::GatewayRow;
use platform::text::printable;

const UNKNOWN: &str = "unknown";

/// The screen.
pub(super) fn screen(status: &Status) -> String {
    let mut lines = vec![
        row("Quintet", status.version.to_owned()),
        row("data directory", known(status.data_directory.clone())),
        row("configuration", configuration(&status.configuration)),
        row("server", server(&status.server)),
    ];
    if status.server.running == Running::Yes {
        lines.push(row("services", services(status)));
        lines.push(row("agents", agents(status)));
        let ways = status.endpoints.as_deref().map(ways_in);
        lines.push(row("chats", known(ways)));
        lines.push(row("budget today", known(status.budget.as_ref().map(budget))));
        lines.push(row("waiting", waiting(&status.waiting)));
        lines.push(row("halt", halt(status)));
    }
    if status.needs.is_empty() {
        lines.push("\nAll is well.".to_owned());
    } else {
        lines.push("\nTo look at:".to_owned());
        for need in &status.needs {
            lines.push(format!("- {}\n  fix: {}", printable(&need.what), printable(&need.fix)));
        }
    }
    lines.join("\n")
}

fn row(name: &str, value: String) -> String {
    // Further lines of a value stand below its first one.
    format!("{name:<15} {}", value.replace('\n', &format!("\n{:<15} ", "")))
}

fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| UNKNOWN.to_owned())
}

fn configuration(about: &Configuration) -> String {
    let Some(file) = &about.file else { return UNKNOWN.to_owned() };
    match (about.exists, &about.pending) {
        (Some(false), None) => format!("{file} (does not exist: the defaults apply)"),
        (_, Some(_)) => format!("{file} (to look at, see below)"),
        _ => file.clone(),
    }
}

fn server(server: &Server) -> String {
    let address = server.address.as_deref().unwrap_or(UNKNOWN);
    let pid = known(server.pid.map(|pid| pid.to_string()));
    match server.running {
        Running::Yes => {
            let since = server.since.as_deref().unwrap_or(UNKNOWN);
            format!("running at {address}, process {pid}, since {since}")
        }
        Running::No => format!("not running; `{}` starts it", systemd::start_command()),
        Running::Silent => format!("process {pid} does not answer at {address}"),
        Running::Unreachable => format!("does not answer at {address}"),
    }
}

fn services(status: &Status) -> String {
    let all = status.services.iter();
    if all.clone().all(|service| service.health == "ok") {
        return format!("all {} are ok", status.services.len());
    }
    all.map(|service| format!("{} {}", service.name, service.health)).collect::<Vec<_>>().join("\n")
}

fn agents(status: &Status) -> String {
    let count = known(status.agents.map(|count| format!("{count} in the graph")));
    let Some(gateways) = &status.gateways else {
        return format!("{count}; which are ready is {UNKNOWN}");
    };
    let unready = gateways.iter().flat_map(|row: &GatewayRow| {
        row.unready.iter().map(|unready| {
            let word = if unready.may_start { "may not be ready" } else { "is not ready" };
            printable(&format!("{} {word} on {}: {}", unready.agent, row.gateway_id, unready.why))
        })
    });
    std::iter::once(count).chain(unready).collect::<Vec<_>>().join("\n")
}

fn ways_in(endpoints: &[EndpointView]) -> String {
    if endpoints.is_empty() {
        return "none; `quintet setup` connects one".to_owned();
    }
    let line = |view: &EndpointView| {
        let name = format!("{}.{}", view.channel, view.name);
        printable(&format!("{name} {} ({})", view.state.as_str(), view.mode))
    };
    endpoints.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn budget(day: &BudgetScope) -> String {
    format!("{} of {} spent, {} held, {} left", day.spent, day.limit, day.held, day.remaining)
}

fn waiting(waiting: &Waiting) -> String {
    let number = |count: Option<i64>| known(count.map(|count| count.to_string()));
    let dead = known(waiting.dead_letters.map(|count| count.to_string()));
    format!(
        "approvals {}, of them in no chat {}, runs in progress {}, dead letters {dead}",
        number(waiting.approvals),
        number(waiting.undelivered),
        number(waiting.running),
    )
}

fn halt(status: &Status) -> String {
    match &status.halt {
        None => UNKNOWN.to_owned(),
        Some(halt) if halt.in_force.is_empty() => "none".to_owned(),
        Some(halt) => {
            let level = |level| if level == HaltLevel::Stopped { "stopped" } else { "accepted" };
            let one = |halted: &Halted| format!("{} ({})", halted.name(), level(halted.level));
            halt.in_force.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}
