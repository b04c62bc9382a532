//! `quintet doctor`: problems of this installation, each with its fix.

mod endpoints;
mod finding;
mod links;
mod pending;
mod readiness;

use crate::config_file;
use crate::data_dir::{DataDir, work_dir};
use crate::exit::No;
use crate::harden;
use crate::ports::clock::SystemClock;
use crate::ports::outbound::client_for;
use crate::programs::NativePrograms;
use crate::terminal::{say, say_json};
use crate::workspaces;
use anyhow::Result;
use contracts::monitoring::Health;
use platform::config::Report;
use platform::ports::{Clock, Confinement, PortResult, ProgramEvent, ProgramSpec, Programs, Reach};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use finding::{Finding, error, ok, warning};

/// Runs all checks; exits 1 on an error.
///
/// # Errors
/// [`No`], after everything was printed.
pub async fn doctor(data: &DataDir, config: Option<&Path>, as_json: bool) -> Result<()> {
    let mut findings = configuration(data, config);
    findings.extend(files(data));
    findings.push(disk(data));
    findings.push(clock());
    findings.extend(agents(data, config).await);
    findings.extend(endpoints::check(data, config).await);
    findings.push(server(data).await);
    findings.extend(pending::check(data).await);
    findings.extend(links::check(data).await);
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
        || "no configuration file, so the defaults apply".to_owned(),
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
    let place = monitoring_dashboard::HostSettings {
        base_path: "/monitoring-dashboard".to_owned(),
        ..monitoring_dashboard::HostSettings::default()
    };
    let mut findings = match config_file::read(&tree, &Value::Null, place, |_| Vec::new()) {
        Ok(read) => {
            let mut found = vec![ok(named)];
            for endpoint in
                read.aggregator.endpoints.iter().filter(|endpoint| {
                    endpoint.channel.has_chats() && endpoint.approvers.is_empty()
                })
            {
                let what = format!(
                    "endpoint {}.{} has no approvers: it accepts no messages and no decisions",
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
                    "endpoint {}.{} accepts messages from anyone, for agents with public = true",
                    endpoint.channel, endpoint.name
                );
                found.push(warning(what, "list the senders unless this is intended"));
            }
            found
        }
        Err(wrong) => wrong
            .0
            .into_iter()
            .map(|problem| error(format!("{}: {}", problem.path, problem.message), problem.fix))
            .collect(),
    };
    let open = |file: &&PathBuf| {
        std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0)
    };
    if let Some(file) = tree.file.as_ref().filter(open).filter(|_| tree.holds_secrets) {
        findings.push(error(
            "other users can read the configuration, which has secrets",
            format!("chmod 600 {}", file.display()),
        ));
    }
    findings.extend(
        tree.warnings.iter().map(|text| warning(text.clone(), "correct its name or remove it")),
    );
    findings
}

fn files(data: &DataDir) -> Vec<Finding> {
    if !data.path().exists() {
        return vec![ok(format!(
            "no data directory yet; `quintet up` creates {}",
            data.path().display()
        ))];
    }
    let mut found = Vec::new();
    let mode = |path: &Path| std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o077);
    match mode(data.path()) {
        Ok(0) => found
            .push(ok(format!("only you can read the data directory {}", data.path().display()))),
        Ok(_) => found.push(error(
            "other users can read the data directory",
            format!("chmod 700 {}", data.path().display()),
        )),
        Err(e) => found.push(error(
            format!("cannot read the data directory: {e}"),
            "correct its owner and mode",
        )),
    }
    for entry in std::fs::read_dir(data.join("tokens")).into_iter().flatten().flatten() {
        if mode(&entry.path()).is_ok_and(|bits| bits != 0) {
            found.push(error(
                format!("other users can read the token {}", entry.path().display()),
                format!("chmod 600 {}", entry.path().display()),
            ));
        }
    }
    found
}

/// Minimum free bytes; below this, writes may soon fail.
const FREE_BYTES_MIN: u64 = 200 << 20;

fn disk(data: &DataDir) -> Finding {
    let at = data.path().ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match nix::sys::statvfs::statvfs(at) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            if free < FREE_BYTES_MIN {
                error(
                    format!("{} MB free on the disk of the data directory", free >> 20),
                    "free some space: on a full disk Quintet refuses new messages (503)",
                )
            } else {
                ok(format!("{} MB free on the disk of the data directory", free >> 20))
            }
        }
        Err(e) => warning(format!("cannot read the free disk space: {e}"), "check it by hand"),
    }
}

/// Checks the clock. Slack and Quintet reject signatures more than five minutes off; a time before
/// this program was built is wrong.
fn clock() -> Finding {
    const MADE_MS: i64 = 1_793_000_000_000;
    let now = SystemClock.now_ms();
    if now < MADE_MS {
        error(
            format!("the clock reads {}", platform::time::rfc3339(now)),
            "set the clock: platforms reject signatures with a wrong time",
        )
    } else {
        ok(format!("the clock reads {}", platform::time::rfc3339(now)))
    }
}

