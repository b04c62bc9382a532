//! `quintet doctor`: what is wrong here, and what to do about it.

use crate::config_file;
use crate::data_dir::{DataDir, work_dir};
use crate::exit::No;
use crate::ports::clock::SystemClock;
use crate::ports::outbound::client_for;
use crate::programs::NativePrograms;
use crate::terminal::{say, say_json};
use anyhow::Result;
use contracts::ChannelKind;
use platform::ports::{Clock, PortResult, ProgramEvent, ProgramSpec, Programs};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    /// `ok`, `warning` or `error`.
    verdict: &'static str,
    what: String,
    /// What to do, for everything but `ok`.
    fix: String,
}

fn ok(what: impl Into<String>) -> Finding {
    Finding { verdict: "ok", what: what.into(), fix: String::new() }
}

fn warning(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { verdict: "warning", what: what.into(), fix: fix.into() }
}

fn error(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { verdict: "error", what: what.into(), fix: fix.into() }
}

/// Looks at everything; exit 1 when there is an error.
///
/// # Errors
/// [`No`], after everything was printed.
pub async fn doctor(data: &DataDir, config: Option<&Path>, as_json: bool) -> Result<()> {
    let mut findings = configuration(data, config);
    findings.extend(files(data));
    findings.push(disk(data));
    findings.push(clock());
    findings.extend(agents(data, config).await);
    findings.push(server(data).await);
    let errors = findings.iter().filter(|finding| finding.verdict == "error").count();
    if as_json {
        say_json(&findings);
    } else {
        for finding in &findings {
            say(&format!("{:<8} {}", finding.verdict, finding.what));
            if !finding.fix.is_empty() {
                say(&format!("         fix: {}", finding.fix));
            }
        }
    }
    if errors == 0 { Ok(()) } else { Err(No(format!("{errors} error(s)")).into()) }
}

fn configuration(data: &DataDir, config: Option<&Path>) -> Vec<Finding> {
    let file = config_file::path(config, data);
    let named = file.as_ref().map_or_else(
        || "no configuration file (the defaults hold)".to_owned(),
        |file| format!("configuration {}", file.display()),
    );
    let tree = match config_file::read_tree(file.as_deref()) {
        Ok(read) => read,
        Err(e) => {
            return vec![error(
                format!("{e:#}"),
                "correct the file, or name another with --config",
            )];
        }
    };
    let place = monitoring_dashboard::Place {
        base_path: "/monitoring-dashboard".to_owned(),
        ..monitoring_dashboard::Place::default()
    };
    let mut findings = match config_file::read(&tree, &serde_json::Value::Null, place) {
        Ok(read) => {
            let mut found = vec![ok(named)];
            for endpoint in read.aggregator.endpoints.iter().filter(|endpoint| {
                endpoint.channel != ChannelKind::Web && endpoint.approvers.is_empty()
            }) {
                let what = format!(
                    "endpoint {}.{} has no approvers: nobody can use it or decide there",
                    endpoint.channel, endpoint.name
                );
                found.push(warning(what, "add approvers = [\"your user id\"]"));
            }
            for endpoint in read
                .aggregator
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.senders.iter().any(|sender| sender == "*"))
            {
                let what = format!(
                    "endpoint {}.{} is open to everybody, for agents with public = true",
                    endpoint.channel, endpoint.name
                );
                found.push(warning(what, "list the senders unless that is meant"));
            }
            found
        }
        Err(wrong) => wrong
            .0
            .into_iter()
            .map(|problem| error(format!("{}: {}", problem.path, problem.message), problem.fix))
            .collect(),
    };
    findings.extend(
        tree.warnings.iter().map(|text| warning(text.clone(), "correct its name or remove it")),
    );
    findings
}

fn files(data: &DataDir) -> Vec<Finding> {
    if !data.path().exists() {
        return vec![ok(format!(
            "no data directory yet; `quintet up` makes {}",
            data.path().display()
        ))];
    }
    let mut found = Vec::new();
    let mode = |path: &Path| std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o077);
    match mode(data.path()) {
        Ok(0) => {
            found.push(ok(format!("data directory {} is closed to others", data.path().display())))
        }
        Ok(_) => found.push(error(
            "others may read the data directory",
            format!("chmod 700 {}", data.path().display()),
        )),
        Err(e) => found.push(error(
            format!("the data directory cannot be read: {e}"),
            "correct its owner and mode",
        )),
    }
    for entry in std::fs::read_dir(data.join("tokens")).into_iter().flatten().flatten() {
        if mode(&entry.path()).is_ok_and(|bits| bits != 0) {
            found.push(error(
                format!("others may read the token {}", entry.path().display()),
                format!("chmod 600 {}", entry.path().display()),
            ));
        }
    }
    found
}

