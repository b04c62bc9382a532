//! `cargo xtask`: the one door for chores.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores speak to the terminal")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use xtask::{deploy, dev, documents, node, tidy, workers};

const CHORES: &[(&str, &str)] = &[
    ("test", "everything: tidy, lints, tests, wasm check, end-to-end (add --quick to leave the end-to-end part out)"),
    ("check", "lints and formatting alone"),
    ("wasm", "services compile for wasm32-unknown-unknown"),
    ("e2e", "official SDKs and the browser against the native binary, and the built Workers on Cloudflare's runtime (needs Node 22+ and Chromium)"),
    ("build", "the five Workers as Cloudflare runs them, into workers/<name>/dist (names build those alone)"),
    ("dev", "the five Workers on Cloudflare's runtime and the gateway, on this machine; storage is kept in .quintet-dev (--config FILE)"),
    ("deploy", "to Cloudflare: check, build, create, migrate, deploy, secrets (--config FILE, --dry-run works offline)"),
    ("sizes", "what the built Workers weigh, against workers/sizes.json and the limits (--write stores them)"),
    ("gen", "write what is generated: docs/errors.md, the router's model of complexity"),
    ("tidy", "house rules: imports, file heads, lengths, names"),
    ("bench", "start-up time, memory, accept and answer latency of the release binary, a route, a search; with `workers` also the built Workers"),
];

/// What must compile for Workers.
const WASM: &[&str] =
    &["contracts", "platform", "webhook-aggregator", "agency-router", "skill-graph-loader", "personal-assistant", "monitoring-dashboard", "agency-gateway"];

type Done = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let done = match args.first().map(String::as_str) {
        Some("test") => test(quick),
        Some("check") => lints(),
        Some("wasm") => wasm(),
        Some("e2e") => e2e(),
        Some("build") => workers::build(&root(), &args.iter().skip(1).map(String::as_str).collect::<Vec<_>>()),
        Some("dev") => dev::run(&root(), config(&args).as_deref()),
        Some("deploy") => deploy::run(&root(), config(&args).as_deref(), args.iter().any(|arg| arg == "--dry-run")),
        Some("sizes") => workers::sizes(&root(), args.iter().any(|arg| arg == "--write")),
        Some("gen") => generate(),
        Some("tidy") => tidy_all(),
        Some("bench") => bench(args.iter().any(|arg| arg == "workers")),
        Some(other) => Err(format!("there is no chore {other}")),
        None => {
            for (name, what) in CHORES {
                println!("cargo xtask {name:<6} {what}");
            }
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What follows `--config`.
fn config(args: &[String]) -> Option<PathBuf> {
    let at = args.iter().position(|arg| arg == "--config")?;
    args.get(at + 1).map(PathBuf::from)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn run(program: &str, args: &[&str]) -> Done {
    println!("$ {program} {}", args.join(" "));
    let status = Command::new(program).args(args).current_dir(root()).status().map_err(|e| format!("{program} cannot be run: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed", args.join(" "))) }
}

fn test(quick: bool) -> Done {
    tidy_all()?;
    lints()?;
    wasm()?;
    // The scenarios run the real binary too: it is built first, and a missing one is an error and not a skip. So are the
    // Workers, where there is a Node to run them.
    run("cargo", &["build", "--package", "quintet"])?;
    let workers = !quick && node::install(&root())?;
    if workers {
        workers::build(&root(), &[])?;
        workers::check_sizes(&root())?;
    }
    run("cargo", &["test", "--workspace", "--all-features"])?;
    if quick { Ok(()) } else { e2e() }
}

fn tidy_all() -> Done {
    let problems = tidy::problems(&root());
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { Ok(()) } else { Err(format!("{} house rule(s) broken", problems.len())) }
}

fn lints() -> Done {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])
}

fn wasm() -> Done {
    workers::install_target(&root())?;
    let mut args = vec!["check", "--target", "wasm32-unknown-unknown"];
    for package in WASM {
        args.extend(["--package", package]);
    }
    run("cargo", &args)
}

fn e2e() -> Done {
    // Not the Node on PATH, which may be older: the one that the Workers' packages bring.
    if node::install(&root())? {
        return run(&node::binary(&root()).to_string_lossy(), &["e2e/run.mjs"]);
    }
    println!("There is no Node to begin with: the official SDKs and the browser were NOT tried. Everything else ran.");
    Ok(())
}

/// `docs/errors.md`, and the router's model of complexity from its messages.
fn generate() -> Done {
    documents::write(&root())?;
    run("cargo", &["run", "--quiet", "--package", "agency-router", "--example", "train_complexity"])
}

fn bench(workers: bool) -> Done {
    run("cargo", &["build", "--release", "--package", "quintet"])?;
    run("cargo", &["run", "--quiet", "--release", "--package", "quintet", "--example", "bench"])?;
    run("cargo", &["run", "--quiet", "--release", "--package", "agency-router", "--example", "route_bench"])?;
    run("cargo", &["test", "--quiet", "--release", "--package", "skill-graph-loader", "--test", "speed", "--", "--ignored", "--nocapture"])?;
    if workers && node::install(&root())? {
        let node = node::binary(&root());
        let node = node.to_string_lossy();
        // The second is worth its time whatever the first says.
        let requests = run(&node, &["e2e/workers.bench.mjs"]);
        run(&node, &["e2e/workers.figures.mjs"]).and(requests)
    } else {
        Ok(())
    }
}