/// Checks what agents' programs could access, as they run as this user.
async fn agents(data: &DataDir, config: Option<&Path>) -> Vec<Finding> {
    let mut found = Vec::new();
    let work = work_dir();
    if work.starts_with(data.path()) || data.path().starts_with(&work) {
        found.push(error(
            "the agents' work directory and the data directory contain each other",
            "set XDG_CACHE_HOME or --data to separate them",
        ));
    }
    let file = config_file::path(config, data);
    let tree = file.as_deref().and_then(|file| config_file::read_tree(Some(file)).ok());
    let tree = tree.map_or(Value::Null, |tree| tree.value);
    // `configuration` says what is wrong with it.
    let config = agency_gateway::Config::read(&tree, &Report::default());
    found.extend(seeing_programs(&config, data.path()));
    let fix =
        "give each agent the paths it needs and sandbox = \"strict\"; run quintet as its own user";
    found.extend(harden::open_doors(&config).into_iter().map(|door| warning(door, fix)));
    found.extend(config_file::missing_keys(&config).map(|(agent, key)| {
        warning(
            format!("agent {agent} uses {key}, which is not set here"),
            format!("set {key} where the server starts"),
        )
    }));
    let workspaces = workspaces::problems(&config, data, file.as_deref()).into_iter();
    found.extend(workspaces.map(|p| error(format!("{}: {}", p.path, p.message), p.fix)));
    let programs = NativePrograms::of(data, file, &config);
    found.extend(readiness::check(data, &config, &programs).await);
    let strict = config.programs().any(|(_, program)| is_strict(program));
    let any_hidden = config.programs().any(|(_, program)| !program.data_visible);
    if any_hidden && data.path().exists() {
        found.push(match start_hidden(&programs, strict).await {
            Ok(()) => ok("agents' programs cannot see the data directory"),
            Err(e) => error(
                format!("no agent's program can start: {}", e.detail),
                "do what the message says",
            ),
        });
    }
    found
}

/// A warning for each agent whose program sees the data directory.
fn seeing_programs(config: &agency_gateway::Config, data: &Path) -> Vec<Finding> {
    let seeing = config.programs().filter(|(_, program)| program.data_visible);
    let warn = |id: &str| {
        warning(
            format!("agent {id} runs a program that can read {} and its tokens", data.display()),
            "remove data_directory = \"visible\" unless that is meant",
        )
    };
    seeing.map(|(id, _)| warn(id)).collect()
}

fn is_strict(program: &agency_gateway::Program) -> bool {
    program.reach.confinement == Confinement::Strict
}

/// Starts this very program the way an agent's is.
async fn start_hidden(programs: &NativePrograms, strict: bool) -> PortResult<()> {
    let confinement = if strict { Confinement::Strict } else { Confinement::Off };
    let program = std::env::current_exe().unwrap_or_default().display().to_string();
    let spec = ProgramSpec {
        program,
        args: vec!["--version".to_owned()],
        reach: Reach { confinement, ..Reach::default() },
        task: "doctor".to_owned(),
        timeout_ms: 10_000,
        output_bytes_max: 4 << 10,
        ..ProgramSpec::default()
    };
    let mut running = programs.start(spec).await?;
    while let ProgramEvent::Line(_) = running.next().await {}
    Ok(())
}

async fn server(data: &DataDir) -> Finding {
    let Some(server) = data.server() else {
        return ok("no server is running on this data directory");
    };
    // Longer than a health check waits for an inbox.
    let Ok(client) = client_for(&server.address, Duration::from_secs(6)) else {
        return warning("skipped the server", "try again");
    };
    let silent = || {
        error(
            format!("server.json names {}, but no server answers there", server.address),
            "start it again with `quintet up`",
        )
    };
    let url = format!("{}/webhook-aggregator/health", server.address);
    let Ok(answer) = client.get(url).send().await else { return silent() };
    match serde_json::from_slice::<Health>(&answer.bytes().await.unwrap_or_default()) {
        Ok(health) if health.status == "ok" => {
            ok(format!("the server answers at {}", server.address))
        }
        Ok(health) => warning(
            format!("the server at {} is degraded: {}", server.address, health.problems.join(" ")),
            "look at its log and at the disk of its data directory",
        ),
        Err(_) => silent(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agency_gateway::Program;
    use agency_gateway::runner::{Ended, Finish, Job, Run, Runner, Tools};
    use agency_gateway::runners::Entry;
    use contracts::approval::Outcome;
    use platform::memory::runners::WRITING;
    use serde_json::json;
    use std::sync::Arc;

    #[derive(Debug)]
    struct MadeUp(Program);

    #[async_trait::async_trait]
    impl Runner for MadeUp {
        async fn start(&self, _: &Tools, _: &Job) -> Box<dyn Run> {
            Box::new(Ended(Finish::free(Outcome::Success, "done")))
        }
        fn program(&self) -> Option<&Program> {
            Some(&self.0)
        }
    }

    #[test]
    fn doctor_warns_of_a_made_up_runner_whose_program_sees_the_data() {
        let entry = Entry { kind: WRITING, read: |_, _, program| Arc::new(MadeUp(program)) };
        let agent =
            |data: &str| json!({"runner": WRITING.name, "command": ["x"], "data_directory": data});
        let table = json!({ "agents": { "shown": agent("visible"), "kept": agent("hidden") } });
        let report = Report::default();
        let config = agency_gateway::Config::read_with(&[entry], &table, &report);
        assert_eq!(report.into_problems(), []);
        let found = seeing_programs(&config, Path::new("/data"));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.starts_with("agent shown runs a program"), "{}", found[0].what);
    }
}