/// Below this the next writes may fail.
const FREE_BYTES_MIN: u64 = 200 << 20;

fn disk(data: &DataDir) -> Finding {
    let at = data.path().ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match nix::sys::statvfs::statvfs(at) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            if free < FREE_BYTES_MIN {
                error(
                    format!("{} MB free where the data lies", free >> 20),
                    "make room: without it new messages are refused (503)",
                )
            } else {
                ok(format!("{} MB free where the data lies", free >> 20))
            }
        }
        Err(e) => warning(format!("the free disk space cannot be told: {e}"), "look by hand"),
    }
}

/// Slack refuses, and so do we, what is five minutes off; a clock before this program was made is surely wrong.
fn clock() -> Finding {
    const MADE_MS: i64 = 1_793_000_000_000;
    let now = SystemClock.now_ms();
    if now < MADE_MS {
        error(
            format!("the clock says {}", platform::time::rfc3339(now)),
            "set the clock: signatures with a time would be refused",
        )
    } else {
        ok(format!("the clock says {}", platform::time::rfc3339(now)))
    }
}

/// What programs of agents could do here: they run as this user.
async fn agents(data: &DataDir, config: Option<&Path>) -> Vec<Finding> {
    let mut found = Vec::new();
    let work = work_dir();
    if work.starts_with(data.path()) || data.path().starts_with(&work) {
        found.push(error(
            "the agents' work directory and the data directory lie in each other",
            "set XDG_CACHE_HOME or --data so that they do not",
        ));
    }
    if nix::unistd::geteuid().is_root() {
        found.push(warning(
            "this runs as root: so does every agent that runs a command",
            "run quintet as a user of its own",
        ));
    }
    let tree = config_file::path(config, data)
        .and_then(|file| config_file::read_tree(Some(&file)).ok())
        .map(|tree| tree.value);
    let agents =
        tree.as_ref().and_then(|tree| tree.get("agents")?.as_object()).into_iter().flatten();
    let text = |agent: &serde_json::Value, key: &str| {
        agent.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    };
    let (visible, hidden): (Vec<_>, Vec<_>) = agents
        .filter(|(_, agent)| text(agent, "runner") == "command")
        .partition(|(_, agent)| text(agent, "data_directory") == "visible");
    for (id, _) in visible {
        let what = format!(
            "agent {id} runs a program that can read {} and its tokens",
            data.path().display()
        );
        found.push(warning(what, "remove data_directory = \"visible\" unless that is meant"));
    }
    if !hidden.is_empty() && data.path().exists() {
        found.push(match start_hidden(data).await {
            Ok(()) => ok("programs of agents do not see the data directory"),
            Err(e) => error(
                format!("no program of an agent can be started: {}", e.detail),
                "do one of the three",
            ),
        });
    }
    found
}

/// Starts this very program the way an agent's is.
async fn start_hidden(data: &DataDir) -> PortResult<()> {
    let program = std::env::current_exe().unwrap_or_default().display().to_string();
    let spec = ProgramSpec {
        program,
        args: vec!["--version".to_owned()],
        task: "doctor".to_owned(),
        timeout_ms: 10_000,
        output_bytes_max: 4 << 10,
        ..ProgramSpec::default()
    };
    let mut running = NativePrograms::new(work_dir(), data.path()).start(spec).await?;
    while let ProgramEvent::Line(_) = running.next().await {}
    Ok(())
}

async fn server(data: &DataDir) -> Finding {
    let Some(server) = data.server() else { return ok("no server runs on this data directory") };
    let Ok(client) = client_for(&server.address, Duration::from_secs(3)) else {
        return warning("the server was not asked", "try again");
    };
    match client.get(format!("{}/webhook-aggregator/health", server.address)).send().await {
        Ok(answer) if answer.status().is_success() => {
            ok(format!("the server answers at {}", server.address))
        }
        _ => error(
            format!("server.json names {}, and nobody answers there", server.address),
            "start it again with `quintet up`",
        ),
    }
}
